"""Takes the cases of a batch of referrals out of the database and puts back what changed, a few statements each way."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any
from uuid import UUID

import asyncpg

from libs.messaging.codec import Codec, Undecodable
from libs.messaging.errors import Permanent
from libs.messaging.ledger import Unit
from libs.schemas.base import Nothing
from libs.schemas.events import Received, Service
from libs.schemas.findings import AgencyState
from libs.schemas.levels import Destination, Level, Rag, Stage
from services.triage.alerts.raising import end_moot, raise_alerts
from services.triage.case import Case, File
from services.triage.clocks.arming import keep_clocks
from services.triage.documents import EVIDENCE, EvidenceKind, RecordedEvaluation
from services.triage.joined.marks import mark
from services.triage.known import learn
from services.triage.policies.store import Policies
from services.triage.standing import AgencyStanding
from services.triage.tasks.due import Due
from services.triage.tasks.raising import NewTask, raise_tasks

_TYPES = {
    "id": "uuid",
    "referral_id": "uuid",
    "child_number": "smallint",
    "received_at": "timestamptz",
    "due_at": "timestamptz",
    "stub": "boolean",
    "immediate_danger": "boolean",
    "unread": "boolean",
    "read_due_at": "timestamptz",
    "narrative_due_at": "timestamptz",
    "rag_due_at": "timestamptz",
    "act_by": "timestamptz",
    "completed_at": "timestamptz",
    "unrouted": "boolean",
    "routed_at": "timestamptz",
    "reopened_at": "timestamptz",
    "at_risk": "boolean",
    "stopped": "boolean",
    "withdrawn_at": "timestamptz",
    "evidence": "integer",
    "answers": "integer",
    "evaluation": "integer",
    "decision": "integer",
    "signing": "integer",
    "proposed_at": "timestamptz",
    "hand_over_due_at": "timestamptz",
    "statutory_at": "timestamptz",
    "closed_at": "timestamptz",
    "restricted": "boolean",
    "clock_from": "timestamptz",
    "read_from": "timestamptz",
    "narrative_from": "timestamptz",
}
_COLUMNS = [each.name for each in fields(Case) if each.metadata.get("column", True)]
_LISTS = ("actions", "labels", "awaiting", "pauses", "warned")
_CODES: dict[str, Any] = {
    "stage": Stage,
    "level": Level,
    "rag": Rag,
    "could_rise_to": Level,
    "announced_level": Level,
    "announced_rag": Rag,
}
_OPTIONAL_CODES: dict[str, Any] = {
    "destination": Destination,
    "decided_to": Destination,
    "decided_level": Level,
}


def _given(columns: Sequence[str]) -> str:
    return ", ".join(f"${place}::{_TYPES.get(name, 'text')}[]" for place, name in enumerate(columns, 1))


SELECT_CASES = f"SELECT {', '.join(_COLUMNS)} FROM child_case"  # noqa: S608 - the dataclass's own field names

_SAVE_CASES = f"""
WITH saved AS (
INSERT INTO child_case ({", ".join(_COLUMNS)})
SELECT {", ".join(f"string_to_array({name}, ' ')" if name in _LISTS else name for name in _COLUMNS)}
  FROM unnest({_given(_COLUMNS)}) AS given ({", ".join(_COLUMNS)})
ON CONFLICT (id) DO UPDATE SET {", ".join(f"{name} = EXCLUDED.{name}" for name in _COLUMNS if name != "id")}
RETURNING id
)
INSERT INTO case_change (case_id) SELECT id FROM saved ON CONFLICT (case_id) DO UPDATE SET xid = pg_current_xact_id()
"""  # noqa: S608 - the dataclass's own field names
_SAVE_REFERRALS = """
INSERT INTO referral (id, reference, agency, received_at, document)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[], $5::bytea[])
ON CONFLICT DO NOTHING
"""
_SAVE_EVIDENCE = """
INSERT INTO evidence (case_id, number, event_id, kind, source, at, document)
SELECT * FROM unnest($1::uuid[], $2::int[], $3::uuid[], $4::text[], $5::text[], $6::timestamptz[], $7::bytea[])
"""
_SAVE_EVALUATIONS = """
INSERT INTO evaluation
    (case_id, number, event_id, at, trigger, policy, level, rag, could_rise_to, document, evidence, states)
SELECT * FROM unnest($1::uuid[], $2::int[], $3::uuid[], $4::timestamptz[], $5::text[], $6::text[], $7::text[],
                     $8::text[], $9::text[], $10::bytea[], $11::int[], $12::text[])
"""
_SAVE_STATES = """
INSERT INTO agency_state (case_id, agency, state, reason, asked_at, due_at, answered_at, late)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::timestamptz[],
                     $7::timestamptz[], $8::bool[])
