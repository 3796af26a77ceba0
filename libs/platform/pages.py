"""Pages for people in the GOV.UK Design System's manner: rendered here, nothing from elsewhere, not kept by anybody.

The components' mark-up is the design system's own; the style sheet is ours, for its fonts and crest are not a
council's to use. No page needs a script; a service may add one of its own, from its own file.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import structlog
from fastapi import APIRouter, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from jinja2 import Environment, FileSystemLoader, PackageLoader, PrefixLoader, select_autoescape
from jinja2.loaders import ChoiceLoader
from starlette.responses import HTMLResponse, RedirectResponse, Response

from libs.platform.database import is_passing
from libs.platform.problems import Problem, from_status
from libs.platform.signin import BEGIN, DONE, OUT, Session, SignIn, SignInFailed

_HERE = Path(__file__).with_name("templates")
_STYLE = (_HERE / "page.css").read_bytes()
_STYLE_PATH = f"/assets/{sha256(_STYLE).hexdigest()[:16]}.css"
_POLICY = (
    "default-src 'none'; style-src 'self'; img-src data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_SCRIPT_POLICY = f"{_POLICY}; script-src 'self'; connect-src 'self'"
UNATTENDED = "mash-unattended"
"""Header of a request that a page makes by itself: it does not count as use of the session."""
_A_YEAR = "public, max-age=31536000, immutable"
MOST_FIELDS = 400
LONGEST_QUERY = 500
"""What a sealed cookie has room for beside all else."""

_SAID = {
    403: "You may not do this",
    404: "There is nothing here",
    409: "Somebody else was first",
    413: "The file is too large",
    503: "This does not work at the moment",
}


class NotSignedIn(Exception):
    """Nobody is signed in, or no longer; `to` is where they come to once they are."""

    def __init__(self, to: str) -> None:
        super().__init__("not signed in")
        self.to = to


class Pages:
    """Renders a service's pages; set as `app.state.pages`.

    `templates`: its own directory of templates; `script`: the one file that its pages may load; `filters`: what its
    templates put values into words with; `shared`: what all of them know.
    """

    def __init__(
        self,
        service: str,
        home: str,
        signin: SignIn,
        templates: Path,
        *,
        script: Path | None = None,
        filters: Mapping[str, Callable[..., Any]] | None = None,
        shared: Mapping[str, Any] | None = None,
    ) -> None:
        loader = ChoiceLoader(
            [
                FileSystemLoader([templates, _HERE]),
                PrefixLoader({"govuk_frontend_jinja": PackageLoader("govuk_frontend_jinja")}),
            ]
        )
        self._environment = Environment(
            loader=loader, autoescape=select_autoescape(["html"]), trim_blocks=True, lstrip_blocks=True
        )
        self.home = home
        self.signin = signin
        self.script = None if script is None else script.read_bytes()
        path = None if self.script is None else f"/assets/{sha256(self.script).hexdigest()[:16]}.js"
        self.script_path = path
        self._environment.globals |= {
            "service": service,
            "home": home,
            "stylesheet": _STYLE_PATH,
            "script": path,
            **(shared or {}),
        }
        self._environment.filters |= dict(filters or {})

    def page(
        self,
        template: str,
        session: Session | None = None,
        *,
        status: int = 200,
        used: bool = True,
        **values: Any,
    ) -> Response:
        """A page. With a session, the session counts as used where `used`."""
        html = self._environment.get_template(template).render(session=session, **values)
        response = HTMLResponse(
            html,
            status,
            {
                "content-security-policy": _POLICY if self.script is None else _SCRIPT_POLICY,
                "cache-control": "no-store",
                "referrer-policy": "same-origin",
            },
        )
        if session is not None and used:
            self.signin.keep(response, session)
        return response

    def message(
        self, heading: str, lines: Sequence[str], session: Session | None = None, *, status: int = 200
    ) -> Response:
        """A page that only says something."""
        link = {"href": self.home, "text": "Go to the start"}
        return self.page("message.html", session, status=status, heading=heading, lines=lines, link=link)


def address(request: Request) -> str:
    """The page that was asked for, with what was chosen on it: a page's query never holds anything about anybody."""
    path, query = request.url.path, request.url.query
    return f"{path}?{query}" if query and len(query) <= LONGEST_QUERY else path


