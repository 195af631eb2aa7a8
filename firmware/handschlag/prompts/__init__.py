"""What the box says into the line: announcements per language, with their exact texts, and its sounds.

A prompt is evidence: the consent record names the version and the hash of what was played, so the text stands
beside the recording and both are checked together. The shipped ones speak for a sample company; a workshop
installs its own folder of the same shape.

The shipped voices were made by `tools/make-sounds` with SVOX Pico (`pico2wave`, Apache-2.0, voices de-DE and
en-GB); the product itself carries only the WAV files and needs no synthesiser.
"""
