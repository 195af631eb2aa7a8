"""Who reaches what at the broker as shipped: `broker-config`'s own files, unchanged, on a real Mosquitto.

Two boxes, the archive, the operator and the fleet's view have certificates; whoever has none, or another, is turned
away by TLS; whoever is inside and reaches for somebody else's topic is refused there.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from handschlag.adapters.uplink import TlsFiles
from handschlag.adapters.uplink.tls import client_id
from handschlag.sealing.keys import SigningKey
from handschlag_archive.broker import rewrite_rules
from handschlag_archive.ca import Authority, Issued
from handschlag_archive.mqtt import shared_subscription
from tests.archive.stand import Broker
from tests.support.guest import NOBODY, NOT_AUTHORIZED, PACKET_TOO_LARGE, Got, Guest, Will

ONE, TWO = "werkstatt-1", "werkstatt-2"
RECORDING = "01890a5d-ac96-774b-bcce-b302099a8057"
NOW = dt.datetime.now(dt.UTC)
GROUP = shared_subscription(SigningKey.from_seed(b"archive" + bytes(25)))


@dataclass
class House:
    """The broker, and everybody's certificates."""

    broker: Broker
    issued: dict[str, Issued]

    @property
    def authority(self) -> Authority:
        """Who issued them."""
        return self.broker.authority

    def guest(self, name: str, **how: object) -> Guest:
        """Somebody with his own certificate."""
        return self.holder(self.issued[name], **{"client_id": f"guest-{name}", **how})

    def holder(self, issued: Issued | None, **how: object) -> Guest:
        """Whoever holds these files."""
        files = (None, None) if issued is None else (issued.certificate, issued.key)
        return Guest(self.broker.port, self.authority.certificate, *files, **how)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One broker for all that changes nothing in it."""
    with _house(tmp_path_factory.mktemp("house")) as made:
        yield made


class _House(House):
    def __enter__(self) -> House:
        self.broker.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.broker.__exit__(None, None, None)


def _house(folder: Path) -> _House:
    broker = Broker(folder)
    authority = broker.authority
    issued = {name: authority.issue_box(name) for name in (ONE, TWO)}
    issued |= {name: authority.issue_service(name) for name in ("archive", "operator", "fleet")}
    return _House(broker, issued)


# --- at the door


def _stranger(_house: House, folder: Path) -> Issued:
    """Of another authority, that calls itself the same."""
    other = Authority(folder / "ca")
    other.init()
    return other.issue_box(ONE)


AT_THE_DOOR: dict[str, tuple[Callable[[House, Path], Issued | None], str]] = {
    "no certificate": (lambda _house, _folder: None, "certificate required"),
    "another authority of the same name": (_stranger, "unknown ca|bad certificate|decrypt error"),
    "expired": (
        lambda house, _folder: house.authority.issue_box("old", days=1, now=NOW - dt.timedelta(days=2)),
        "certificate expired",
    ),
    "not yet valid": (
        lambda house, _folder: house.authority.issue_box("early", now=NOW + dt.timedelta(days=2)),
        "bad certificate",
    ),
    "the broker's own certificate": (
        lambda house, _folder: Issued(house.authority.folder / "server.pem", house.authority.folder / "server.key"),
        "unsupported certificate",
    ),
    "the authority's own certificate": (
        lambda house, _folder: Issued(house.authority.certificate, house.authority.key),
        "alert",
    ),
}


@pytest.mark.parametrize("who", AT_THE_DOOR)
def test_a_stranger_is_turned_away_at_the_door(house: House, tmp_path: Path, who: str) -> None:
    """TLS ends with the alert that names what was wrong, before anything of MQTT is answered."""
    make, alert = AT_THE_DOOR[who]
    stranger = house.holder(make(house, tmp_path), client_id="stranger")
    with pytest.raises(ssl.SSLError, match=f"(?i){alert}"):
        stranger.knock()
    assert house.guest(ONE).try_the_door() == 0


def test_tls_1_2_is_not_spoken(house: House) -> None:
    """A good certificate in the old protocol is turned away."""
    with pytest.raises(ssl.SSLError, match=r"(?i)version"):
        house.guest(ONE, newest=ssl.TLSVersion.TLSv1_2).knock()
    assert house.guest(ONE).try_the_door() == 0


# --- inside


def _topics(box: str) -> tuple[str, ...]:
    up, down = f"handschlag/1/{box}/up", f"handschlag/1/{box}/down"
    return (
        f"{up}/{RECORDING}/head.json",
        f"{up}/ledger/1",
        f"{up}/reply/1",
        f"{down}/receipt",
        f"{down}/command",
        f"{down}/owner",
        f"homie/5/{box}/$state",
        f"homie/5/{box}/$alert/full",
        f"homeassistant/device/{box}/config",
    )


RIGHTS: dict[str, frozenset[str]] = {
    ONE: frozenset(topic for topic in _topics(ONE) if "/down/" not in topic),
    "archive": frozenset(f"handschlag/1/{box}/down/{what}" for box in (ONE, TWO) for what in ("receipt", "owner")),
    "operator": frozenset(f"handschlag/1/{box}/down/command" for box in (ONE, TWO)),
    "fleet": frozenset(),
}
"""What each may write of all that is tried."""


@pytest.mark.parametrize("who", RIGHTS)
def test_everybody_writes_what_is_his_and_nothing_else(house: House, who: str) -> None:
    """A box its own topics, the archive receipts and the owner's word, the operator commands, the fleet nothing."""
    topics = {topic for name in (ONE, TWO, "archive", "operator", "fleet") for topic in _topics(name)}
    topics |= {"anything", "$SYS/broker/load", f"handschlag/2/{ONE}/up/x", f"handschlag/1/{ONE}/{ONE}/up/x"}
    foreign = {f"handschlag/1/{name}/down/{what}" for name in ("archive", "operator", "fleet") for what in _DOWN}
    with house.guest(who) as guest:
        said = {topic: guest.attempt(topic) for topic in sorted(topics)}
    allowed = {topic for topic, reason in said.items() if reason != NOT_AUTHORIZED}
    assert allowed - foreign == RIGHTS[who]
    assert set(said.values()) <= {0, NOBODY, NOT_AUTHORIZED}


