"""The tables that there were when migrations began (layout "1")."""

import sqlalchemy as sql
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "about",
        sql.Column("name", sql.String(32), primary_key=True),
        sql.Column("value", sql.String(64)),
    )
    op.create_table(
        "recordings",
        sql.Column("box", sql.String(32), primary_key=True),
        sql.Column("recording", sql.String(36), primary_key=True),
        sql.Column("state", sql.String(12), nullable=False),
        sql.Column("manifest_sha256", sql.String(64)),
        sql.Column("stored_at", sql.String(40)),
        sql.Column("epoch", sql.String(64)),
        sql.Column("retain_until", sql.String(40)),
        sql.Column("receipt", sql.LargeBinary),
        sql.Column("revoke", sql.LargeBinary),
    )
    op.create_table(
        "files",
        sql.Column("box", sql.String(32), primary_key=True),
        sql.Column("recording", sql.String(36), primary_key=True),
        sql.Column("name", sql.String(40), primary_key=True),
        sql.Column("sha256", sql.String(64), primary_key=True),
        sql.Column("size", sql.BigInteger, nullable=False),
    )
    op.create_table(
        "ledger",
        sql.Column("box", sql.String(32), primary_key=True),
        sql.Column("seq", sql.BigInteger, primary_key=True),
        sql.Column("sha256", sql.String(64), primary_key=True),
        sql.Column("prev", sql.String(64), nullable=False),
        sql.Column("line", sql.LargeBinary, nullable=False),
    )
    op.create_table(
        "ledger_heads",
        sql.Column("box", sql.String(32), primary_key=True),
        sql.Column("seq", sql.BigInteger, nullable=False),
        sql.Column("sha256", sql.String(64), nullable=False),
    )
    op.create_table(
        "ledger_forks",
        sql.Column("box", sql.String(32), primary_key=True),
        sql.Column("seq", sql.BigInteger, primary_key=True),
    )
