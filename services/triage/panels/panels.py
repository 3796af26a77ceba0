"""Keeps panels' agendas: a decision puts a child on the next one, and the panel's outcome stands on record."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import asyncpg
from pydantic import Field

from libs.messaging.codec import Decoded
from libs.messaging.ledger import Ledger, Unit
from libs.platform.auth import Principal
from libs.platform.problems import Problem, invalid_body
from libs.platform.validation import FieldError
from libs.schemas.base import Identifier, Instant, IsoDate, Line, Model, Nothing, Payload, Text
from libs.schemas.decision import Decision
from libs.schemas.levels import Destination, Level
from services.triage.access import note
from services.triage.case import File
from services.triage.casework import Casework
from services.triage.consumer import tell
from services.triage.desk import Desk, load, save
from services.triage.panels.calendar import Panel, Programme
from services.triage.panels.children import ChildView, children_of
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
       c.reference, c.child_number, c.decided_level, c.decided_to, c.closed_at
  FROM panel_item AS i JOIN child_case AS c ON c.id = i.case_id
 WHERE i.panel = $1 AND i.day = $2 AND {seen}
 ORDER BY i.listed, i.put_at, i.case_id
"""
_COUNTS = """
SELECT i.panel, i.day, count(*) AS children FROM panel_item AS i JOIN child_case AS c ON c.id = i.case_id
 WHERE i.day >= $1 AND {seen} GROUP BY i.panel, i.day
"""
_SETTLE = """
UPDATE panel_item SET outcome = $4, review_on = $5, settled_at = $6, settled_by = $7, document = $8
 WHERE panel = $1 AND day = $2 AND case_id = $3
"""
_MEMBERS = """
INSERT INTO panel_meeting (panel, day, at, by, document) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (panel, day) DO UPDATE SET at = EXCLUDED.at, by = EXCLUDED.by, document = EXCLUDED.document
"""


class Attended(Model):
    """Who sat on the panel for an agency."""

    agency: Identifier
    name: Line


class MembersBody(Model):
    """The body of `PUT /v1/panels/{panel}/meetings/{day}/members`."""

    present: tuple[Attended, ...] = Field(max_length=60)
    chair: Line


class RecordedMembers(Payload[MembersBody, Nothing]):
    """Who was there, as it stands on record."""


class OutcomeBody(Model):
    """The body of `PUT /v1/panels/{panel}/meetings/{day}/items/{case_id}`."""

    outcome: Identifier = Field(description="One of the partnership's outcomes.")
    note: Text
    review_on: IsoDate | None = Field(
        None, description="When the panel looks again; by default its own interval."
    )
    again_on: IsoDate | None = Field(
        None, description="A later meeting on whose agenda the child stands as well."
    )


class PanelNote(Model):
    """What the panel wrote about a child."""

    note: Text


class RecordedOutcome(Payload[Nothing, PanelNote]):
    """A panel's outcome as it stands on record."""


class MeetingCount(Model):
    """One meeting, and how many children stand on its agenda."""

    day: IsoDate
    starts_at: Instant
    agenda_closes_at: Instant
    children: int
    path: str


class PanelView(Model):
    """One panel with its next meetings."""

    id: str
    name: str
    destination: Destination
    locality: str | None
    members: tuple[str, ...]
    meetings: tuple[MeetingCount, ...]


class PanelsView(Model):
    """Every panel of the partnership."""

    panels: tuple[PanelView, ...]


class AgendaItem(Model):
    """One child on an agenda."""

    case_id: UUID
    reference: str | None
    child_number: int
    child: ChildView
    decided_level: Level | None
    decided_to: Destination | None
    listed: bool = Field(description="Another destination owns the case; the panel is told.")
    outcome: str | None = None
    outcome_words: str | None = None
    note: Text | None = None
    review_on: IsoDate | None = None
    settled_at: Instant | None = None
    settled_by: Line | None = None


