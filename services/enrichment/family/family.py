"""Keeps every child's history and household, finds the children who are not in the referral, and tells what changes.

Whatever a referral changes for others, which a unit may not touch, is left to a clock of theirs that is due at once.
"""

from collections.abc import Mapping, Sequence
from uuid import UUID
from zoneinfo import ZoneInfo

from libs.messaging import timers
from libs.messaging.event import Event, new_event_id
from libs.messaging.ledger import Unit
from libs.messaging.timers import Arm, Timer
from libs.schemas.commands import PersonAction
from libs.schemas.events import (
    CASE_DECIDED,
    CHILDREN_FOUND,
    INFORMATION_ADDED,
    PEOPLE_CORRECTED,
    PERSON_DECIDED,
    PERSON_LINKED,
    RECEIVED,
    ChildrenFound,
    FoundBy,
    PersonLinked,
    Reference,
)
from libs.schemas.referral import ReferredChild
from services.enrichment.asking.question import Kept
from services.enrichment.checks.effects import FAMILY
from services.enrichment.checks.record import Child, Referral
from services.enrichment.checks.store import Store
from services.enrichment.family.decisions import said_of_pairs
from services.enrichment.family.events import IsWorry
from services.enrichment.family.finding import find, identify
from services.enrichment.family.household import names_anybody_else
from services.enrichment.family.index import Index
from services.enrichment.family.linked import is_news, linked_of
from services.enrichment.family.records import Records
from services.enrichment.family.taking import hear, take
from services.enrichment.family.work import Work
from services.enrichment.people.index import Identified

ABOUT_PERSONS = frozenset((PersonAction.LINK, PersonAction.UNLINK, PersonAction.MERGE, PersonAction.UNDO))
TAKEN = frozenset((RECEIVED, INFORMATION_ADDED, CASE_DECIDED, PERSON_DECIDED, PEOPLE_CORRECTED))


