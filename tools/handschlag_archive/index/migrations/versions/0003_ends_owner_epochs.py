"""Why and when a recording ended, the owner's messages, and the epochs of ledgers."""

import sqlalchemy as sql
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns and the tables."""
    op.add_column("recordings", sql.Column("ended_why", sql.String(16)))
    op.add_column("recordings", sql.Column("ended_at", sql.String(40)))
    op.add_column("recordings", sql.Column("settled", sql.Boolean, nullable=False, server_default=sql.false()))
    op.create_index("recordings_by_end", "recordings", ["state", "retain_until"])
    op.create_table(
        "owner_messages",
        sql.Column("box", sql.String(32), primary_key=True),
        sql.Column("id", sql.String(32), primary_key=True),
        sql.Column("counter", sql.BigInteger, nullable=False),
        sql.Column("name", sql.String(16), nullable=False),
        sql.Column("recording", sql.String(36)),
        sql.Column("token", sql.LargeBinary, nullable=False),
        sql.Column("taken_at", sql.String(40), nullable=False),
        sql.Column("outcome", sql.String(32), nullable=False),
        sql.Column("sent_at", sql.String(40)),
        sql.Column("sent", sql.Integer, nullable=False, server_default=sql.text("0")),
        sql.Column("reply", sql.String(64)),
        sql.Column("replied_at", sql.String(40)),
    )
    op.create_index("owner_messages_by_recording", "owner_messages", ["box", "recording"])
    op.create_table(
        "ledger_epochs",
        sql.Column("box", sql.String(32), primary_key=True),
        sql.Column("epoch", sql.BigInteger, primary_key=True),
        sql.Column("seq", sql.BigInteger, nullable=False),
        sql.Column("sha256", sql.String(64), nullable=False),
        sql.Column("settles_to", sql.BigInteger, nullable=False),
        sql.Column("noted_at", sql.String(40), nullable=False),
        sql.Column("reached", sql.Boolean, nullable=False, server_default=sql.false()),
    )
