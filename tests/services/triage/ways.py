"""A hub in which each of triage's operations has something to do, and a request that leads into each."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import httpx
from opentelemetry.metrics import get_meter

from libs.messaging.timers import TimerLoop
from libs.schemas.findings import Fact
from libs.schemas.people import Band
from sandbox.issuer import Issuer
from services.triage.alerts.calling import Calling
from services.triage.overdue import Overdue
from services.triage.partnership import Partnership
from services.triage.thresholds import Thresholds
from tests.fuzzing import Way
from tests.services.triage.bell import Bell
from tests.services.triage.challenges.test_challenges import BODY as CHALLENGE
from tests.services.triage.challenges.test_challenges import UP
from tests.services.triage.commands.test_commands import ASK, DOUBTFUL, PERSON
from tests.services.triage.conftest import MONDAY, NEGLECTED, HubWorld, Story, stated
from tests.services.triage.findings.test_findings import CALL
from tests.services.triage.panels.test_panels import PANEL
from tests.services.triage.restricted.test_leaks import STAFF
from tests.services.triage.staff import Person
from tests.services.triage.strategy.meetings import written
from tests.services.triage.tools.test_tools import SCREEN

HUNGRY = stated("child.hunger", "persistent")
STRANGLED = stated("household.strangulation_or_weapon", True)
AGREED = {"early_help": {"answer": "given"}, "panel": {"answer": "given"}}
PERIOD = {"from": "2026-11-01T00:00:00Z", "to": "2026-12-01T00:00:00Z"}
DECISION = {
    "level": "targeted",
    "destination": "early_help",
    "rationale": "Help at home.",
    "may_tell_referrer": True,
}
REASON = {"reason": "They rang."}


@dataclass
class Hub:
    """The hub, and the people in it, who call the running service."""

    hub: HubWorld
    http: httpx.AsyncClient
    issuer: Issuer
    thresholds: Thresholds
    partnership: Partnership
    policy: str
    ways: dict[str, Way] = field(default_factory=dict)

    def person(self, name: str) -> Person:
        return Person(self.http, self.issuer, name)

    async def begun(self, *facts: Fact, at: datetime = MONDAY) -> Story:
        """A referral that all agencies have answered."""
        story = Story(at=at)
        received = story.received(list(facts) or [HUNGRY], agreements=AGREED)
        await self.hub.take(received, story.completed())
        return story

    async def decided(self, **body: Any) -> Story:
        """A child whose words were read and whose level is decided."""
        story, worker = await self.begun(), self.person("staff-sw-1")
        case_id = story.child_ids[0]
        assert (await worker.read(case_id)).status_code == 200
        answer = await worker.decide(case_id, (await worker.open(case_id))[1], **body)
        assert answer.status_code == 200, answer.text
        return story

    async def tag(self, story: Story) -> dict[str, str]:
        """What is seen of the story's first case as it stands."""
        return {"if-match": (await self.person("staff-mgr-1").open(story.child_ids[0]))[1]}

    def lead(self, operation: str, story: Story | None = None, *, by: str = "", **way: Any) -> None:
        """`story`: whose first case the operation is about."""
        method, path = operation.split(" ")
        ids = {} if story is None else {"case_id": str(story.child_ids[0]), "reference": story.reference}
        named = {name: value for name, value in ids.items() if f"{{{name}}}" in path} | way.pop("path", {})
        token = self.issuer.token(by) if by else ""
        self.ways[f"{method} /v1{path}"] = Way(named, token=token, **way)


async def ways_into(hub: Hub) -> dict[str, Way]:
    """What leads into each operation. Whatever changes a case has a case of its own to change."""
    await _reading(hub)
    await _deciding(hub)
    await _challenging(hub)
    await _at_panels(hub)
    await _keeping_time(hub)
    await _writing_down(hub)
    await _hiding(hub)
    return hub.ways


async def _reading(hub: Hub) -> None:
    story = await hub.decided()
    for what in ("", "/chronology", "/authority", "/handover", "/handover/message", "/attendance", "/clocks"):
        query = {"level": "targeted", "destination": "early_help"} if what == "/authority" else {}
        hub.lead(f"GET /cases/{{case_id}}{what}", story, query=query)
    for what in ("restriction", "strategy-discussion", "tools"):
        hub.lead(f"GET /cases/{{case_id}}/{what}", story)
    hub.lead("GET /cases/{case_id}/evaluations/{number}", story, path={"number": 1})
    hub.lead("GET /journeys/{reference}", story)
    hub.lead("GET /referrals/{reference}", story)
    hub.lead("GET /lists/{name}", path={"name": "masg"})
    hub.lead("GET /clocks/preview", query={"clock": "decision", "start": "2026-11-23T10:00:00Z"})
    for what in ("departures", "challenges/counts", "tools/counts", "clocks/breaches/counts"):
        hub.lead(f"GET /{what}", query=PERIOD)
    hub.lead("GET /policies/{fingerprint}", path={"fingerprint": hub.policy})
    tried = {"facts": [{**HUNGRY.model_dump(mode="json", exclude_none=True), "source": "education"}]}
    hub.lead("POST /policies/{fingerprint}/evaluations", path={"fingerprint": hub.policy}, body=tried)
    hub.lead("POST /search", body={"reference": story.reference})


