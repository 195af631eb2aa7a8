"""The box starts again on what its disk kept: the ledger is folded, each folder and each open revocation is told."""

from __future__ import annotations

from handschlag.core import events as ev
from handschlag.core.events import TapAudio
from handschlag.core.fold import fold
from handschlag.core.policy import Policy
from handschlag.core.staff import StaffConsent
from tests.core.world import World


def restart(
    world: World,
    *,
    policy: Policy | None = None,
    crew: tuple[StaffConsent, ...],
    audio: TapAudio | None = None,
    down_s: float = 0.0,
    lucky: bool = True,
) -> None:
    """Power cut or changed settings: a new process, the same disk, the same tap and line."""
    tap = world.state.call.line
    connected = world.state.delivery.connected
    world.cut_power(policy, lucky=lucky)
    world.now += down_s
    folded = fold(world.spool.ledger)
    world.feed(
        ev.Booted(
            world.now,
            f"b{len(world.policies)}",
            len(world.policies).to_bytes(16, "big"),
            folded.private,
            frozenset(folded.doubted),
            tuple(folded.staff.values()),
            owner=folded.owner,
            epoch=folded.epoch,
            ledger_doubt=folded.ledger_doubt,
            archive=folded.archive,
            operator=folded.operator,
        )
    )
    for name, (state, attempts, reason) in sorted(world.spool.rows.items()):
        world.feed(ev.RowFound(world.now, name, state, attempts, reason))
    for name in sorted({*world.files, *world.spool.gone}):
        gone = name in world.spool.gone
        names = world.spool.gone[name] if gone else world.files[name]
        boot, seizure = world.spool.heads[name]
        ended, seq = folded.ended.get(name, ("", 0))
        world.feed(
            ev.FolderFound(
                world.now,
                name,
                boot,
                seizure,
                gone=gone,
                has_keys="keys.json" in names,
                has_manifest="manifest.jws" in names,
                manifest_hash=f"hash of {name}",
                consented=folded.consented(name),
                ended_by_ledger=ended,
                ended_seq=seq,
                closed_in_ledger=name in folded.closed,
                receipted=name in world.spool.receipts,
                receipt_epoch=world.spool.receipts.get(name, ("", 0.0))[0],
                receipt_said_at=world.spool.receipts.get(name, ("", 0.0))[1],
                closed_at=world.spool.terms.get(name, (None, None))[0],
                retain_until=world.spool.terms.get(name, (None, None))[1],
                held=name in folded.held,
                kept_for=folded.kept_for.get(name, ""),
            )
        )
    for name in sorted(world.spool.revokes):
        world.feed(ev.RevokeFound(world.now, name))
    world.feed(ev.RegisterTold(world.now, crew, exclusions=len(world.adapters.excluded)))
    world.feed(ev.AudioCame(world.now))
    if connected:
        world.feed(ev.Connected(world.now))
    if tap.tap_boot:
        world.hello(tap.tap_boot, audio=audio or tap.audio, serial=tap.tap_serial)
    world.begin_reports()
