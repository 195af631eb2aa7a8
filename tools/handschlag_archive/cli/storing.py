"""`handschlag-archive buckets`: whether the buckets are as they must be; makes them so."""

from typing import Annotated

import typer

from handschlag_archive.cli.options import Config, Json, say
from handschlag_archive.settings import read_settings
from handschlag_archive.stores.open import buckets as buckets_of


def buckets(
    config: Config,
    create: Annotated[bool, typer.Option("--create", help="fehlende anlegen / make those that are missing")] = False,
    as_json: Json = False,
) -> None:
    """Look at the buckets of the settings: clips versioned and with object lock, keys with neither."""
    for store in buckets_of(read_settings(config)):
        made = store.create() if create else False
        store.check()
        holds = "versioned, locks" if store.where.locked else "not versioned, no locks"
        say(
            as_json,
            f"{store.name}: {'made' if made else 'there'}; {holds}",
            bucket=store.where.bucket,
            store=store.name,
            made=made,
            locked=store.where.locked,
        )
