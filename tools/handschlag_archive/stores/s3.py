"""A store in a bucket of an S3 service: `<prefix><box>/<recording>/<name>.<sha256>`.

Clips and keys ask opposite things of their bucket. Clips go where every version is kept and object lock makes them
irremovable until a date, even for whoever holds the credentials. Keys go where nothing is versioned and nothing
locked, so that a removed key is gone at once, and with it everything that it opened (P7, P8). A bucket that is not
what it must be is refused before anything is put into it.

What the service says wrong becomes `StoreDown`, an OSError: its text names bucket, operation and the service's error
code; never a payload, a header or a credential. Attempts and their time are bounded; who calls tries again later.
"""

import base64
import functools
import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from handschlag.errors import HandschlagError
from handschlag_archive.stores.port import Kept, LostBytes, Place, StoreDown

_MOST_AT_ONCE: Final = 1000
"""The most objects of one request that lists or deletes."""
_NO_SUCH: Final = frozenset({"NoSuchKey", "NoSuchVersion", "404", "NotFound"})
_HAS_NO: Final = frozenset({"NotImplemented", "MethodNotAllowed", "ObjectLockConfigurationNotFoundError", "501", "405"})
"""What a service says that does not know versions or locks at all."""

_Given = TypeVar("_Given")

for _name in ("boto3", "botocore", "s3transfer", "urllib3"):
    logging.getLogger(_name).setLevel(logging.WARNING)  # below it they write requests, with headers and bodies


class BadBucket(HandschlagError, ValueError):
    """A bucket that is not as it must be for what it shall hold."""


@dataclass(frozen=True)
class Credentials:
    """Whom the service knows us as."""

    access_key: str
    secret_key: str

    def __repr__(self) -> str:
        return "Credentials(...)"


@dataclass(frozen=True)
class Bucket:
    """Which bucket, where, and what it must be like.

    `locked`: versioned, with object lock; otherwise neither. `credentials` None: as boto3 finds them in the
    environment. `endpoint` None: Amazon's own.
    """

    bucket: str
    locked: bool
    prefix: str = ""
    endpoint: str | None = None
    region: str | None = None
    path_style: bool = False
    ca: str | None = None
    credentials: Credentials | None = None
    parallel: int = 16
    connect_timeout_s: float = 5.0
    read_timeout_s: float = 30.0
    attempts: int = 3


@dataclass(frozen=True)
class _Version:
    key: str
    id: str | None
    marker: bool
    size: int
    at: datetime


