"""The archive in the browser: what the server does of it, which is little.

The server hands out sealed bytes to people who have logged in, and takes sealed bytes back. What opens them never
comes here: not the workshop key, not the device secret that the bundle of keys is wrapped with, and of the password
only a login secret that was stretched in the browser (P8).

One table (`routes`) says who may do what; `gate` is the only way to a handler, and whatever is not in the table is
refused. `vault` seals what the server itself must keep (names, reasons, second factors), so that a copy of the
database alone tells nobody's name and allows no guessing at passwords. `books` are the tables. The audit log is
written here, in the same transaction as what it tells of or before it, and cannot be gone round by a browser.
"""