async def _deciding(hub: Hub) -> None:
    worker = hub.person("staff-sw-1")
    story = await hub.begun()
    hub.lead("PUT /cases/{case_id}/reading", story, headers=await hub.tag(story), body={"note": "Read."})
    story = await hub.begun()
    assert (await worker.read(story.child_ids[0])).status_code == 200
    hub.lead("PUT /cases/{case_id}/decision", story, headers=await hub.tag(story), body=DECISION)
    story = await hub.begun(STRANGLED)
    case_id = story.child_ids[0]
    grave = {"level": "section_47", "destination": "csc_section_47"}
    assert (await worker.decide(case_id, (await worker.open(case_id))[1], **grave)).status_code == 200
    hub.lead("PUT /cases/{case_id}/sign-off", story, headers=await hub.tag(story), body={"agree": True})
    taken = {"decision": 1, "accepted_by": "Robin Day"}
    hub.lead("PUT /cases/{case_id}/handover/acceptance", await hub.decided(), body=taken)
    sent_back = {"decision": 1, "refused_by": "Robin Day", "reason": "Full."}
    hub.lead("PUT /cases/{case_id}/handover/refusal", await hub.decided(), body=sent_back)
    story = await hub.decided()
    await worker.accept(story.child_ids[0])
    hub.lead("POST /referrals/{reference}/reopening", story, body=REASON)


async def _challenging(hub: Hub) -> None:
    reviewer, challenger = hub.person("staff-mgr-1"), hub.person("staff-sw-2")
    hub.lead("POST /cases/{case_id}/challenges", await hub.decided(), body=CHALLENGE)
    for what, body in {
        "": None,
        "/review": {},
        "/escalation": UP,
        "/resolution": {"outcome": "stands", "agreed": True, "because": "Seen again."},
    }.items():
        story = await hub.decided()
        made = await challenger.post(f"/v1/cases/{story.child_ids[0]}/challenges", CHALLENGE)
        assert made.status_code == 201, made.text
        path = {"challenge_id": made.json()["id"]}
        if what in {"/escalation", "/resolution"}:
            taken = await reviewer.put(f"/v1/challenges/{path['challenge_id']}/review", {})
            assert taken.status_code == 200, taken.text
        method = "GET" if body is None else "PUT"
        hub.lead(f"{method} /challenges/{{challenge_id}}{what}", path=path, body=body)


async def _at_panels(hub: Hub) -> None:
    chair, outcome = hub.person("panel-chair-1"), {"outcome": "plan_agreed", "note": "Each week."}
    first, second = await hub.decided(**PANEL), await hub.decided(**PANEL)
    panels = (await chair.get("/v1/panels")).json()["panels"]
    [(panel, meeting)] = [(one, it) for one in panels for it in one["meetings"] if it["children"]]
    at, path = {"panel": panel["id"], "day": meeting["path"].rpartition("/")[2]}, meeting["path"]
    meets = "/panels/{panel}/meetings/{day}"
    hub.lead(f"GET {meets}", path=at)
    lead = partial(hub.lead, path=at, by=chair.id)
    lead(f"PUT {meets}/items/{{case_id}}", first, body=outcome)
    item = f"{path}/items/{second.child_ids[0]}"
    assert (await chair.put(item, outcome)).status_code == 200
    changed = {**outcome, "corrects": 1, "reason": "Misheard."}
    lead(f"PUT {meets}/items/{{case_id}}/correction", second, body=changed)
    there = {"present": [{"agency": "education", "name": "Lee Park"}], "chair": "Perry Sandbox"}
    lead(f"PUT {meets}/members", body=there)


