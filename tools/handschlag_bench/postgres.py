"""A real PostgreSQL in a folder of its own, on a socket in that folder: Debian's server, for tests and benches.

It refuses to run as root; then it runs as `postgres`, or as `nobody`.
"""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import subprocess
import threading
import time
from pathlib import Path
from typing import Final, Self

import psycopg

_PATIENCE_S: Final = 60.0


class NoPostgreSQL(RuntimeError):
    """There is no server here, or it does not start; the message says what to do."""


def find_programs() -> Path:
    """The folder with the newest server's programs; raises NoPostgreSQL."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parent.parent.name))
    if not found:
        raise NoPostgreSQL("no PostgreSQL server here; get it with: apt-get install postgresql")
    return found[-1].parent


class PostgreSQL:
    """One server in the new folder `folder`. `durable`: what it says is committed has been synced, as in a workshop.

    Raises:
        NoPostgreSQL: see there.
    """

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        self._programs = find_programs()
        self._user = _unprivileged()
        self.folder = folder
        self._durable = durable
        folder.mkdir(parents=True, exist_ok=True)
        if self._user is not None:
            account = pwd.getpwnam(self._user)
            os.chown(self.folder, account.pw_uid, account.pw_gid)
        self._numbers = itertools.count()
        self._process: subprocess.Popen[bytes] | None = None
        self._run("initdb", "-D", self._data, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-locale", "-N")

    @property
    def _data(self) -> str:
        return str(self.folder / "data")

    def start(self) -> Self:
        """Start, and wait until it takes connections."""
        command = [str(self._programs / "postgres"), "-D", self._data, "-k", str(self.folder)]
        options = {"listen_addresses": "", "shared_buffers": "32MB", "max_connections": "40"}
        for name, value in (options if self._durable else {**options, "fsync": "off"}).items():
            command += ["-c", f"{name}={value}"]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, user=self._user, extra_groups=[] if self._user else None
            )
        end = time.monotonic() + _PATIENCE_S
        while True:
            try:
                psycopg.connect(self._conninfo("postgres")).close()
            except psycopg.OperationalError as error:
                if self._process.poll() is not None or time.monotonic() > end:
                    raise NoPostgreSQL(f"it does not start: {(self.folder / 'log').read_text()}") from error
                threading.Event().wait(0.05)
            else:
                return self

    def kill(self) -> None:
        """Take it away in the middle of what it does (SIGQUIT: it recovers from its log at the next start)."""
        if self._process is not None:
            self._process.send_signal(3)
            self._process.wait(timeout=_PATIENCE_S)

    def close(self) -> None:
        """Stop it, and leave nothing."""
        if self._process is not None and self._process.poll() is None:
            self.kill()
        shutil.rmtree(self.folder)

    def new_database(self) -> str:
        """The URL of an empty database."""
        name = f"archive_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} STRATEGY file_copy")
        return self.url(name)

    def url(self, name: str) -> str:
        """A database's URL."""
        return f"postgresql+psycopg://postgres@/{name}?host={self.folder}"

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run one statement as the server's owner."""
        with psycopg.connect(self._conninfo(database), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def end_connections(self, name: str) -> None:
        """End every connection to a database."""
        with psycopg.connect(self._conninfo("postgres"), autocommit=True) as connection:
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])

    def _conninfo(self, database: str) -> str:
        return f"host={self.folder} user=postgres dbname={database} connect_timeout=10"

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [str(self._programs / program), *arguments],
            check=True,
            capture_output=True,
            timeout=_PATIENCE_S,
            user=self._user,
            extra_groups=[] if self._user else None,
            cwd=self.folder,
        )


def _unprivileged() -> str | None:
    """Whom the server is to run as; None for whoever runs this."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return name
    raise NoPostgreSQL("it refuses root, and there is neither a user postgres nor nobody; run this as another")