ON CONFLICT (case_id, agency) DO UPDATE
   SET state = EXCLUDED.state, reason = EXCLUDED.reason, asked_at = EXCLUDED.asked_at, due_at = EXCLUDED.due_at,
       answered_at = EXCLUDED.answered_at, late = EXCLUDED.late
"""
_MOOT = "UPDATE task SET done_at = $2, done_by = $3 WHERE id = ANY ($1) AND done_at IS NULL"


@dataclass(slots=True)
class Desk:
    """The files of the referrals in hand."""

    files: dict[UUID, File] = field(default_factory=dict)
    by_referral: dict[UUID, list[File]] = field(default_factory=dict)
    stubs: dict[UUID, list[Case]] = field(default_factory=dict)
    stops: dict[UUID, set[str]] = field(default_factory=dict)
    new_referrals: dict[UUID, Received] = field(default_factory=dict)
    new_tasks: dict[UUID, NewTask] = field(default_factory=dict)
    untellable: dict[UUID, str] = field(default_factory=dict)

    def known(self, referral_id: UUID) -> bool:
        """Whether the referral itself has come."""
        return referral_id in self.by_referral

    def add(self, file: File) -> None:
        """Puts a file on the desk."""
        self.files[file.case.id] = file
        children = self.by_referral.setdefault(file.case.referral_id, [])
        children.append(file)
        family = [one.kin for one in children]
        for one in children:
            one.family = family

    def task(self, task: NewTask) -> None:
        """Raises a task."""
        self.new_tasks[task.id] = task


async def load(unit: Unit, codec: Codec, policies: Policies, referral_ids: Iterable[UUID]) -> Desk:
    """The cases of these referrals with all that is known of their children, and what is stopped; and the policies
    that are in force.

    Raises Permanent where a document is not what it should be. A document that is erased adds nothing.
    """
    await policies.fresh(unit.connection, unit.now)
    return await read_desk(unit.connection, codec, referral_ids)


async def read_desk(connection: asyncpg.Connection, codec: Codec, referral_ids: Iterable[UUID]) -> Desk:
    """The cases of these referrals with all that is known of their children. Raises Permanent as `load` does."""
    desk = await load_cases(connection, referral_ids)
    if desk.files:
        await _load_evidence(connection, codec, desk)
    return desk


async def load_cases(connection: asyncpg.Connection, referral_ids: Iterable[UUID]) -> Desk:
    """The cases of these referrals by their rows alone: nothing is known of their children."""
    wanted = list(set(referral_ids))
    desk = Desk()
    for row in await connection.fetch(
        "SELECT referral_id, consumer FROM stop WHERE referral_id = ANY ($1)", wanted
    ):
        desk.stops.setdefault(row[0], set()).add(row[1])
    rows = await connection.fetch(
        f"{SELECT_CASES} WHERE referral_id = ANY ($1) ORDER BY child_number", wanted
    )
    for row in rows:
        case = case_of(row)
        if case.stub:
            desk.stubs.setdefault(case.referral_id, []).append(case)
        else:
            desk.add(File(case, clocks=case.clocks()))
    return desk


def case_of(row: asyncpg.Record) -> Case:
    """The case of a row of SELECT_CASES."""
    values = dict(row.items())
    for name, codes in _CODES.items():
        values[name] = codes(values[name])
    for name, optional in _OPTIONAL_CODES.items():
        values[name] = optional(values[name]) if values[name] else None
    for name in _LISTS:
        values[name] = tuple(values[name])
    return Case(**values)


async def _load_evidence(connection: asyncpg.Connection, codec: Codec, desk: Desk) -> None:
    ids = list(desk.files)
    rows = await connection.fetch(
        "SELECT case_id, kind, document FROM evidence WHERE case_id = ANY ($1) AND kind <> $2 ORDER BY case_id, number",
        ids,
        EvidenceKind.WITHDRAWAL.value,
    )
    decoded = await codec.decode([(EVIDENCE[EvidenceKind(row[1])], row[2]) for row in rows])
    for row, item in zip(rows, decoded, strict=True):
        if isinstance(item, Undecodable):
            if item.code != "erased":
                raise Permanent(f"evidence-{item.code}")
        elif row[0] not in item.erased:
            learn(desk.files[row[0]].known, row[0], item.payload)
    states = await connection.fetch(
        "SELECT case_id, agency, state, reason, asked_at, due_at, answered_at, late"
        "  FROM agency_state WHERE case_id = ANY ($1)",
        ids,
    )
    for case_id, agency, state, *rest in states:
        code = AgencyState(state) if state in _STATES else state
        desk.files[case_id].agencies[agency] = AgencyStanding(code, *rest)


_STATES = frozenset(AgencyState)


async def save(unit: Unit, codec: Codec, policies: Policies, desk: Desk) -> None:
    """Writes everything that changed, and starts and stops the clocks that follow from it."""
    connection = unit.connection
    changed = [file for file in desk.files.values() if file.case.changed]
    if desk.new_referrals:
        documents = await codec.encode(list(desk.new_referrals.values()))
        shared = [received.shared for received in desk.new_referrals.values()]
        await connection.execute(
            _SAVE_REFERRALS,
            list(desk.new_referrals),
            [one.reference for one in shared],
            [one.agency for one in shared],
            [one.received_at for one in shared],
            documents,
        )
    if desk.untellable:
        await connection.execute(
            "UPDATE referral SET untellable = reason FROM unnest($1::uuid[], $2::text[]) AS given (key, reason)"
            " WHERE id = key",
            list(desk.untellable),
            list(desk.untellable.values()),
        )
    if changed:
        await save_cases(connection, [file.case for file in changed])
        await _save_evidence(connection, codec, changed)
        await _save_evaluations(connection, codec, changed)
        policies.evaluated(unit, changed)
        await mark(unit, changed)
        await _save_states(connection, changed)
        for file in changed:
            keep_clocks(unit, file.case, file.clocks)
        await raise_alerts(unit, [file.case for file in changed])
        for file in changed:
            for action in file.new_actions:
                case = file.case
                due = action.due or Due(case.rag_due_at or case.due_at)
                about, trace = action.about, case.trace
                desk.task(
                    NewTask(case.referral_id, case.id, action.kind, unit.now, due, about=about, trace=trace)
                )
    await raise_tasks(unit, list(desk.new_tasks.values()))
    moot = [task_id for file in changed for task_id in file.moot if task_id not in desk.new_tasks]
    if moot:
        await connection.execute(_MOOT, moot, unit.now, Service.ENRICHMENT.value)


async def save_cases(connection: asyncpg.Connection, cases: Sequence[Case]) -> None:
    """Inserts or replaces the rows of these cases."""
    columns: list[list[Any]] = [[getattr(case, name) for case in cases] for name in _COLUMNS]
    for name in _LISTS:
        columns[_COLUMNS.index(name)] = [" ".join(getattr(case, name)) for case in cases]
    await connection.execute(_SAVE_CASES, *columns)


async def _save_evidence(connection: asyncpg.Connection, codec: Codec, files: Sequence[File]) -> None:
    items = [(file.case.id, item) for file in files for item in file.new_evidence]
    if not items:
        return
    await connection.execute(
        _SAVE_EVIDENCE,
        [case_id for case_id, _ in items],
        [item.number for _, item in items],
        [item.event_id for _, item in items],
        [item.kind.value for _, item in items],
        [item.source for _, item in items],
        [item.at for _, item in items],
        await codec.encode([item.document for _, item in items]),
    )


async def _save_evaluations(connection: asyncpg.Connection, codec: Codec, files: Sequence[File]) -> None:
    items = [(file.case.id, item) for file in files for item in file.new_evaluations]
    if not items:
        return
    documents = [
        RecordedEvaluation.model_construct(shared=Nothing(), children={case_id: item.evaluation})
        for case_id, item in items
    ]
    made = [item.evaluation for _, item in items]
    await connection.execute(
        _SAVE_EVALUATIONS,
        [case_id for case_id, _ in items],
        [one.number for one in made],
        [one.event_id for one in made],
        [one.at for one in made],
        [one.trigger for one in made],
        [one.outcome.policy for one in made],
        [one.outcome.level for one in made],
        [one.outcome.rag for one in made],
        [one.outcome.could_rise_to for one in made],
        await codec.encode(documents),
        [item.evidence for _, item in items],
        [item.states for _, item in items],
    )


async def _save_states(connection: asyncpg.Connection, files: Sequence[File]) -> None:
    items = [(file.case.id, agency, file.agencies[agency]) for file in files for agency in file.new_states]
    if not items:
        return
    await connection.execute(
        _SAVE_STATES,
        [case_id for case_id, _, _ in items],
        [agency for _, agency, _ in items],
        [standing.state for _, _, standing in items],
        [standing.reason for _, _, standing in items],
        [standing.asked_at for _, _, standing in items],
        [standing.due_at for _, _, standing in items],
        [standing.answered_at for _, _, standing in items],
        [standing.late for _, _, standing in items],
    )


async def drop_stubs(unit: Unit, stubs: Iterable[Case]) -> None:
    """Removes the stand-ins of a referral that could not be read, with their clocks."""
    gone = list(stubs)
    if not gone:
        return
    await unit.connection.execute(
        "DELETE FROM child_case WHERE stub AND id = ANY ($1)", [case.id for case in gone]
    )
    await end_moot(unit, {case.referral_id for case in gone})
    for case in gone:
        for clock in case.clocks():
            unit.disarm(clock, case.id)