_DOWN = ("receipt", "owner", "command")


READS: dict[str, Callable[[str], bool]] = {
    ONE: lambda topic: topic.startswith(f"handschlag/1/{ONE}/down/"),
    "archive": lambda topic: "/up/" in topic,
    "operator": lambda topic: "/up/reply/" in topic or topic.startswith("homie/"),
    "fleet": lambda topic: topic.startswith(("homie/", "homeassistant/")),
}
GREEDY = (
    "#",
    "+/#",
    "handschlag/#",
    "handschlag/1/+/up/#",
    "handschlag/1/+/up/reply/+",
    f"handschlag/1/{TWO}/down/#",
    f"handschlag/1/{TWO}/up/#",
    "homie/#",
    "homie/5/+/$state",
    "homeassistant/#",
    "$share/archive/handschlag/1/+/up/#",
    "$share/mine/#",
    "$SYS/#",
)


@pytest.mark.parametrize("who", READS)
def test_whatever_is_subscribed_to_only_what_is_one_s_own_comes(house: House, who: str) -> None:
    """The broker grants every subscription; what comes by it is what the rules let this name read."""
    names = (ONE, TWO, "archive", "operator")
    with house.guest(who, client_id=f"greedy-{who}") as greedy:
        assert len(greedy.subscribe(*GREEDY, f"handschlag/1/{ONE}/down/#")) == len(GREEDY) + 1
        for name in names:
            with house.guest(name) as speaker:
                for topic in (*_topics(ONE), *_topics(TWO)):
                    speaker.attempt(topic)
        greedy.barrier()
    came = {got.topic for got in greedy.got}
    written = {topic for box in (ONE, TWO) for topic in _topics(box)}
    assert came == {topic for topic in written if READS[who](topic)}


def test_an_eager_box_takes_nothing_from_the_archive_s_workers(house: House) -> None:
    """A box that joins every shared subscription it can think of: each message still reaches a worker."""
    with house.guest("archive") as worker, house.guest(TWO) as eager, house.guest(ONE) as box:
        worker.subscribe(GROUP)
        eager.subscribe(*(f"$share/{group}/handschlag/1/+/up/#" for group in ("archive", "ingest", "workers")))
        for number in range(20):
            box.publish(f"handschlag/1/{ONE}/up/{RECORDING}/{number:06}.clip")
        worker.barrier()
        eager.barrier()
    assert [got.topic[-11:] for got in worker.got] == [f"{number:06}.clip" for number in range(20)]
    assert eager.got == []


def test_the_group_s_name_is_the_key_holder_s_secret() -> None:
    """Another signing key, another group; and nothing in it that a box could know."""
    other = shared_subscription(SigningKey.from_seed(bytes(32)))
    assert other != GROUP
    assert GROUP.split("/")[0::2] == ["$share", "handschlag", "+", "#"]
    assert len(GROUP.split("/")[1]) == 32


@pytest.mark.parametrize("client", [ONE, f"{ONE}-", f"guest-{ONE}", "handschlag"])
def test_another_box_s_session_cannot_be_taken_over(house: House, client: str) -> None:
    """Who connects under a box's name as client id, or what else can be guessed, does not put that box off."""
    files = house.issued[ONE]
    own = client_id(ONE, TlsFiles(house.authority.certificate, files.certificate, files.key))
    with house.guest(ONE, client_id=own) as box, house.guest(TWO, client_id=client):
        assert box.alive()
    assert box.ended is None


