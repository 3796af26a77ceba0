"""Restricted children in the services beside triage: what these show of them is hidden from whoever has no right to
restricted cases.

Triage says who is restricted; between its word and this table lies the time that an event takes.
"""

from collections.abc import Iterable
from typing import Any, Protocol
from uuid import UUID

import asyncpg
from fastapi import Request

from libs.platform.auth import Principal
from libs.schemas.events import CaseRestricted

RIGHT = "restricted:read"
"""The scope of those who may see restricted cases."""

_HIDE = """
INSERT INTO restricted_child (child_id, referral_id) SELECT * FROM unnest($1::uuid[], $2::uuid[])
ON CONFLICT (child_id) DO NOTHING
"""
_SHOW = "DELETE FROM restricted_child WHERE child_id = ANY ($1)"
_HIDDEN = "SELECT child_id FROM restricted_child WHERE referral_id = $1"


def sees_all(caller: Principal) -> bool:
    """Whether the caller has the right to see restricted cases."""
    return RIGHT in caller.scopes


class Told(Protocol):
    """An event as a consumer gets it."""

    @property
    def referral_id(self) -> UUID: ...
    @property
    def payload(self) -> Any: ...


async def learn(connection: asyncpg.Connection, events: Iterable[Told]) -> None:
    """Takes in what these events say of restricted children, the earliest first: the last word on a child counts.
    A referral's own id stands for all its children, until one of them is told of by their own.

    It needs nothing else of the referral, and so waits for none.
    """
    last: dict[UUID, tuple[UUID, bool]] = {}
    for event in events:
        if isinstance(event.payload, CaseRestricted):
            told = {child_id: child.restricted for child_id, child in event.payload.children.items()}
            known = {event.referral_id: False} if told.keys() - {event.referral_id} else {}
            last |= {one: (event.referral_id, restricted) for one, restricted in {**known, **told}.items()}
    hide = {child_id: referral_id for child_id, (referral_id, restricted) in last.items() if restricted}
    if hide:
        await connection.execute(_HIDE, list(hide), list(hide.values()))
    show = last.keys() - hide.keys()
    if show:
        await connection.execute(_SHOW, list(show))


async def hidden(
    connection: asyncpg.Connection | asyncpg.Pool, referral_id: UUID, caller: Principal
) -> frozenset[UUID]:
    """Which children of a referral the caller may not see; with the referral's own id, none of them."""
    if sees_all(caller):
        return frozenset()
    return frozenset(row["child_id"] for row in await connection.fetch(_HIDDEN, referral_id))


async def withheld(request: Request, caller: Principal, referral_id: UUID) -> bool:
    """Whether a referral has a child whom the caller may not see: a message about it tells of every child."""
    pool: asyncpg.Pool = request.app.state.pool
    return bool(await hidden(pool, referral_id, caller))
