"""What every page of the console stands on: who asks, the operations as them, forms and drafts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlencode
from uuid import UUID, uuid4

from fastapi import Request
from starlette.responses import RedirectResponse, Response

from libs.platform.inside import Inside
from libs.platform.pages import UNATTENDED, NotSignedIn, Pages, address, form_of
from libs.platform.problems import Problem
from libs.platform.signin import Session
from libs.schemas.clock import Clock
from libs.schemas.dictionary import Dictionary
from services.triage.console.drafts import Drafts
from services.triage.console.forms import Faults, refusal
from services.triage.console.given import Given, given
from services.triage.console.operations import Operations
from services.triage.console.people import People

HOME = "/console/queue"
TEMPLATES = Path(__file__).with_name("templates")
SCRIPT = Path(__file__).with_name("live.js")
NAME = "Safeguarding hub"

Fields = Mapping[str, str]

SAID: Mapping[str, str] = {
    "claimed": "You have the pen. It is yours for 15 minutes, and longer while you work.",
    "released": "You have put the pen down.",
    "taken-over": "You have taken the case over.",
    "allocated": "The case is allocated.",
    "read": "Your reading is kept. What you found counts from now on.",
    "decided": "The decision is made.",
    "proposed": "Your decision is kept. It stands once it is signed.",
    "signed": "You have signed. The decision stands.",
    "returned": "You have returned the decision.",
    "fact-added": "What you were told is kept, and counts from now on.",
    "fact-raised": "What you were told is kept. By it the level has risen.",
    "corrected": "The correction is kept.",
    "taken-back": "The statement is taken back. It stays on record.",
    "task-done": "The task is done.",
    "task-raised": "The task is raised.",
    "task-given": "The task has a new owner.",
    "linked": "Your decision is passed on. What depends on it is worked out anew.",
    "ordered": "Your order is passed on.",
    "acknowledged": "You have taken the alert. Nobody else is alerted.",
    "accepted": "The hand-over is accepted.",
    "refused": "The hand-over is refused. The case goes back to the hub.",
    "challenged": "The challenge is kept. The decision stands until it is changed.",
    "challenge-joined": "What was said is kept with the challenge that is open. Its reviewer is asked to read it.",
    "review-taken": "You review it. What you come to is written down below.",
    "challenge-up": "The challenge has gone up a stage, with a clock of its own.",
    "challenge-settled": "The challenge is settled.",
    "reopened": "The referral is open again.",
    "outcome": "The outcome is kept.",
    "outcome-corrected": "The correction is kept. What was written down before stays on record.",
    "clock": "The clock is kept.",
    "strategy": "The strategy discussion is kept.",
    "tool": "The tool is kept.",
    "restricted": "Who may see the case is kept.",
    "break-glass": "You may see this case for one hour. It was reported.",
    "members": "The panel’s members are kept.",
}
"""What a page says once something was done, by the code that the address carries."""


WHO = (
    "The console is for the hub’s workers, social workers and managers, for chairs of panels, and for people who"
    " accept children. To come as one of them, sign out and sign in again."
)
"""What somebody is told who may use no page of it, such as an auditor or an agency’s lead."""


class Neighbours(Protocol):
    """What the console asks of the other services, as the service itself."""

    async def agencies(self) -> Any:
        """How the agencies stand. Raises Problem."""
        ...

    async def refer(self, body: Mapping[str, Any], key: str) -> Any:
        """Sends a referral to intake and gives its answer. Raises Problem."""
        ...


@dataclass(frozen=True, slots=True)
class Console:
    """What the pages work with; set as `app.state.console` where they are offered."""

    inside: Inside
    drafts: Drafts
    dictionary: Dictionary
    clock: Clock
    neighbours: Neighbours


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of somebody who is signed in."""

    request: Request
    pages: Pages
    console: Console
    session: Session

    @property
    def operations(self) -> Operations:
        """The API as whoever is signed in."""
        return Operations(self.console.inside, self.session.principal, self.people)

    @property
    def people(self) -> People:
        """The staff by name."""
        people: People = self.request.state.people
        return people

    @property
    def path(self) -> str:
        """The page's own address, without what follows a question mark."""
        return self.request.url.path

    def may(self, scope: str, *roles: str) -> bool:
        """Whether a page offers something. The operations decide by themselves whether it is done."""
        return scope in self.session.scopes and (not roles or bool({*roles} & {*self.session.roles}))

    def page(self, template: str, *, status: int = 200, **values: Any) -> Response:
        """A page, with what was just done where the address says so.

        One that answers a form that was refused says why. What somebody wrote and the page has no place for, because
        things have gone on, stands on top of it.
        """
        said = SAID.get(self.request.query_params.get("said", ""))
        shown: dict[str, Any] = {
            "used": UNATTENDED not in self.request.headers,
            "said": said,
            "path": self.path,
            "may": self.may,
            "people": self.people,
            "now": self.console.clock.now(),
            "fresh": lambda: uuid4().hex,
            **values,
        }
        sent = given(self.request)
        if sent is not None and sent.problem is not None:
            status = sent.problem.status
            shown["errors"] = [*shown.get("errors", ()), *refusal(sent.problem).summary]
        response = self.pages.page(template, self.session, status=status, **shown)
        if sent is None or status < 400:
            return response
        lost = sent.missing(bytes(response.body).decode())
        return (
            self.pages.page(template, self.session, status=status, lost=lost, **shown) if lost else response
        )

    def form(
        self,
        template: str,
        values: Fields,
        faults: Faults,
        *,
        case: Mapping[str, Any] | None = None,
        **shown: Any,
    ) -> Response:
        """A page with a form, as it was filled in, and with what is wrong; `case`: the one that it is about."""
        if faults.sent_before:
            values = {**values, "key": ""}
        return self.page(
            template,
            status=422 if faults else 200,
            values=values,
            wrong=faults.texts,
            errors=faults.summary,
            live=[] if case is None else [case["case_id"]],
            case=case,
            **shown,
        )

    async def kept(self) -> dict[str, str]:
        """What this person filled in here: what is refused just now, or what came after their session had ended."""
        sent = given(self.request)
        if sent is not None:
            return sent.fields
        draft = await self.console.drafts.find(self.session.subject, self.path)
        return {} if draft is None else {**draft, "draft": "kept"}

    async def done(self, path: str, said: str | None = None, **query: str) -> Response:
        """On to another page: what was sent is done, and is no draft any more."""
        await self.console.drafts.drop(self.session.subject, self.path)
        asked = query | ({} if said is None else {"said": said})
        return RedirectResponse(f"{path}?{urlencode(asked)}" if asked else path, 303)


