"""Operations on a service's parked messages: list, read, retry, discard. Every service mounts them.

What they work on is the messaging library's, known here by its form alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, Protocol
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request

from libs.platform.auth import Principal, requires
from libs.platform.bodies import json_body, read_json_body
from libs.platform.parameters import WHOLE
from libs.platform.problems import Problem, responses
from libs.schemas.base import Instant, Model, Text

Keeper = Annotated[Principal, requires("parked:manage")]

Withheld = Callable[[Request, Principal, UUID], Awaitable[bool]]
"""Whether what a message of this referral says is kept from the caller."""


class MessageForm(Protocol):
    """A parked message as a list may show it: ids, codes and times."""

    @property
    def consumer(self) -> str: ...
    @property
    def event_id(self) -> UUID: ...
    @property
    def number(self) -> int: ...
    @property
    def referral_id(self) -> UUID: ...
    @property
    def type(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def error_class(self) -> str: ...
    @property
    def code(self) -> str: ...
    @property
    def attempts(self) -> int: ...
    @property
    def parked_at(self) -> datetime: ...
    @property
    def next_attempt_at(self) -> datetime | None: ...
    @property
    def resolved_at(self) -> datetime | None: ...


class ActionForm(Protocol):
    """What somebody did with it."""

    @property
    def action(self) -> str: ...
    @property
    def by(self) -> str: ...
    @property
    def reason(self) -> str | None: ...
    @property
    def code(self) -> str | None: ...
    @property
    def at(self) -> datetime: ...


class DetailForm(Protocol):
    """One message with its payload and its history."""

    @property
    def message(self) -> MessageForm: ...
    @property
    def event(self) -> Any: ...
    @property
    def text(self) -> str | None: ...
    @property
    def actions(self) -> Sequence[ActionForm]: ...


class RetriedForm(Protocol):
    """What a retry or a discard set in motion."""

    @property
    def processed(self) -> int: ...
    @property
    def code(self) -> str | None: ...


class ParkedForm(Protocol):
    """The parked messages of one consumer. Its methods refuse with the exception that the router was told."""

    async def list(self, *, after: int = 0, limit: int = 100) -> Sequence[MessageForm]:
        """Open messages in the order of their parking."""
        ...

    async def show(self, event_id: UUID, *, by: str) -> DetailForm:
        """One message with its payload; who read it is kept."""
        ...

    async def retry(self, event_id: UUID, *, by: str) -> RetriedForm:
        """Tries it again, then those behind it."""
        ...

    async def discard(self, event_id: UUID, *, reason: str, by: str) -> RetriedForm:
        """Gives it up, then goes on with those behind it."""
        ...


class ParkedItem(Model):
    """A parked message. Never its payload."""

    consumer: str
    event_id: UUID
    number: int
    referral_id: UUID
    type: str
    state: str
    error_class: str
    code: str
    attempts: int
    parked_at: Instant
    next_attempt_at: Instant | None = None
    resolved_at: Instant | None = None


class ParkedPage(Model):
    """Open parked messages, oldest first."""

    items: tuple[ParkedItem, ...]
    next_after: int | None = None
    """Ask again with `after` of this number; absent on the last page."""


class ParkedActionItem(Model):
    """What somebody did with a parked message."""

    action: str
    by: str
    reason: str | None = None
    code: str | None = None
    at: Instant


class ParkedRecord(Model):
    """One parked message with what was done to it and what it says."""

    message: ParkedItem
    actions: tuple[ParkedActionItem, ...]
    payload: dict[str, Any] | None = None
    """Absent where the message is not what its type says."""
    text: str | None = None
    """All of such a message, as it came, so that a person can carry on by hand; absent where it was erased."""
    withheld: bool = False
    """It is about somebody whom the caller may not see: it can be retried or discarded, and not read."""


class Discard(Model):
    """Why a message is given up."""

    reason: Text


class ParkedResult(Model):
    """What a retry or a discard set in motion."""

    processed: int
    """Messages of the referral that were processed, in order."""
    stopped_by: str | None = None
    """Why it stopped before the last; absent where nothing of the referral is parked any more."""


_REFUSALS = {
    "not-parked": (404, "There is no such open parked message"),
    "not-first": (409, "Another message of the same referral has to be processed before this one"),
    "reason-missing": (422, "A reason is needed"),
}


async def _parked(request: Request) -> ParkedForm:
    parked: ParkedForm = request.app.state.parked
    return parked


Parked = Annotated[ParkedForm, Depends(_parked)]


def parked_router(refusal: type[Exception], withheld: Withheld | None = None) -> APIRouter:
    """`/v1/parked`, for the consumer in `app.state.parked`. `refusal` is what it raises, with a `code`."""
    router = APIRouter(prefix="/v1/parked", tags=["operations"])

    @router.get("", responses=responses(401, 403, 422, 503), summary="Open parked messages")
    async def list_parked(
        keeper: Keeper,
        parked: Parked,
        after: Annotated[int, Query(ge=0, le=2**53), WHOLE] = 0,
        limit: Annotated[int, Query(ge=1, le=200), WHOLE] = 100,
    ) -> ParkedPage:
        """Messages that could not be processed and those that wait behind them, without their payloads."""
        found = await parked.list(after=after, limit=limit + 1)
        return ParkedPage(
            items=tuple(_item(message) for message in found[:limit]),
            next_after=found[limit - 1].number if len(found) > limit else None,
        )

    @router.get("/{event_id}", responses=responses(401, 403, 404, 422, 503), summary="Read a parked message")
    async def read_parked(request: Request, event_id: UUID, keeper: Keeper, parked: Parked) -> ParkedRecord:
        """One message with its payload. Who read it is kept with it."""
        try:
            detail = await parked.show(event_id, by=keeper.subject)
        except refusal as error:
            raise _problem(error) from None
        kept_back = withheld is not None and await withheld(request, keeper, detail.message.referral_id)
        shown = detail.event is not None and not kept_back
        return ParkedRecord(
            message=_item(detail.message),
            actions=tuple(
                ParkedActionItem(action=a.action, by=a.by, reason=a.reason, code=a.code, at=a.at)
                for a in detail.actions
            ),
            payload=detail.event.payload.model_dump(mode="json") if shown else None,
            text=detail.text if detail.event is None and not kept_back else None,
            withheld=kept_back,
        )

    @router.post(
        "/{event_id}/retry", responses=responses(401, 403, 404, 409, 422, 503), summary="Try it again"
    )
    async def retry_parked(event_id: UUID, keeper: Keeper, parked: Parked) -> ParkedResult:
        """Tries the message that stops its referral, then those that wait behind it, in order."""
        try:
            done = await parked.retry(event_id, by=keeper.subject)
        except refusal as error:
            raise _problem(error) from None
        return ParkedResult(processed=done.processed, stopped_by=done.code)

    @router.post(
        "/{event_id}/discard",
        responses=responses(400, 401, 403, 404, 409, 413, 415, 422, 503),
        openapi_extra=json_body(Discard),
        summary="Give it up, with a reason",
    )
    async def discard_parked(
        event_id: UUID, request: Request, keeper: Keeper, parked: Parked
    ) -> ParkedResult:
        """Gives a message up for good, then goes on with those that waited behind it."""
        body, _ = await read_json_body(request, Discard)
        try:
            done = await parked.discard(event_id, reason=body.reason, by=keeper.subject)
        except refusal as error:
            raise _problem(error) from None
        return ParkedResult(processed=done.processed, stopped_by=done.code)

    return router


def _item(message: MessageForm) -> ParkedItem:
    return ParkedItem(
        consumer=message.consumer,
        event_id=message.event_id,
        number=message.number,
        referral_id=message.referral_id,
        type=message.type,
        state=message.state,
        error_class=message.error_class,
        code=message.code,
        attempts=message.attempts,
        parked_at=message.parked_at,
        next_attempt_at=message.next_attempt_at,
        resolved_at=message.resolved_at,
    )


def _problem(error: Exception) -> Problem:
    code = str(getattr(error, "code", "refused"))
    status, title = _REFUSALS.get(code, (409, "This does not fit the message's state"))
    return Problem(status, f"parked-{code}" if code in _REFUSALS else "parked-refused", title)
