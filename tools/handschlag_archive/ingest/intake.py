"""Takes groups of messages in, and hands them on by subject."""

from collections.abc import Mapping, Sequence

from handschlag.sealing.manifest import MANIFEST, REVOKE
from handschlag_archive.clerk import Answer, Clerk
from handschlag_archive.destroying import Destroying
from handschlag_archive.index import Index, Row, State, Which
from handschlag_archive.ingest.completing import Completing
from handschlag_archive.ingest.counts import Counts
from handschlag_archive.ingest.ledgers import Ledgers
from handschlag_archive.ingest.loose import Bounds, Loose
from handschlag_archive.ingest.messages import File, Foreign, LedgerLines, Message, Reply, sort
from handschlag_archive.ingest.names import Names
from handschlag_archive.ingest.shelves import Shelves
from handschlag_archive.ingest.staging import Staging
from handschlag_archive.ingest.withdrawals import Withdrawals
from handschlag_archive.judge import Judge, Refusal
from handschlag_archive.relay import Relay
from handschlag_archive.stores.port import Place, Store


class Ingest:
    """Takes groups of messages in and gives the receipts that may go out once the group is durable."""

    def __init__(
        self,
        *,
        index: Index,
        clips: Store,
        keys: Store,
        destroying: Destroying,
        relay: Relay,
        judge: Judge,
        clerk: Clerk,
        settle_s: float = 5.0,
        bounds: Bounds | None = None,
    ) -> None:
        self.counts = Counts()
        shelves, names = Shelves(clips=clips, keys=keys), Names()
        self._staging = Staging(index=index, shelves=shelves, names=names)
        self._completing = Completing(
            index=index,
            shelves=shelves,
            names=names,
            judge=judge,
            clerk=clerk,
            counts=self.counts,
            settle_s=settle_s,
        )
        self._withdrawals = Withdrawals(
            index=index,
            destroying=destroying,
            completing=self._completing,
            judge=judge,
            clerk=clerk,
            counts=self.counts,
            settle_s=settle_s,
        )
        self._loose = Loose(
            index=index,
            shelves=shelves,
            names=names,
            staging=self._staging,
            completing=self._completing,
            counts=self.counts,
            bounds=bounds or Bounds(),
        )
        self._relay = relay
        self._ledgers = Ledgers(index=index, judge=judge, clerk=clerk, counts=self.counts)

    @property
    def next_due(self) -> float | None:
        """When `due` has something to look at."""
        dues = (self._completing.next_due, self._withdrawals.next_due, self._ledgers.next_due)
        return min((due for due in dues if due is not None), default=None)

    def recover(self, now: float = 0.0) -> None:
        """Finish what a cut left half done: destroying, and bytes that came in beside it."""
        self._withdrawals.recover()
        self._ledgers.recover(now)

    def resume(self, now: float) -> Sequence[Answer]:
        """Begin to say where every open recording stands, for after a start or a new connection; `due` goes on.

        And what boxes have not answered to the owner.
        """
        return [*self._completing.resume(now), *self._relay.connected(now)]

    def take(self, messages: Sequence[Message], now: float) -> Sequence[Answer]:
        """Make a group of messages durable; the receipts for it.

        Raises:
            OSError: stores or index cannot take it; nothing may be acknowledged, the group may be given again.

        """
        revokes: list[File] = []
        files: list[File] = []
        ledgers: dict[str, list[LedgerLines]] = {}
        boxes: set[str] = set()
        for message in messages:
            match sort(message):
                case File(name=name) as file:
                    (revokes if name == REVOKE else files).append(file)
                    boxes.add(file.which.box)
                case LedgerLines(box=box) as lines:
                    ledgers.setdefault(box, []).append(lines)
                    boxes.add(box)
                case Reply(box=box) as reply:
                    self._answered(reply)
                    boxes.add(box)
                case Foreign(why=why):
                    self.counts.drop(why)
        answers = [answer for file in revokes for answer in self._withdrawals.take(file, now)]
        answers += self._files(files, now)
        answers += self._ledgers.take(ledgers, now)
        self._loose.look()
        return [*self._relay.seen(boxes, now), *answers]  # why something is destroyed, before that it is

    def due(self, now: float) -> Sequence[Answer]:
        """What time brings: `incomplete` where nothing new came, `destroyed` for what took longer, the owner's word."""
        answers = [*self._withdrawals.due(now), *self._completing.due(now), *self._relay.due(now)]
        self._ledgers.due(now)
        return answers

    def _answered(self, reply: Reply) -> None:
        if why := self._relay.answered(reply.box, reply.message, reply.payload):
            self.counts.drop(why)

    def _files(self, files: Sequence[File], now: float) -> list[Answer]:
        answers: list[Answer] = []
        good: dict[Place, File] = {}
        manifests: dict[Which, list[Place]] = {}
        for file in files:
            if file.name == MANIFEST:
                try:
                    self._completing.judge(file.which, file.payload)
                except Refusal as refusal:
                    answers.append(self._completing.refused(file.which, file.place, refusal))
                    continue
                if file.place not in good:
                    manifests.setdefault(file.which, []).append(file.place)
            good[file.place] = file
        if good:
            answers += self._stand(self._staging.stage(good), manifests, now)
        return answers

    def _stand(self, rows: Mapping[Which, Row], manifests: Mapping[Which, Sequence[Place]], now: float) -> list[Answer]:
        answers: list[Answer] = []
        opened: list[Which] = []
        for which, row in rows.items():
            if row.state is State.OPEN:
                opened.append(which)
            elif row.state.withdrawn:
                answers += self._withdrawals.after_its_end(row, now)
            elif which in manifests:
                for place in manifests[which]:
                    answers += self._completing.again(row, place, now)
            else:
                answers.append(self._completing.progress(which))
        return answers + self._completing.stand(opened, now)
