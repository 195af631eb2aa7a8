"""The owner's messages in the box's own folder: told once, removed when answered, refused ones kept."""

from __future__ import annotations

from pathlib import Path

from handschlag.adapters.files import RealFiles
from handschlag.adapters.owner_files import OwnerFiles
from handschlag.core.events import Event, OwnerSaid
from handschlag.sealing.owner import OwnerMessage, message_id, sign_owner
from handschlag.sim.files import WatchedFiles
from handschlag.sim.worker import InlineWorker
from tests.sealing import builder
from tests.support.clock import HandClock


def raise_(error: Exception) -> None:
    """No job may fail by accident."""
    raise error


def signed(name: str = "hold", box: str = builder.BOX) -> bytes:
    """A message about a recording."""
    said = OwnerMessage(box=box, name=name, counter=3, at=builder.AT, recording=builder.RECORDING)  # type: ignore[arg-type]
    return sign_owner(said, builder.OWNER.signing())


class Stand:
    """A folder, and what was told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "owner"
        self.files = WatchedFiles(RealFiles())
        self.told: list[Event] = []
        self.port = OwnerFiles(
            self.folder,
            box=builder.BOX,
            keys=builder.trust().keys("owner"),
            files=self.files,
            worker=InlineWorker(on_error=raise_),
            clock=HandClock(),
        )
        self.port.look()  # the box asks before it has started its parts
        self.port.start(self.told.append)

    def put(self, name: str, data: bytes) -> Path:
        """Somebody puts a file there, and the box looks."""
        self.folder.mkdir(exist_ok=True)
        (self.folder / name).write_bytes(data)
        self.port.look()
        return self.folder / name


def test_a_message_is_told_once_and_removed_when_it_is_answered(tmp_path: Path) -> None:
    """Also with a newline that an editor left; the removal is durable."""
    stand = Stand(tmp_path)
    token = signed()
    path = stand.put("a.jws", token + b"\n")
    stand.port.look()
    (said,) = stand.told
    assert isinstance(said, OwnerSaid)
    assert (said.id, said.name, said.counter, said.recording) == (message_id(token), "hold", 3, builder.RECORDING)
    stand.port.answered("another")
    assert path.exists()
    stand.port.answered(said.id)
    assert not path.exists()
    assert [done.kind for done in stand.files.done[-2:]] == ["unlink", "fsync_dir"]


def test_what_is_no_message_for_this_box_is_put_aside_and_kept(tmp_path: Path) -> None:
    """Forged, for another box, too long, or no JWS; nothing of it is told, and nothing stops."""
    stand = Stand(tmp_path)
    for number, data in enumerate([signed()[:-4] + b"AAAA", signed(box="other"), b"x" * 200_000, b"", b"\xff"]):
        path = stand.put(f"{number}.jws", data)
        assert not path.exists()
        assert path.with_suffix(".refused").read_bytes() == data
    (stand.folder / "folder.jws").mkdir()
    stand.port.look()
    assert stand.told == []


def test_what_was_not_answered_is_told_again_after_a_restart(tmp_path: Path) -> None:
    """The file is the reminder."""
    Stand(tmp_path).put("a.jws", signed())
    assert len(Stand(tmp_path).told) == 1
