"""The settings of stores: `[[clips]]` and `[[keys]]`, one table for each copy."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import msgspec

from handschlag.errors import HandschlagError

Text = Annotated[str, msgspec.Meta(min_length=1)]


class BadSetting(HandschlagError, ValueError):
    """A setting that cannot be used."""


class InFolder(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="folder"):
    """A copy in a folder."""

    path: Text


class InS3(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="s3"):
    """A copy in a bucket. For clips versioned and with object lock, for keys neither."""

    bucket: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]
    prefix: Annotated[str, msgspec.Meta(pattern=r"^([A-Za-z0-9._-]+/)*$")] = ""
    """What the objects' names begin with; empty, or ending in `/`."""
    endpoint: Annotated[str, msgspec.Meta(pattern=r"^https?://[^/@?#]+$")] | None = None
    """The service's address, `https://host[:port]`; without one, Amazon's for the region."""
    region: Text | None = None
    path_style: bool = False
    """Whether the bucket's name stands in the path and not in the host's name; most services of one's own want that."""
    ca: Text | None = None
    """Certificate of the authority that the service's certificate comes from; without one, the system's."""
    credentials: Text | None = None
    """File as of the AWS tools, with `aws_access_key_id` and `aws_secret_access_key`; without one, the environment."""
    lock: bool = True
    """Whether clips are locked until their day. `false` for a service that cannot: then nothing but its owner does."""
    parallel: Annotated[int, msgspec.Meta(ge=1, le=256)] = 16
    """The most requests at once."""
    timeout_s: Annotated[float, msgspec.Meta(ge=0.1, le=600)] = 30.0
    """How long an answer may take; there are at most 3 attempts."""


Chosen = InFolder | InS3
KINDS: Final[dict[str, type[InFolder] | type[InS3]]] = {"folder": InFolder, "s3": InS3}


def check_stores(clips: Sequence[Chosen], keys: Sequence[Chosen], copies: int | None, others: Sequence[str]) -> None:
    """Check that every copy has a place of its own and keys lie apart from clips; paths are absolute by now.

    `others` are folders in which something else of the archive is kept.

    Raises:
        BadSetting: naming the keys and what is allowed.

    """
    named = [(f"clips[{number}]", one) for number, one in enumerate(clips)]
    named += [(f"keys[{number}]", one) for number, one in enumerate(keys)]
    for (name, one), (other_name, other) in itertools.combinations(named, 2):
        if _meet(one, other):
            raise BadSetting(
                f"{name} and {other_name}: {_words(one)} and {_words(other)} are not apart; allowed is a folder or a "
                "bucket of its own for each copy, and for keys others than for clips"
            )
    for name, one in named:
        for folder in others:
            if isinstance(one, InFolder) and _nested(one.path, folder):
                raise BadSetting(f"{name}.path = {one.path!r}: is not apart from {folder}; allowed is another folder")
    most = min(len(clips), len(keys))
    if copies is not None and copies > most:
        raise BadSetting(
            f"copies = {copies}: there are {len(clips)} stores for clips and {len(keys)} for keys; "
            f"allowed is 1 to {most}"
        )


def _meet(one: Chosen, other: Chosen) -> bool:
    match one, other:
        case InFolder(), InFolder():
            return _nested(one.path, other.path)
        case InS3(), InS3():
            return (one.endpoint, one.bucket) == (other.endpoint, other.bucket)
        case _:
            return False


def _nested(one: str, other: str) -> bool:
    first, second = Path(one).resolve(), Path(other).resolve()
    return first.is_relative_to(second) or second.is_relative_to(first)


def _words(one: Chosen) -> str:
    match one:
        case InFolder():
            return f"folder {one.path}"
        case InS3():
            return f"bucket {one.bucket}" + (f" at {one.endpoint}" if one.endpoint else "")
