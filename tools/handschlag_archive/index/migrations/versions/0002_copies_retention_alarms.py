"""Copies of files, what is known of keeping a recording, and alarms.

The layout's number goes to "2": programs from before the migrations then refuse this database by themselves.
"""

import sqlalchemy as sql
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns and the table."""
    op.add_column("files", sql.Column("copies", sql.Integer, nullable=False, server_default=sql.text("1")))
    op.add_column("recordings", sql.Column("kept_for", sql.String(64)))
    op.add_column("recordings", sql.Column("held", sql.Boolean, nullable=False, server_default=sql.false()))
    op.add_column("recordings", sql.Column("checked_at", sql.String(40)))
    op.create_table(
        "alarms",
        sql.Column("kind", sql.String(32), primary_key=True),
        sql.Column("box", sql.String(32), primary_key=True),
        sql.Column("subject", sql.String(128), primary_key=True),
        sql.Column("since", sql.String(40), nullable=False),
        sql.Column("last", sql.String(40), nullable=False),
        sql.Column("text", sql.String(500), nullable=False),
        sql.Column("cleared", sql.String(40)),
    )
    about = sql.table("about", sql.column("name", sql.String), sql.column("value", sql.String))
    op.execute(sql.delete(about).where(about.c.name == "layout"))
    op.execute(sql.insert(about).values(name="layout", value="2"))
