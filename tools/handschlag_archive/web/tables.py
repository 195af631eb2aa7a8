"""The tables of the archive in the browser, beside those of the index and in the same database.

Nothing in them is readable without the web's secret or the workshop key but roles, times, ids and sizes.
"""

from typing import Final

import sqlalchemy as sql

from handschlag_archive.index.tables import metadata

people: Final = sql.Table(
    "people",
    metadata,
    sql.Column("person", sql.String(32), primary_key=True),
    sql.Column("name_key", sql.String(64), unique=True),  # NULL once removed: the name is free again
    sql.Column("name", sql.LargeBinary, nullable=False),  # sealed by the server
    sql.Column("role", sql.String(16), nullable=False),
    sql.Column("salt", sql.LargeBinary, nullable=False),  # of the stretching in the browser
    sql.Column("login_salt", sql.LargeBinary, nullable=False),
    sql.Column("login", sql.LargeBinary, nullable=False),
    sql.Column("wrapped", sql.LargeBinary),  # the bundle of keys, wrapped in the browser
    sql.Column("totp", sql.LargeBinary),  # sealed by the server
    sql.Column("totp_new", sql.LargeBinary),  # likewise, until a first code has been given
    sql.Column("totp_step", sql.BigInteger, nullable=False, server_default=sql.text("0")),  # the last one used
    sql.Column("joined_at", sql.String(40), nullable=False),
    sql.Column("removed_at", sql.String(40)),
)
sessions: Final = sql.Table(
    "sessions",
    metadata,
    sql.Column("session", sql.String(32), primary_key=True),
    sql.Column("person", sql.String(32), nullable=False, index=True),
    sql.Column("token", sql.String(64), nullable=False, unique=True),  # hashed
    sql.Column("old_token", sql.String(64), unique=True),  # hashed; good for requests that were under way
    sql.Column("began_at", sql.String(40), nullable=False),
    sql.Column("rotated_at", sql.String(40), nullable=False),
    sql.Column("seen_at", sql.String(40), nullable=False),
)
played: Final = sql.Table(
    "played",
    metadata,
    sql.Column("session", sql.String(32), primary_key=True),
    sql.Column("box", sql.String(32), primary_key=True),
    sql.Column("recording", sql.String(36), primary_key=True),
)
invitations: Final = sql.Table(
    "invitations",
    metadata,
    sql.Column("invitation", sql.String(32), primary_key=True),
    sql.Column("token", sql.String(64), nullable=False),  # hashed
    sql.Column("person", sql.String(32), nullable=False),  # who will have been invited
    sql.Column("name_key", sql.String(64), nullable=False, unique=True),
    sql.Column("name", sql.LargeBinary, nullable=False),  # sealed by the server
    sql.Column("role", sql.String(16), nullable=False),
    sql.Column("wrapped", sql.LargeBinary),
    sql.Column("expires_at", sql.String(40), nullable=False),
)
failures: Final = sql.Table(
    "failures",
    metadata,
    sql.Column("name_key", sql.String(64), primary_key=True),
    sql.Column("tries", sql.Integer, nullable=False),
    sql.Column("last_at", sql.String(40), nullable=False),
    sql.Column("locked_until", sql.String(40)),
)
audit: Final = sql.Table(
    "audit",
    metadata,
    sql.Column("seq", sql.BigInteger, primary_key=True, autoincrement=False),
    sql.Column("sha256", sql.String(64), nullable=False),
    sql.Column("line", sql.LargeBinary, nullable=False),
)
sealed_indexes: Final = sql.Table(
    "sealed_indexes",
    metadata,
    sql.Column("month", sql.String(7), primary_key=True),
    sql.Column("etag", sql.String(64), nullable=False),
    sql.Column("stored_at", sql.String(40), nullable=False),
    sql.Column("ended", sql.BigInteger, nullable=False),  # how many of the month's recordings were over
    sql.Column("size", sql.BigInteger, nullable=False),
    sql.Column("sealed", sql.LargeBinary, nullable=False),
)
notes: Final = sql.Table(
    "notes",
    metadata,
    sql.Column("box", sql.String(32), primary_key=True),
    sql.Column("recording", sql.String(36), primary_key=True),
    sql.Column("note", sql.Integer, primary_key=True, autoincrement=False),
    sql.Column("person", sql.String(32), nullable=False),
    sql.Column("at", sql.String(40), nullable=False),
    sql.Column("sealed", sql.LargeBinary, nullable=False),
)