async def _keeping_time(hub: Hub) -> None:
    worker = hub.person("staff-sw-1")
    started = {"at": "2026-11-23T10:00:00Z"}
    story = await hub.begun()
    clock = {"clock": "return_interview"}
    hub.lead("PUT /cases/{case_id}/clocks/{clock}/start", story, path=clock, body=started)
    story = await hub.begun()
    of_case = f"/v1/cases/{story.child_ids[0]}/clocks"
    begun = await worker.put(f"{of_case}/return_interview/start", started)
    assert begun.status_code == 200, begun.text
    hub.lead("PUT /cases/{case_id}/clocks/{clock}/stop", story, path=clock, body=started)
    amber = await hub.begun(*NEGLECTED)
    target = {"clock": "urgency"}
    hub.lead("PUT /cases/{case_id}/clocks/{clock}/pause", amber, path=target, body=REASON)
    amber = await hub.begun(*NEGLECTED)
    stood = await worker.put(f"/v1/cases/{amber.child_ids[0]}/clocks/urgency/pause", REASON)
    assert stood.status_code == 200, stood.text
    hub.lead("PUT /cases/{case_id}/clocks/{clock}/resumption", amber, path=target, body=REASON)
    late = await hub.begun(at=MONDAY - timedelta(days=7))
    clocks = hub.thresholds.clocks
    await TimerLoop(hub.hub.ledger, Overdue(hub.hub.ledger, Bell(), clocks).handlers).fire_due()
    why = {"why": "workload", **REASON}
    hub.lead("PUT /cases/{case_id}/clocks/{clock}/breach", late, path={"clock": "decision"}, body=why)


async def _writing_down(hub: Hub) -> None:
    worker = hub.person("staff-mgr-1")
    doubtful = await hub.begun()
    await hub.hub.take(doubtful.linked(candidates=(DOUBTFUL,), band=Band.NONE))
    link = {"action": "link", "person_id": str(PERSON), **REASON}
    hub.lead("POST /cases/{case_id}/person-decisions", doubtful, headers=await hub.tag(doubtful), body=link)
    hub.lead("POST /cases/{case_id}/check-orders", await hub.begun(), body=ASK)
    story = await hub.begun()
    named = {"children": [{"case_id": str(story.child_ids[0]), "child": {"family_name": "Day"}}], **REASON}
    hub.lead("POST /cases/{case_id}/people", story, body=named)
    hub.lead("PUT /cases/{case_id}/claim", await hub.begun(), body={})
    story = await hub.begun()
    assert (await worker.put(f"/v1/cases/{story.child_ids[0]}/claim", {})).status_code == 200
    hub.lead("DELETE /cases/{case_id}/claim", story)
    hub.lead("PUT /cases/{case_id}/allocation", await hub.begun(), body={"worker": "staff-sw-1"})
    hub.lead("POST /cases/{case_id}/facts", await hub.begun(), body=CALL)
    for what, body in {"correction": {**CALL, **REASON}, "retraction": REASON}.items():
        story = await hub.begun()
        told = await worker.post(f"/v1/cases/{story.child_ids[0]}/facts", CALL)
        assert told.status_code == 201, told.text
        entry = {"entry_id": told.json()["entry"]["finding"]["id"]}
        hub.lead(f"PUT /cases/{{case_id}}/facts/{{entry_id}}/{what}", story, path=entry, body=body)
    visit = {"kind": "visit", "what": "See them at school."}
    hub.lead("POST /cases/{case_id}/tasks", await hub.begun(), body=visit)
    for what, body in {"": {"note": "Done."}, "/owner": {"owner": "staff-sw-1"}}.items():
        story = await hub.begun()
        made = await worker.post(f"/v1/cases/{story.child_ids[0]}/tasks", visit)
        assert made.status_code == 201, made.text
        hub.lead(f"PUT /tasks/{{task_id}}{what}", path={"task_id": made.json()["id"]}, body=body)
    held = written(held_at="2026-11-23T10:00:00Z")
    hub.lead("PUT /cases/{case_id}/strategy-discussion", await hub.begun(STRANGLED), body=held)
    hub.lead("POST /cases/{case_id}/tools", await hub.begun(), body=SCREEN)
    danger = Story()
    await hub.hub.take(danger.received(immediate_danger=True))
    calendar = hub.thresholds.clocks.calendar
    calling = Calling(hub.hub.ledger, hub.partnership.on_call, calendar, Bell(), get_meter("tests"))
    await TimerLoop(hub.hub.ledger, calling.handlers).fire_due()
    [alert] = await hub.hub.rows("SELECT id FROM alert WHERE referral_id = $1", danger.id)
    hub.lead("PUT /alerts/{alert_id}/acknowledgement", path={"alert_id": str(alert["id"])}, body={})


async def _hiding(hub: Hub) -> None:
    manager = hub.person("staff-mgr-1")
    hub.lead("PUT /cases/{case_id}/restriction", await hub.begun(), body=STAFF)
    story = await hub.begun()
    assert (await manager.put(f"/v1/cases/{story.child_ids[0]}/restriction", STAFF)).status_code == 200
    hub.lead("POST /cases/{case_id}/break-glass", story, by="staff-sw-2", body=REASON)
