"""The tables as they are today; how they came to be is written in the migrations, and a test holds both together."""

from typing import Final

import sqlalchemy as sql

metadata: Final = sql.MetaData()

about: Final = sql.Table(
    "about", metadata, sql.Column("name", sql.String(32), primary_key=True), sql.Column("value", sql.String(64))
)
recordings: Final = sql.Table(
    "recordings",
    metadata,
    sql.Column("box", sql.String(32), primary_key=True),
    sql.Column("recording", sql.String(36), primary_key=True),
    sql.Column("state", sql.String(12), nullable=False),
    sql.Column("manifest_sha256", sql.String(64)),
    sql.Column("stored_at", sql.String(40)),
    sql.Column("epoch", sql.String(64)),
    sql.Column("retain_until", sql.String(40)),
    sql.Column("receipt", sql.LargeBinary),
    sql.Column("revoke", sql.LargeBinary),
    sql.Column("kept_for", sql.String(64)),  # the manifest's retention class
    sql.Column("held", sql.Boolean, nullable=False, server_default=sql.false()),
    sql.Column("checked_at", sql.String(40)),  # when all its bytes were last read and compared
    sql.Column("ended_why", sql.String(16)),  # of a tombstone: why it stands, and since when
    sql.Column("ended_at", sql.String(40)),
    sql.Column("settled", sql.Boolean, nullable=False, server_default=sql.false()),  # cleared again after its end
    sql.Index("recordings_by_end", "state", "retain_until"),
)
files: Final = sql.Table(
    "files",
    metadata,
    sql.Column("box", sql.String(32), primary_key=True),
    sql.Column("recording", sql.String(36), primary_key=True),
    sql.Column("name", sql.String(40), primary_key=True),
    sql.Column("sha256", sql.String(64), primary_key=True),
    sql.Column("size", sql.BigInteger, nullable=False),
    sql.Column("copies", sql.Integer, nullable=False, server_default=sql.text("1")),  # how many stores hold it
)
ledger: Final = sql.Table(
    "ledger",
    metadata,
    sql.Column("box", sql.String(32), primary_key=True),
    sql.Column("seq", sql.BigInteger, primary_key=True),
    sql.Column("sha256", sql.String(64), primary_key=True),
    sql.Column("prev", sql.String(64), nullable=False),
    sql.Column("line", sql.LargeBinary, nullable=False),
)
ledger_heads: Final = sql.Table(
    "ledger_heads",
    metadata,
    sql.Column("box", sql.String(32), primary_key=True),
    sql.Column("seq", sql.BigInteger, nullable=False),
    sql.Column("sha256", sql.String(64), nullable=False),
)
ledger_forks: Final = sql.Table(
    "ledger_forks",
    metadata,
    sql.Column("box", sql.String(32), primary_key=True),
    sql.Column("seq", sql.BigInteger, primary_key=True),
)
alarms: Final = sql.Table(
    "alarms",
    metadata,
    sql.Column("kind", sql.String(32), primary_key=True),
    sql.Column("box", sql.String(32), primary_key=True),  # "" where it is about the archive itself
    sql.Column("subject", sql.String(128), primary_key=True),
    sql.Column("since", sql.String(40), nullable=False),
    sql.Column("last", sql.String(40), nullable=False),
    sql.Column("text", sql.String(500), nullable=False),
    sql.Column("cleared", sql.String(40)),
)
owner_messages: Final = sql.Table(
    "owner_messages",
    metadata,
    sql.Column("box", sql.String(32), primary_key=True),
    sql.Column("id", sql.String(32), primary_key=True),
    sql.Column("counter", sql.BigInteger, nullable=False),
    sql.Column("name", sql.String(16), nullable=False),
    sql.Column("recording", sql.String(36)),
    sql.Column("token", sql.LargeBinary, nullable=False),
    sql.Column("taken_at", sql.String(40), nullable=False),
    sql.Column("outcome", sql.String(32), nullable=False),  # what came of it at the archive
    sql.Column("sent_at", sql.String(40)),  # when it last went to the box
    sql.Column("sent", sql.Integer, nullable=False, server_default=sql.text("0")),  # how often
    sql.Column("reply", sql.String(64)),  # what came of it at the box
    sql.Column("replied_at", sql.String(40)),
    sql.Index("owner_messages_by_recording", "box", "recording"),
)
ledger_epochs: Final = sql.Table(
    "ledger_epochs",
    metadata,
    sql.Column("box", sql.String(32), primary_key=True),
    sql.Column("epoch", sql.BigInteger, primary_key=True),
    sql.Column("seq", sql.BigInteger, nullable=False),  # the line that the owner's word stands in
    sql.Column("sha256", sql.String(64), nullable=False),
    sql.Column("settles_to", sql.BigInteger, nullable=False),  # up to where lines of another history may lie
    sql.Column("noted_at", sql.String(40), nullable=False),
    sql.Column("reached", sql.Boolean, nullable=False, server_default=sql.false()),  # whether the head has come there
)