class S3Store:
    """A store in one bucket, which is looked at before it is first used."""

    def __init__(self, where: Bucket) -> None:
        self.where: Final = where
        self.name: Final = f"s3://{where.bucket}/{where.prefix}" + (f" at {where.endpoint}" if where.endpoint else "")
        self._client: Any = _client(where)
        self._parallel = ThreadPoolExecutor(max_workers=where.parallel, thread_name_prefix="s3")
        self._is_checked = False

    def check(self) -> None:
        """Look whether the bucket is what it must be.

        Raises:
            BadBucket: it is not; says what to do.
            StoreDown: the service does not answer.

        """
        client, bucket = self._client, self._bucket
        versions = self._ask("GetBucketVersioning", lambda: client.get_bucket_versioning(**bucket))
        lock = self._ask("GetObjectLockConfiguration", lambda: client.get_object_lock_configuration(**bucket))
        status = str(versions.get("Status", ""))
        locks = lock.get("ObjectLockConfiguration", {}).get("ObjectLockEnabled") == "Enabled"
        if self.where.locked and not (status == "Enabled" and locks):
            raise BadBucket(
                f"{self.name}: holds clips and must be versioned, with object lock; it has versioning "
                f"{status or 'off'} and object lock {'on' if locks else 'off'}. Object lock is chosen when a bucket is "
                "made: name a new bucket and run handschlag-archive buckets --create"
            )
        if not self.where.locked and (status or locks):
            raise BadBucket(
                f"{self.name}: must be a bucket that was never versioned and has no object lock, so that what is "
                f"removed is gone; it has versioning {status or 'off'} and object lock {'on' if locks else 'off'}. "
                "Name another bucket and run handschlag-archive buckets --create"
            )
        self._is_checked = True

    def create(self) -> bool:
        """Make the bucket as it must be, unless it is there; whether it was made. It is checked in any case."""
        made = not self._exists()
        if made:
            how: dict[str, Any] = {"ObjectLockEnabledForBucket": True} if self.where.locked else {}
            if self.where.region not in {None, "us-east-1"}:
                how["CreateBucketConfiguration"] = {"LocationConstraint": self.where.region}
            self._do("CreateBucket", lambda: self._client.create_bucket(**self._bucket, **how))
        self.check()
        return made

    def put(self, objects: Sequence[tuple[Place, bytes]]) -> int:
        """Keep all `objects`; the service compares each with its hash, and has it durably when it answers."""
        self._be_checked()
        self._all(self._put, objects)
        return 1

    def get(self, place: Place) -> bytes:
        """The bytes at `place`, compared with its hash.

        Where somebody has put others over them, or marked them as deleted, an earlier version is taken that is right.
        """
        self._be_checked()
        key = self._key(place)
        content = self._read(key)
        if content is not None and _is(place, content):
            return content
        if self.where.locked:
            for version in self._versions(key):
                if version.key == key and not version.marker:
                    earlier = self._read(key, version.id)
                    if earlier is not None and _is(place, earlier):
                        return earlier
        lost = "no longer in the store" if content is None else "bytes have changed in the store"
        raise LostBytes(f"{place}: {lost} {self.name}")

    def protect(self, places: Iterable[Place], until: datetime) -> None:
        """Lock every version of these objects until then; a lock that lasts longer stays as it is.

        Raises:
            LostBytes: one of them is not there, and so not locked; the others are.

        """
        if not self.where.locked:
            return
        self._be_checked()
        keys = {self._key(place): place for place in places}
        versions = [version for version in self._versions_of(keys) if not version.marker]
        self._all(lambda version: self._lock(version, until), versions)
        absent = keys.keys() - {version.key for version in versions}
        if absent:
            raise LostBytes(f"{keys[min(absent)]}: no longer in the store {self.name}; {len(absent)} cannot be locked")

    def remove(self, places: Iterable[Place]) -> Sequence[Place]:
        """Remove every version of these objects, and every mark of a deletion; those that a lock still keeps."""
        self._be_checked()
        keys = {self._key(place): place for place in places}
        if self.where.locked:
            kept = self._delete(self._versions_of(keys))
        else:
            kept = self._delete(_Version(key, None, marker=False, size=0, at=_NEVER) for key in keys)
        return sorted({keys[key] for key in kept})

    def places(self, box: str, recording: str) -> Sequence[Place]:
        """Every object of one recording."""
        return sorted(kept.place for kept in self.inventory_of(box, recording))

    def clear(self, box: str, recording: str) -> Sequence[Place]:
        """Remove everything of one recording; what a lock still keeps."""
        self._be_checked()
        kept = self._delete(self._list(f"{self.where.prefix}{box}/{recording}/"))
        places = (self._place(key) for key in kept)
        return sorted({place for place in places if place is not None})

    def inventory_of(self, box: str, recording: str) -> Iterator[Kept]:
        """Every object of one recording."""
        return self._inventory(f"{self.where.prefix}{box}/{recording}/")

    def inventory(self) -> Iterator[Kept]:
        """Every object, recording by recording; what does not look like one of ours is passed over."""
        return self._inventory(self.where.prefix)

    def _inventory(self, prefix: str) -> Iterator[Kept]:
        self._be_checked()
        last: Kept | None = None
        for version in self._list(prefix):
            kept = self._kept(version)
            if kept is None or (last is not None and kept.place == last.place):
                continue  # versions of one object come one after the other, the newest first
            last = kept
            yield kept

    # One object.

    def _put(self, one: tuple[Place, bytes]) -> None:
        place, content = one
        checksum = base64.b64encode(bytes.fromhex(place.sha256)).decode()
        how = {**self._bucket, "Key": self._key(place), "ChecksumSHA256": checksum}
        answer = self._do("PutObject", lambda: self._client.put_object(**how, Body=content))
        self._be_unversioned(answer)

    def _read(self, key: str, version: str | None = None) -> bytes | None:
        """An object's bytes; None when absent, or when what came over the wire was not what the service has."""
        how = {"VersionId": version} if version else {}

        def read() -> bytes:
            return bytes(self._client.get_object(**self._bucket, Key=key, **how)["Body"].read())

        try:
            return self._do("GetObject", read)
        except StoreDown as error:
            if error.code in _NO_SUCH:
                return None
            raise

    def _lock(self, version: _Version, until: datetime) -> None:
        if self._locked_until(version) >= until:
            return
        how = {"VersionId": version.id} if version.id else {}
        self._do(
            "PutObjectRetention",
            lambda: self._client.put_object_retention(
                **self._bucket,
                Key=version.key,
                **how,
                Retention={"Mode": "COMPLIANCE", "RetainUntilDate": until.astimezone(UTC)},
            ),
        )

    def _locked_until(self, version: _Version) -> datetime:
        """Until when a version is locked; far in the future for a legal hold."""
        how = {"VersionId": version.id} if version.id else {}
        try:
            facts = self._do("HeadObject", lambda: self._client.head_object(**self._bucket, Key=version.key, **how))
        except StoreDown as error:
            if error.code in _NO_SUCH:
                return _NEVER
            raise
        if facts.get("ObjectLockLegalHoldStatus") == "ON":
            return datetime.max.replace(tzinfo=UTC)
        until = facts.get("ObjectLockRetainUntilDate")
        return until.astimezone(UTC) if until is not None else _NEVER

    # Many objects.

    def _delete(self, versions: Iterable[_Version]) -> set[str]:
        """Delete versions; the keys of those that a lock keeps."""
        kept: set[str] = set()
        by_place = {(version.key, version.id): version for version in versions}
        every = list(by_place.values())
        for at in range(0, len(every), _MOST_AT_ONCE):
            some = every[at : at + _MOST_AT_ONCE]
            objects = [
                {"Key": version.key, "VersionId": version.id} if version.id else {"Key": version.key}
                for version in some
            ]
            answer = self._do(
                "DeleteObjects",
                lambda objects=objects: self._client.delete_objects(  # type: ignore[misc]  # of this turn of the loop
                    **self._bucket, Delete={"Objects": objects, "Quiet": self.where.locked}
                ),
            )
            for one in answer.get("Deleted", ()):
                self._be_unversioned(one)
            for error in answer.get("Errors", ()):
                kept.update(self._why_not(error, by_place, some))
        return kept

    def _why_not(
        self, error: dict[str, Any], by_place: dict[tuple[str, str | None], _Version], asked: Sequence[_Version]
    ) -> Iterator[str]:
        """The key when a lock is why a version could not be deleted; raises StoreDown for any other reason."""
        code = str(error.get("Code", "?"))
        if code in _NO_SUCH:
            return
        exact = by_place.get((error.get("Key", ""), error.get("VersionId")))
        of_key = [exact] if exact else [version for version in asked if version.key == error.get("Key")]
        if not self.where.locked or not any(self._locked_until(one) > datetime.now(UTC) for one in of_key):
            raise StoreDown(f"{self.name}: DeleteObjects: {code}", code=code)
        yield str(error["Key"])

    def _versions_of(self, keys: Iterable[str]) -> list[_Version]:
        """Every version of these keys; asked for recording by recording."""
        wanted = set(keys)
        prefixes = sorted({key.rpartition("/")[0] + "/" for key in wanted})
        if len(wanted) == 1:
            prefixes = list(wanted)
        return [version for prefix in prefixes for version in self._list(prefix) if version.key in wanted]

    def _versions(self, prefix: str) -> Iterator[_Version]:
        for page in self._pages("list_object_versions", prefix):
            found = [(one, False) for one in page.get("Versions", ())]
            found += [(one, True) for one in page.get("DeleteMarkers", ())]
            for one, marker in sorted(found, key=lambda each: str(each[0]["Key"])):
                yield _Version(one["Key"], one["VersionId"], marker, one.get("Size", 0), one["LastModified"])

    def _list(self, prefix: str) -> Iterator[_Version]:
        """Every version below a prefix; where there are no versions, every object."""
        if self.where.locked:
            yield from self._versions(prefix)
            return
        for page in self._pages("list_objects_v2", prefix):
            for one in page.get("Contents", ()):
                yield _Version(one["Key"], None, marker=False, size=one.get("Size", 0), at=one["LastModified"])

    def _pages(self, operation: str, prefix: str) -> Iterator[dict[str, Any]]:
        how = {**self._bucket, "Prefix": prefix, "PaginationConfig": {"PageSize": _MOST_AT_ONCE}}
        pages = iter(self._client.get_paginator(operation).paginate(**how))
        while (page := self._do(operation, lambda: next(pages, None))) is not None:
            yield page

    # The service.

    def _be_checked(self) -> None:
        if not self._is_checked:
            self.check()

    def _be_unversioned(self, answer: dict[str, Any]) -> None:
        """Look whether somebody has begun to version a bucket meanwhile that must not be."""
        if not self.where.locked and (answer.get("DeleteMarker") or answer.get("VersionId", "null") != "null"):
            self._is_checked = False
            raise BadBucket(f"{self.name}: is versioned now, and what is removed from it stays; give it another bucket")

    def _exists(self) -> bool:
        try:
            self._do("HeadBucket", lambda: self._client.head_bucket(**self._bucket))
        except StoreDown as error:
            if error.code in {"404", "NoSuchBucket"}:
                return False
            raise
        return True

    def _ask(self, operation: str, call: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Ask for a property of the bucket; {} where the service has no such thing."""
        try:
            return self._do(operation, call)
        except StoreDown as error:
            if error.code in _HAS_NO:
                return {}
            if error.code in {"404", "NoSuchBucket"}:
                raise BadBucket(
                    f"{self.name}: no such bucket; name one that is there, or run handschlag-archive buckets --create"
                ) from None
            raise

    def _do(self, operation: str, call: Callable[[], _Given]) -> _Given:
        """Call the service; whatever goes wrong is one error without anything of request or answer in it."""
        try:
            return call()
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", "?"))
            raise StoreDown(f"{self.name}: {operation}: {code}", code=code) from None
        except (BotoCoreError, OSError) as error:
            raise StoreDown(f"{self.name}: {operation}: {type(error).__name__}", code="") from None

    def _all(self, call: Callable[[_Given], None], items: Iterable[_Given]) -> None:
        """Call for every item, several at once; the first error is raised when none runs any more."""
        running = [self._parallel.submit(call, item) for item in items]
        errors = [error for each in running if (error := each.exception()) is not None]
        if errors:
            raise errors[0]

    @property
    def _bucket(self) -> dict[str, str]:
        return {"Bucket": self.where.bucket}

    def _key(self, place: Place) -> str:
        return f"{self.where.prefix}{place.box}/{place.recording}/{place.name}.{place.sha256}"

    def _place(self, key: str) -> Place | None:
        parts = key.removeprefix(self.where.prefix).split("/")
        if not key.startswith(self.where.prefix) or len(parts) != 3:
            return None
        name, _, sha256 = parts[2].rpartition(".")
        return Place(parts[0], parts[1], name, sha256) if name and len(sha256) == 64 else None

    def _kept(self, version: _Version) -> Kept | None:
        place = self._place(version.key)
        return Kept(place, version.size, version.at.astimezone(UTC)) if place is not None else None


_NEVER: Final = datetime.min.replace(tzinfo=UTC)


def _is(place: Place, content: bytes) -> bool:
    return hashlib.sha256(content).hexdigest() == place.sha256


@functools.cache
def _session() -> Any:
    """One for all: it holds what took long to read."""
    return boto3.session.Session()


def _client(where: Bucket) -> Any:
    who = where.credentials
    return _session().client(
        "s3",
        aws_access_key_id=who.access_key if who else None,
        aws_secret_access_key=who.secret_key if who else None,
        endpoint_url=where.endpoint,
        region_name=where.region,
        verify=where.ca,
        config=Config(
            connect_timeout=where.connect_timeout_s,
            read_timeout=where.read_timeout_s,
            retries={"total_max_attempts": where.attempts, "mode": "standard"},
            max_pool_connections=where.parallel,
            request_checksum_calculation="when_required",  # ours is the checksum, and we compare it
            response_checksum_validation="when_required",
            s3={"addressing_style": "path" if where.path_style else "auto"},
        ),
    )
