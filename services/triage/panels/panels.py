"""Keeps panels' agendas: a decision puts a child on the next one, and the panel's outcome stands on record."""

from collections.abc import Mapping
from datetime import date, datetime
from itertools import islice
from typing import Any
from uuid import UUID, uuid5

import asyncpg

from libs.messaging.codec import Decoded
from libs.messaging.ledger import Ledger, Unit
from libs.platform.auth import Principal
from libs.platform.problems import Problem, invalid_body
from libs.platform.validation import FieldError
from libs.schemas.decision import Decision
from libs.schemas.levels import Destination
from services.triage.access import note
from services.triage.case import File
from services.triage.casework import Casework
from services.triage.consumer import tell
from services.triage.desk import Desk, load, save
from services.triage.panels.calendar import Panel, Programme
from services.triage.panels.children import ChildView, children_of
from services.triage.panels.record import Concluded, PanelNote, RecordedOutcome, keep_outcome
from services.triage.panels.views import (
    Agenda,
    AgendaItem,
    CorrectionBody,
    MeetingCount,
    MembersBody,
    OutcomeBody,
    PanelsView,
    PanelView,
    RecordedMembers,
)
from services.triage.policies.store import Policies
from services.triage.reckoning import Cause
from services.triage.restricted.rights import visible

AHEAD = 6
"""How many meetings are shown ahead."""

_PUT = """
INSERT INTO panel_item (panel, day, case_id, referral_id, decision, listed, put_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (panel, day, case_id) DO UPDATE SET decision = EXCLUDED.decision, listed = EXCLUDED.listed
"""
_LEAVE = "DELETE FROM panel_item WHERE case_id = $1 AND outcome IS NULL AND day >= $2"
_ITEMS = """
SELECT i.case_id, i.referral_id, i.decision, i.listed, i.outcome, i.review_on, i.settled_at, i.settled_by, i.document,
       c.reference, c.child_number, c.stage, c.decided_level, c.decided_to,
       coalesce((SELECT max(o.number) FROM panel_outcome AS o
                  WHERE o.case_id = i.case_id AND o.panel = i.panel AND o.day = i.day), 0) AS number
  FROM panel_item AS i JOIN child_case AS c ON c.id = i.case_id
"""
_ON_AGENDA = f"{_ITEMS} WHERE i.panel = $1 AND i.day = $2 AND {{seen}} ORDER BY i.listed, i.put_at, i.case_id"
_REVIEWS = f"""
{_ITEMS}
 WHERE i.panel = $1 AND i.review_on > $2 AND i.review_on <= $3 AND i.day < $3 AND i.decision = c.decision AND {{seen}}
   AND NOT EXISTS (SELECT FROM panel_item AS later
                    WHERE later.panel = i.panel AND later.case_id = i.case_id AND later.day > i.day AND later.day <= $3)
 ORDER BY i.review_on, i.case_id
"""
_COUNTS = """
SELECT i.panel, i.day, count(*) AS children, count(*) FILTER (WHERE i.outcome IS NULL) AS unsettled
  FROM panel_item AS i JOIN child_case AS c ON c.id = i.case_id
 WHERE {seen} AND (i.day >= $1 OR i.outcome IS NULL AND i.decision = c.decision) GROUP BY i.panel, i.day
"""
_STANDS = "SELECT EXISTS (SELECT FROM panel_item WHERE panel = $1 AND day = $2)"
_MEMBERS = """
INSERT INTO panel_meeting (panel, day, at, by, document) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (panel, day) DO UPDATE SET at = EXCLUDED.at, by = EXCLUDED.by, document = EXCLUDED.document
"""


