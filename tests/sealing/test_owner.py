"""The owner's messages: signed for one box, strict, and nothing that was spoilt passes."""

from __future__ import annotations

from random import Random

import msgspec
import pytest

from handschlag.sealing import jws
from handschlag.sealing.encoding import canonical
from handschlag.sealing.errors import BadFile, SealingError, Untrusted
from handschlag.sealing.owner import OwnerMessage, message_id, read_owner, sign_owner
from tests.sealing import builder

KEY = builder.OWNER.signing()
KEYS = builder.trust().keys("owner")


def message(**changes: object) -> OwnerMessage:
    """An erasure, with some fields changed."""
    plain = {"box": builder.BOX, "name": "erase", "counter": 7, "at": builder.AT, "recording": builder.RECORDING}
    return OwnerMessage(**(plain | changes))  # type: ignore[arg-type] # fields by name


EVERY = [
    message(),
    message(name="hold"),
    message(name="release"),
    message(name="class", kept_for="repair"),
    message(name="epoch", recording=None, epoch=2),
]


@pytest.mark.parametrize("said", EVERY, ids=lambda said: said.name)
def test_what_the_owner_signs_is_read_as_it_was(said: OwnerMessage) -> None:
    """Every kind, and its id is of its bytes; an epoch fits into one value of a ledger line."""
    token = sign_owner(said, KEY)
    assert read_owner(token, KEYS) == said
    assert len(message_id(token)) == 32
    longest = sign_owner(msgspec.structs.replace(said, box="w" * 32, counter=2**53 - 1), KEY)
    assert said.name != "epoch" or len(longest) <= 512


@pytest.mark.parametrize(
    "changes",
    [
        {"recording": None},
        {"name": "epoch", "epoch": 1},
        {"name": "epoch", "recording": None},
        {"name": "class"},
        {"kept_for": "order"},
        {"epoch": 1},
        {"name": "class", "kept_for": "for ever"},
        {"name": "forget"},
        {"counter": 0},
        {"counter": True},
        {"counter": 2**53},
        {"box": "Werkstatt"},
        {"recording": "../x"},
        {"at": "yesterday"},
        {"version": 2},
    ],
)
def test_what_no_box_may_take_is_neither_signed_nor_read(changes: dict[str, object]) -> None:
    """A field too many, too few, or of the wrong kind, with the owner's good signature."""
    with pytest.raises(BadFile, match="owner's message"):
        sign_owner(message(**changes), KEY)
    plain = msgspec.to_builtins(message()) | changes
    payload = canonical({name: value for name, value in plain.items() if value is not None})
    with pytest.raises(BadFile, match="owner's message"):
        read_owner(jws.sign(payload, "handschlag-owner", KEY), KEYS)


def test_only_the_owner_counts() -> None:
    """Not the box, not the operator, not another kind of signed thing."""
    for key in (builder.BOX_KEY, builder.OPERATOR_KEY, builder.ARCHIVE_KEY):
        with pytest.raises(Untrusted):
            read_owner(sign_owner(message(), key), KEYS)
    with pytest.raises(BadFile):
        read_owner(jws.sign(canonical(message()), "handschlag-revoke", KEY), KEYS)


def test_no_spoilt_message_passes() -> None:
    """2,000 of them: bytes changed, cut, doubled and mixed; only our own errors come out."""
    rng = Random(5)
    tokens = [sign_owner(each, KEY) for each in EVERY]
    for _ in range(2000):
        token = bytearray(rng.choice(tokens))
        at = rng.randrange(len(token))
        match rng.randrange(5):
            case 0:
                token[at] ^= 1 << rng.randrange(8)
            case 1:
                del token[at:]
            case 2:
                token.insert(at, rng.randrange(256))
            case 3:
                token = bytearray(b".".join([*token.split(b".")[:2], rng.choice(tokens).split(b".")[2]]))
            case _:
                token += bytes(rng.randrange(256) for _ in range(3))
        if bytes(token) not in tokens:
            with pytest.raises(SealingError):
                read_owner(bytes(token), KEYS)
