"""Whatever refuses a form, what somebody wrote in it is on the page that answers, and can be sent again."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from html import unescape
from typing import Any
from uuid import UUID, uuid4

import httpx
from fastapi import APIRouter
from fastapi.routing import APIRoute
from markupsafe import escape

from libs.platform.auth import Principal
from libs.platform.inside import Inside
from libs.platform.problems import Problem
from libs.platform.signin import IDLE
from services.triage.console.api import console_router
from tests.services.triage.conftest import NEGLECTED
from tests.services.triage.console.conftest import FORM, HIDDEN, HUB, Office, case_path

W = "It’s “theirs” & <more>:\nnobody says that twice."
CASE = "/console/cases/{case_id}"
NOW = {"day": "23", "month": "11", "year": "2026"}
FORMS: Mapping[str, Mapping[str, str]] = {
    "/console/alerts": {"alert": str(UUID(int=7)), "note": W},
    "/console/breaches": {
        "action": f"{UUID(int=7)}.decision",
        f"note.{UUID(int=7)}.decision": W,
        f"why.{UUID(int=7)}.decision": "other",
    },
    "/console/challenges/{challenge_id}": {"outcome": "stands", "agreed": "yes", "because": W},
    "/console/new-referral": {"worry": W, "role": "teacher", "danger": "no"},
    "/console/panels/{panel}/{day}": {"action": "members", "chair": W},
    "/console/search": {"name": W},
    CASE: {"action": "allocate", "worker": "staff-sw-2", "reason": W},
    f"{CASE}/agencies": {"action": "chase", "agency": "police", "reason": W},
    f"{CASE}/break-glass": {"reason": W},
    f"{CASE}/challenges": {
        "agency": "colleague",
        "channel": "colleague",
        "challenger": "Sam",
        "because": W,
        "safe_meanwhile": W,
    },
    f"{CASE}/clocks": {"action": "explain decision", "note_decision": W, "why_decision": "other"},
    f"{CASE}/decision": {
        "action": "decide",
        "level.1": "section_17",
        "destination.1": "csc_section_17",
        "rationale": W,
        "may_tell": "yes",
    },
    f"{CASE}/facts": {
        "note": W,
        "immediate_danger": "no",
        "source": "staff",
        "how": "visit",
        **{f"on-{part}": text for part, text in NOW.items()},
    },
    f"{CASE}/facts/{{entry_id}}": {"action": "retract", "reason": W},
    f"{CASE}/family": {},
    f"{CASE}/handover": {"answer": "refuse", "by": "Robin", "note": W, "decision": "1"},
    f"{CASE}/matches": {"action": f"link {UUID(int=7)}", "reason": W},
    f"{CASE}/reading": {"note": W, "immediate_danger": "no"},
    f"{CASE}/reopening": {"child.1": "yes", "reason": W},
    f"{CASE}/restriction": {"restricted": "yes", "kind": "other", "family": "no", "reason": W},
    f"{CASE}/sign-off": {"agree": "no", "note": W},
    f"{CASE}/strategy-discussion": {
        **{f"held-{part}": text for part, text in NOW.items()},
        "held-time": "9.15",
        "chaired_by": "Sam",
        "name_1": "Sam",
        "agency_1": "police",
        "crime": "no",
        "outcome": "no_enquiry",
        "rationale": W,
        "safety_plan": "With Gran",
    },
    f"{CASE}/tasks": {"action": "raise", "what": W, "key": "once-only"},
    f"{CASE}/tools": {
        "tool": "dash",
        "result": "medium",
        "by": "Sam",
        "note": W,
        **{f"on-{part}": text for part, text in NOW.items()},
    },
}
"""Every form, filled in so that it reaches the operations. Nobody writes anything in that of a family."""


class Failing(Inside):
    """The API in an outage: nothing can be changed, or nothing works at all."""

    everything = False

    async def call(
        self, caller: Principal, method: str, path: str, *args: Any, **more: Any
    ) -> httpx.Response:
        if method == "GET" and not self.everything:
            return await super().call(caller, method, path, *args, **more)
        document = {"code": "unavailable", "title": "Not available at the moment", "detail": "for programs"}
        return httpx.Response(503, json=document)


class Away:
    """Neighbours who cannot be reached, and drafts that nobody keeps."""

    async def refer(self, body: Any, key: str) -> Any:
        raise Problem(503, "neighbour-away", "Not available at the moment")

    async def keep(self, *draft: Any) -> None:
        raise ConnectionRefusedError


def posted_to(router: APIRouter) -> Iterator[str]:
    for route in router.routes:
        if isinstance(route, APIRoute):
            yield from [route.path] if "POST" in (route.methods or ()) else []
        else:
            yield from posted_to(route.original_router)  # type: ignore[attr-defined]


def sent_again(html: str) -> dict[str, str]:
    """What the page's own form sends, as it stands."""
    (body,) = [body for path, body in FORM.findall(html) if path != "/sign-out"]
    return {name: unescape(text) for name, text in HIDDEN.findall(body)}


