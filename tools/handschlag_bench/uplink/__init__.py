"""`tools/bench uplink`: how fast recordings come from boxes through the broker into the archive, and what that takes.

Certificates, access rules and the broker's configuration are the shipped ones; box, broker and archive are processes.
"""
