"""The operator's commands: signed for one box, with an end, strict, and nothing that was spoilt passes."""

from __future__ import annotations

from random import Random

import msgspec
import pytest

from handschlag.sealing import jws
from handschlag.sealing.command import Command, expires_at, read_command, sign_command
from handschlag.sealing.encoding import canonical
from handschlag.sealing.errors import BadFile, SealingError, Untrusted
from handschlag.sealing.keys import SigningKey
from handschlag.sealing.trust import Trust, TrustedKey
from tests.sealing import builder

KEY = builder.OPERATOR_KEY
KEYS = builder.trust().keys("operator")


def command(**changes: object) -> Command:
    """`identify`, with some fields changed."""
    plain = {
        "box": builder.BOX,
        "name": "identify",
        "id": "0123456789abcdef" * 2,
        "counter": 7,
        "at": "2026-11-24T10:00:00Z",
        "expires": "2026-11-24T10:15:00Z",
    }
    return Command(**(plain | changes))  # type: ignore[arg-type] # fields by name


LEVEL = {"name": "log-level", "level": "debug", "minutes": 30}
EVERY = [command(), command(**LEVEL), command(name="update"), command(name="no-such-thing")]


@pytest.mark.parametrize("said", EVERY, ids=lambda said: said.name)
def test_what_the_operator_signs_is_read_as_it_was(said: Command) -> None:
    """Every kind, and names that nobody knows yet: which there are is the box's business."""
    assert read_command(sign_command(said, KEY), KEYS) == said
    assert expires_at(said) == 1_795_515_300.0


@pytest.mark.parametrize(
    "changes",
    [
        {"level": "debug"},
        {"minutes": 5},
        {"name": "log-level"},
        LEVEL | {"level": "everything"},
        LEVEL | {"minutes": 0},
        LEVEL | {"minutes": 1441},
        {"name": "../x"},
        {"name": "a" * 33},
        {"id": "../x"},
        {"id": ""},
        {"counter": 0},
        {"box": "Werkstatt"},
        {"expires": "2026-11-24T10:00:00Z"},
        {"expires": "2026-11-24T09:59:59Z"},
        {"expires": "2026-12-01T10:00:01Z"},
        {"expires": "2026-02-30T10:00:00Z"},
        {"expires": "tomorrow"},
        {"version": 2},
    ],
)
def test_what_no_box_may_take_is_neither_signed_nor_read(changes: dict[str, object]) -> None:
    """A field too many, too few, or of the wrong kind, or one that lasts too long, with a good signature."""
    with pytest.raises(BadFile, match="operator's command"):
        sign_command(command(**changes), KEY)
    payload = canonical(msgspec.to_builtins(command()) | changes)
    with pytest.raises(BadFile, match="operator's command"):
        read_command(jws.sign(payload, "handschlag-command", KEY), KEYS)


def test_only_the_operator_counts() -> None:
    """Not the box, not the archive, not the owner, not another kind of signed thing."""
    for key in (builder.BOX_KEY, builder.ARCHIVE_KEY, builder.OWNER.signing(), SigningKey.new()):
        with pytest.raises(Untrusted):
            read_command(sign_command(command(), key), KEYS)
    with pytest.raises(BadFile):
        read_command(jws.sign(canonical(command()), "handschlag-owner", KEY), KEYS)


@pytest.mark.parametrize(
    ("valid", "counts"),
    [
        ({"valid_from": "2026-11-24T09:00:00Z", "valid_until": "2026-11-24T11:00:00Z"}, True),
        ({"valid_from": "2026-11-24T10:05:00Z"}, False),
        ({"valid_until": "2026-11-24T10:10:00Z"}, False),
    ],
)
def test_a_key_counts_for_the_whole_time_of_its_command(valid: dict[str, str], counts: bool) -> None:  # noqa: FBT001 - a case
    """One that ends before the command does cannot give it: whoever finds an old key would date back."""
    keys = Trust(operator=(TrustedKey.of(KEY.verify_key, **valid),)).keys("operator")
    token = sign_command(command(), KEY)
    if counts:
        assert read_command(token, keys).name == "identify"
    else:
        with pytest.raises(Untrusted):
            read_command(token, keys)


def test_no_spoilt_command_passes() -> None:
    """2,000 of them: bytes changed, cut, doubled and mixed; only our own errors come out."""
    rng = Random(6)
    tokens = [sign_command(each, KEY) for each in EVERY]
    for _ in range(2000):
        token = bytearray(rng.choice(tokens))
        at = rng.randrange(len(token))
        match rng.randrange(4):
            case 0:
                token[at] ^= 1 << rng.randrange(8)
            case 1:
                del token[at:]
            case 2:
                token.insert(at, rng.randrange(256))
            case _:
                token = bytearray(b".".join([*token.split(b".")[:2], rng.choice(tokens).split(b".")[2]]))
        if bytes(token) not in tokens:
            with pytest.raises(SealingError):
                read_command(bytes(token), KEYS)
