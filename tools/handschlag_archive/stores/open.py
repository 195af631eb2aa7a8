"""Builds the stores that the settings name. Only here is chosen what stands behind the port."""

import configparser
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from handschlag_archive.stores.copies import Copies
from handschlag_archive.stores.folder import FolderStore
from handschlag_archive.stores.port import Store, StoreDown
from handschlag_archive.stores.settings import BadSetting, Chosen, InFolder

if TYPE_CHECKING:
    from handschlag_archive.settings import Settings
    from handschlag_archive.stores.s3 import Credentials, S3Store

ERASED: Final = ".erased"
"""Below a bucket's prefix; no box can be called that, and the keys' own store passes over it."""

SPARED_S: Final = 3600.0
"""Torn writes younger than this may be another worker's that is writing them."""

_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True)
class Opened:
    """The stores of clips and of keys, and how many copies of each file there must be."""

    clips: Store
    keys: Store
    copies: int


def open_stores(settings: "Settings") -> Opened:
    """The stores as set; torn writes of an earlier run are gone.

    Raises:
        BadSetting: a part is missing, or a file that is named does not hold what it must.
        BadBucket: a bucket is not as it must be for what it shall hold.

    """
    clips = [_open(one, f"clips[{number}]", holds_clips=True) for number, one in enumerate(settings.clips)]
    keys = [_open(one, f"keys[{number}]", holds_clips=False) for number, one in enumerate(settings.keys)]
    copies = settings.copies or min(len(clips), len(keys))
    for store in (*clips, *keys):
        _look_at(store)
    return Opened(_joined(clips, copies), _joined(keys, copies), copies)


def open_erasures(settings: "Settings") -> Store:
    """The place of the erasure list: beside the keys, in every bucket that holds any, or else in its folder.

    One place that takes an entry is enough to go on: what is destroyed is destroyed where it can be at once, and the
    entry is written again each time that the rest is tried, until no key store is missing.
    """
    places: list[Store] = []
    if any(isinstance(one, InFolder) for one in settings.keys):
        places.append(FolderStore(Path(settings.erasures)))
    for number, one in enumerate(settings.keys):
        if not isinstance(one, InFolder):
            beside = msgspec.structs.replace(one, prefix=f"{one.prefix}{ERASED}/")
            places.append(_open(beside, f"keys[{number}]", holds_clips=False))
    return _joined(places, 1)


def each(store: Store) -> Sequence[Store]:
    """The stores behind a store; itself when there is but one."""
    return store.stores if isinstance(store, Copies) else (store,)


def buckets(settings: "Settings") -> Iterator["S3Store"]:
    """The stores in S3, not looked at."""
    for kind, chosen in (("clips", settings.clips), ("keys", settings.keys)):
        for number, one in enumerate(chosen):
            if not isinstance(one, InFolder):
                store = _open(one, f"{kind}[{number}]", holds_clips=kind == "clips")
                assert not isinstance(store, FolderStore)  # noqa: S101 - as chosen a line above
                yield store


def _joined(stores: Sequence[Store], copies: int) -> Store:
    return stores[0] if len(stores) == 1 else Copies(stores, required=copies)


def _open(chosen: Chosen, name: str, *, holds_clips: bool) -> "FolderStore | S3Store":
    if isinstance(chosen, InFolder):
        return FolderStore(Path(chosen.path))
    try:
        from handschlag_archive.stores.s3 import Bucket, S3Store  # noqa: PLC0415 - an archive in folders needs no boto3
    except ModuleNotFoundError as error:
        raise BadSetting(
            f"{name}.kind = 's3': {error.name} is absent; get it with: pip install 'handschlag[grown]'"
        ) from error
    return S3Store(
        Bucket(
            bucket=chosen.bucket,
            locked=holds_clips and chosen.lock,
            prefix=chosen.prefix,
            endpoint=chosen.endpoint,
            region=chosen.region,
            path_style=chosen.path_style,
            ca=chosen.ca,
            credentials=None if chosen.credentials is None else _credentials(chosen.credentials, name),
            parallel=chosen.parallel,
            read_timeout_s=chosen.timeout_s,
        )
    )


def _look_at(store: "FolderStore | S3Store") -> None:
    """Look at a store before anything depends on it; one that does not answer is looked at when it does."""
    if isinstance(store, FolderStore):
        store.sweep(older_s=SPARED_S)
        return
    try:
        store.check()
    except StoreDown as error:
        _log.error("a store does not answer: %s", error)


def _credentials(path: str, name: str) -> "Credentials":
    """The first account of a credentials file. What is wrong with it is said without a word of what is in it."""
    from handschlag_archive.stores.s3 import Credentials  # noqa: PLC0415 - as above

    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(Path(path).read_text(encoding="utf-8"))
        account = parser["default"]
        return Credentials(account["aws_access_key_id"], account["aws_secret_access_key"])
    except OSError as error:
        raise BadSetting(f"{name}.credentials = {path!r}: cannot be read: {error.strerror}") from None
    except (configparser.Error, KeyError, UnicodeDecodeError):
        raise BadSetting(
            f"{name}.credentials = {path!r}: is no credentials file; allowed is a section [default] with "
            "aws_access_key_id and aws_secret_access_key"
        ) from None
