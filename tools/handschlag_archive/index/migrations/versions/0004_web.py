"""People, sessions, the audit log and what browsers store back; recordings can be looked up by id alone.

The audit log only grows: the database itself refuses to change or remove a line.
"""

import sqlalchemy as sql
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables."""
    op.create_index("recordings_by_id", "recordings", ["recording", "box"])
    _people()
    _log()
    _stored_back()


def _people() -> None:
    op.create_table(
        "people",
        sql.Column("person", sql.String(32), primary_key=True),
        sql.Column("name_key", sql.String(64), unique=True),
        sql.Column("name", sql.LargeBinary, nullable=False),
        sql.Column("role", sql.String(16), nullable=False),
        sql.Column("salt", sql.LargeBinary, nullable=False),
        sql.Column("login_salt", sql.LargeBinary, nullable=False),
        sql.Column("login", sql.LargeBinary, nullable=False),
        sql.Column("wrapped", sql.LargeBinary),
        sql.Column("totp", sql.LargeBinary),
        sql.Column("totp_new", sql.LargeBinary),
        sql.Column("totp_step", sql.BigInteger, nullable=False, server_default=sql.text("0")),
        sql.Column("joined_at", sql.String(40), nullable=False),
        sql.Column("removed_at", sql.String(40)),
    )
    op.create_table(
        "sessions",
        sql.Column("session", sql.String(32), primary_key=True),
        sql.Column("person", sql.String(32), nullable=False, index=True),
        sql.Column("token", sql.String(64), nullable=False, unique=True),
        sql.Column("old_token", sql.String(64), unique=True),
        sql.Column("began_at", sql.String(40), nullable=False),
        sql.Column("rotated_at", sql.String(40), nullable=False),
        sql.Column("seen_at", sql.String(40), nullable=False),
    )
    op.create_table(
        "invitations",
        sql.Column("invitation", sql.String(32), primary_key=True),
        sql.Column("token", sql.String(64), nullable=False),
        sql.Column("person", sql.String(32), nullable=False),
        sql.Column("name_key", sql.String(64), nullable=False, unique=True),
        sql.Column("name", sql.LargeBinary, nullable=False),
        sql.Column("role", sql.String(16), nullable=False),
        sql.Column("wrapped", sql.LargeBinary),
        sql.Column("expires_at", sql.String(40), nullable=False),
    )
    op.create_table(
        "failures",
        sql.Column("name_key", sql.String(64), primary_key=True),
        sql.Column("tries", sql.Integer, nullable=False),
        sql.Column("last_at", sql.String(40), nullable=False),
        sql.Column("locked_until", sql.String(40)),
    )


def _log() -> None:
    op.create_table(
        "played",
        sql.Column("session", sql.String(32), primary_key=True),
        sql.Column("box", sql.String(32), primary_key=True),
        sql.Column("recording", sql.String(36), primary_key=True),
    )
    op.create_table(
        "audit",
        sql.Column("seq", sql.BigInteger, primary_key=True, autoincrement=False),
        sql.Column("sha256", sql.String(64), nullable=False),
        sql.Column("line", sql.LargeBinary, nullable=False),
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE FUNCTION audit_only_grows() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'the audit log only grows'; END $$"
        )
        op.execute(
            "CREATE TRIGGER audit_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON audit "
            "FOR EACH STATEMENT EXECUTE FUNCTION audit_only_grows()"
        )
        return
    for change in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER audit_only_grows_{change.lower()} BEFORE {change} ON audit "
            "BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END"
        )


def _stored_back() -> None:
    op.create_table(
        "sealed_indexes",
        sql.Column("month", sql.String(7), primary_key=True),
        sql.Column("etag", sql.String(64), nullable=False),
        sql.Column("stored_at", sql.String(40), nullable=False),
        sql.Column("ended", sql.BigInteger, nullable=False),
        sql.Column("size", sql.BigInteger, nullable=False),
        sql.Column("sealed", sql.LargeBinary, nullable=False),
    )
    op.create_table(
        "notes",
        sql.Column("box", sql.String(32), primary_key=True),
        sql.Column("recording", sql.String(36), primary_key=True),
        sql.Column("note", sql.Integer, primary_key=True, autoincrement=False),
        sql.Column("person", sql.String(32), nullable=False),
        sql.Column("at", sql.String(40), nullable=False),
        sql.Column("sealed", sql.LargeBinary, nullable=False),
    )
