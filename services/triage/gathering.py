"""Everything that was said about a child, put together for whoever reads the case."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from libs.messaging.codec import ERASED, Codec, Decoded, Undecodable
from libs.schemas.base import Payload
from libs.schemas.dictionary import REFERRER
from libs.schemas.events import (
    CheckCorrected,
    CheckReturned,
    InformationAdded,
    PeopleCorrected,
    Received,
    Withdrawn,
)
from libs.schemas.findings import AgencyState, Answer, Correction
from libs.schemas.levels import Stage
from libs.schemas.people import Linked
from libs.schemas.referral import ReferredChild
from services.triage.case import Case
from services.triage.documents import EVIDENCE, EvidenceKind, RecordedReading, Stated
from services.triage.findings.finding import views_of
from services.triage.known import Known, learn
from services.triage.standing import AgencyStanding, latest
from services.triage.views import (
    AddedView,
    AgencyView,
    AnswerView,
    CandidateView,
    EvidenceView,
    HomeView,
    IndexView,
    ReceivedView,
    SiblingView,
)
from services.triage.wording import Words, score

_STATES = (
    "SELECT agency, state, reason, asked_at, due_at, answered_at, late FROM agency_state"
    " WHERE case_id = $1 ORDER BY agency"
)
_SIBLINGS = (
    "SELECT id AS case_id, child_number, stage FROM child_case"
    " WHERE referral_id = $1 AND id <> $2 AND NOT stub ORDER BY child_number"
)
_EVIDENCE = "SELECT kind, at, source, document FROM evidence WHERE case_id = $1 ORDER BY number"


@dataclass(slots=True)
class Gathered:
    """The evidence as it is shown, and what else the case rests on."""

    view: EvidenceView
    known: Known
    linked_at: datetime | None = None
    """When the index last said anything."""


@dataclass(slots=True)
class _Pile:
    """The pieces of evidence by what they are."""

    added: list[AddedView] = field(default_factory=list)
    withdrawn: list[Any] = field(default_factory=list)
    readings: list[Any] = field(default_factory=list)
    answers: dict[str, list[Answer]] = field(default_factory=lambda: defaultdict(list))
    corrections: dict[str, list[Correction]] = field(default_factory=lambda: defaultdict(list))
    found_by: str | None = None
    found: ReferredChild | None = None
    linked_at: datetime | None = None
    erased: int = 0
    unreadable: int = 0


async def gather(
    connection: asyncpg.Connection, codec: Codec, case: Case, words: Words, now: datetime
) -> Gathered:
    """Reads everything that was said about a case's child."""
    rows = await connection.fetch(_EVIDENCE, case.id)
    decoded: Sequence[Decoded[Payload[Any, Any]] | Undecodable] = await codec.decode(
        [(EVIDENCE[EvidenceKind(row["kind"])], row["document"]) for row in rows]
    )
    known, pile = Known(), _Pile()
    for row, item in zip(rows, decoded, strict=True):
        if isinstance(item, Undecodable):
            pile.erased, pile.unreadable = pile.erased + (item == ERASED), pile.unreadable + (item != ERASED)
        elif case.id in item.erased:
            pile.erased += 1
        else:
            learn(known, case.id, item.payload)
            _put(pile, case.id, row, item.payload)
    states = await connection.fetch(_STATES, case.id)
    siblings = await connection.fetch(_SIBLINGS, case.referral_id, case.id)
    received, readable = await _received(connection, codec, case)
    if received is not None and pile.found_by is not None:
        received = received.model_copy(update={"found_by": pile.found_by, "child": pile.found})
    view = EvidenceView(
        received=received,
        added=tuple(pile.added),
        withdrawn=tuple(pile.withdrawn),
        agencies=tuple(_agency(row, pile, known, words, now) for row in states),
        readings=tuple(pile.readings),
        joined=tuple(known.joined.values()),
        findings=views_of(known.findings.values()),
        index=_index(known.linked),
        home=tuple(HomeView(source=one.source, fact=one.fact) for one in known.worked_out.home),
        worked_out=known.worked_out.derived,
        corrected=tuple(known.corrected),
        adults=tuple(known.adults),
        siblings=tuple(
            SiblingView(case_id=row[0], child_number=row[1], stage=Stage(row[2])) for row in siblings
        ),
        erased=pile.erased,
        unreadable=pile.unreadable + (not readable),
    )
    return Gathered(view, known, pile.linked_at)


