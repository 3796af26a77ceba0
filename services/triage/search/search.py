"""Finds cases by what is known of a child or of somebody at home. What was asked for is kept nowhere."""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import asyncpg
from pydantic import Field, StringConstraints

from libs.platform.auth import Principal
from libs.platform.validation import FieldError
from libs.schemas.base import Instant, IsoDate, Line, Model
from libs.schemas.person import Postcode
from libs.schemas.reference import parse_reference
from libs.spelling import words
from services.triage.desk import SELECT_CASES, case_of
from services.triage.queue.pages import QueueItem, item_of
from services.triage.restricted.rights import visible
from services.triage.search.keys import Keys, Matched, Term

MOST_FOUND = 50
MOST_LOOKED_AT = 200
"""Of very many the most recent are looked at, and the best of these are shown."""

MOST_WORDS = 6

_STRENGTH = list(Matched)

_HAS_ONE = "id IN (SELECT case_id FROM search_key WHERE digest = ANY (${place}::bytea[]))"
_KEYS_OF = "SELECT case_id, digest FROM search_key WHERE case_id = ANY ($1) AND digest = ANY ($2)"


class SearchBody(Model):
    """The body of `POST /v1/search`. Whatever is given must all hold."""

    reference: Annotated[str, StringConstraints(strip_whitespace=True, max_length=40)] | None = Field(
        None, description="Of a referral, in any case."
    )
    name: Line | None = Field(
        None,
        description="Any words of the names of the child, or of an adult around it: also how they begin or sound.",
    )
    date_of_birth: IsoDate | None = Field(None, description="The child's.")
    nhs_number: Annotated[str, StringConstraints(pattern=r"^[0-9]{10}$")] | None = None
    upn: Annotated[str, StringConstraints(pattern=r"^[A-Z][0-9]{11}[0-9A-Z]$")] | None = None
    postcode: Postcode | None = Field(None, description="Of the child's home, or of an adult's around it.")

    def faults(self) -> Iterator[FieldError]:
        """What cannot be looked for."""
        if self.model_dump(exclude_none=True) == {}:
            yield FieldError("", "missing", "must say at least one thing to look for")
        if self.name is not None and not 1 <= len(words(self.name)) <= MOST_WORDS:
            yield FieldError("/name", "no_name", f"must be one to {MOST_WORDS} words with letters")
        if self.reference is not None and parse_reference(self.reference) is None:
            yield FieldError("/reference", "no_reference", "must be a reference with its check character")


class Found(QueueItem):
    """A case that was found, and by what."""

    matched: tuple[Matched, ...]
    closed_at: Instant | None = None


class SearchResult(Model):
    """Cases that were found, the best first, and of equally good ones the most recent."""

    items: tuple[Found, ...]
    more: bool = Field(description="There are more than are shown: ask for more at once.")


class Search:
    """Looks for cases."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    async def find(
        self, connection: asyncpg.Connection, body: SearchBody, caller: Principal, now: datetime
    ) -> SearchResult:
        """The cases that answer everything that was asked for, among those that the caller may see."""
        terms = list(self._terms(body))
        statement, parameters = search_statement(body, terms, visible(caller))
        wanted = [digest for term in terms for digest in term.keys]
        held: dict[UUID, set[bytes]] = {}
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            cases = [case_of(row) for row in await connection.fetch(statement, *parameters)]
            for case_id, digest in await connection.fetch(_KEYS_OF, [case.id for case in cases], wanted):
                held.setdefault(case_id, set()).add(digest)
        found = []
        for case in cases[:MOST_LOOKED_AT]:
            by = [best(term, held.get(case.id, set())) for term in terms]
            by += [Matched.REFERENCE] if body.reference is not None else []
            matched = tuple(sorted(set(by), key=_STRENGTH.index))
            found.append(Found(**dict(item_of(case, now)), matched=matched, closed_at=case.closed_at))
        # In a stable order the most recent of equally good ones stay first.
        found.sort(key=lambda one: _STRENGTH.index(one.matched[-1]))
        more = len(cases) > MOST_LOOKED_AT or len(found) > MOST_FOUND
        return SearchResult(items=tuple(found[:MOST_FOUND]), more=more)

    def _terms(self, body: SearchBody) -> Iterator[Term]:
        if body.nhs_number is not None:
            yield self._keys.number(Matched.NHS_NUMBER, body.nhs_number)
        if body.upn is not None:
            yield self._keys.number(Matched.UPN, body.upn)
        if body.date_of_birth is not None:
            yield self._keys.born(body.date_of_birth)
        if body.postcode is not None:
            yield self._keys.postcode(body.postcode)
        if body.name is not None:
            yield from self._keys.name(body.name)


def search_statement(body: SearchBody, terms: Sequence[Term], seen: str) -> tuple[str, list[Any]]:
    """The statement that finds the cases, with its parameters."""
    parts, parameters = [seen], list[Any]()
    if body.reference is not None:
        parameters.append(parse_reference(body.reference))
        parts.append(f"reference = ${len(parameters)}::text")
    for term in terms:
        parameters.append([*term.keys])
        parts.append(_HAS_ONE.format(place=len(parameters)))
    condition = " AND ".join(parts)
    return (
        f"{SELECT_CASES} WHERE {condition} ORDER BY received_at DESC, id LIMIT {MOST_LOOKED_AT + 1}",
        parameters,
    )


def best(term: Term, held: Collection[bytes]) -> Matched:
    """The least doubtful way in which a case answers a term: what is spelt so also begins and sounds so."""
    return min((kind for digest, kind in term.keys.items() if digest in held), key=_STRENGTH.index)