async def acquaint(request: Request) -> None:
    """Before every page: what the staff are called, for whoever may know it. For want of it nothing is refused."""
    request.state.people = People()
    pages: Pages | None = getattr(request.app.state, "pages", None)
    session = None if pages is None else pages.signin.session(request)
    if session is None:
        return
    console: Console = request.app.state.console
    try:
        told = await Operations(console.inside, session.principal, People()).get("/v1/colleagues")
    except Problem:
        return
    request.state.people = People(told["items"], console.clock.now())


def visit(request: Request, scope: str) -> Visit:
    """Who asks for a page. Raises NotSignedIn, Problem 403, 404 where the console is not offered."""
    pages: Pages = request.app.state.pages
    session = pages.signin.session(request)
    if session is None:
        if UNATTENDED in request.headers:
            raise Problem(401, "not-signed-in", "You are not signed in")
        raise NotSignedIn(address(request))
    if scope not in session.scopes:
        outside = not {"queue:read", "case:read"} & {*session.scopes}
        detail = WHO if outside else None
        raise Problem(403, "scope-missing", "Your sign-in does not permit this", detail)
    return Visit(request, pages, request.app.state.console, session)


async def posted(request: Request, scope: str, *, drafts: bool = True) -> tuple[Visit, dict[str, str]]:
    """Who sends a form, and its fields.

    A form that comes after its session's end is kept as a draft of whoever's session it was, where `drafts`; nothing
    else is done. Raises NotSignedIn, Problem 403.
    """
    pages: Pages = request.app.state.pages
    if drafts and pages.signin.session(request) is None:
        lapsed = pages.signin.lapsed(request)
        if lapsed is not None:
            console: Console = request.app.state.console
            sent = request.state.given = Given(texts(await form_of(request, lapsed)))
            await console.drafts.keep(lapsed.subject, request.url.path, _case_of(request), sent.work)
    there = visit(request, scope)
    try:
        fields = texts(await form_of(request, there.session))
    except Problem as problem:
        # Opened before its reader signed in again: the browser vouches that the page was ours (W3C, Fetch Metadata).
        if request.headers.get("sec-fetch-site") != "same-origin":
            raise
        request.state.given = Given(texts(await request.form()))
        raise Problem(problem.status, problem.code, problem.title, "Look at it and send it again.") from None
    request.state.given = Given(fields)
    return there, fields


def texts(fields: Mapping[str, object]) -> dict[str, str]:
    """The fields of a form that are text, with line ends as everywhere else."""
    return {
        name: value.replace("\r\n", "\n").strip() for name, value in fields.items() if isinstance(value, str)
    }


def _case_of(request: Request) -> UUID | None:
    try:
        return UUID(str(request.path_params.get("case_id")))
    except ValueError:
        return None
