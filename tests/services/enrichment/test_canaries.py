"""What stands for a person is planted in every question and every answer, and looked for everywhere else.

Every way of asking, every way of failing, at every request of an exchange.
"""

import asyncio
import io
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.types import ASGIApp, Receive, Scope, Send

from libs.platform import logging
from libs.platform.clock import SystemClock
from libs.schemas.dictionary import Dictionary
from libs.schemas.events import Service
from libs.schemas.findings import AgencyState
from libs.schemas.levels import Level
from sandbox.agencies import make_suppliers, suppliers_router
from sandbox.agencies.behaviour import Behaviour, Fault, Manner
from sandbox.families import Families, Family
from sandbox.settings import AGENCY_KEY
from services.enrichment.asking.question import Question, Subject
from services.enrichment.asking.reach import reach_agencies
from services.enrichment.partnership import Kind, load_agencies
from tests.sandbox.serving import NO_TLS, serve
from tests.services.enrichment.conftest import PARTNERSHIP, Case, Sandbox, World, until_time_is_up
from tests.services.enrichment.serving import hub

GIVEN, FAMILY, NUMBER, UPN = "Zyxwren", "Qvkestrel", "9990041296", "Z874200026005"
STREET, POSTCODE, WORDS = "Plughstreet", "PE1 9ZZ", "Xyzzyword"
CANARIES = (
    GIVEN,
    FAMILY,
    NUMBER,
    UPN,
    STREET,
    POSTCODE,
    WORDS,
    "999 004 1296",
    "PE19ZZ",
    "2013-04-17",
    "17/04/2013",
)
CHILD: dict[str, Any] = {
    "given_name": GIVEN,
    "family_name": FAMILY,
    "born": {"on": "2013-04-17"},
    "nhs_number": NUMBER,
    "upn": UPN,
}
HELD: dict[str, dict[str, Any]] = {
    "police": {
        "id": "CB1",
        "counters": {"DA6M": 1},
        "involvements": [
            {"occurrence": f"35/{number}/26", "code": "DAW", "on_days_ago": number, "log": f"{WORDS} {GIVEN}"}
            for number in range(1, 4)
        ],
        "warnings": [{"marker": "WPN"}],
        "associates": [{"id": "CB2", "surname": FAMILY, "forenames": GIVEN, "tie": "SIB"}],
    },
    "health": {
        "id": "p-1",
        "conditions": [{"code": "SH1", "recorded_days_ago": 3, "note": WORDS, "words": f"<p>{GIVEN}</p>"}],
        "observations": [{"code": "DEV", "value": "DV2", "days_ago": 2, "note": f"{WORDS} {STREET}"}],
    },
    "education": {"id": "L-1", "attendance": {"percent": 60}, "note": f"{WORDS} {FAMILY}"},
    "marac": {"id": "M-1", "listings": [{"heard_days_ago": 9, "risk": "visible_high"}], "plan": WORDS},
    "social_care": {
        "id": "1001",
        "episodes": [
            {"episode": 1, "referred_days_ago": 90, "source": "6", "primary_need": "N1", "summary": WORDS}
        ],
        "worker": {"name": f"{GIVEN} {FAMILY}", "team": WORDS, "since_days_ago": 4},
        "family": [{"id": 1002, "relation": "SIB", "surname": FAMILY, "forename": GIVEN}],
    },
    "early_help": {
        "id": "E-1",
        "assessment": {"status": "complete", "started_days_ago": 9, "organisation": WORDS},
        "summary": f"{WORDS} {GIVEN}",
    },
    "housing": {"id": "H-1", "officer_note": f"{WORDS} {STREET}"},
}
SLOW = (Fault.HANG, Fault.DRIP)
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


class Overheard:
    """Writes down the addresses and headers of all requests, as an access log or a proxy would."""

    def __init__(self, app: ASGIApp, seen: list[str]) -> None:
        self._app = app
        self._seen = seen

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self._seen.append(f"{scope['raw_path']!r}?{scope['query_string']!r} {scope['headers']!r}")
        await self._app(scope, receive, send)


@dataclass
class Watched:
    """A sandbox that knows the canary, and everything outside payloads that is left behind."""

    sandbox: Sandbox
    requests: list[str]
    log: io.StringIO
    spans: InMemorySpanExporter
    steps: dict[str, tuple[str, ...]]
    problems: list[str] = field(default_factory=list)

    def left_behind(self) -> dict[str, str]:
        return {
            "addresses and headers": "\n".join(self.requests),
            "log": self.log.getvalue(),
            "spans": "\n".join(span.to_json() for span in self.spans.get_finished_spans()),
            "problems": "\n".join(self.problems),
        }


@pytest.fixture
async def watched(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Watched]:
    log, exporter, seen = io.StringIO(), InMemorySpanExporter(), list[str]()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr("libs.platform.http.trace.get_tracer", lambda name: provider.get_tracer(name))
    logging.configure(Service.ENRICHMENT, "debug", SystemClock(), log)
    known = {**CHILD, "born": CHILD["born"]["on"], "records": HELD}
    families = Families([Family.model_validate({"about": "The canary.", "children": [known]})])
    suppliers = make_suppliers(families, key=AGENCY_KEY, clock=SystemClock())
    app = FastAPI()
    app.include_router(suppliers_router(suppliers))
    app.add_middleware(Overheard, seen=seen)
    async with serve(app) as url, httpx.AsyncClient(base_url=url, verify=NO_TLS) as http:
        steps = {name: supplier.steps for name, supplier in suppliers.items()}
        yield Watched(Sandbox(url, http, suppliers), seen, log, exporter, steps)
    provider.shutdown()