def _put(pile: _Pile, case_id: UUID, row: Mapping[str, Any], payload: Payload[Any, Any]) -> None:
    child = payload.children.get(case_id)
    if isinstance(payload, InformationAdded):
        pile.added.append(AddedView(at=row["at"], shared=payload.shared, child=child))
    elif isinstance(payload, Withdrawn):
        pile.withdrawn.append(payload.shared)
    elif child is None or isinstance(payload, PeopleCorrected):
        return
    elif isinstance(payload, Stated) and row["source"] != REFERRER:
        pile.found_by, pile.found = row["source"], child.found
    elif isinstance(payload, CheckReturned):
        pile.answers[child.agency].append(child)
    elif isinstance(payload, CheckCorrected):
        pile.corrections[child.agency].append(child)
        if child.answer is not None:
            pile.answers[child.agency].append(
                child.answer.model_copy(update={"question_id": child.question_id})
            )
    elif isinstance(payload, RecordedReading):
        pile.readings.append(child)
    elif row["kind"] == EvidenceKind.LINKED:
        pile.linked_at = row["at"]


def _agency(row: asyncpg.Record, pile: _Pile, known: Known, words: Words, now: datetime) -> AgencyView:
    agency, state, *rest = row
    standing = AgencyStanding(AgencyState(state) if state in _KNOWN_STATES else state, *rest)
    counting = [one for one in known.given if one.agency == agency]
    told = latest(counting) if counting else None
    return AgencyView(
        **dict(row),
        words=words.state(standing, told, now),
        as_of=told.as_of if told else None,
        days_old=words.days_old(told.as_of, now) if told is not None and told.as_of is not None else None,
        coverage_from=told.coverage_from if told else None,
        coverage_to=told.coverage_to if told else None,
        items=tuple(dict.fromkeys(item for one in counting for item in one.items)),
        held_back=_held_back(counting),
        reused_from=told.reused_from if told else None,
        worker=known.worker(agency),
        answers=tuple(
            AnswerView(**dict(one), counts=any(one is each or one == each for each in counting))
            for one in pile.answers.get(agency, ())
        ),
        corrections=tuple(pile.corrections.get(agency, ())),
    )


_KNOWN_STATES = frozenset(AgencyState)


def _held_back(answers: Iterable[Answer]) -> dict[str, str]:
    """What no question has asked for."""
    asked = {item for one in answers for item in one.items}
    return {item: why for one in answers for item, why in one.held_back.items() if item not in asked}


def _index(linked: Linked | None) -> IndexView | None:
    if linked is None:
        return None
    candidates = tuple(CandidateView(**dict(one), words=score(one)) for one in linked.candidates)
    return IndexView(**dict(linked) | {"candidates": candidates})


async def _received(
    connection: asyncpg.Connection, codec: Codec, case: Case
) -> tuple[ReceivedView | None, bool]:
    """What the referrer wrote; and False where it is kept but is not what it should be."""
    document = await connection.fetchval("SELECT document FROM referral WHERE id = $1", case.referral_id)
    if document is None:
        return None, True
    (item,) = await codec.decode([(Received, document)])
    if isinstance(item, Undecodable):
        return None, item == ERASED
    shared = item.payload.shared
    view = ReceivedView(
        received_at=shared.received_at,
        agency=shared.agency,
        referral=shared.referral,
        child=None if case.id in item.erased else item.payload.children.get(case.id),
    )
    return view, True