def test_a_box_takes_its_own_old_session_over(house: House) -> None:
    """The same box, connected anew, has the same client id: the broker lets go of the half-open connection at once."""
    files = house.issued[ONE]
    own = client_id(ONE, TlsFiles(house.authority.certificate, files.certificate, files.key))
    assert own == client_id(ONE, TlsFiles(house.authority.certificate, files.certificate, files.key))
    with house.guest(ONE, client_id=own) as before, house.guest(ONE, client_id=own):
        assert not before.alive()


WILLS = (f"homie/5/{TWO}/$state", f"handschlag/1/{TWO}/up/ledger/1", f"handschlag/1/{ONE}/down/receipt")


@pytest.mark.parametrize("topic", [*WILLS, f"homie/5/{ONE}/$state"])
def test_a_will_reaches_no_further_than_its_box(house: House, topic: str) -> None:
    """A will on another box's topic is never said, and leaves nothing retained; one's own is."""
    readers = [house.guest(name, client_id=f"reads-{name}") for name in ("fleet", "archive", ONE)]
    for reader in readers:
        assert reader.connect() == 0
        reader.subscribe("homie/5/#", "handschlag/1/+/up/#", f"handschlag/1/{ONE}/down/#")
        reader.barrier()
        reader.got.clear()
    with house.guest(ONE, client_id="dies", will=Will(topic)), house.guest(ONE, client_id="dies"):
        pass  # the second takes the first one's place: its will is said, or not, before it is let in
    said = []
    for reader in readers:
        reader.barrier()
        said += [got.topic for got in reader.got]
        reader.drop()
    assert set(said) == ({topic} if topic not in WILLS else set())
    with house.guest("fleet") as late:
        late.subscribe("homie/5/#")
        late.barrier()
    assert {got.payload for got in late.got if got.topic == topic} == (set() if topic in WILLS else {b"lost"})


@pytest.mark.parametrize("topic", [f"homie/5/{TWO}/$state", f"homeassistant/device/{TWO}/config"])
def test_nothing_is_left_on_another_box_s_status(house: House, topic: str) -> None:
    """A retained message of another box is neither overwritten nor deleted."""
    with house.guest(TWO) as box:
        assert box.publish(topic, b"ready", retain=True) in {0, NOBODY}
    with house.guest(ONE) as other:
        assert [other.attempt(topic, payload, retain=True) for payload in (b"lost", b"")] == [NOT_AUTHORIZED] * 2
    with house.guest("fleet", client_id="late") as late:
        late.subscribe(topic)
        late.barrier()
    assert late.got == [Got(topic, b"ready", retained=True)]


def test_a_flood_puts_off_who_sends_it_and_nobody_else(house: House) -> None:
    """Packets past the limit end their sender's connection; one who never acknowledges holds nobody up."""
    with house.guest("archive") as worker, house.guest(TWO, reads=False) as deaf, house.guest(ONE) as box:
        worker.subscribe(GROUP)
        deaf.subscribe(f"handschlag/1/{TWO}/down/#")
        for _ in range(200):  # more than may be on its way to it without an answer
            worker.publish(f"handschlag/1/{TWO}/down/receipt", bytes(1000))
        with house.guest(TWO, client_id="loud") as loud:
            loud.flood(f"handschlag/1/{TWO}/up/{RECORDING}/000000.clip", bytes(90_000), 50)
            assert loud.alive()
            loud.flood(f"handschlag/1/{TWO}/up/{RECORDING}/000000.clip", bytes(140_000), 1)
            assert loud.why_it_ends() == PACKET_TOO_LARGE
        for number in range(10):
            assert box.publish(f"handschlag/1/{ONE}/up/{RECORDING}/{number:06}.clip") == 0
        worker.barrier()
        assert sum(ONE in got.topic for got in worker.got) == 10
        assert box.alive()


# --- revoked


@pytest.fixture
def own_house(tmp_path: Path) -> Iterator[House]:
    """A broker of this test's own, for what changes it."""
    with _house(tmp_path) as made:
        yield made