def assert_clean(left_behind: dict[str, str]) -> None:
    for where, text in left_behind.items():
        found = [canary for canary in CANARIES if canary.lower() in text.lower()]
        assert not found, (where, found)


def question(number: int) -> Question:
    subject = {**CHILD, "address": (f"1 {STREET}",), "postcode": POSTCODE}
    return Question(
        question_id=f"q{number}",
        purpose="to find out whether the child is in need",
        basis="public task",
        items=ITEMS,
        child=Subject.model_validate(subject),
        adults=(Subject(given_name=GIVEN, family_name=FAMILY),),
    )


@pytest.mark.timeout(90)
async def test_no_client_leaves_a_person_behind_however_its_agency_fails(
    world: World, watched: Watched, dictionary: Dictionary
) -> None:
    settings = world.settings.model_copy(update={"agencies_url": watched.sandbox.url})
    terms = {
        name: replace(one, total_seconds=5) for name, one in load_agencies(PARTNERSHIP / "agencies").items()
    }
    clients = reach_agencies(settings, terms, dictionary, SystemClock())
    number = 0
    answered = set()
    for agency, client in clients.items():
        supplier = watched.sandbox.suppliers[agency]
        for step in (None, *watched.steps[agency]):
            for fault in Fault:
                if fault in SLOW:
                    continue
                number += 1
                supplier.behaviours = [Behaviour(behaviour=Manner.FAIL, fault=fault, step=step, status=500)]
                reply = await client.ask(question(number), trace=None)
                watched.problems.append(repr(reply))
        supplier.behaviours = []
        reply = await client.ask(question(0), trace=None)
        watched.problems.append(repr(reply))
        if reply.state is AgencyState.RETURNED and WORDS in (reply.narrative or ""):
            answered.add(agency)
        await client.close()
    assert answered == set(clients), "the canary was in what was read"
    assert len(watched.spans.get_finished_spans()) > number
    assert_clean(watched.left_behind())


@pytest.mark.timeout(120)
async def test_nothing_of_a_person_is_left_outside_payloads_when_every_agency_fails(
    world: World, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = httpx.AsyncClient.put

    async def heard(self: httpx.AsyncClient, *args: Any, **more: Any) -> httpx.Response:
        answer = await put(self, *args, **more)
        if answer.status_code >= 400:
            watched.problems.append(answer.text)
        return answer

    monkeypatch.setattr(httpx.AsyncClient, "put", heard)
    monkeypatch.setattr("sandbox.agencies.pulling.AWAY_SECONDS", 0.05)
    world.settings = world.settings.model_copy(update={"agencies_url": watched.sandbox.url})
    address = {"lines": [f"1 {STREET}"], "postcode": POSTCODE}
    faults = [
        Fault.HTML,
        Fault.ECHO,
        Fault.SOMEONE_ELSE,
        Fault.UNKNOWN_FACT,
        Fault.DUPLICATE_KEY,
        Fault.UNKNOWN_STATE,
    ]
    async with hub(world, watched.sandbox) as running:
        terms, pool = running.instance.checks.answering.terms, running.instance.ledger.pool
        for fault in faults:
            for agency in terms:
                await watched.sandbox.tell(agency, "fail", fault=fault.value)
            case = Case(children=({**CHILD, "address": address},))
            await running.instance.take(case.received(), case.screened(Level.SECTION_47))
            await until_time_is_up(running.instance, case.child)
        # Whoever fetches its questions comes in its own time, perhaps for this one alone, and is refused what it sends
        # back wrongly. Of another child, for what was taken of the first is not asked again.
        await watched.sandbox.tell("marac", "fail", fault=Fault.HTML.value)
        another = {
            "given_name": GIVEN,
            "family_name": FAMILY,
            "born": {"on": "2016-09-02"},
            "address": address,
        }
        case = Case(children=(another,))
        await running.instance.take(case.received(), case.screened(Level.SECTION_47))
        async with asyncio.timeout(60):
            while not any(one.startswith("{") for one in watched.problems):
                await asyncio.sleep(0.05)
        fetching = [name for name, one in terms.items() if one.kind is Kind.PULLED]
        rows = []
        for table in ("referral", "child", "agency_check", "disclosure", "work", "access", "outbox", "timer"):
            sealed = "- 'payload' - 'kept' - 'answer' - 'said' - 'question' - 'sealed' - 'given'"
            found = await pool.fetch(f"SELECT (to_jsonb(t) {sealed})::text AS row FROM {table} AS t")
            rows += [f"{table} {row['row']}" for row in found]
    assert fetching == ["marac"]
    assert any('"code": "answer-about-someone-else"' in line for line in watched.log.getvalue().splitlines())
    assert json.loads(next(one for one in watched.problems if one.startswith("{")))["status"] >= 400
    assert_clean({**watched.left_behind(), "columns": "\n".join(rows)})
