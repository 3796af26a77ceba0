"""The policies for systems and people: list, read, try out; and a page that shows the one in force in English."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from starlette.responses import HTMLResponse

from libs.platform.auth import Principal, requires
from libs.platform.bodies import json_body, read_json_body
from libs.platform.problems import Problem, invalid_body, responses
from libs.platform.validation import FieldError
from libs.schemas.dictionary import STAFF
from libs.schemas.findings import AgencyState
from services.triage.api import InOffice
from services.triage.basis import child_facts
from services.triage.explanation import explain_outcome
from services.triage.known import Known
from services.triage.policies.page import HEADERS
from services.triage.policies.rulebook import Mode, Rulebook, Timeline
from services.triage.policies.store import (
    StoredPolicy,
    in_force,
    stored_policies,
    stored_policy,
    stored_texts,
)
from services.triage.policies.views import (
    ForceView,
    PolicyPage,
    PolicySummary,
    PolicyView,
    RuleView,
    WhatIf,
    WhatIfAnswer,
)
from services.triage.policy import ChildFacts, StatedFact, evaluate
from services.triage.standing import AgencyStanding

PolicyReader = Annotated[Principal, requires("policy:read")]
Fingerprint = Annotated[str, Path(pattern="^[0-9a-f]{64}$", description="As `GET /v1/policies` gives it.")]

READS = responses(401, 403, 404, 422, 503)
TRIES = responses(400, 401, 403, 404, 413, 415, 422, 503)
MOST_ERRORS = 20

router = APIRouter(tags=["policy"])


@router.get(
    "/v1/policies", responses=responses(401, 403, 503), summary="The policy's versions, the latest first"
)
async def list_policies(caller: PolicyReader, office: InOffice) -> PolicyPage:
    """Every version that was ever registered, from when each is in force, and whether it was proved."""
    pool, now = office.ledger.pool, office.ledger.clock.now()
    stored, timeline = await stored_policies(pool), await in_force(pool)
    items = tuple(PolicySummary(**_summary(one, timeline)) for one in stored)
    return PolicyPage(live=timeline.live(now), items=items)


@router.get("/v1/policies/{fingerprint}", responses=READS, summary="One version of the policy")
async def read_policy(caller: PolicyReader, fingerprint: Fingerprint, office: InOffice) -> PolicyView:
    """Its documents as they were registered, its rules in English, and what was proved of it."""
    pool = office.ledger.pool
    stored = await stored_policy(pool, fingerprint)
    if stored is None:
        raise _not_found()
    timeline, texts = await in_force(pool), await stored_texts(pool, [fingerprint])
    rulebook = await office.policies.load(pool, fingerprint)
    return PolicyView(
        **_summary(stored, timeline),
        effective=rulebook.policy.effective if rulebook is not None else None,
        sign_off=rulebook.policy.sign_off if rulebook is not None else None,
        rules=_rules(rulebook) if rulebook is not None else (),
        texts=texts[fingerprint],
        proof=dict(stored.proof) if stored.proof is not None else None,
    )


@router.post(
    "/v1/policies/{fingerprint}/evaluations",
    responses=TRIES,
    openapi_extra=json_body(WhatIf),
    summary="What the policy would say",
)
async def try_policy(
    request: Request, caller: PolicyReader, fingerprint: Fingerprint, office: InOffice
) -> WhatIfAnswer:
    """Applies the policy to what is supposed to be known of one child. Nothing is stored, and no case is touched."""
    body, _ = await read_json_body(request, WhatIf)
    rulebook = await office.policies.load(office.ledger.pool, fingerprint)
    if rulebook is None:
        raise _not_found()
    facts = _supposed(body, rulebook)
    now = office.ledger.clock.now()
    outcome = evaluate(rulebook.policy, facts)
    day = office.cases.thresholds.clocks.day(now)
    return WhatIfAnswer(outcome=outcome, explanation=explain_outcome(outcome, rulebook.policy, now, day))


@router.get("/policy", include_in_schema=False)
async def show_policy(office: InOffice) -> HTMLResponse:
    """The policy in force now.

    It says nothing about anybody, so it asks for no token: a partnership's thresholds are a published document.
    """
    pool, now = office.ledger.pool, office.ledger.clock.now()
    timeline = await in_force(pool)
    fingerprint = timeline.live(now)
    stored = await stored_policy(pool, fingerprint) if fingerprint is not None else None
    rulebook = await office.policies.load(pool, fingerprint) if fingerprint is not None else None
    if rulebook is None:
        raise Problem(404, "policy-not-found", "No policy is in force here yet")
    versions = {one.fingerprint: one.version for one in await stored_policies(pool)}
    proof = stored.proof if stored is not None else None
    page = await office.paper.write(rulebook.policy, proof, timeline, versions, now)
    return HTMLResponse(page, headers=HEADERS)


def _not_found() -> Problem:
    return Problem(404, "policy-not-found", "There is no such policy here")


def _summary(stored: StoredPolicy, timeline: Timeline) -> dict[str, Any]:
    return {
        "fingerprint": stored.fingerprint,
        "policy": stored.id,
        "version": stored.version,
        "registered_at": stored.registered_at,
        "in_force": stretches(timeline, stored.fingerprint),
        "proved": bool(stored.proof["holds"]) if stored.proof is not None else None,
        "proved_at": stored.proved_at,
    }


def stretches(timeline: Timeline, fingerprint: str) -> tuple[ForceView, ...]:
    """When a version is in force, live and in the shadow, with what ends each stretch."""
    found = []
    for place, row in enumerate(timeline.rows):
        if row.fingerprint != fingerprint or row.mode is Mode.ENDED:
            continue
        ends = (
            later.from_at
            for later in timeline.rows[place + 1 :]
            if (later.mode is Mode.LIVE if row.mode is Mode.LIVE else later.fingerprint == fingerprint)
        )
        found.append(
            ForceView(
                mode=row.mode, from_at=row.from_at, until=next(ends, None), by=row.by, reason=row.reason
            )
        )
    return tuple(found)


def _rules(rulebook: Rulebook) -> tuple[RuleView, ...]:
    return tuple(
        RuleView(
            rule=rule.id,
            domain=rule.domain,
            title=rule.title,
            citation=rule.citation,
            sentence=rule.sentence,
            level=rule.level,
            rag=rule.rag,
            immediate=rule.immediate,
            actions=rule.actions,
        )
        for rule in rulebook.policy.rules
    )


def _supposed(body: WhatIf, rulebook: Rulebook) -> ChildFacts:
    """The facts of a what-if. Raises Problem 422 naming every one that the dictionary does not know."""
    errors: list[FieldError] = []
    for place, fact in enumerate(body.facts):
        fault = rulebook.dictionary.check(fact)
        if fault is not None:
            errors.append(FieldError(f"/facts/{place}/{fault.field}", fault.code, fault.wanted))
            continue
        sources = rulebook.dictionary.definitions[fact.fact].sources | {STAFF}
        if fact.source not in sources:
            wanted = f"must be one of {', '.join(sorted(sources))}"
            errors.append(FieldError(f"/facts/{place}/source", "unknown_source", wanted))
    if not body.answers.keys() <= set(rulebook.agencies):
        wanted = f"may name {', '.join(rulebook.agencies)}"
        errors.append(FieldError("/answers", "unknown_agency", wanted))
    if errors:
        raise invalid_body(errors[:MOST_ERRORS])
    states = dict.fromkeys(rulebook.agencies, AgencyState.NOT_REQUESTED) | body.answers
    known = Known([StatedFact(fact, fact.source) for fact in body.facts])
    standings = {agency: AgencyStanding(state) for agency, state in states.items()}
    return child_facts(rulebook.dictionary, known, standings)
