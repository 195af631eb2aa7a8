"""An evidence export: one recording, laid out so that somebody who has nothing of ours can check it.

A folder, and the same as a zip file: the sealed original as it is, what it sounds like, who agreed to what and when,
the part of the ledger that says so, the archive's receipt, a page to read in German and English, and a program of its
own that checks all of it. `layout` names the files, `build` makes their contents, `place` writes them, `check` reads
them back and finds the first thing wrong. `verifier.py` is the program that travels along; it shares no code with the
rest.

An export is made by who may hear the recording (workshop key). It is *signed* by the owner's signing key only: giving
a conversation away is an act of the owner, like a rewrap or an erasure. The box's key is not used, as the box cannot
know what was said; staff have no signing key, so an export of theirs says that it is unsigned. Either way the sealed
original carries the box's signature, and the receipt the archive's.

The recording's own key travels along. It opens this one recording, which lies beside it in clear anyway, and only with
it can a third person see that the audio is what was sealed: the head commits to the key, the box signed the head.
"""
