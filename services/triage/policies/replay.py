"""Derives stored evaluations anew, from the stored statements under the stored policy, and says what differs."""

import json
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import asyncpg

from libs.messaging.codec import Codec, Undecodable
from libs.schemas.document import DocumentError
from libs.schemas.evaluation import Evaluation, Outcome
from services.triage.basis import read_facts
from services.triage.documents import EVIDENCE, EvidenceKind, RecordedEvaluation
from services.triage.known import Known, learn
from services.triage.policies.rulebook import Rulebook, make_rulebook
from services.triage.policies.store import stored_texts
from services.triage.policy import evaluate

AT_ONCE = 200
"""Cases that are read together."""

_EVALUATIONS = """
SELECT case_id, number, at, policy, level, rag, could_rise_to, document, evidence, states
  FROM evaluation WHERE case_id = ANY ($1) ORDER BY case_id, number
"""
_EVIDENCE = (
    "SELECT case_id, number, kind, document FROM evidence WHERE case_id = ANY ($1) ORDER BY case_id, number"
)
_CASES = "SELECT id FROM child_case WHERE NOT stub AND id > $1 ORDER BY id LIMIT $2"

_NOT_COMPARED = frozenset(("evaluator",))
"""The release says it of itself; what it means shows in the rest."""


class Result(StrEnum):
    """What became of a replay."""

    SAME = "same"
    DIFFERS = "differs"
    ERASED = "erased"
    """The child's record was erased: there is nothing to derive it from."""
    BEFORE = "before"
    """It was made by a release that did not keep what it rested on."""
    NO_POLICY = "no_policy"
    """The policy that it names is not stored, or cannot be read by this release."""
    UNREADABLE = "unreadable"
    """A document is not what it should be."""


FAILED = frozenset((Result.DIFFERS, Result.NO_POLICY, Result.UNREADABLE))
"""Results that must not be."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One place of an outcome where what was stored is not what follows. None: it is not there."""

    place: str
    stored: Any
    derived: Any


@dataclass(frozen=True, slots=True)
class Replayed:
    """One stored evaluation, derived anew."""

    case_id: UUID
    number: int
    at: datetime
    policy: str
    result: Result
    differences: tuple[Difference, ...] = ()


def differences(stored: Outcome, derived: Outcome) -> tuple[Difference, ...]:
    """Where two outcomes differ, over what was stored: a field that a later release added is no difference."""
    before = json.loads(stored.model_dump_json(exclude_unset=True))
    now = json.loads(derived.model_dump_json())
    for name in _NOT_COMPARED:
        before.pop(name, None)
    return tuple(_compare("", before, now))


def _compare(place: str, stored: Any, derived: Any) -> Iterator[Difference]:
    if isinstance(stored, dict) and isinstance(derived, dict):
        for name, value in stored.items():
            yield from _compare(f"{place}.{name}" if place else name, value, derived.get(name))
    elif isinstance(stored, list) and isinstance(derived, list):
        before, now = _named(stored), _named(derived)
        for name in dict.fromkeys((*before, *now)):
            yield from _compare(f"{place}[{name}]", before.get(name), now.get(name))
    elif stored != derived:
        yield Difference(place, stored, derived)


def _named(items: Sequence[Any]) -> dict[object, Any]:
    """A list's members by their rule or their value where each is there once, else by their place."""
    names = [item.get("rule") if isinstance(item, dict) else item for item in items]
    named = (
        None not in names
        and not any(isinstance(name, list) for name in names)
        and len(set(names)) == len(names)
    )
    return dict(zip(names if named else range(len(items)), items, strict=True))


async def all_cases(connection: asyncpg.Connection, limit: int | None = None) -> AsyncIterator[list[UUID]]:
    """The ids of the cases, `limit` at the most, some at a time and in a fixed order."""
    last, left = UUID(int=0), limit
    while left is None or left > 0:
        rows = await connection.fetch(_CASES, last, AT_ONCE if left is None else min(AT_ONCE, left))
        if not rows:
            return
        yield [row[0] for row in rows]
        last, left = rows[-1][0], None if left is None else left - len(rows)