class Family:
    """The family's part of enrichment, inside the units of the consumer and of the timers."""

    def __init__(
        self, records: Records, store: Store, index: Index, is_worry: IsWorry, zone: ZoneInfo
    ) -> None:
        """`zone`: the hub's, in which days are counted."""
        self._records = records
        self._store = store
        self._index = index
        self._is_worry = is_worry
        self._zone = zone

    async def apply(
        self,
        unit: Unit,
        events: Sequence[Event],
        referrals: Mapping[UUID, Referral],
        fresh: Mapping[UUID, Kept],
    ) -> list[tuple[Referral, Child]]:
        """Applies events of referrals that are known and stored. `fresh`: what is kept of those that are new.

        Adds children to `referrals`, whose owner saves them. Gives the children whose identity was corrected, for
        whom more may now be asked.
        """
        events = [event for event in events if event.type in TAKEN]
        if not events:
            return []
        work = Work(unit, referrals, kept=dict(fresh))
        stored = {event.referral_id for event in events} - fresh.keys()
        work.circles = await self._records.circles(unit.connection, stored, told=True)
        correct = {event.referral_id for event in events if event.type is PEOPLE_CORRECTED} & stored
        work.kept |= await self._store.kept(unit.connection, correct)
        for event in events:
            take(work, event)
        await identify(work, self._index)
        await self._command(work)
        await self._finish(work)
        return work.corrected

    async def heard(self, unit: Unit, timer: Timer) -> None:
        """An agency has named people, or something changed elsewhere: this referral's people are looked at anew."""
        referrals = await self._store.load(unit.connection, [timer.referral_id])
        work = Work(unit, referrals)
        work.circles = await self._records.circles(unit.connection, referrals, told=True)
        for circle in work.circles.values():
            children = referrals[circle.referral_id].children.values()
            trace = timer.trace or next((child.trace for child in children if child.trace), None)
            work.tell[circle.referral_id] = trace
        known = [subject for circle in work.circles.values() for subject in (*circle.cases, *circle.persons)]
        self._link(work, await self._index.standing(unit.connection, known))
        await self._finish(work)
        await self._store.save(unit.connection, referrals.values(), unit.now)

    async def _command(self, work: Work) -> None:
        """Hands staff's commands about persons to the index; who is theirs elsewhere is looked at anew there."""
        connection = work.unit.connection
        affected: dict[UUID, UUID] = {}
        for command in work.commands:
            if command.decision.action in ABOUT_PERSONS:
                decided = await self._index.decide(
                    connection, command.child_id, command.decision, work.unit.now
                )
                affected |= {**decided.children, **decided.adults}
        if affected:
            self._link(work, await self._index.standing(connection, affected))
            work.ring |= set(affected.values())

    def _link(self, work: Work, found: Mapping[UUID, Identified]) -> None:
        for circle in work.circles.values():
            for subject_id in found.keys() & circle.subjects:
                work.link(circle, subject_id, found[subject_id])

    async def _finish(self, work: Work) -> None:
        connection = work.unit.connection
        if work.targets:
            stored = work.tell.keys() - work.fresh
            given = await self._records.answers(connection, stored)
            for referral_id in stored:
                # Where no answer counts any more, nothing of what it told of does.
                hear(work, work.circles[referral_id], given.get(referral_id, ()), self._zone)
            await self._look_around(work)
            found = await find(work, self._index, self._store, self._zone)
            if found:
                await self._look_around(work)
            self._announce(work, found)
            await self._tell(work)
        else:
            await self._look_around(work)
        self._add_rings(work)
        await self._ring(work)
        await self._store.keep(connection, {key: work.kept[key] for key in work.rekept})
        await self._records.save(connection, work.circles.values(), work.words, work.unit.now)

    async def _look_around(self, work: Work) -> None:
        """Loads the other referrals about the same people."""
        persons = {case.person_id for circle in work.targets for case in circle.cases.values()}
        asked = (persons - work.new_persons) | work.later.keys() | work.relinked
        neighbours = await self._records.neighbours(work.unit.connection, asked)
        work.neighbours |= {near.case_id: near for near in neighbours}
        wanted = {near.referral_id for near in neighbours if near.person_id in persons}
        missing = wanted - work.circles.keys() - work.others.keys()
        work.others |= await self._records.circles(work.unit.connection, missing, told=False)

    def _announce(self, work: Work, found: Mapping[UUID, Mapping[UUID, tuple[str, ReferredChild]]]) -> None:
        """Tells who has been found, for each source, and whom staff added who was not there already."""
        for referral_id, children in found.items():
            circle = work.circles[referral_id]
            for origin in sorted({origin for origin, _ in children.values()}):
                work.unit.emit(
                    CHILDREN_FOUND,
                    referral_id,
                    ChildrenFound(
                        shared=FoundBy(reference=circle.reference, at=work.unit.now, sources=(origin,)),
                        children={
                            case_id: child
                            for case_id, (source, child) in children.items()
                            if source == origin
                        },
                    ),
                    trace=work.tell.get(referral_id),
                )

    async def _tell(self, work: Work) -> None:
        connection, cases = (
            work.unit.connection,
            [case for circle in work.targets for case in circle.cases.values()],
        )
        persons = {case.person_id for case in cases}
        reports = {
            case.id
            for circle in (*work.circles.values(), *work.others.values())
            for case in circle.cases.values()
            if case.person_id in persons
        }
        words = await self._records.words(connection, reports) if len(reports) > len(persons) else []
        decided = said_of_pairs([*words, *(word for word, _ in work.words)])
        missing = [case.id for case in cases if case.id not in work.identified]
        if missing:
            work.identified |= await self._index.standing(connection, missing)
        everywhere = work.by_person()
        for circle in work.targets:
            for case in circle.cases.values():
                identified = work.identified.get(case.id)
                if identified is None:
                    continue
                linked = linked_of(
                    circle,
                    case,
                    identified,
                    everywhere[case.person_id],
                    work.named.get(circle.referral_id, ()),
                    decided,
                    self._is_worry,
                    self._zone,
                )
                if is_news(linked, case.told):
                    case.told, case.revision, case.changed = linked, linked.revision, True
                    work.unit.emit(
                        PERSON_LINKED,
                        circle.referral_id,
                        PersonLinked(
                            shared=Reference(reference=circle.reference, at=work.unit.now),
                            children={case.id: linked},
                        ),
                        trace=work.tell[circle.referral_id],
                    )

    def _add_rings(self, work: Work) -> None:
        """Which other referrals with open cases see something new: in their history, household or who is who."""
        named_anew = [work.circles[referral_id] for referral_id in work.renewed]
        for near in work.neighbours.values():
            since = work.later.get(near.person_id)
            theirs = work.others.get(near.referral_id) or work.circles.get(near.referral_id)
            if near.open and (
                near.person_id in work.relinked
                or (since is not None and (near.received_at, near.case_id) > since)
                or any(
                    near.received_at >= circle.received_at
                    or theirs is None
                    or names_anybody_else(circle, theirs)
                    for circle in named_anew
                    if any(case.person_id == near.person_id for case in circle.cases.values())
                )
            ):
                work.ring.add(near.referral_id)

    async def _ring(self, work: Work) -> None:
        """Starts a clock for each of those referrals. None replaces another, so that nobody waits for its lock."""
        due = [
            Arm(FAMILY, new_event_id(work.unit.now), referral_id, work.unit.now, {}, None)
            for referral_id in sorted(work.ring - work.tell.keys())
        ]
        if due:
            await timers.arm(work.unit.connection, due, work.unit.now)
