"""How an older database becomes one of today: Alembic migrations, applied at every start.

At the start, and not by a command of its own: the embedded database belongs to workshops that have nobody to run
one, and an archive that waits for it takes nothing in. All of it is one transaction under a lock, so that of many
workers that start at once one migrates and the others find it done, and a cut leaves the old database. A database
from before the migrations (layout "1") is taken over as it is; one that is newer than this program is refused, since
nobody knows what its columns mean.
"""

import logging
import threading
from pathlib import Path
from typing import Final

import sqlalchemy as sql
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from handschlag_archive.index.values import BadIndex

_BASELINE: Final = "0001"
_BASELINE_LAYOUT: Final = "1"
_LOCK: Final = 0x48_53_43_48  # "HSCH": PostgreSQL's advisory lock around migrations
_alembic: Final = threading.Lock()  # Alembic keeps what it is doing in a module
logging.getLogger("alembic").setLevel(logging.WARNING)  # it tells at every start that there was nothing to do


def migrate(connection: sql.Connection) -> None:
    """Bring the database to what this program works with, in the transaction that `connection` is in.

    Raises:
        BadIndex: it is newer than this program, or no index at all.

    """
    if connection.dialect.name == "postgresql":
        connection.execute(sql.select(sql.func.pg_advisory_xact_lock(_LOCK)))
    with _alembic:
        _migrate(connection)


def _migrate(connection: sql.Connection) -> None:
    config = _config(connection)
    steps = [step.revision for step in ScriptDirectory.from_config(config).walk_revisions()]
    known = MigrationContext.configure(connection).get_current_revision()
    if known is None and sql.inspect(connection).has_table("about"):
        _check_layout(connection)
        command.stamp(config, _BASELINE)
    elif known is not None and known not in steps:
        raise BadIndex(
            f"the index is at step {known}; this program knows the steps up to {steps[0]}: "
            "run the version of handschlag-archive that made it, or a newer one"
        )
    if known != steps[0]:
        command.upgrade(config, "head")


def _check_layout(connection: sql.Connection) -> None:
    layout = connection.execute(sql.text("SELECT value FROM about WHERE name = 'layout'")).scalar()
    if layout != _BASELINE_LAYOUT:
        raise BadIndex(f"the index has layout {layout}; this program knows {_BASELINE_LAYOUT}, and those by migrations")


def _config(connection: sql.Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