class Replay:
    """Replays cases."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._rulebooks: dict[str, Rulebook | None] = {}

    async def cases(self, connection: asyncpg.Connection, case_ids: Sequence[UUID]) -> list[Replayed]:
        """Every stored evaluation of these cases, in order. Nothing is written."""
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            evaluations = await connection.fetch(_EVALUATIONS, case_ids)
            evidence = await connection.fetch(_EVIDENCE, case_ids)
        pieces: dict[UUID, list[tuple[int, Any]]] = {}
        documents = await self._codec.decode([(EVIDENCE[EvidenceKind(row[2])], row[3]) for row in evidence])
        for row, piece in zip(evidence, documents, strict=True):
            pieces.setdefault(row["case_id"], []).append((row["number"], piece))
        stored = await self._codec.decode([(RecordedEvaluation, row["document"]) for row in evaluations])
        found = []
        for row, item in zip(evaluations, stored, strict=True):
            case_id = row["case_id"]
            outcome: Evaluation | Result
            if isinstance(item, Undecodable):
                outcome = Result.ERASED if item.code == "erased" else Result.UNREADABLE
            else:
                erased = case_id in item.erased
                outcome = item.payload.children.get(case_id) or (
                    Result.ERASED if erased else Result.UNREADABLE
                )
            found.append(await self._replay(connection, row, outcome, pieces.get(case_id, ())))
        return found

    async def _replay(
        self,
        connection: asyncpg.Connection,
        row: asyncpg.Record,
        stored: Evaluation | Result,
        pieces: Sequence[tuple[int, Any]],
    ) -> Replayed:
        def replayed(result: Result, *differing: Difference) -> Replayed:
            return Replayed(row["case_id"], row["number"], row["at"], row["policy"], result, differing)

        if isinstance(stored, Result):
            return replayed(stored)
        if row["evidence"] is None or row["states"] is None:
            return replayed(Result.BEFORE)
        known = _known(row["case_id"], row["evidence"], pieces)
        if isinstance(known, Result):
            return replayed(known)
        rulebook = await self._rulebook(connection, row["policy"])
        if rulebook is None:
            return replayed(Result.NO_POLICY)
        derived = evaluate(rulebook.policy, read_facts(rulebook.dictionary, known, row["states"]))
        columns = [
            Difference(f"evaluation.{name}", row[name], str(value))
            for name in ("policy", "level", "rag", "could_rise_to")
            if row[name] != (value := getattr(derived, name))
        ]
        found = [*columns, *differences(stored.outcome, derived)]
        return replayed(Result.DIFFERS if found else Result.SAME, *found)

    async def _rulebook(self, connection: asyncpg.Connection, fingerprint: str) -> Rulebook | None:
        """A version out of its stored texts, whatever this process may know of it."""
        if fingerprint not in self._rulebooks:
            texts = (await stored_texts(connection, [fingerprint])).get(fingerprint)
            try:
                found = None if texts is None else make_rulebook(texts, stored_as=fingerprint)
            except DocumentError:
                found = None
            self._rulebooks[fingerprint] = found
        return self._rulebooks[fingerprint]


def _known(case_id: UUID, last: int, pieces: Sequence[tuple[int, Any]]) -> Known | Result:
    """What was known when the evidence up to a number had come, or why that cannot be told any more."""
    known = Known()
    wanted = [item for number, item in pieces if number <= last]
    for item in wanted:
        if isinstance(item, Undecodable):
            return Result.ERASED if item.code == "erased" else Result.UNREADABLE
        if case_id in item.erased:
            return Result.ERASED
        learn(known, case_id, item.payload)
    return known if len(wanted) == last else Result.UNREADABLE
