"""The staff's operations: the queue, and a case with its reading."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from libs.messaging.ledger import Ledger
from libs.platform.auth import Principal, requires
from libs.platform.bodies import json_body, read_json_body
from libs.platform.etags import IfMatch
from libs.platform.parameters import TRUE_FALSE, WHOLE
from libs.platform.problems import Problem, responses
from libs.schemas.base import Identifier, Instant, Line
from libs.schemas.levels import Destination, Rag, Stage
from libs.schemas.reference import parse_reference
from services.triage.access import note
from services.triage.cases import Cases
from services.triage.chronology import Chronology, chronology
from services.triage.commands.commands import Commands
from services.triage.decision.authority import DECIDERS
from services.triage.journeys import Journey, journey
from services.triage.policies.page import Paper
from services.triage.policies.store import Policies
from services.triage.queue.pages import Queue, QueueCounts, QueuePage
from services.triage.queue.selection import Filters
from services.triage.queue.tags import Tag
from services.triage.readings import ReadingBody, ReadingKept, Readings
from services.triage.restricted.rights import on_case
from services.triage.views import CaseView, EvaluationShown

QueueReader = Annotated[Principal, requires("queue:read")]
CaseReader = Annotated[Principal, on_case("case:read")]
CaseDecider = Annotated[Principal, on_case("decision:write", DECIDERS)]
Watcher = Annotated[Principal, requires("operations:read")]

Code = Identifier | None
Subject = Line | None

READS = responses(400, 401, 403, 404, 422, 503)
WRITES = responses(400, 401, 403, 404, 409, 412, 413, 415, 422, 428, 503)


class Office:
    """What the operations work with; set as `app.state.office` once the database is there."""

    def __init__(
        self,
        ledger: Ledger,
        queue: Queue,
        cases: Cases,
        readings: Readings,
        policies: Policies,
        commands: Commands,
    ) -> None:
        self.ledger = ledger
        self.queue = queue
        self.cases = cases
        self.readings = readings
        self.policies = policies
        self.commands = commands
        self.paper = Paper()


async def _office(request: Request) -> Office:
    office: Office = request.app.state.office
    return office


InOffice = Annotated[Office, Depends(_office)]

router = APIRouter(prefix="/v1", tags=["casework"])


@router.get("/queue", responses=READS, summary="Cases in which somebody must act, most urgent first")
async def read_queue(
    caller: QueueReader,
    office: InOffice,
    team: Annotated[Code, Query(description="Only this team's queue.")] = None,
    stage: Stage | None = None,
    rag: Rag | None = None,
    destination: Destination | None = None,
    due_before: Annotated[
        Instant | None, Query(description="Only what must be acted on before then.")
    ] = None,
    locality: Annotated[Code, Query(description="Only what this locality's panel serves.")] = None,
    awaiting: Annotated[Code, Query(description="Only what waits for this agency.")] = None,
    claimed_by: Annotated[Subject, Query(description="Only cases of which this person has the pen.")] = None,
    worker: Annotated[Subject, Query(description="Only what is allocated to this worker.")] = None,
    unallocated: Annotated[bool, Query(description="Only what is allocated to nobody."), TRUE_FALSE] = False,
    tag: Tag | None = None,
    cursor: Annotated[
        str | None, Query(max_length=1000, description="`next_cursor` of the page before.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=100), WHOLE] = 50,
) -> QueuePage:
    """Codes and times only; whoever opens a case sees what was said. Equally urgent cases keep a fixed order."""
    filters = Filters(
        team=team,
        stage=stage,
        rag=rag,
        destination=destination,
        locality=locality,
        due_before=due_before,
        awaiting=awaiting,
        claimed_by=claimed_by,
        worker=worker,
        unallocated=unallocated,
        tag=tag,
    )
    now = office.ledger.clock.now()
    async with office.ledger.pool.acquire() as connection:
        page = await office.queue.page(connection, now, filters, caller=caller, cursor=cursor, limit=limit)
        await note(connection, now, caller, "queue.read")
    return page


@router.get("/queue/counts", responses=responses(401, 403, 503), summary="How many cases stand where")
async def count_queue(caller: QueueReader, office: InOffice) -> QueueCounts:
    """The cases of each team at each stage, how many are red or overdue, and the query that lists them."""
    now = office.ledger.clock.now()
    async with office.ledger.pool.acquire() as connection:
        await note(connection, now, caller, "queue.read")
        return await office.queue.counts(connection, now, caller)


@router.get("/cases/{case_id}", responses=READS, summary="One child's case")
async def read_case(caller: CaseReader, case_id: UUID, office: InOffice, response: Response) -> CaseView:
    """The evidence first, then the evaluation with its explanation, then clocks and tasks. Reading is recorded.

    The ETag covers what a decision rests on: evidence, agencies' answers, evaluation and decisions.
    """
    now = office.ledger.clock.now()
    async with office.ledger.pool.acquire() as connection:
        view, tag = await office.cases.read(connection, case_id, caller, now)
        await note(connection, now, caller, "case.read", case_id)
        if view.blocked:
            await note(connection, now, caller, "case.read-blocked", case_id, referral_id=view.referral_id)
    response.headers["ETag"] = f'"{tag}"'
    return view


@router.get("/cases/{case_id}/chronology", responses=READS, summary="What happened to a child, as one list")
async def read_chronology(caller: CaseReader, case_id: UUID, office: InOffice) -> Chronology:
    """Earlier reports and plans, what was said and done in this referral, and who decided what: with source and day.

    What was corrected or taken back stays in it and is marked. Reading is recorded.
    """
    now = office.ledger.clock.now()
    async with office.ledger.pool.acquire() as connection:
        view, _ = await office.cases.read(connection, case_id, caller, now)
        await note(connection, now, caller, "chronology.read", case_id)
    thresholds = office.cases.thresholds
    definitions = thresholds.rulebooks.directory.dictionary.definitions
    labels = {name: one.label for name, one in definitions.items()}
    return chronology(view, thresholds.clocks.day, labels, thresholds.names)


@router.get(
    "/cases/{case_id}/evaluations/{number}",
    responses=READS,
    summary="One evaluation of a case, with its reasons",
)
async def read_evaluation(
    caller: CaseReader,
    case_id: UUID,
    number: Annotated[int, Path(ge=1, le=1_000_000), WHOLE],
    office: InOffice,
) -> EvaluationShown:
    """An earlier evaluation as it was shown, explained by the policy that it names. Reading is recorded."""
    now = office.ledger.clock.now()
    async with office.ledger.pool.acquire() as connection:
        shown = await office.cases.evaluation(connection, case_id, number)
        await note(connection, now, caller, "evaluation.read", case_id)
    return shown


@router.put(
    "/cases/{case_id}/reading",
    responses=WRITES,
    openapi_extra=json_body(ReadingBody),
    summary="Say that the referrer's words were read",
)
async def keep_reading(
    request: Request, caller: CaseDecider, case_id: UUID, seen: IfMatch, office: InOffice, response: Response
) -> ReadingKept:
    """Records that a person read the words, and what facts they tell of; these are evaluated at once.

    `If-Match` says which words: where the referrer said more since, or somebody else read them, the answer is 412.
    An agency's answer meanwhile refuses no reading.
    """
    body, fingerprint = await read_json_body(request, ReadingBody)
    kept, tag = await office.readings.keep(case_id, body, fingerprint, seen, caller)
    response.headers["ETag"] = f'"{tag}"'
    return kept


@router.get("/journeys/{reference}", responses=READS, tags=["operations"], summary="How a referral travelled")
async def read_journey(
    caller: Watcher,
    reference: Annotated[str, Path(max_length=40, description="The reference, in any case.")],
    office: InOffice,
) -> Journey:
    """When each child was screened, routed and decided. Codes and times only. Reading is recorded."""
    written = parse_reference(reference)
    if written is None:
        raise Problem(404, "referral-not-found", "There is no such referral here")
    async with office.ledger.pool.acquire() as connection:
        now = office.ledger.clock.now()
        found = await journey(connection, written, caller, now)
        await note(connection, now, caller, "journey.read", referral_id=found.referral_id)
    return found
