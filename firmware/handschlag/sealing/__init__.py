"""The sealed recording: pure bytes in, pure bytes out.

Nothing here opens a file, asks a clock or starts a thread; whoever calls brings bytes, times and names. What is signed
or hashed has one spelling only (`encoding`), so that two readers can never disagree about what was signed.

`recording` seals while a call runs, `manifest` signs what came of it, `ledger` chains the decisions, `verify` checks
all of that with public keys alone, and `open` needs the workshop key.
"""
