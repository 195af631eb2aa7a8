"""The archive: takes in what boxes send, keeps it for years, and answers with signed receipts.

It cannot hear what it keeps (P8): of the box's code it knows `handschlag.sealing` only, and there it uses what
needs public keys and nothing else.
"""
