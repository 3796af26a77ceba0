"""Makes a referral that cannot go on visible in the duty queue at once, and sees danger in a blocked message.

Where the referral itself could not be taken in, a stub stands for it, or for each child as far as the children can be
made out: with the decision clock running, and red where danger cannot be ruled out, because unknown is never no.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from libs.messaging.codec import Codec
from libs.messaging.consumer import Parked
from libs.messaging.errors import Permanent
from libs.messaging.event import Event
from libs.messaging.ledger import Unit
from libs.messaging.parked import discarded
from libs.schemas.events import (
    DISCARDED,
    INFORMATION_ADDED,
    RECEIVED,
    ProcessingResumed,
    ProcessingStopped,
    Service,
)
from libs.schemas.levels import Rag
from services.triage.alerts.raising import raise_alerts
from services.triage.case import Case, File
from services.triage.casework import Casework
from services.triage.clocks.arming import keep_clocks
from services.triage.desk import (
    Desk,
    drop_stubs,
    load,
    load_cases,
    save,
    save_cases,
)
from services.triage.glimpse import Glimpse, glimpses, held_glimpses, read
from services.triage.handover.reopening import ask
from services.triage.known import Known
from services.triage.policies.store import Policies
from services.triage.policy import ChildFacts, evaluate
from services.triage.restricted.inheritance import outlive
from services.triage.tasks.raising import NewTask

_STOP = """
INSERT INTO stop (referral_id, consumer, event_id, event_type, reason, at) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT DO NOTHING
"""

_GIVE_UP = """
INSERT INTO stop (referral_id, consumer, event_id, event_type, reason, at) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (referral_id, consumer) DO UPDATE
   SET event_id = EXCLUDED.event_id, event_type = EXCLUDED.event_type, reason = EXCLUDED.reason, at = EXCLUDED.at