class Panels:
    """The rules of agendas. `decided` runs in its caller's unit."""

    def __init__(self, ledger: Ledger, casework: Casework, policies: Policies, programme: Programme) -> None:
        self._ledger = ledger
        self._casework = casework
        self._policies = policies
        self.programme = programme

    async def decided(self, unit: Unit, desk: Desk, file: File, decision: Decision) -> None:
        """A decision stands: the child comes onto the next agenda of whoever it went to, and of whoever lists it."""
        case, calendar = file.case, self.programme.calendar
        await unit.connection.execute(_LEAVE, case.id, calendar.day(unit.now))
        rulebook = self._casework.thresholds.rulebook(case.received_at)
        listed = rulebook.placement(case.level, file.known).listed
        owner = Destination(decision.destination)
        for destination in (owner, *(one for one in listed if one is not owner)):
            panel = self.programme.panel_for(destination, case.locality)
            if panel is not None:
                day = panel.next_after(unit.now, calendar)
                await self._put(unit, panel, day, file, decision.number, listed=destination is not owner)

    async def _put(
        self, unit: Unit, panel: Panel, day: date, file: File, decision: int, *, listed: bool
    ) -> None:
        case = file.case
        await unit.connection.execute(
            _PUT, panel.id, day, case.id, case.referral_id, decision, listed, unit.now
        )

    async def overview(self, connection: asyncpg.Connection, caller: Principal, now: datetime) -> PanelsView:
        """Every panel with its next meetings, and earlier ones that left a child without an outcome."""
        today = self.programme.calendar.day(now)
        rows = await connection.fetch(_COUNTS.format(seen=visible(caller, "c")), today)
        counts: dict[str, dict[date, asyncpg.Record]] = {}
        for row in rows:
            counts.setdefault(row["panel"], {})[row["day"]] = row
        return PanelsView(
            panels=tuple(
                PanelView(
                    id=panel.id,
                    name=panel.name,
                    destination=panel.destination,
                    locality=panel.locality,
                    members=panel.members,
                    meetings=self._meetings(panel, today, counts.get(panel.id, {})),
                )
                for panel in self.programme.panels.values()
            ),
            lists={name: one.title for name, one in self.programme.lists.items()},
        )

    def _meetings(
        self, panel: Panel, today: date, counts: Mapping[date, asyncpg.Record]
    ) -> tuple[MeetingCount, ...]:
        calendar = self.programme.calendar
        days = {*islice(panel.meetings(today, calendar), AHEAD), *counts}
        return tuple(
            MeetingCount(
                day=day,
                starts_at=panel.starts(day, calendar),
                agenda_closes_at=panel.starts(day, calendar) - panel.papers,
                children=counts[day]["children"] if day in counts else 0,
                unsettled=counts[day]["unsettled"] if day in counts else 0,
                path=f"/v1/panels/{panel.id}/meetings/{day}",
            )
            for day in sorted(days)
        )

    async def agenda(
        self, connection: asyncpg.Connection, panel_id: str, day: date, caller: Principal
    ) -> Agenda:
        """One meeting's agenda to show to the caller, which is noted for every child on it.

        Raises Problem 404 where the panel does not meet on that day.
        """
        agenda, now = await self._agenda(connection, panel_id, day, caller), self._ledger.clock.now()
        for item in (*agenda.items, *agenda.reviews):
            await note(connection, now, caller, "agenda.read", item.case_id)
        return agenda

    async def _agenda(
        self, connection: asyncpg.Connection, panel_id: str, day: date, caller: Principal
    ) -> Agenda:
        panel, calendar, codec = (
            await self._panel(connection, panel_id, day),
            self.programme.calendar,
            self._ledger.codec,
        )
        seen = visible(caller, "c")
        rows = await connection.fetch(_ON_AGENDA.format(seen=seen), panel_id, day)
        again = await connection.fetch(
            _REVIEWS.format(seen=seen), panel_id, panel.meeting_before(day, calendar), day
        )
        children = await children_of(connection, codec, [row["referral_id"] for row in [*rows, *again]])
        members = await self._members(connection, panel_id, day)
        present = () if members is None else members.present
        there = {one.agency for one in present}
        return Agenda(
            panel=panel_id,
            name=panel.name,
            day=day,
            starts_at=panel.starts(day, calendar),
            agenda_closes_at=panel.starts(day, calendar) - panel.papers,
            members=panel.members,
            missing=tuple(one for one in panel.members if one not in there),
            chair=None if members is None else members.chair,
            present=present,
            items=tuple([await self._item(row, children) for row in rows]),
            reviews=tuple([await self._item(row, children) for row in again]),
            outcomes={code: one.words for code, one in self.programme.outcomes.items()},
        )

    async def _item(self, row: asyncpg.Record, children: dict[UUID, ChildView]) -> AgendaItem:
        values = {name: value for name, value in dict(row).items() if name in AgendaItem.model_fields}
        said = None
        if row["document"] is not None:
            (item,) = await self._ledger.codec.decode([(RecordedOutcome, row["document"])])
            said = item.payload.children.get(row["case_id"]) if isinstance(item, Decoded) else None
        outcome = self.programme.outcomes.get(row["outcome"] or "")
        return AgendaItem(
            **values,
            child=children.get(row["case_id"], ChildView(name=None)),
            outcome_words=None if outcome is None else outcome.words,
            note=None if said is None else said.note,
            reason=None if said is None else said.reason,
        )

    async def settle(
        self, panel_id: str, day: date, case_id: UUID, body: OutcomeBody, caller: Principal
    ) -> Agenda:
        """Keeps what the panel came to about a child, or what corrects it. The same again is the same answer.

        Raises Problem: 404, 409 where something else was written down already, or there is nothing to correct, 422.
        """
        async with self._ledger.pool.acquire() as connection:
            panel = await self._panel(connection, panel_id, day)
        outcome = self.programme.outcomes.get(body.outcome)
        faults = []
        if outcome is None:
            known = ", ".join(self.programme.outcomes)
            faults.append(FieldError("/outcome", "unknown_code", f"must be one of {known}"))
        if body.again_on is not None and (
            body.again_on <= day or not panel.meets(body.again_on, self.programme.calendar)
        ):
            faults.append(
                FieldError("/again_on", "no_meeting", "must be a later day on which the panel meets")
            )
        if faults or outcome is None:
            raise invalid_body(faults)
        item = await self._ledger.pool.fetchrow(
            "SELECT referral_id, decision FROM panel_item WHERE panel = $1 AND day = $2 AND case_id = $3",
            panel_id,
            day,
            case_id,
        )
        if item is None:
            raise _not_on_it()
        referral_id = item["referral_id"]
        review_on = body.review_on or (day + panel.review_after if outcome.reviews else None)
        async with self._ledger.unit([referral_id]) as unit:
            desk = await load(unit, self._ledger.codec, self._policies, [referral_id])
            seen = (await self._agenda(unit.connection, panel_id, day, caller)).items
            before = next((one for one in seen if one.case_id == case_id), None)
            if before is None:
                raise _not_on_it()
            corrects, reason = (body.corrects, body.reason) if isinstance(body, CorrectionBody) else (0, None)
            if before.number != corrects:
                stands = (before.number, before.outcome, before.note, before.review_on, before.reason)
                if stands == (corrects + 1, body.outcome, body.note, review_on, reason):
                    return await self.agenda(unit.connection, panel_id, day, caller)
                raise _stands_otherwise(before)
            said, number = PanelNote(note=body.note, reason=reason), corrects + 1
            one = Concluded(
                panel_id, day, case_id, referral_id, number, body.outcome, review_on, said, caller.subject
            )
            await keep_outcome(unit, self._ledger.codec, one)
            file = desk.files.get(case_id)
            if file is not None and body.again_on is not None:
                await self._put(unit, panel, body.again_on, file, file.case.decision, listed=before.listed)
            # What a panel said of an earlier decision puts nothing in question that was decided since.
            still = file is not None and file.case.decided and file.case.decision == item["decision"]
            if file is not None and outcome.reopens and still and not before.listed:
                cause = Cause(uuid5(case_id, f"{panel_id}/{day}/{number}"), unit.now, unit.now)
                tell(unit, [(file, self._casework.refused(file, cause))], file.case.trace)
            await note(unit.connection, unit.now, caller, "panel.settle", case_id)
            await save(unit, self._ledger.codec, self._policies, desk)
            return await self.agenda(unit.connection, panel_id, day, caller)

    async def keep_members(
        self, connection: asyncpg.Connection, panel_id: str, day: date, body: MembersBody, caller: Principal
    ) -> None:
        """Keeps who sat on the panel. Raises Problem 404, 422 for an agency that has no seat there."""
        panel = await self._panel(connection, panel_id, day)
        faults = [
            FieldError(f"/present/{place}/agency", "no_seat", f"must be one of {', '.join(panel.members)}")
            for place, one in enumerate(body.present)
            if one.agency not in panel.members
        ]
        if faults:
            raise invalid_body(faults)
        (document,) = await self._ledger.codec.encode([RecordedMembers(shared=body)])
        await connection.execute(_MEMBERS, panel_id, day, self._ledger.clock.now(), caller.subject, document)

    async def _members(self, connection: asyncpg.Connection, panel_id: str, day: date) -> MembersBody | None:
        document = await connection.fetchval(
            "SELECT document FROM panel_meeting WHERE panel = $1 AND day = $2", panel_id, day
        )
        if document is None:
            return None
        (item,) = await self._ledger.codec.decode([(RecordedMembers, document)])
        found: Any = item.payload.shared if isinstance(item, Decoded) else None
        return found if isinstance(found, MembersBody) else None

    async def _panel(self, connection: asyncpg.Connection, panel_id: str, day: date) -> Panel:
        """The panel, where it meets on that day. A day on which children stand keeps its agenda when the partnership
        moves its meetings.
        """
        panel = self.programme.panels.get(panel_id)
        if panel is not None and (
            panel.meets(day, self.programme.calendar) or await connection.fetchval(_STANDS, panel_id, day)
        ):
            return panel
        raise Problem(404, "meeting-not-found", "There is no such panel, or it does not meet on that day")


def _stands_otherwise(before: AgendaItem) -> Problem:
    if before.number == 0:
        return Problem(
            409, "not-settled", "Nothing was written down yet", "write down what the panel came to"
        )
    return Problem(
        409,
        "settled-already",
        "The panel's outcome stands on record already",
        "correct it, by its number and with a reason",
        extra={"settled_by": before.settled_by, "outcome": before.outcome, "number": before.number},
    )


def _not_on_it() -> Problem:
    return Problem(404, "not-on-the-agenda", "This child does not stand on that agenda")
