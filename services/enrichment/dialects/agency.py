"""An agency that is asked as its file describes."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import UTC, timedelta
from functools import partial
from typing import Any

import httpx

from libs.schemas.clock import Clock
from libs.schemas.dictionary import Dictionary
from libs.schemas.findings import AgencyState
from services.enrichment.asking.agency import Reply, Silent, Unreliable
from services.enrichment.asking.attempt import attempt
from services.enrichment.asking.question import Question
from services.enrichment.asking.replies import seconds_to_wait
from services.enrichment.dialects.asking import (
    body_of_page,
    filled,
    first_number,
    path_of,
    query_of_page,
    sought,
    wanted_parts,
    wanted_sections,
)
from services.enrichment.dialects.exchange import Exchange, Pace, Tokens
from services.enrichment.dialects.reading import framed, person_found, reply_of, state_of
from services.enrichment.dialects.terms import ASK, Dialect, Section
from services.enrichment.partnership import AgencyTerms

MOST_PLACES = 10_000
"""Submitted questions whose place is remembered. One that is forgotten is submitted again, under the same id."""

LONGEST_POLL = 1.0
"""Seconds that a submitted question is waited for in place; one that takes longer is asked for again later."""


class DialectAgency:
    """One agency's interface. `client` has its address, its limits and its timeouts by phase."""

    def __init__(
        self,
        terms: AgencyTerms,
        dialect: Dialect,
        client: httpx.AsyncClient,
        secret: str,
        dictionary: Dictionary,
        clock: Clock,
        observe: Callable[[Mapping[str, Any]], None] | None = None,
    ) -> None:
        """`observe` is given the documents of each exchange, for whoever tries an interface out."""
        self._observe = observe
        self._terms = terms
        self._dialect = dialect
        self._client = client
        self._secret = secret
        self._dictionary = dictionary
        self._clock = clock
        self._tokens = Tokens(dialect.authentication, secret)
        self._pace = Pace(dialect.per_second)
        self._places: OrderedDict[str, str] = OrderedDict()

    async def ask(self, question: Question, *, trace: str | None) -> Reply:
        """Asks once, for at most the agency's `total_seconds`. Every failure is a reply with its reason."""
        exchange = Exchange(
            self._dialect,
            self._client,
            self._secret,
            self._tokens,
            self._pace,
            question.question_id,
            self._clock,
        )
        return await attempt(
            lambda: self._ask(question, exchange),
            seconds=self._terms.total_seconds,
            began=lambda: exchange.began,
            trace=trace,
        )

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.aclose()

    async def _ask(self, question: Question, exchange: Exchange) -> Reply:
        dialect, asked = self._dialect, sought(question)
        parts, sections = wanted_parts(dialect, question), wanted_sections(dialect, question)
        body = filled(dialect.ask.body, asked | {"parts": parts}) or {}
        if dialect.ask.submitted:
            first = await self._submitted(question.question_id, body, exchange)
            first = await exchange.whole(first, dialect.ask.pages)
        else:
            first = await self._answered(body, exchange)
        documents: dict[str, Any] = {ASK: first}
        try:
            return await self._understood(question, exchange, asked, documents, (parts, sections))
        finally:
            if self._observe is not None:
                self._observe(documents)

    async def _answered(self, body: Mapping[str, Any], exchange: Exchange) -> Any:
        """What the first request brings, to its last page."""
        ask = self._dialect.ask

        async def page(number: int) -> Any:
            wanted = body_of_page(body, ask.pages, number)
            status, headers, document = await exchange.post(ask.path, wanted, ask.query)
            if status == 202:
                raise Silent(_accepted(headers, self._clock))
            return document

        return await exchange.whole(await page(first_number(ask.pages)), ask.pages, page)

    async def _page(self, exchange: Exchange, section: Section, found: Mapping[str, Any], number: int) -> Any:
        """One page of a further request. Raises Unreliable where it is about somebody else."""
        query = query_of_page(section.query, section.pages, number)
        _, _, page = await exchange.get(path_of(section.path, found), query)
        for theirs, ours in section.same.values():
            if theirs.of(page) != ours.of(found):
                raise Unreliable("about_someone_else")
        return page

    async def _understood(
        self,
        question: Question,
        exchange: Exchange,
        asked: Mapping[str, Any],
        documents: dict[str, Any],
        wanted: tuple[list[str], list[Section]],
    ) -> Reply:
        dialect, first, (parts, sections) = self._dialect, documents[ASK], wanted
        latest = self._clock.now().astimezone(UTC).date() + timedelta(days=1)
        states = dialect.ask.states
        state = None if states is None else state_of(states, first)
        if state is AgencyState.NO_ANSWER:
            return Reply(state, "accepted")
        if state is not None and state is not AgencyState.RETURNED:
            declined = state is AgencyState.DECLINED
            return _with(framed(dialect, documents, latest), state, "agency_declined" if declined else None)
        if dialect.ask.who is not None:
            found = person_found(dialect.ask.who, first, asked["person"], dialect.dates)
            if found is None:
                if dialect.nobody is None or (states is not None and states.tell_of_nobody):
                    # Whoever has a word for knowing nobody, and says that somebody was found, has left them out.
                    raise Unreliable("empty_answer")
                return _with(framed(dialect, documents, latest), dialect.nobody, None)
            documents["who"] = found
        for section in sections:
            fetch = partial(self._page, exchange, section, documents.get("who", {}))
            page = await fetch(first_number(section.pages))
            documents[section.name] = await exchange.whole(page, section.pages, fetch)
        existence = bool(question.existence_only) and not parts and not sections
        return reply_of(dialect, self._dictionary, documents, latest, existence=existence)

    async def _submitted(self, question_id: str, body: Any, exchange: Exchange) -> Any:
        """The result of a question that is submitted and fetched. One that has expired is submitted anew, once."""
        for turn in (1, 2):
            place = self._places.get(question_id)
            if place is None:
                status, headers, document = await exchange.post(self._dialect.ask.path, body)
                if status == 200:
                    return document
                place = headers.get("location")
                if place is None:
                    raise Unreliable
                self._remember(question_id, place)
                await _wait(headers, self._clock)
            try:
                status, headers, document = await exchange.get(place)
            except Silent as silent:
                if silent.reply.reason != "http_410" or turn == 2:
                    raise
                self._places.pop(question_id, None)
                continue
            if status == 202:
                await _wait(headers, self._clock)
                status, headers, document = await exchange.get(place)
            if status == 202:
                raise Silent(_accepted(headers, self._clock))
            self._places.pop(question_id, None)
            return document
        raise AssertionError("the second attempt returns or raises")

    def _remember(self, question_id: str, place: str) -> None:
        self._places[question_id] = place
        if len(self._places) > MOST_PLACES:
            self._places.popitem(last=False)


def _accepted(headers: httpx.Headers, clock: Clock) -> Reply:
    return Reply(AgencyState.NO_ANSWER, "accepted", seconds_to_wait(headers.get("retry-after"), clock.now()))


async def _wait(headers: httpx.Headers, clock: Clock) -> None:
    """Waits as long as the agency asks. Raises Silent where that is longer than anybody waits in place."""
    wait = seconds_to_wait(headers.get("retry-after"), clock.now()) or 0.0
    if wait > LONGEST_POLL:
        raise Silent(_accepted(headers, clock))
    await asyncio.sleep(wait)


def _with(reply: Reply, state: AgencyState, reason: str | None) -> Reply:
    return Reply(
        state,
        reason,
        as_of=reply.as_of,
        coverage_from=reply.coverage_from,
        coverage_to=reply.coverage_to,
    )
