"""Reads an agency's HTTP reply. What cannot be relied on is `unavailable` with a reason, never "nothing held"."""

import json
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from pydantic import Field, ValidationError

from libs.schemas.base import IsoDate, Model, Open, Text
from libs.schemas.dictionary import Dictionary
from libs.schemas.findings import NOT_UNDERSTOOD, PARTLY_UNDERSTOOD, AgencyState, Fact, FactValue
from services.enrichment.agency import Reply
from services.enrichment.question import Question, exact_birth

MAX_BYTES = 5_000_000
"""A longer body is refused: no honest answer about one child is."""

MAX_FACTS = 200

LONGEST_CODE = 80
"""Characters of a value that the dictionary does not know. A longer one is no code of any later dictionary."""

LONGEST_RETRY_AFTER = 3600.0
"""Seconds. An agency that asks for a longer wait is asked again after this one."""

SPOKEN = frozenset(
    {
        AgencyState.RETURNED,
        AgencyState.NOTHING_HELD,
        AgencyState.OUTSIDE_COVERAGE,
        AgencyState.DECLINED,
    }
)
"""What an agency may say of itself; the other states are the hub's own observations."""


class _SaidTwice(Exception):
    """A key stands twice in an object: which of the two is meant cannot be known."""


class _Person(Model):
    nhs_number: str | None = None
    upn: str | None = None
    born: IsoDate | None = None


class _Body(Model):
    question_id: str
    state: Open[AgencyState]
    child: _Person = _Person()
    reason: str | None = None
    as_of: IsoDate | None = None
    coverage_from: IsoDate | None = None
    coverage_to: IsoDate | None = None
    facts: tuple[dict[str, Any], ...] = Field((), max_length=MAX_FACTS)
    narrative: Text | None = None


def unavailable(reason: str, retry_after: float | None = None) -> Reply:
    """The reply of an agency that could not be reached, or whose answer cannot be relied on."""
    return Reply(AgencyState.UNAVAILABLE, reason, retry_after)


def read_reply(
    status: int,
    content_type: str,
    retry_after: str | None,
    body: bytes,
    *,
    question: Question,
    dictionary: Dictionary,
    now: datetime,
) -> Reply:
    """What an agency's reply to this question means. Never raises."""
    wait = seconds_to_wait(retry_after, now)
    if status == 202:
        return Reply(AgencyState.NO_ANSWER, "accepted", wait)
    if status != 200:
        return unavailable(f"http_{status}", wait)
    kind = content_type.partition(";")[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        return unavailable("not_json")
    if len(body) > MAX_BYTES:
        return unavailable("too_large")
    try:
        said = _Body.model_validate(json.loads(body.decode("utf-8"), object_pairs_hook=_unique))
    except UnicodeDecodeError:
        return unavailable("not_utf8")
    except (_SaidTwice, ValidationError):
        return unavailable("contract")
    except (ValueError, RecursionError):
        return unavailable("not_json")
    return _meaning(said, question, dictionary, now)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise _SaidTwice
    return fields


def _meaning(said: _Body, question: Question, dictionary: Dictionary, now: datetime) -> Reply:
    if said.question_id != question.question_id:
        return unavailable("other_question")
    if _contradicts(said.child, question):
        return unavailable("about_someone_else")
    if said.state not in SPOKEN:
        return unavailable("unknown_state")
    state = AgencyState(said.state)
    facts, dropped = _facts(said.facts, dictionary)
    # A day's grace: an agency's clock or time zone may be ahead of the hub's.
    latest = now.astimezone(UTC).date() + timedelta(days=1)
    if any(
        day is not None and day > latest
        for day in (said.as_of, said.coverage_from, said.coverage_to, *(fact.on for fact in facts))
    ):
        return unavailable("future_date")
    if said.coverage_from and said.coverage_to and said.coverage_from > said.coverage_to:
        return unavailable("contract")
    if state is AgencyState.RETURNED and not said.facts and not said.narrative:
        return unavailable("empty_answer")
    if state is not AgencyState.RETURNED and said.facts:
        return unavailable("contradictory")
    return Reply(
        state=state,
        reason=_reason(state, dropped),
        as_of=said.as_of,
        coverage_from=said.coverage_from,
        coverage_to=said.coverage_to,
        facts=facts,
        narrative=said.narrative,
        dropped=dropped,
    )


def _reason(state: AgencyState, dropped: Counter[str]) -> str | None:
    # An agency's own words for declining are not carried on: they may name people.
    if state is AgencyState.DECLINED:
        return "agency_declined"
    return PARTLY_UNDERSTOOD if dropped else None


def _contradicts(said: _Person, question: Question) -> bool:
    asked = question.child
    pairs: tuple[tuple[str | date | None, str | date | None], ...] = (
        (_digits(said.nhs_number), _digits(asked.nhs_number)),
        (said.upn, asked.upn),
        (said.born, exact_birth(asked.born)),
    )
    return any(theirs is not None and ours is not None and theirs != ours for theirs, ours in pairs)


def _digits(number: str | None) -> str | None:
    return None if number is None else number.replace(" ", "")


def _facts(
    stated: tuple[dict[str, Any], ...], dictionary: Dictionary
) -> tuple[tuple[Fact, ...], Counter[str]]:
    """The statements as far as they can be read, and how many could not be, by code.

    One about a fact of the dictionary is passed on whatever is wrong with the rest of it: triage reads it as possible.
    """
    facts: list[Fact] = []
    dropped: Counter[str] = Counter()
    for fields in stated:
        try:
            fact = Fact.model_validate(fields)
        except ValidationError:
            dropped["contract"] += 1
            name = fields.get("fact")
            if isinstance(name, str) and name in dictionary.definitions:
                facts.append(_unread(name))
            continue
        fault = dictionary.check(fact)
        if fault is not None:
            dropped[fault.code] += 1
        if fact.fact in dictionary.definitions:
            facts.append(fact if fault is None or _is_code(fact.value) else _unread(fact.fact))
    return tuple(facts), dropped


def _unread(name: str) -> Fact:
    return Fact(fact=name, value=NOT_UNDERSTOOD, basis=NOT_UNDERSTOOD)


def _is_code(value: FactValue) -> bool:
    return not isinstance(value, str) or (len(value) <= LONGEST_CODE and value.isidentifier())


def seconds_to_wait(retry_after: str | None, now: datetime) -> float | None:
    """`Retry-After` as seconds, at most `LONGEST_RETRY_AFTER`: a number or a date (RFC 9110, section 10.2.3)."""
    if retry_after is None:
        return None
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return min(float(text), LONGEST_RETRY_AFTER)
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return None
    if until.tzinfo is None:
        return None
    return min(max((until - now).total_seconds(), 0.0), LONGEST_RETRY_AFTER)
