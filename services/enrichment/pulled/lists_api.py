"""Where an agency sends its weekly list: as a program does, and on a page."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.responses import Response

from libs.platform.auth import Principal, requires
from libs.platform.pages import PageRoute, Pages, form_of, signed_in
from libs.platform.problems import Problem, responses
from libs.schemas.base import IsoDate, Model
from services.enrichment.pulled.answering import Answering
from services.enrichment.pulled.listing import Listing
from services.enrichment.pulled.lists import (
    COLUMNS,
    LISTED,
    MOST_BYTES,
    MOST_ROWS,
    BadFile,
    Refusal,
    Role,
    check_day,
    read_list,
)

SCOPE = "lists:write"
Sender = Annotated[Principal, requires(SCOPE)]


class ListReport(Model):
    """What became of each row. It names rows and columns, never what stood there."""

    list_date: date
    rows: int = Field(description="Rows that are not empty, without the header.")
    accepted: int
    refused: tuple[Refusal, ...] = Field(description="At most 200 places, in the file's order.")
    unchanged: bool = Field(
        description="Nothing changed: the same list was kept before, or not one row could be taken."
    )


router = APIRouter(prefix="/v1/lists", tags=["lists"])
pages = APIRouter(prefix="/questions/lists", route_class=PageRoute, include_in_schema=False)

_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"text/csv": {"schema": {"type": "string", "maxLength": MOST_BYTES}}},
    }
}


async def take(desk: Answering, listing: Listing, sender: Principal, on: date, content: bytes) -> ListReport:
    """Keeps a list and reports on its rows. Raises Problem 403, 409 for an older list, 422 for a bad file."""
    agency = sender.of_agency()
    definition = desk.dictionary.definitions.get(LISTED)
    if agency not in desk.terms or definition is None or agency not in definition.sources:
        raise Problem(403, "no-lists", "This access token speaks for no agency that sends lists")
    today = desk.ledger.clock.now().date()
    try:
        check_day(on, today)
        read = read_list(content, today)
    except BadFile as error:
        raise Problem(
            422, f"list-{error.code.removeprefix('list-')}", "The file cannot be taken", error.detail
        ) from None
    if read.refused and not read.entries:
        # Nobody of the list before is forgotten for a file of which nothing could be read.
        return ListReport(list_date=on, rows=read.rows, accepted=0, refused=read.refused, unchanged=True)
    kept = await listing.keep(agency, on, sender, read)
    if kept.older:
        raise Problem(
            409,
            "list-older",
            "A later list is there already",
            "send the newest list; an older one adds nothing",
        )
    return ListReport(
        list_date=on,
        rows=read.rows,
        accepted=len(read.entries),
        refused=read.refused,
        unchanged=kept.unchanged,
    )


async def _body(request: Request) -> bytes:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "text/csv":
        raise Problem(415, "unsupported-media-type", "The body's media type is not accepted", "send text/csv")
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > MOST_BYTES:
            raise Problem(413, "body-too-large", "The body is too large", f"send at most {MOST_BYTES} bytes")
    return bytes(content)


@router.post(
    "",
    responses=responses(400, 401, 403, 409, 413, 415, 422, 503),
    openapi_extra=_BODY,
    summary="Send the weekly list",
)
async def send_list(
    request: Request,
    caller: Sender,
    list_date: Annotated[IsoDate, Query(alias="date", description="The day of the list.")],
) -> ListReport:
    """Takes the agency's list as CSV (UTF-8, one header row), checked row by row: rows that are in order are kept,
    the others refused by row and column. It replaces the agency's earlier list; the same list again changes nothing,
    nor does one of which every row is refused.

    Columns: `role` (victim, child, thought_to_harm), `family_name`, `given_name`, `born` (YYYY-MM-DD), and
    `nhs_number`, which may be empty or absent.
    """
    state = request.app.state
    return await take(state.answering, state.listing, caller, list_date, await _body(request))


@pages.get("")
async def form(request: Request) -> Response:
    """The page on which a person sends the list."""
    session = signed_in(request, SCOPE)
    return _page(request.app.state.pages, session, {}, {}, None)


@pages.post("")
async def sent(request: Request) -> Response:
    """Takes the list of the form, and shows the report."""
    session = signed_in(request, SCOPE)
    shown: Pages = request.app.state.pages
    fields = await form_of(request, session)
    values = {name: value for name, value in fields.items() if isinstance(value, str)}
    wrong: dict[str, str] = {}
    upload = fields.get("file")
    content = upload if isinstance(upload, bytes) else b""
    if not content:
        wrong["file"] = "Choose the CSV file of the list"
    try:
        on = date(*(int(values.get(f"date-{part}", "")) for part in ("year", "month", "day")))
    except (ValueError, OverflowError):
        on = None
        wrong["date"] = "Enter the day of the list, such as 27 3 2026"
    if on is None or wrong:
        return _page(shown, session, values, wrong, None)
    state = request.app.state
    try:
        report = await take(state.answering, state.listing, session.principal, on, content)
    except Problem as problem:
        if problem.status not in (409, 422):
            raise
        place = "date" if problem.code in ("list-date", "list-older") else "file"
        text = f"{problem.title}: {problem.detail}"
        return _page(shown, session, values, {place: text}, None)
    return _page(shown, session, {}, {}, report)


def _page(
    pages: Pages, session: Any, values: dict[str, str], wrong: dict[str, str], report: ListReport | None
) -> Response:
    targets = {"date": "date-day", "file": "file"}
    return pages.page(
        "lists.html",
        session,
        status=422 if wrong else 200,
        errors=[{"text": text, "href": f"#{targets[name]}"} for name, text in wrong.items()],
        wrong=wrong,
        values=values,
        report=report,
        columns=COLUMNS,
        roles=list(Role),
        most_rows=MOST_ROWS,
    )
