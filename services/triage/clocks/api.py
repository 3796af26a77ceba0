"""The operations of the clocks: why something is due when it is, and what people do to a case's clocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request

from libs.messaging.ledger import Ledger
from libs.platform.auth import Principal, requires
from libs.platform.bodies import json_body, read_json_body
from libs.platform.parameters import WHOLE
from libs.platform.problems import Problem, responses
from libs.schemas.base import Identifier, Instant
from services.triage.access import note
from services.triage.clocks.counting import BreachCounts, count_breaches
from services.triage.clocks.hub import Hub
from services.triage.clocks.preview import ClockPreview, preview
from services.triage.clocks.record import BreachBody, CaseClocks, ReasonBody, StartBody, StopBody
from services.triage.clocks.standing import LABELS
from services.triage.clocks.timekeeper import Timekeeper
from services.triage.clocks.unexplained import MOST, SilentBreaches, unexplained
from services.triage.handover.terms import Terms
from services.triage.restricted.rights import on_case

Reader = Annotated[Principal, requires("queue:read")]
CaseReader = Annotated[Principal, on_case("case:read")]
Worker = Annotated[Principal, on_case("case:write")]
ClockId = Annotated[str, Path(description="The clock's id.", max_length=63)]

READS = responses(400, 401, 403, 404, 422, 503)
WRITES = responses(400, 401, 403, 404, 409, 413, 415, 422, 503)


@dataclass(frozen=True, slots=True)
class ClockRoom:
    """What the operations work with; set as `app.state.clocks` once the database is there."""

    ledger: Ledger
    timekeeper: Timekeeper


async def _hub(request: Request) -> Hub:
    hub: Hub = request.app.state.hub
    return hub


async def _terms(request: Request) -> Terms:
    terms: Terms = request.app.state.terms
    return terms


async def _room(request: Request) -> ClockRoom:
    room: ClockRoom = request.app.state.clocks
    return room


def _called(hub: Hub) -> dict[str, str]:
    return LABELS | {name: one.label for name, one in hub.clocks.items()}


InRoom = Annotated[ClockRoom, Depends(_room)]

router = APIRouter(prefix="/v1", tags=["clocks"])


@router.get(
    "/clocks/preview",
    responses=responses(400, 401, 403, 404, 422, 503),
    summary="Why something is due when it is",
)
async def preview_clock(
    caller: Reader,
    clock: Annotated[
        str,
        Query(
            description="The clock's id in `clocks.yaml`, or `hand_over.` and a destination.", max_length=63
        ),
    ],
    start: Annotated[Instant, Query(description="When it starts.")],
    hub: Annotated[Hub, Depends(_hub)],
    terms: Annotated[Terms, Depends(_terms)],
) -> ClockPreview:
    """The due time of a clock that starts at an instant, explained sentence by sentence. Nothing is stored."""
    known = {**hub.clocks, **terms.clocks(hub)}
    found = known.get(clock)
    if found is None:
        raise Problem(
            404, "clock-not-found", "There is no such clock", f"there are {', '.join(sorted(known))}"
        )
    return preview(hub, found, start)


@router.get("/clocks/breaches", responses=READS, summary="Clocks that ran out, and nobody has said why")
async def read_breaches(
    caller: Reader,
    room: InRoom,
    hub: Annotated[Hub, Depends(_hub)],
    clock: Annotated[Identifier | None, Query(description="Only this clock.")] = None,
    team: Annotated[Identifier | None, Query(description="Only cases of this team.")] = None,
    limit: Annotated[int, Query(ge=1, le=MOST), WHOLE] = 50,
) -> SilentBreaches:
    """Those that wait longest first. Codes and times only; `PUT …/clocks/{clock}/breach` gives a reason."""
    async with room.ledger.pool.acquire() as connection:
        await note(connection, room.ledger.clock.now(), caller, "breaches.read")
        return await unexplained(connection, caller, clock, team, limit, _called(hub))


@router.get(
    "/clocks/breaches/counts", responses=READS, summary="How many clocks ran out, and the kinds of reasons"
)
async def read_breach_counts(
    caller: Reader,
    room: InRoom,
    hub: Annotated[Hub, Depends(_hub)],
    start: Annotated[Instant, Query(alias="from", description="Due from then on.")],
    end: Annotated[Instant, Query(alias="to", description="Due before then.")],
) -> BreachCounts:
    """By clock and kind of reason, for the board: of children whom the caller may see, and nothing names one."""
    async with room.ledger.pool.acquire() as connection:
        await note(connection, room.ledger.clock.now(), caller, "breaches.counted")
        return await count_breaches(connection, caller, start, end, _called(hub))


@router.get("/cases/{case_id}/clocks", responses=READS, summary="The clocks of a case")
async def read_clocks(caller: CaseReader, case_id: UUID, room: InRoom) -> CaseClocks:
    """Each clock with its rule in words, when it started and is due, and whether it ran out and why; when the target
    stood still. Reading is recorded.
    """
    now = room.ledger.clock.now()
    async with room.ledger.pool.acquire() as connection:
        found = await room.timekeeper.read(connection, case_id)
        await note(connection, now, caller, "clocks.read", case_id)
    return found


@router.put(
    "/cases/{case_id}/clocks/{clock}/start",
    responses=WRITES,
    openapi_extra=json_body(StartBody),
    summary="Say that what starts a clock has happened",
)
async def start_clock(
    request: Request, caller: Worker, case_id: UUID, clock: ClockId, room: InRoom
) -> CaseClocks:
    """Starts the clock as at that moment: a child who was missing was found, and is interviewed within 72 hours.

    Decisions, strategy discussions and what the referrer sends start their clocks by themselves, and not here.
    """
    body, _ = await read_json_body(request, StartBody)
    return await room.timekeeper.start(case_id, clock, body.at, caller)


@router.put(
    "/cases/{case_id}/clocks/{clock}/stop",
    responses=WRITES,
    openapi_extra=json_body(StopBody),
    summary="Say that what a clock waits for has happened",
)
async def stop_clock(
    request: Request, caller: Worker, case_id: UUID, clock: ClockId, room: InRoom
) -> CaseClocks:
    """Stops the clock as at that moment: the child was seen, the conference was held, the assessment was made.

    The clocks of reading, decision and hand-over stop by what is done, and not here.
    """
    body, _ = await read_json_body(request, StopBody)
    return await room.timekeeper.stop(case_id, clock, body.at, body.note, caller)


@router.put(
    "/cases/{case_id}/clocks/{clock}/pause",
    responses=WRITES,
    openapi_extra=json_body(ReasonBody),
    summary="Let the target stand still",
)
async def pause_clock(
    request: Request, caller: Worker, case_id: UUID, clock: ClockId, room: InRoom
) -> CaseClocks:
    """Lets the target of the rating (`urgency`) stand still while the hub waits for what it cannot hurry.

    Red never pauses, no other clock does, and the decision stays due when it is.
    """
    body, _ = await read_json_body(request, ReasonBody)
    return await room.timekeeper.pause(case_id, clock, body.reason, caller)


@router.put(
    "/cases/{case_id}/clocks/{clock}/resumption",
    responses=WRITES,
    openapi_extra=json_body(ReasonBody),
    summary="Let the target go on",
)
async def resume_clock(
    request: Request, caller: Worker, case_id: UUID, clock: ClockId, room: InRoom
) -> CaseClocks:
    """Lets the target go on. The time that it stood moves the target, and nothing else."""
    body, _ = await read_json_body(request, ReasonBody)
    return await room.timekeeper.resume(case_id, clock, body.reason, caller)


@router.put(
    "/cases/{case_id}/clocks/{clock}/breach",
    responses=WRITES,
    openapi_extra=json_body(BreachBody),
    summary="Say why a clock ran out",
)
async def explain_breach(
    request: Request, caller: Worker, case_id: UUID, clock: ClockId, room: InRoom
) -> CaseClocks:
    """Gives the reason that is asked for where a clock ran out, and its kind, which is counted. It stays on record."""
    body, _ = await read_json_body(request, BreachBody)
    return await room.timekeeper.explain(case_id, clock, body, caller)
