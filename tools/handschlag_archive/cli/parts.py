"""Chooses the parts: what the settings name, opened. Here, and only here, index and stores are chosen."""

from datetime import timedelta
from pathlib import Path

from handschlag_archive.age import check_age
from handschlag_archive.clerk import Clerk, read_signing_key
from handschlag_archive.destroying import Destroying
from handschlag_archive.erasures import Erasures
from handschlag_archive.index import Index
from handschlag_archive.ingest import Ingest
from handschlag_archive.judge import Judge
from handschlag_archive.owner import Owner
from handschlag_archive.relay import Relay
from handschlag_archive.restore import Restore
from handschlag_archive.retention import Retention
from handschlag_archive.rewraps import Rewraps
from handschlag_archive.settings import Settings, read_password
from handschlag_archive.stores.open import Opened, open_stores
from handschlag_archive.stores.open import open_erasures as open_erasures_store
from handschlag_archive.trusted import TrustFile


def open_index(settings: Settings) -> Index:
    """The index."""
    if settings.database is None:
        return Index.in_folder(Path(settings.data))
    return Index(settings.database, password=read_password(settings))


def open_erasures(settings: Settings) -> Erasures:
    """The erasure list, in a place of its own."""
    return Erasures(open_erasures_store(settings))


def open_destroying(settings: Settings, index: Index, stores: Opened | None = None) -> Destroying:
    """What destroys."""
    stores = stores or open_stores(settings)
    return Destroying(index=index, clips=stores.clips, keys=stores.keys, erasures=open_erasures(settings))


def open_retention(settings: Settings, index: Index) -> Retention:
    """What looks at what is over."""
    return Retention(
        index=index,
        destroying=open_destroying(settings, index),
        key=read_signing_key(Path(settings.signing_key)),
        largest_jump=timedelta(days=settings.retention.clock_jump_days),
    )


def open_owner(settings: Settings, index: Index) -> Owner:
    """What takes the owner's word."""
    stores = open_stores(settings)
    return Owner(
        index=index,
        clips=stores.clips,
        erasures=open_erasures(settings),
        destroying=open_destroying(settings, index, stores),
        trust=TrustFile(Path(settings.trust)),
    )


def open_rewraps(settings: Settings, index: Index) -> Rewraps:
    """What takes the owner's rewraps."""
    return Rewraps(index=index, keys=open_stores(settings).keys, trust=TrustFile(Path(settings.trust)))


def open_restore(settings: Settings, index: Index) -> Restore:
    """What brings a restored archive up to date."""
    stores = open_stores(settings)
    return Restore(
        index=index,
        clips=stores.clips,
        keys=stores.keys,
        erasures=open_erasures(settings),
        destroying=open_destroying(settings, index, stores),
        owner=open_owner(settings, index),
        trust=TrustFile(Path(settings.trust)),
        own=read_signing_key(Path(settings.signing_key)).verify_key,
    )


def check_index(settings: Settings, index: Index) -> None:
    """Raise Behind for an index that was restored and not brought up to date."""
    check_age(index, open_erasures(settings))


def open_ingest(settings: Settings) -> tuple[Index, Ingest]:
    """The index, and what takes messages in; torn writes of an earlier run are gone."""
    judge = Judge(TrustFile(Path(settings.trust)))
    signing_key = read_signing_key(Path(settings.signing_key))
    index = open_index(settings)
    stores = open_stores(settings)
    clerk = Clerk(signing_key, epoch=index.epoch, copies=stores.copies)
    return index, Ingest(
        index=index,
        clips=stores.clips,
        keys=stores.keys,
        destroying=open_destroying(settings, index, stores),
        relay=Relay(index),
        judge=judge,
        clerk=clerk,
        settle_s=settings.ingest.settle_s,
    )