async def test_every_form_gives_back_what_was_written_in_an_outage(office: Office) -> None:
    assert {*posted_to(console_router())} - {"/sign-out"} == {*FORMS}
    story = await office.told(list(NEGLECTED))
    people = {who: await office.at(who, "/console/panels") for who in ("staff-mgr-1", "panel-chair-1")}
    meeting = re.findall(r'href="/console/panels/([^/"]+)/([^"]+)"', people["panel-chair-1"].page.text)[0]
    console, inside, away = office.app.state.console, Failing(office.app), Away()
    names = {"case_id": story.child_ids[0], "entry_id": uuid4(), "challenge_id": uuid4()}
    names |= {"panel": meeting[0], "day": meeting[1]}
    lost: list[object] = []
    office.app.state.console = replace(console, inside=inside, neighbours=away)
    for template, fields in FORMS.items():
        browser = people["panel-chair-1" if "/panels/" in template else "staff-mgr-1"]
        (csrf,) = {*re.findall(r'name="csrf" value="([^"]+)"', browser.page.text)}
        sent, path = {**fields, "csrf": csrf}, template.format(**names)
        for inside.everything in (False, True) if fields else ():
            answer = await browser.http.post(path, data=sent)
            shown = (answer.status_code, str(escape(W)) in answer.text)
            if shown != (503, True) or "Not available at the moment" not in answer.text:
                lost.append((template, inside.everything, shown))
            elif "Open the page anew" in answer.text and sent_again(answer.text) != sent:
                lost.append((template, "sent again", sent_again(answer.text)))
    assert lost == []

    browser, path = people["staff-mgr-1"], case_path(story, 0, "/tasks")
    (csrf,) = {*re.findall(r'name="csrf" value="([^"]+)"', browser.page.text)}
    answer = await browser.http.post(path, data={**FORMS[f"{CASE}/tasks"], "csrf": csrf})
    again = sent_again(answer.text)
    office.app.state.console = console
    for _ in range(2):
        assert "The task is raised" in (await browser.http.post(path, data=again)).text
    assert len(await office.hub.rows("SELECT * FROM task WHERE kind = 'other'")) == 1
    reused = await browser.http.post(path, data={**again, "what": "Something else."})
    assert "Something else." in reused.text
    assert 'name="key" value="once-only"' not in reused.text

    for site, back in (("same-origin", True), ("cross-site", False)):
        forged = {"csrf": "of the session before", "what": W, "action": "raise"}
        answer = await browser.http.post(path, data=forged, headers={"sec-fetch-site": site})
        assert (answer.status_code, str(escape(W)) in answer.text) == (403, back)

    office.app.state.console = replace(console, drafts=away)
    office.clock.advance(IDLE)
    late = await browser.http.post(f"{HUB}{path}", data=again)
    assert (late.status_code, sent_again(late.text)) == (503, again)
