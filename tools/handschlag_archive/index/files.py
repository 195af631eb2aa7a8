"""Files in the index: which bytes of a recording are here, and in how many stores."""

from collections.abc import Collection, Iterable, Iterator

import sqlalchemy as sql

from handschlag.sealing.manifest import MANIFEST
from handschlag_archive.index import tables
from handschlag_archive.index.statements import Statements
from handschlag_archive.index.values import State, Which
from handschlag_archive.stores.port import Place

_table = tables.files


class Files(Statements):
    """What can be asked and changed about files."""

    def add_files(self, files: Iterable[tuple[Place, int]], *, copies: int = 1) -> None:
        """Note files with their sizes and in how many stores they are; known ones stay as they are."""
        self._insert_new(
            _table,
            [
                {
                    "box": p.box,
                    "recording": p.recording,
                    "name": p.name,
                    "sha256": p.sha256,
                    "size": size,
                    "copies": copies,
                }
                for p, size in files
            ],
        )

    def remove_files(self, places: Iterable[Place]) -> None:
        """Forget files."""
        gone = [_parameters(place) for place in sorted(places)]
        if gone:
            self._connection.execute(sql.delete(_table).where(_IS_IT), gone)

    def set_copies(self, places: Iterable[Place], copies: int) -> None:
        """Note in how many stores these files are now."""
        changed = [_parameters(place) for place in sorted(places)]
        if changed:
            self._connection.execute(sql.update(_table).where(_IS_IT).values(copies=copies), changed)

    def copies(self, which: Which) -> dict[Place, int]:
        """Every file known of one recording, and in how many stores it is."""
        rows = self._connection.execute(
            sql.select(_table.c.name, _table.c.sha256, _table.c.copies).where(
                _table.c.box == which.box, _table.c.recording == which.recording
            )
        )
        return {Place(which.box, which.recording, row.name, row.sha256): row.copies for row in rows}

    def short_of(self, copies: int) -> Iterator[tuple[Place, int]]:
        """Every file that is in fewer stores than that, with their number."""
        for row in self._connection.execute(sql.select(_table).where(_table.c.copies < copies)):
            yield Place(row.box, row.recording, row.name, row.sha256), row.copies

    def files(self, which: Which) -> frozenset[Place]:
        """Every file known of one recording."""
        rows = self._connection.execute(
            sql.select(_table.c.name, _table.c.sha256).where(
                _table.c.box == which.box, _table.c.recording == which.recording
            )
        )
        return frozenset(Place(which.box, which.recording, row.name, row.sha256) for row in rows)

    def known(self, places: Collection[Place]) -> frozenset[Place]:
        """Those of `places` that are files known here."""
        rows = [(place.box, place.recording, place.name, place.sha256) for place in places]
        listed, parameters = self._listed(_KEY, rows)
        same = sql.and_(*(column == listed.c[column.name] for column in _KEY))
        query = sql.select(*_KEY).select_from(_table.join(listed, same))
        return frozenset(Place(*row) for row in self._connection.execute(query, parameters))

    def names(self, wanted: Iterable[Which]) -> dict[Which, set[str]]:
        """The names under which something is here, for each of these recordings."""
        found: dict[Which, set[str]] = {which: set() for which in wanted}
        source, parameters = self._of(_table, found)
        query = sql.select(_table.c.box, _table.c.recording, _table.c.name).select_from(source)
        for row in self._connection.execute(query, parameters):
            found[Which(row.box, row.recording)].add(row.name)
        return found

    def manifests(self, wanted: Iterable[Which]) -> dict[Which, list[Place]]:
        """The manifests of these recordings, by hash; of those that have any."""
        source, parameters = self._of(_table, wanted)
        query = sql.select(*_KEY).select_from(source).where(_table.c.name == MANIFEST).order_by(*_KEY)
        found: dict[Which, list[Place]] = {}
        for row in self._connection.execute(query, parameters):
            found.setdefault(Which(row.box, row.recording), []).append(Place(*row))
        return found

    def waiting_manifests(self, after: Which | None, count: int) -> dict[Which, int]:
        """Open recordings of which a manifest is here, and how many files of each are.

        Those behind `after`, or from the first on, by box and id; at most `count`.
        """
        recordings = tables.recordings
        of_it = sql.and_(_table.c.box == recordings.c.box, _table.c.recording == recordings.c.recording)
        files = sql.select(sql.func.count()).select_from(_table).where(of_it).correlate(recordings).scalar_subquery()
        query = (
            sql.select(recordings.c.box, recordings.c.recording, files.label("files"))
            .where(recordings.c.state == State.OPEN.value, sql.exists().where(of_it, _table.c.name == MANIFEST))
            .order_by(recordings.c.box, recordings.c.recording)
            .limit(count)
        )
        if after is not None:
            query = query.where(sql.tuple_(recordings.c.box, recordings.c.recording) > (after.box, after.recording))
        return {Which(row.box, row.recording): row.files for row in self._connection.execute(query)}

    def taken(self, recordings: Iterable[Which]) -> tuple[int, int]:
        """How many files, and how many bytes, these recordings have."""
        source, parameters = self._of(_table, recordings)
        query = sql.select(sql.func.count(), sql.func.coalesce(sql.func.sum(_table.c.size), 0)).select_from(source)
        row = self._connection.execute(query, parameters).one()
        return int(row[0]), int(row[1])

    def sizes(self, which: Which) -> dict[Place, int]:
        """Every file known of one recording, with its size."""
        query = sql.select(*_KEY, _table.c.size).where(_table.c.box == which.box, _table.c.recording == which.recording)
        return {Place(*row[:4]): int(row[4]) for row in self._connection.execute(query)}


_KEY = (_table.c.box, _table.c.recording, _table.c.name, _table.c.sha256)
_IS_IT = sql.and_(
    _table.c.box == sql.bindparam("of_box"),
    _table.c.recording == sql.bindparam("of_recording"),
    _table.c.name == sql.bindparam("of_name"),
    _table.c.sha256 == sql.bindparam("of_sha256"),
)


def _parameters(place: Place) -> dict[str, str]:
    return {"of_box": place.box, "of_recording": place.recording, "of_name": place.name, "of_sha256": place.sha256}