def signed_in(request: Request, scope: str) -> Session:
    """Who is signed in and may do what a page is for. Raises NotSignedIn, Problem 403."""
    pages: Pages = request.app.state.pages
    session = pages.signin.session(request)
    if session is None:
        raise NotSignedIn(address(request) if request.method == "GET" else pages.home)
    if scope not in session.scopes:
        raise Problem(403, "scope-missing", "Your sign-in does not permit this")
    return session


async def form_of(request: Request, session: Session) -> dict[str, str | bytes]:
    """The fields of a form of this session; a file is its bytes. Raises Problem 403 for a form that is not."""
    async with request.form(max_files=1, max_fields=MOST_FIELDS) as form:
        fields = {
            name: value if isinstance(value, str) else await value.read() for name, value in form.items()
        }
    if not session.proves(fields.get("csrf")):
        raise Problem(403, "form-not-ours", "This form is out of date")
    return fields


class PageRoute(APIRoute):
    """An operation for people: a failure is a page too, and whoever is not signed in is sent to do so."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def for_people(request: Request) -> Response:
            pages: Pages | None = getattr(request.app.state, "pages", None)
            if pages is None:
                raise Problem(404, "not-found", "There is nothing here")
            try:
                return await handle(request)
            except NotSignedIn as error:
                to = urlencode({"to": error.to})
                return RedirectResponse(f"{BEGIN}?{to}", 303, {"cache-control": "no-store"})
            except SignInFailed as error:
                structlog.get_logger().warning("sign-in failed", code=error.code)
                lines = [
                    "You could not be signed in. Try again; if it fails again, tell whoever runs this service."
                ]
                return pages.message("You are not signed in", lines, status=403)
            except RequestValidationError:
                return pages.message(_SAID[404], ["Check the address."], status=404)
            except Problem as problem:
                return await self.failed(request, pages, problem)
            except Exception as error:
                if not is_passing(error):
                    raise
                structlog.get_logger().warning("page failed in passing", exc_info=error)
                return await self.failed(request, pages, from_status(503, detail="Try again in a minute."))

        return for_people

    async def failed(self, request: Request, pages: Pages, problem: Problem) -> Response:
        """The page that tells of a refusal or failure."""
        return pages.message(*told(problem), pages.signin.session(request), status=problem.status)


def told(problem: Problem) -> tuple[str, list[str]]:
    """A refusal or failure as a heading and lines for people."""
    lines = [line for line in (f"{problem.title.rstrip('.')}.", problem.detail) if line]
    return _SAID.get(problem.status, problem.title), lines


def pages_router() -> APIRouter:
    """Sign-in, sign-out and the style sheet."""
    router = APIRouter(route_class=PageRoute, include_in_schema=False)

    @router.get(BEGIN)
    async def begin(request: Request) -> Response:
        pages: Pages = request.app.state.pages
        return await pages.signin.begin(request.query_params.get("to", pages.home))

    @router.get(DONE)
    async def done(request: Request) -> Response:
        pages: Pages = request.app.state.pages
        return await pages.signin.finish(request)

    @router.post(OUT)
    async def out(request: Request) -> Response:
        pages: Pages = request.app.state.pages
        session = pages.signin.session(request)
        if session is not None:
            await form_of(request, session)
        response = pages.message("You are signed out", ["Close the window if others use this computer."])
        pages.signin.end(response)
        return response

    @router.get(_STYLE_PATH)
    async def style(request: Request) -> Response:
        return Response(_STYLE, media_type="text/css", headers={"cache-control": _A_YEAR})

    @router.get("/assets/{name}.js")
    async def script(request: Request, name: str) -> Response:
        pages: Pages = request.app.state.pages
        if pages.script is None or request.url.path != pages.script_path:
            raise Problem(404, "not-found", "There is nothing here")
        return Response(pages.script, media_type="text/javascript", headers={"cache-control": _A_YEAR})

    return router
