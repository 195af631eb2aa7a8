"""Words of the archive, the owner and the operator count by their keys alone: end to end over the shipped broker.

Somebody has stolen the archive's certificate for the broker, and hears and says there what the archive may; the keys
that sign he has not. What he can replay he does. A real box process must stay as it was, spool and ledger byte for
byte; then the true archive comes and everything is delivered.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from handschlag.sealing import receipt as receipts
from handschlag.sealing.command import Command, sign_command
from handschlag.sealing.jws import sign
from handschlag.sealing.keys import OwnerSecret, SigningKey
from handschlag.sealing.owner import Name, OwnerMessage, message_id, sign_owner
from handschlag.sealing.trust import Trust, TrustedKey, write_trust
from tests.support.guest import Guest
from tests.support.needs import need_mosquitto
from tests.system.fire.judge import sha256
from tests.system.fire.rig import Fire, fire, gone

NOW, LATER, OLD = "2026-11-24T10:00:00.000Z", "2026-11-30T10:00:00.000Z", "2026-01-30T00:00:00.000Z"
LAST = "2026-02-03T00:00:00.000Z"
BOX, OTHER = "box-1", "box-2"


@dataclass
class Stolen:
    """A box that waits for its archive, and who sits at the archive's place."""

    trial: Fire
    thief: Guest
    expired: SigningKey
    """A key of archive and operator until last year; the box knows it as such."""
    operator: SigningKey
    true_epoch: str = "0123456789abcdef"

    @property
    def recordings(self) -> list[tuple[str, str]]:
        """Recordings that wait on the box, with their manifest's hash."""
        return [(one.recording, one.files["manifest.jws"]) for one in self.trial.owed]

    def say(self, what: str, token: bytes, box: str = BOX) -> None:
        """As the archive would; the broker lets it through."""
        assert self.thief.publish(f"handschlag/1/{box}/down/{what}", token) in {0, 0x10}

    def state(self) -> dict[str, str]:
        """The box's spool and ledger, every byte."""
        data = self.trial.plant.boxes[BOX].data
        files = (path for part in ("spool", "ledger") for path in (data / part).rglob("*") if path.is_file())
        return {str(path.relative_to(data)): sha256(path.read_bytes()) for path in files}

    def answer(self, token: bytes) -> str:
        """Say something of the owner's, and wait for the box's answer to it: all that was said before is dealt with."""
        return self._answer(message_id(token), lambda: self.say("owner", token))

    def command(self, token: bytes, answered_as: str) -> str:
        """Say something of the operator's, as whoever has his certificate; the box's answer."""
        authority = self.trial.plant.authority
        issued = authority.issue_service("operator")
        with Guest(self.trial.plant.port, authority.certificate, issued.certificate, issued.key, "operator") as guest:
            return self._answer(answered_as, lambda: guest.publish(f"handschlag/1/{BOX}/down/command", token))

    def _answer(self, name: str, say: Callable[[], object]) -> str:
        topic = f"handschlag/1/{BOX}/up/reply/{name}"
        before = self._answers(topic)
        say()
        self.thief.wait(lambda: len(self._answers(topic)) > len(before))
        return str(json.loads(self._answers(topic)[-1])["outcome"])

    def _answers(self, topic: str) -> list[bytes]:
        return [got.payload for got in self.thief.got if got.topic == topic]


def _word(
    recording: str | None, *, name: Name = "hold", counter: int, box: str = BOX, epoch: int | None = None
) -> OwnerMessage:
    return OwnerMessage(
        box=box,
        name=name,
        counter=counter,
        at=NOW,
        recording=recording,
        epoch=epoch,
    )


@pytest.fixture
def stolen(tmp_path: Path) -> Iterator[Stolen]:
    """A box with two recordings has sent all it has, and nobody has answered but the thief's PUBACK."""
    need_mosquitto()
    with fire(tmp_path) as trial:
        trial.fill(recordings=2)
        expired, operator = SigningKey.new(), SigningKey.new()
        _know(trial, expired, operator)
        trial.broker()
        issued = trial.plant.authority.folder
        thief = Guest(trial.plant.port, issued / "ca.pem", issued / "archive.pem", issued / "archive.key", "thief")
        with thief:
            thief.subscribe("handschlag/1/+/up/#")
            trial.start_boxes()
            sent = {f"handschlag/1/{BOX}/up/{one.recording}/manifest.jws" for one in trial.owed}
            thief.wait(lambda: sent <= {got.topic for got in thief.got})
            yield Stolen(trial, thief, expired, operator)