"""
_FORGET = "DELETE FROM stop WHERE referral_id = $1 AND consumer = $2 AND reason = ANY ($3) RETURNING true"
_MOOT = """
UPDATE task SET done_at = $3, done_by = $4 WHERE referral_id = $1 AND kind = $2 AND done_at IS NULL
"""

TAKE_UP = "take_up_unread_referral"
"""The task that stands for a referral which triage will never read: its being done takes the stub away."""

MISSING = "referral-missing"
"""Reason of a stop where something came for a referral, and the referral itself did not."""

LEFT = {Service.ENRICHMENT.value: "ask_agencies_by_hand", Service.NOTIFY.value: "tell_referrer_by_telephone"}
"""What a person has to do where that service gave a referral up."""

MAY_TELL_OF_DANGER = frozenset((RECEIVED.name, INFORMATION_ADDED.name))
"""Messages of the referrer: where one cannot be read, danger cannot be ruled out."""


class Stops:
    """Stops and resumptions of referrals, here and in the other services."""

    def __init__(self, casework: Casework, codec: Codec, policies: Policies) -> None:
        self._casework = casework
        self._codec = codec
        self._policies = policies
        self._dictionary = casework.thresholds.rulebooks.directory.dictionary

    async def heard(
        self, unit: Unit, desk: Desk, referral_id: UUID, payload: ProcessingStopped | ProcessingResumed
    ) -> None:
        """Another service stopped or went on with a referral. Changes the files on the desk; stubs at once."""
        if isinstance(payload, ProcessingResumed):
            await self._clear(unit, referral_id, payload.shared.consumer)
            stops = desk.stops.get(referral_id, set())
            stops.discard(payload.shared.consumer)
            if not stops:
                await self._drop(unit, desk.stubs.pop(referral_id, ()))
        else:
            stop = payload.shared
            await unit.connection.execute(
                _STOP, referral_id, stop.consumer, stop.event_id, stop.event_type, stop.reason, stop.at
            )
            desk.stops.setdefault(referral_id, set()).add(stop.consumer)
            # What intake cannot send, nobody here can have read.
            unread = stop.consumer == Service.INTAKE.value and stop.event_type in MAY_TELL_OF_DANGER
            if not desk.known(referral_id) and referral_id not in desk.stubs:
                stub = self._stub(referral_id, referral_id, 0, None, stop.at)
                if unread:
                    self._casework.danger(stub)
                await self._stand_in(unit, desk, stub)
            elif unread:
                for file in desk.by_referral.get(referral_id, ()):
                    self._casework.danger(file.case)
                    file.case.changed = True
            kind = LEFT.get(stop.consumer)
            if stop.reason == DISCARDED and stop.event_type == RECEIVED.name and kind is not None:
                task = self._task(unit, referral_id, kind, DISCARDED, stop.event_id)
                await ask(unit, self._casework, desk, task)
        stopped = bool(desk.stops.get(referral_id))
        for file in desk.by_referral.get(referral_id, ()):
            if file.case.stopped != stopped:
                file.case.stopped, file.case.changed = stopped, True
                self._casework.refresh(file.case)

    async def parked(self, unit: Unit, parked: Sequence[Parked]) -> None:
        """Messages were put aside here."""
        try:
            desk = await load(unit, self._codec, self._policies, {one.referral_id for one in parked})
        except Permanent:
            desk = await load_cases(unit.connection, {one.referral_id for one in parked})
        seen = await glimpses(unit.connection, self._codec, self._dictionary, parked)
        touched: dict[UUID, Case] = {}
        for one in parked:
            glimpse = seen[one.event_id]
            if one.first:
                await unit.connection.execute(
                    _STOP,
                    one.referral_id,
                    Service.TRIAGE.value,
                    one.event_id,
                    one.type,
                    one.code,
                    one.parked_at,
                )
            if not desk.known(one.referral_id) and one.referral_id not in desk.stubs:
                desk.stubs[one.referral_id] = self._stubs(one, glimpse)
            cases = [file.case for file in desk.by_referral.get(one.referral_id, ())]
            for case in cases or desk.stubs[one.referral_id]:
                case.stopped = True
                if self._dangerous(one.type, glimpse, case, desk.files.get(case.id)):
                    self._casework.danger(case)
                else:
                    self._casework.refresh(case)
                touched[case.id] = case
        await self._save(unit, touched.values())

    async def resumed(self, unit: Unit, referral_id: UUID, consumer: str) -> None:
        """A consumer here goes on with a referral. One that was given up unread stays, until a person closes it."""
        desk = await load_cases(unit.connection, [referral_id])
        if not desk.known(referral_id) and await self._given_up(unit, desk, referral_id, consumer):
            return
        await self._clear(unit, referral_id, consumer)
        if desk.stops.get(referral_id, set()) - {consumer}:
            return
        await self._drop(unit, desk.stubs.pop(referral_id, ()))
        cases = [file.case for file in desk.files.values()]
        for case in cases:
            case.stopped = False
            self._casework.refresh(case)
        await save_cases(unit.connection, cases)

    async def came(self, unit: Unit, desk: Desk, referral_id: UUID) -> None:
        """The referral itself has come: nothing has to stand in for it any more."""
        stubs = desk.stubs.pop(referral_id, ())
        if not stubs:
            return
        await drop_stubs(unit, stubs)
        if await self._forget(unit, referral_id):
            desk.stops.get(referral_id, set()).discard(Service.TRIAGE.value)
        await unit.connection.execute(_MOOT, referral_id, TAKE_UP, unit.now, Service.TRIAGE.value)

    async def early(self, unit: Unit, desk: Desk, events: Sequence[Event]) -> None:
        """These wait for their referral. Where a stub stands for it, danger in them is seen at once."""
        touched: dict[UUID, Case] = {}
        for event in events:
            for stub in desk.stubs.get(event.referral_id, ()):
                if self._dangerous(event.type.name, read(event.payload, self._dictionary), stub, None):
                    self._casework.danger(stub)
                    touched[stub.id] = stub
        if touched:
            await save_cases(unit.connection, list(touched.values()))
            await raise_alerts(unit, touched.values())

    async def stray(self, unit: Unit, desk: Desk, referral_id: UUID) -> bool:
        """Puts a stub in the queue for a referral for which something has come, and it has not. False: there is one."""
        held = await held_glimpses(unit.connection, self._codec, self._dictionary, referral_id)
        if not held or desk.known(referral_id) or referral_id in desk.stubs:
            return False
        first = held[0][0]
        reference = next((glimpse.reference for _, glimpse in held if glimpse.reference), None)
        await unit.connection.execute(
            _STOP, referral_id, Service.TRIAGE.value, first.event_id, first.type, MISSING, unit.now
        )
        await self._stand_in(unit, desk, self._stub(referral_id, referral_id, 0, reference, first.time))
        desk.task(self._task(unit, referral_id, TAKE_UP, MISSING, held[-1][0].event_id))
        await save(unit, self._codec, self._policies, desk)
        return True

    async def closed(self, unit: Unit, referral_id: UUID) -> None:
        """A person took up by hand what could not be read."""
        await self._forget(unit, referral_id)
        desk = await load_cases(unit.connection, [referral_id])
        if not desk.stops.get(referral_id):
            await self._drop(unit, desk.stubs.pop(referral_id, ()))

    async def _drop(self, unit: Unit, stubs: Sequence[Case]) -> None:
        """No case takes these stubs' place: what was hidden by them stays hidden."""
        await outlive(unit, self._codec, stubs)
        await drop_stubs(unit, stubs)

    async def _given_up(self, unit: Unit, desk: Desk, referral_id: UUID, consumer: str) -> bool:
        event_id = await discarded(unit.connection, consumer, referral_id, RECEIVED.name)
        if event_id is None or not desk.stubs.get(referral_id):
            return False
        task = self._task(unit, referral_id, TAKE_UP, DISCARDED, event_id)
        if await unit.connection.fetchval("SELECT done_at FROM task WHERE id = $1", task.id):
            return False
        await unit.connection.execute(
            _GIVE_UP, referral_id, consumer, event_id, RECEIVED.name, DISCARDED, unit.now
        )
        desk.task(task)
        await save(unit, self._codec, self._policies, desk)
        return True

    async def _forget(self, unit: Unit, referral_id: UUID) -> bool:
        lasting = [DISCARDED, MISSING]
        return bool(await unit.connection.fetchval(_FORGET, referral_id, Service.TRIAGE.value, lasting))

    def _task(self, unit: Unit, referral_id: UUID, kind: str, reason: str, about: UUID) -> NewTask:
        due = self._casework.thresholds.flow_due(kind, unit.now)
        return NewTask(referral_id, None, kind, unit.now, due, reason=reason, about=about)

    async def _stand_in(self, unit: Unit, desk: Desk, stub: Case) -> None:
        """One stub for the whole referral, with the danger in what is held for it."""
        desk.stubs[stub.referral_id] = [stub]
        for row, glimpse in await held_glimpses(
            unit.connection, self._codec, self._dictionary, stub.referral_id
        ):
            if self._dangerous(row.type, glimpse, stub, None):
                self._casework.danger(stub)
        await self._save(unit, [stub])

    async def _clear(self, unit: Unit, referral_id: UUID, consumer: str) -> None:
        await unit.connection.execute(
            "DELETE FROM stop WHERE referral_id = $1 AND consumer = $2", referral_id, consumer
        )

    async def _save(self, unit: Unit, cases: Iterable[Case]) -> None:
        changed = list(cases)
        await save_cases(unit.connection, changed)
        await raise_alerts(unit, changed)
        for case in changed:
            if case.stub:
                keep_clocks(unit, case, {})

    def _stubs(self, one: Parked, glimpse: Glimpse) -> list[Case]:
        received_at = glimpse.received_at or one.parked_at
        children = (list(glimpse.facts) if one.type == RECEIVED.name else []) or [one.referral_id]
        return [
            self._stub(one.referral_id, child, number, glimpse.reference, received_at)
            for number, child in enumerate(children, 1)
        ]

    def _stub(
        self, referral_id: UUID, id: UUID, number: int, reference: str | None, received_at: datetime
    ) -> Case:
        clocks = self._casework.thresholds.clocks
        case = Case(
            id=id,
            referral_id=referral_id,
            reference=reference,
            child_number=number,
            received_at=received_at,
            due_at=clocks.decision_due(received_at),
            team=self._casework.thresholds.teams.duty,
            stub=True,
            stopped=True,
            rag_due_at=clocks.target(Rag.GREEN, received_at),
            rules=clocks.fingerprint,
        )
        self._casework.refresh(case)
        return case

    def _dangerous(self, type: str, glimpse: Glimpse, case: Case, file: File | None) -> bool:
        if glimpse.danger:
            return True
        if not glimpse.readable:
            return case.stub or type in MAY_TELL_OF_DANGER
        known = file.known if file is not None else Known()
        # A stub for the whole referral stands for each of its children.
        whole = case.id == case.referral_id
        said = glimpse.facts.values() if whole else [glimpse.facts.get(case.id, [])]
        policy = self._casework.thresholds.rulebook(case.received_at).policy
        return any(evaluate(policy, ChildFacts((*known.stated, *facts), {})).immediate for facts in said)
