"""An exchange that breaks in the middle is no answer at all: never half of one, and never "nothing held"."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from libs.platform.clock import SystemClock
from libs.schemas.dictionary import Dictionary
from libs.schemas.findings import AgencyState
from services.enrichment.asking.agency import Agency
from services.enrichment.asking.question import Question, Subject
from services.enrichment.asking.reach import reach_agencies
from services.enrichment.partnership import load_agencies
from tests.services.enrichment.conftest import PARTNERSHIP, Sandbox, World

MIA = {
    "given_name": "Mia",
    "family_name": "Farthing-Test",
    "born": {"on": "2022-03-14"},
    "nhs_number": "9990001006",
}
WREN = {
    "given_name": "Wren",
    "family_name": "Kestrel-Test",
    "born": {"on": "2015-02-11"},
    "nhs_number": "9990041008",
}
ITEMS = (
    "safety",
    "care",
    "health",
    "education",
    "whereabouts",
    "domestic_abuse",
    "adults",
    "parents",
    "help",
)
KNOWN = {"police": MIA, "health": MIA, "education": MIA, "social_care": WREN, "early_help": WREN}

BREAKS: list[tuple[str, str, dict[str, Any]]] = [
    ("police", "token", {"status": 500}),
    ("police", "token", {"fault": "html"}),
    ("police", "search", {"fault": "token_expired"}),
    ("police", "search", {"fault": "uncertain"}),
    ("police", "involvements", {"status": 500}),
    ("police", "involvements", {"status": 429, "retry_after": 3}),
    ("police", "involvements", {"fault": "other_origin"}),
    ("police", "involvements", {"fault": "someone_else"}),
    ("police", "involvements", {"fault": "future_date"}),
    ("police", "page", {"status": 500}),
    ("police", "page", {"fault": "truncated"}),
    ("police", "page", {"fault": "endless"}),
    ("police", "page", {"fault": "html"}),
    ("police", "warnings", {"fault": "not_utf8"}),
    ("police", "associates", {"fault": "duplicate_key"}),
    ("education", "submit", {"status": 500}),
    ("education", "submit", {"fault": "other_origin"}),
    ("education", "poll", {"fault": "result_expired"}),
    ("education", "poll", {"status": 404}),
    ("social_care", "search", {"fault": "uncertain"}),
    ("social_care", "episodes", {"status": 500}),
    ("social_care", "episodes", {"fault": "endless"}),
    ("social_care", "family", {"fault": "other_origin"}),
    ("social_care", "plans", {"fault": "someone_else"}),
    ("social_care", "worker", {"fault": "malformed"}),
    ("social_care", "plans", {"status": 404}),
    ("early_help", "query", {"fault": "token_expired"}),
    ("health", "Condition", {"fault": "someone_else"}),
]
PASSING: list[tuple[str, str, dict[str, Any]]] = [
    ("police", "search", {"fault": "token_expired"}),
    ("police", "involvements", {"fault": "token_expired"}),
    ("education", "poll", {"fault": "result_expired"}),
]
"""Failures that a client mends by itself: a fresh token, a check submitted anew."""


@pytest.fixture
async def clients(
    world: World, sandbox: Sandbox, dictionary: Dictionary
) -> AsyncIterator[Mapping[str, Agency]]:
    clients = reach_agencies(
        world.settings, load_agencies(PARTNERSHIP / "agencies"), dictionary, SystemClock()
    )
    yield clients
    for client in clients.values():
        await client.close()


def question(agency: str, question_id: str) -> Question:
    return Question(
        question_id=question_id,
        purpose="to find out whether the child is in need",
        basis="public task",
        items=ITEMS,
        child=Subject.model_validate(KNOWN[agency]),
    )


async def test_an_exchange_that_breaks_off_is_no_answer_at_all(
    clients: Mapping[str, Agency], sandbox: Sandbox
) -> None:
    for number, (agency, step, behaviour) in enumerate(BREAKS):
        await sandbox.tell(agency, "fail", step=step, **behaviour)
        sandbox.suppliers[agency].forget_tokens()
        reply = await clients[agency].ask(question(agency, f"q{number}"), trace=None)
        assert reply.state is AgencyState.UNAVAILABLE, (agency, step, behaviour)
        assert reply.reason, (agency, step, behaviour)
        assert (reply.facts, reply.narrative, reply.people, reply.plans) == ((), None, (), ()), (agency, step)
        assert reply.retry_after == behaviour.get("retry_after"), (agency, step)
        if behaviour.get("fault") == "someone_else":
            assert reply.reason == "about_someone_else", (agency, step)
        await sandbox.http.delete(f"/agencies/{agency}/behaviour")


async def test_a_failure_that_a_client_can_mend_costs_no_answer(
    clients: Mapping[str, Agency], sandbox: Sandbox
) -> None:
    for number, (agency, step, behaviour) in enumerate(PASSING):
        whole = await clients[agency].ask(question(agency, f"whole{number}"), trace=None)
        await sandbox.tell(agency, "fail", step=step, times=1, **behaviour)
        reply = await clients[agency].ask(question(agency, f"q{number}"), trace=None)
        assert reply.state is AgencyState.RETURNED, (agency, step, reply.reason)
        assert reply == whole, (agency, step)
        await sandbox.http.delete(f"/agencies/{agency}/behaviour")