def _know(trial: Fire, expired: SigningKey, operator: SigningKey) -> None:
    box = trial.plant.boxes[BOX]
    trust = trial.plant.trust_of_box(box)
    past = TrustedKey.of(expired.verify_key, valid_until="2026-02-01T00:00:00.000Z")
    told = Trust(
        boxes=trust.boxes,
        archive=(*trust.archive, past),
        owner=trust.owner,
        operator=(TrustedKey.of(operator.verify_key), past),
        workshop=trust.workshop,
    )
    (box.folder / "trust.json").write_bytes(write_trust(told))


def _false_receipts(stolen: Stolen) -> Iterator[tuple[str, bytes]]:
    """What he is, and the receipt, each of which would move something if it were believed."""
    own, true = SigningKey.new(), stolen.trial.plant.archive_key
    about: dict[str, Any] = {"box": BOX, "at": NOW, "epoch": stolen.true_epoch}
    (first, first_hash), (second, second_hash) = stolen.recordings
    for recording, manifest in stolen.recordings:
        of: dict[str, Any] = {**about, "recording": recording}
        stored = receipts.Stored(**of, manifest_hash=manifest, copies=2)
        refused = receipts.Refused(**of, manifest_hash=manifest, why="because")
        yield "his own key", receipts.sign_receipt(stored, own)
        yield "the expired key", receipts.sign_receipt(stored, stolen.expired)
        for _ in range(6):
            yield "refused often", receipts.sign_receipt(refused, own)
        yield "incomplete", receipts.sign_receipt(receipts.Incomplete(**of, manifest_hash=manifest, clips="0"), own)
        yield "destroyed", receipts.sign_receipt(receipts.Destroyed(**of), own)
        yield "under the archive's kid", _under_kid(receipts.sign_receipt(stored, own), true.kid)
        yield "unsigned", _unsigned(receipts.sign_receipt(stored, own))
        yield "another type", sign(msgspec.json.encode(stored), "handschlag-owner", true)
        genuine = receipts.sign_receipt(stored, true)
        yield "altered", _altered(genuine, b'"copies":2', b'"copies":9')
        yield "cut off", genuine[:-1]
        yield "another spelling of the last letter", genuine[:-1] + bytes((genuine[-1] ^ 1,))
    yield (
        "of another box",
        receipts.sign_receipt(
            receipts.Stored(**{**about, "box": OTHER}, recording=first, manifest_hash=first_hash, copies=2), true
        ),
    )
    yield (
        "of another manifest",
        receipts.sign_receipt(receipts.Stored(**about, recording=second, manifest_hash=first_hash, copies=2), true),
    )
    yield (
        "of a recording that is not here",
        receipts.sign_receipt(
            receipts.Stored(**about, recording=first[:-1] + "f", manifest_hash=second_hash, copies=2), true
        ),
    )
    yield (
        "a ledger's line that is not",
        receipts.sign_receipt(receipts.LedgerSynced(**about, seq=9999, hash=64 * "a"), own),
    )
    yield "nothing", b""
    yield "noise", bytes(range(256)) * 300
    yield "no object", sign(b"[]", "handschlag-receipt", true)


def _under_kid(token: bytes, kid: str) -> bytes:
    head, body, signature = token.split(b".")
    said = {**json.loads(_decode(head)), "kid": kid}
    return b".".join((_encode(said), body, signature))


def _unsigned(token: bytes) -> bytes:
    head, body, _ = token.split(b".")
    return b".".join((_encode({**json.loads(_decode(head)), "alg": "none"}), body, b""))


def _altered(token: bytes, old: bytes, new: bytes) -> bytes:
    head, body, signature = token.split(b".")
    changed = _decode(body).replace(old, new)
    assert changed != _decode(body)
    return b".".join((head, base64.urlsafe_b64encode(changed).rstrip(b"="), signature))


def _decode(part: bytes) -> bytes:
    return base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4))


def _encode(said: object) -> bytes:
    return base64.urlsafe_b64encode(json.dumps(said).encode()).rstrip(b"=")


def _false_words_of_the_owner(stolen: Stolen, replayed: bytes) -> Iterator[tuple[str, bytes]]:
    false, true = SigningKey.new(), stolen.trial.plant.owner.signing()
    (first, _), _ = stolen.recordings
    yield "his own key", sign_owner(_word(first, name="erase", counter=99), false)
    yield "the archive's key", sign_owner(_word(first, name="erase", counter=99), stolen.trial.plant.archive_key)
    yield "under the owner's kid", _under_kid(sign_owner(_word(first, name="erase", counter=99), false), true.kid)
    yield "of another box", sign_owner(_word(first, name="erase", counter=99, box=OTHER), true)
    yield "of another owner", sign_owner(_word(first, name="erase", counter=99), OwnerSecret.new().signing())
    yield "altered", _altered(sign_owner(_word(first, name="erase", counter=2), true), b'"counter":2', b'"counter":8')
    yield "an epoch", sign_owner(_word(None, name="epoch", counter=99, epoch=99), false)
    yield "another type", sign(msgspec.json.encode(_word(first, name="erase", counter=99)), "handschlag-receipt", true)
    yield "an older counter", sign_owner(_word(first, name="erase", counter=4), true)
    yield "the same again", replayed
    yield "noise", b"\xff" * 1000