def _archive(*arguments: object) -> str:
    command = [sys.executable, "-m", "handschlag_archive", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _revoke(house: House, name: str) -> None:
    """As a person does it: the archive's own command, and the signal."""
    broker = house.broker.configuration.parent
    said = _archive("ca", "revoke", name, "--dir", house.authority.folder, "--broker", broker)
    assert "SIGHUP" in said
    house.broker.reload()


def _until_denied(guest: Guest, topic: str) -> None:
    """The broker has read its files anew when it refuses; the signal itself is not answered."""
    for _ in range(2000):
        if guest.publish(topic) == NOT_AUTHORIZED:
            return
    raise AssertionError(f"{topic} is still allowed")


def test_a_revoked_box_that_is_connected_is_put_off_and_nobody_else_is(own_house: House) -> None:
    """After SIGHUP it may do nothing, gets nothing, its will is not said, and TLS lets it in no more, ticket or not."""
    house = own_house
    state, topic = f"homie/5/{ONE}/$state", f"handschlag/1/{ONE}/up/{RECORDING}/head.json"
    down = f"handschlag/1/{ONE}/down/receipt"
    with (
        house.guest(ONE, will=Will(state)) as box,
        house.guest(ONE, client_id="listens") as listener,
        house.guest(TWO) as other,
        house.guest("archive") as archive,
        house.guest("fleet") as fleet,
    ):
        fleet.subscribe("homie/5/#")
        listener.subscribe(f"handschlag/1/{ONE}/down/#")
        archive.publish(down, b"before")
        listener.barrier()
        assert box.publish(topic) != NOT_AUTHORIZED
        ticket = box.ticket

        _revoke(house, ONE)
        _until_denied(box, topic)
        archive.publish(down, b"after")
        listener.barrier()
        assert [got.payload for got in listener.got] == [b"before"]
        box.drop()
        assert listener.publish(state, b"ready") == NOT_AUTHORIZED

        with pytest.raises(ssl.SSLError, match=r"(?i)certificate revoked"):
            house.guest(ONE).knock()
        with pytest.raises(ssl.SSLError, match=r"(?i)certificate revoked"):
            house.guest(ONE, session=ticket, tls=box.tls).knock()
        assert all(guest.alive() for guest in (other, archive, fleet))
        assert other.publish(f"handschlag/1/{TWO}/up/{RECORDING}/head.json") in {0, NOBODY}
        fleet.barrier()
        assert fleet.got == []
        assert house.guest(TWO).try_the_door() == 0


def test_a_tls_ticket_is_taken_while_nothing_is_revoked(house: House) -> None:
    """What the test above relies on: without a reload a session is resumed by its ticket."""
    with house.guest(ONE) as box:
        box.barrier()
        ticket, tls = box.ticket, box.tls
    with house.guest(ONE, session=ticket, tls=tls) as again:
        assert again.resumed


def test_a_restart_ends_what_a_reload_leaves_open(own_house: House) -> None:
    """A revoked box that says nothing keeps its open connection after SIGHUP; a restart of the broker ends it."""
    house = own_house
    with house.guest(ONE) as silent, house.guest(ONE, client_id="probe") as probe:
        _revoke(house, ONE)
        _until_denied(probe, f"homie/5/{ONE}/$state")
        assert silent.alive()
        house.broker.restart()
        assert not silent.alive()
        with pytest.raises(ssl.SSLError, match=r"(?i)certificate revoked"):
            house.guest(ONE).knock()
        assert house.guest(TWO).try_the_door() == 0


def test_two_revocations_within_a_second_both_count_and_a_new_certificate_is_good(own_house: House) -> None:
    """The broker takes the newest list; who gets a new certificate comes in with that one, and with its rights."""
    house = own_house
    before = house.issued[ONE].certificate.read_bytes() + house.issued[ONE].key.read_bytes()
    for name in (ONE, TWO):
        house.authority.revoke(name)
    fresh = house.authority.issue_box(ONE)
    rewrite_rules(house.broker.configuration.parent, house.authority)
    house.broker.reload()
    old = house.broker.configuration.parent / "old.pem"
    old.write_bytes(before)
    for issued in (Issued(old, old), house.issued[TWO]):
        with pytest.raises(ssl.SSLError, match=r"(?i)certificate revoked"):
            _knock_until_refused(house, issued)
    with house.holder(fresh, client_id="fresh") as box:
        assert box.publish(f"homie/5/{ONE}/$state") in {0, NOBODY}


def _knock_until_refused(house: House, issued: Issued) -> None:
    with contextlib.suppress(OSError):
        for _ in range(2000):  # until the broker has seen the signal
            house.holder(issued, client_id="knocks").try_the_door()
    house.holder(issued).knock()


def test_a_revoked_archive_can_be_followed_by_a_new_one(own_house: House) -> None:
    """A stolen certificate of the archive is revoked like a box's; the rules of the name stand with its new one."""
    house = own_house
    _revoke(house, "archive")
    with pytest.raises(ssl.SSLError, match=r"(?i)certificate revoked"):
        _knock_until_refused(house, house.issued["archive"])
    fresh = house.authority.issue_service("archive")
    rewrite_rules(house.broker.configuration.parent, house.authority)
    house.broker.reload()
    for _ in range(2000):
        with house.holder(fresh, client_id="archive-2") as archive:
            if archive.publish(f"handschlag/1/{ONE}/down/receipt") != NOT_AUTHORIZED:
                break
    else:
        raise AssertionError("the new archive has no rights")