class Agenda(Model):
    """One meeting."""

    panel: str
    name: str
    day: IsoDate
    starts_at: Instant
    agenda_closes_at: Instant
    members: tuple[str, ...] = Field(description="The agencies that sit on it.")
    missing: tuple[str, ...] = Field(
        description="Those of them for whom nobody was there; all before the meeting."
    )
    chair: Line | None
    present: tuple[Attended, ...]
    items: tuple[AgendaItem, ...]


class Panels:
    """The rules of agendas. `decided` runs in its caller's unit."""

    def __init__(self, ledger: Ledger, casework: Casework, policies: Policies, programme: Programme) -> None:
        self._ledger = ledger
        self._casework = casework
        self._policies = policies
        self.programme = programme

    async def decided(self, unit: Unit, desk: Desk, file: File, decision: Decision) -> None:
        """A decision stands: the child comes onto the next agenda of whoever it went to, and of whoever lists it."""
        case, zone = file.case, self.programme.zone
        await unit.connection.execute(_LEAVE, case.id, unit.now.astimezone(zone).date())
        rulebook = self._casework.thresholds.rulebook(case.received_at)
        listed = rulebook.placement(case.level, file.known).listed
        owner = Destination(decision.destination)
        for destination in (owner, *(one for one in listed if one is not owner)):
            panel = self.programme.panel_for(destination, case.locality)
            if panel is not None:
                day = panel.next_after(unit.now, zone)
                await self._put(unit, panel, day, file, decision.number, listed=destination is not owner)

    async def _put(
        self, unit: Unit, panel: Panel, day: date, file: File, decision: int, *, listed: bool
    ) -> None:
        case = file.case
        await unit.connection.execute(
            _PUT, panel.id, day, case.id, case.referral_id, decision, listed, unit.now
        )

    async def overview(self, connection: asyncpg.Connection, caller: Principal, now: datetime) -> PanelsView:
        """Every panel with its next meetings."""
        zone = self.programme.zone
        today = now.astimezone(zone).date()
        rows = await connection.fetch(_COUNTS.format(seen=visible(caller, "c")), today)
        counts = {(row["panel"], row["day"]): row["children"] for row in rows}
        return PanelsView(
            panels=tuple(
                PanelView(
                    id=panel.id,
                    name=panel.name,
                    destination=panel.destination,
                    locality=panel.locality,
                    members=panel.members,
                    meetings=tuple(
                        MeetingCount(
                            day=day,
                            starts_at=panel.starts(day, zone),
                            agenda_closes_at=panel.starts(day, zone) - panel.papers,
                            children=counts.get((panel.id, day), 0),
                            path=f"/v1/panels/{panel.id}/meetings/{day}",
                        )
                        for day in _ahead(panel, today)
                    ),
                )
                for panel in self.programme.panels.values()
            )
        )

    async def agenda(
        self, connection: asyncpg.Connection, panel_id: str, day: date, caller: Principal
    ) -> Agenda:
        """One meeting's agenda. Raises Problem 404 where the panel does not meet on that day."""
        panel, zone, codec = self._panel(panel_id, day), self.programme.zone, self._ledger.codec
        rows = await connection.fetch(_ITEMS.format(seen=visible(caller, "c")), panel_id, day)
        children = await children_of(connection, codec, [row["referral_id"] for row in rows])
        members = await self._members(connection, panel_id, day)
        present = () if members is None else members.present
        there = {one.agency for one in present}
        return Agenda(
            panel=panel_id,
            name=panel.name,
            day=day,
            starts_at=panel.starts(day, zone),
            agenda_closes_at=panel.starts(day, zone) - panel.papers,
            members=panel.members,
            missing=tuple(one for one in panel.members if one not in there),
            chair=None if members is None else members.chair,
            present=present,
            items=tuple([await self._item(row, children) for row in rows]),
        )

    async def _item(self, row: asyncpg.Record, children: dict[UUID, ChildView]) -> AgendaItem:
        values = {name: value for name, value in dict(row).items() if name in AgendaItem.model_fields}
        text = None
        if row["document"] is not None:
            (item,) = await self._ledger.codec.decode([(RecordedOutcome, row["document"])])
            said = item.payload.children.get(row["case_id"]) if isinstance(item, Decoded) else None
            text = None if said is None else said.note
        outcome = self.programme.outcomes.get(row["outcome"] or "")
        return AgendaItem(
            **values,
            child=children.get(row["case_id"], ChildView(name=None)),
            outcome_words=None if outcome is None else outcome.words,
            note=text,
        )

    async def settle(
        self, panel_id: str, day: date, case_id: UUID, body: OutcomeBody, caller: Principal
    ) -> Agenda:
        """Keeps what the panel came to about a child. The same again is the same answer.

        Raises Problem: 404, 409 where something else was written down already, 422.
        """
        panel = self._panel(panel_id, day)
        outcome = self.programme.outcomes.get(body.outcome)
        faults = []
        if outcome is None:
            known = ", ".join(self.programme.outcomes)
            faults.append(FieldError("/outcome", "unknown_code", f"must be one of {known}"))
        if body.again_on is not None and (body.again_on <= day or not panel.meets(body.again_on)):
            faults.append(
                FieldError("/again_on", "no_meeting", "must be a later day on which the panel meets")
            )
        if faults or outcome is None:
            raise invalid_body(faults)
        referral_id = await self._ledger.pool.fetchval(
            "SELECT referral_id FROM panel_item WHERE panel = $1 AND day = $2 AND case_id = $3",
            panel_id,
            day,
            case_id,
        )
        if referral_id is None:
            raise _not_on_it()
        review_on = body.review_on or day + panel.review_after
        async with self._ledger.unit([referral_id]) as unit:
            desk = await load(unit, self._ledger.codec, self._policies, [referral_id])
            seen = (await self.agenda(unit.connection, panel_id, day, caller)).items
            before = next((one for one in seen if one.case_id == case_id), None)
            if before is None:
                raise _not_on_it()
            if before.outcome is not None:
                if (before.outcome, before.note, before.review_on) == (body.outcome, body.note, review_on):
                    return await self.agenda(unit.connection, panel_id, day, caller)
                raise Problem(
                    409,
                    "settled-already",
                    "The panel's outcome stands on record already",
                    extra={"settled_by": before.settled_by, "outcome": before.outcome},
                )
            (document,) = await self._ledger.codec.encode(
                [RecordedOutcome(shared=Nothing(), children={case_id: PanelNote(note=body.note)})]
            )
            await unit.connection.execute(
                _SETTLE, panel_id, day, case_id, body.outcome, review_on, unit.now, caller.subject, document
            )
            file = desk.files.get(case_id)
            if file is not None and body.again_on is not None:
                await self._put(unit, panel, body.again_on, file, before_decision(file), listed=before.listed)
            if file is not None and outcome.reopens and file.case.decided and not before.listed:
                cause = Cause(uuid5(case_id, f"{panel_id}/{day}"), unit.now, unit.now)
                tell(unit, [(file, self._casework.refused(file, cause))], file.case.trace)
            await note(unit.connection, unit.now, caller, "panel.settle", case_id)
            await save(unit, self._ledger.codec, self._policies, desk)
            return await self.agenda(unit.connection, panel_id, day, caller)

    async def keep_members(
        self, connection: asyncpg.Connection, panel_id: str, day: date, body: MembersBody, caller: Principal
    ) -> None:
        """Keeps who sat on the panel. Raises Problem 404, 422 for an agency that has no seat there."""
        panel = self._panel(panel_id, day)
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

    def _panel(self, panel_id: str, day: date) -> Panel:
        panel = self.programme.panels.get(panel_id)
        if panel is None or not panel.meets(day):
            raise Problem(404, "meeting-not-found", "There is no such panel, or it does not meet on that day")
        return panel


def _not_on_it() -> Problem:
    return Problem(404, "not-on-the-agenda", "This child does not stand on that agenda")


def before_decision(file: File) -> int:
    """The decision that a further meeting is about."""
    return file.case.decision


def _ahead(panel: Panel, today: date) -> Sequence[date]:
    passed = max((today - panel.first) // panel.every, 0)
    first = panel.first + passed * panel.every
    first += timedelta(0) if first >= today else panel.every
    return [first + place * panel.every for place in range(AHEAD)]