def test_nothing_that_a_thief_of_the_archive_s_certificate_says_changes_a_box(stolen: Stolen) -> None:
    """Forged, foreign, expired, replayed receipts and owner's words: not a byte of spool and ledger; then delivery."""
    owner = stolen.trial.plant.owner.signing()
    (first, _), _ = stolen.recordings
    genuine = sign_owner(_word(first, counter=5), owner)
    assert stolen.answer(genuine) == "done"
    before = stolen.state()
    for _, token in _false_receipts(stolen):
        stolen.say("receipt", token)
    for _, token in _false_words_of_the_owner(stolen, genuine):
        stolen.say("owner", token)
    for what in ("nonsense", "receipt/x", ""):
        assert stolen.thief.attempt(f"handschlag/1/{BOX}/down/{what}") == 0x87
    stolen.thief.subscribe("handschlag/1/+/up/#")
    assert stolen.answer(genuine) == "done"
    assert stolen.answer(sign_owner(_word(first, name="erase", counter=3), owner)) == "replayed"
    assert stolen.state() == before

    stolen.thief.drop()
    stolen.trial.worker()
    stolen.trial.drain()
    assert stolen.trial.verdict() == []


def _command(number: int, *, box: str = BOX, name: str = "report", at: str = NOW, until: str = LATER) -> Command:
    return Command(box=box, name=name, id=f"{number:032x}", counter=number, at=at, expires=until)


def _false_commands(stolen: Stolen, replayed: bytes) -> Iterator[tuple[str, bytes]]:
    false, true = SigningKey.new(), stolen.operator
    restart = _command(99, name="restart")
    yield "his own key", sign_command(restart, false)
    yield "the archive's key", sign_command(restart, stolen.trial.plant.archive_key)
    yield "the owner's key", sign_command(restart, stolen.trial.plant.owner.signing())
    yield "under the operator's kid", _under_kid(sign_command(restart, false), true.kid)
    yield "the expired key", sign_command(restart, stolen.expired)
    yield "the expired key to its end", sign_command(_command(99, at=OLD, until=LAST), stolen.expired)
    yield "of another box", sign_command(_command(99, box=OTHER, name="restart"), true)
    yield "altered", _altered(sign_command(_command(99), true), b'"report"', b'"restart"')
    yield "another type", sign(msgspec.json.encode(restart), "handschlag-owner", true)
    yield "an older counter", sign_command(_command(4, name="restart"), true)
    yield "the same again", replayed
    yield "noise", b"{}"


def test_nothing_that_a_thief_of_the_operator_s_certificate_says_changes_a_box(stolen: Stolen) -> None:
    """Forged, foreign, expired and replayed commands: not a byte, no answer but to what was said before, no restart."""
    genuine = sign_command(_command(5), stolen.operator)
    said = stolen.command(genuine, f"{5:032x}")
    before, process = stolen.state(), stolen.trial.boxes[0]
    authority = stolen.trial.plant.authority
    issued = authority.issue_service("operator")
    with Guest(stolen.trial.plant.port, authority.certificate, issued.certificate, issued.key, "false") as thief:
        for _, token in _false_commands(stolen, genuine):
            assert thief.publish(f"handschlag/1/{BOX}/down/command", token) in {0, 0x10}
    assert stolen.command(genuine, f"{5:032x}") == said
    assert stolen.command(sign_command(_command(3), stolen.operator), f"{3:032x}") == "replayed"
    assert stolen.state() == before
    assert not gone(process)
    replies = [got.topic.rsplit("/", 1)[1] for got in stolen.thief.got if "/up/reply/" in got.topic]
    assert set(replies) == {f"{number:032x}" for number in (3, 4, 5)}


@pytest.mark.parametrize("number", range(2))
def test_the_test_would_see_a_box_that_believes(stolen: Stolen, number: int) -> None:
    """The same words with the true keys do change spool or ledger: what is compared is what moves."""
    recording, manifest = stolen.recordings[0]
    before = stolen.state()
    if number:
        said = receipts.Stored(
            box=BOX, at=NOW, epoch=stolen.true_epoch, recording=recording, manifest_hash=manifest, copies=1
        )
        stolen.say("receipt", receipts.sign_receipt(said, stolen.trial.plant.archive_key))
        folder = stolen.trial.plant.boxes[BOX].data / "spool" / recording
        stolen.trial.until("the receipt", (folder / "receipt.jws").exists)
    else:
        token = sign_owner(_word(recording, name="erase", counter=1), stolen.trial.plant.owner.signing())
        assert stolen.answer(token) == "done"
    assert stolen.state() != before
