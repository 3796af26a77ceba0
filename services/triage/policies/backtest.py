"""Applies a policy to many children at once, and counts what it says and what it would change.

Works on what is stored, each child by the last evaluation, or on a file with a JSON object in each line. Only counts
leave it; who may see them sees no small ones.
"""

import gc
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
from pydantic import TypeAdapter, ValidationError

from libs.messaging.codec import Codec, Undecodable
from libs.schemas.base import Model, Nothing, Payload
from libs.schemas.dictionary import REFERRER, Dictionary
from libs.schemas.findings import Basis, Between, Fact, FactValue
from libs.schemas.levels import Level, Rag
from services.triage.basis import read_facts
from services.triage.documents import EVIDENCE, EvidenceKind
from services.triage.known import Known, learn
from services.triage.policy import ChildFacts, Policy, StatedFact, Verdict, decide, encode
from services.triage.policy.changes import Tally, actions_of, measured
from services.triage.policy.vector import members

AGE = "child.age"
UNBORN = "child.unborn"
NOT_KNOWN = "not known"
BANDS = ((1, "under 1"), (5, "1 to 4"), (10, "5 to 9"), (16, "10 to 15"), (18, "16 and 17"))
"""Bands of age by the years under which they end: those of the children in need census."""

CASES_AT_ONCE = 2000
BYTES_AT_ONCE = 4 << 20

_BOUNDS = """
SELECT id FROM (SELECT id, row_number() OVER (ORDER BY id) AS place FROM child_case WHERE NOT stub) AS cases
 WHERE place % $1 = 0 ORDER BY id
"""
_CASES = """
SELECT child_case.id, referral.agency, evaluation.states, referral.document
  FROM child_case
  JOIN evaluation ON evaluation.case_id = child_case.id AND evaluation.number = child_case.evaluation
  JOIN referral ON referral.id = child_case.referral_id
 WHERE NOT child_case.stub AND child_case.id > $1 AND child_case.id <= $2 AND evaluation.states IS NOT NULL
 ORDER BY child_case.id
"""
_EVIDENCE = """
SELECT case_id, kind, document FROM evidence
 WHERE case_id > $1 AND case_id <= $2 AND kind <> 'withdrawal' ORDER BY case_id, number
"""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is known of one child, and what is told apart about them."""

    facts: ChildFacts
    attributes: Mapping[str, str]


@dataclass(slots=True)
class Counts:
    """What came out, added up."""

    children: int = 0
    outcomes: Counter[tuple[Level, Rag]] = field(default_factory=Counter)
    level_could_rise: int = 0
    urgency_could_rise: int = 0
    rules: Counter[str] = field(default_factory=Counter)
    changes: Tally | None = None
    unreadable: int = 0
    first_unreadable: str = ""
    unknown_facts: Counter[str] = field(default_factory=Counter)

    def merge(self, other: "Counts") -> None:
        """Adds another part's counts."""
        self.children += other.children
        self.outcomes += other.outcomes
        self.level_could_rise += other.level_could_rise
        self.urgency_could_rise += other.urgency_could_rise
        self.rules += other.rules
        self.unreadable += other.unreadable
        self.first_unreadable = self.first_unreadable or other.first_unreadable
        self.unknown_facts += other.unknown_facts
        if other.changes is not None:
            self.changes = self.changes or Tally()
            self.changes.merge(other.changes)


class Backtest:
    """A policy on trial, and the one that it is compared with if any."""

    def __init__(self, policy: Policy, against: Policy | None = None) -> None:
        self._policy = policy
        self._against = against
        # Where both read facts alike, a child is read once.
        self._alike = against is not None and (
            against.dictionary.fingerprint == policy.dictionary.fingerprint
            and [(one.condition, one.ask) for one in against.decisive]
            == [(one.condition, one.ask) for one in policy.decisive]
        )

    def count(self, subjects: Iterable[Subject]) -> Counts:
        """Applies both to each of them."""
        counts, policy, against = Counts(), self._policy, self._against
        fired: Counter[int] = Counter()
        changes = None if against is None else _Changes(against, policy)
        for subject in subjects:
            vector = encode(policy, subject.facts)
            verdict = decide(policy, vector)
            counts.children += 1
            counts.outcomes[verdict.level, verdict.rag] += 1
            counts.level_could_rise += verdict.could_rise_to is not verdict.level
            counts.urgency_could_rise += verdict.rag_could_rise_to is not verdict.rag
            fired[verdict.fired] += 1
            if changes is not None and against is not None:
                before = decide(against, vector if self._alike else encode(against, subject.facts))
                changes.add(before, verdict, subject.attributes)
        for mask, times in fired.items():
            for number in members(mask):
                counts.rules[policy.rules[number].id] += times
        counts.changes = changes.tally() if changes is not None else None
        return counts


Way = tuple[Level, Rag, Level, Rag, bool]


class _Changes:
    """Counts how two verdicts compare: of a million children there are few different ways."""

    def __init__(self, old: Policy, new: Policy) -> None:
        self._old, self._new = old, new
        self._actions: dict[tuple[int, int], bool] = {}
        self._ways: dict[Way, tuple[tuple[str, ...], tuple[str, str] | None]] = {}
        self._children: Counter[Way] = Counter()
        self._groups: Counter[tuple[tuple[str, str], Way]] = Counter()

    def add(self, before: Verdict, after: Verdict, attributes: Mapping[str, str]) -> None:
        masks = (before.fired & self._old.floors.obliging, after.fired & self._new.floors.obliging)
        differ = self._actions.get(masks)
        if differ is None:
            differ = actions_of(self._old, masks[0]) != actions_of(self._new, masks[1])
            self._actions[masks] = differ
        way = (before.level, before.rag, after.level, after.rag, differ)
        if way not in self._ways:
            moved = (before.level.value, after.level.value) if before.level is not after.level else None
            self._ways[way] = tuple(measured(before, after, differ)), moved
        self._children[way] += 1
        for attribute in attributes.items():
            self._groups[attribute, way] += 1

    def tally(self) -> Tally:
        """The same as what may be shown is made of."""
        tally = Tally()
        for way, times in self._children.items():
            found, moved = self._ways[way]
            tally.children += times
            tally.unchanged += 0 if found else times
            tally.measures.update(dict.fromkeys(found, times))
            if moved is not None:
                tally.moves[moved] += times
        for ((attribute, value), way), times in self._groups.items():
            found, _ = self._ways[way]
            counted = dict.fromkeys(("children", *found), times)
            tally.groups.setdefault(attribute, {}).setdefault(value, Counter()).update(counted)
        return tally


def band(facts: Iterable[StatedFact]) -> str:
    """The band of the youngest age that a child could have."""
    youngest: int | None = None
    for one in facts:
        if one.fact.fact == UNBORN and one.fact.value is True:
            return "unborn"
        if one.fact.fact == AGE:
            value = one.fact.value
            years = value.at_least if isinstance(value, Between) else value
            if isinstance(years, int):
                youngest = years if youngest is None else min(youngest, years)
    if youngest is None:
        return NOT_KNOWN
    return next((name for under, name in BANDS if youngest < under), "18 and over")


@dataclass(slots=True)
class _Statement:
    fact: str
    value: FactValue
    source: str = REFERRER


@dataclass(slots=True)
class _Line:
    """The same as StoredChild, read twice as fast."""

    facts: list[_Statement]
    answers: dict[str, str] = field(default_factory=dict)
    attributes: dict[str, str] = field(default_factory=dict)


_LINE = TypeAdapter(_Line)


class Lines:
    """Reads a file of facts, a JSON object in each line, as StoredChild has it."""

    def __init__(self, policy: Policy) -> None:
        self._known = policy.dictionary.definitions
        self._seen: dict[tuple[object, ...], StatedFact] = {}

    def subjects(self, lines: Iterable[bytes], counts: Counts, start: int) -> Iterator[Subject]:
        """The children of the lines that begin `start` bytes into the file. One that cannot be read is counted, and
        the first is told by where it stands and what is wrong.
        """
        for line in lines:
            if line and not line.isspace():
                try:
                    subject = self._subject(_LINE.validate_json(line), counts)
                except ValidationError as error:
                    counts.unreadable += 1
                    place = ".".join(map(str, error.errors()[0]["loc"])) or "the line"
                    counts.first_unreadable = (
                        counts.first_unreadable or f"at byte {start}: {place} does not fit"
                    )
                else:
                    yield subject
            start += len(line) + 1

    def _subject(self, child: _Line, counts: Counts) -> Subject:
        stated = tuple([self._stated(one, counts) for one in child.facts])
        return Subject(ChildFacts(stated, child.answers), {"age": band(stated), **child.attributes})

    def _stated(self, one: _Statement, counts: Counts) -> StatedFact:
        name, value, source = one.fact, one.value, one.source
        if name not in self._known:
            counts.unknown_facts[name] += 1
        # Most statements are those of many others, and to make one anew costs more than to weigh it.
        key = (name, type(value), value, source)
        found = self._seen.get(key)
        if found is None:
            fact = Fact(fact=name, value=value, basis=Basis.RECORD)
            found = self._seen[key] = StatedFact(fact, source)
        return found


def parts_of(path: Path, size: int = BYTES_AT_ONCE) -> list[tuple[int, int]]:
    """A file cut at line ends into pieces of about `size` bytes: where each begins and ends."""
    end, parts = path.stat().st_size, []
    with path.open("rb") as file:
        start = 0
        while start < end:
            file.seek(min(start + size, end))
            file.readline()
            stop = file.tell()
            parts.append((start, stop))
            start = stop
    return parts


def lines_of(path: Path, start: int, stop: int) -> list[bytes]:
    """The lines of a piece."""
    with path.open("rb") as file:
        file.seek(start)
        return file.read(stop - start).split(b"\n")


class _Address(Model):
    postcode: str | None = None


class _Home(Model):
    address: _Address | None = None


class Homes(Payload[Nothing, _Home]):
    """Of a referral only where its children live."""


async def parts_of_cases(
    connection: asyncpg.Connection, size: int = CASES_AT_ONCE
) -> list[tuple[UUID, UUID]]:
    """All cases, cut into pieces of about `size`: after which id each begins, and with which it ends."""
    bounds = [row[0] for row in await connection.fetch(_BOUNDS, size)]
    edges = [UUID(int=0), *bounds, UUID(int=(1 << 128) - 1)]
    return list(pairwise(edges))


async def stored_subjects(
    connection: asyncpg.Connection,
    codec: Codec,
    dictionary: Dictionary,
    part: tuple[UUID, UUID],
    counts: Counts,
) -> list[Subject]:
    """The children of a piece by what their last evaluation rested on, derived under a dictionary. Erased ones are
    left out.
    """
    cases = await connection.fetch(_CASES, *part)
    rows = await connection.fetch(_EVIDENCE, *part)
    documents = await codec.decode([(EVIDENCE[EvidenceKind(row[1])], row[2]) for row in rows])
    pieces: dict[UUID, list[Any]] = {}
    for row, piece in zip(rows, documents, strict=True):
        pieces.setdefault(row[0], []).append(piece)
    homes = await codec.decode([(Homes, row[3]) for row in cases])
    found = []
    for (case_id, agency, states, _), home in zip(cases, homes, strict=True):
        known = _known(case_id, pieces.get(case_id, ()))
        if known is None:
            counts.unreadable += 1
            continue
        facts = read_facts(dictionary, known, states)
        attributes = {"agency": agency, "age": band(known.stated), "postcode sector": _sector(case_id, home)}
        found.append(Subject(facts, attributes))
    return found


def _known(case_id: UUID, pieces: Sequence[Any]) -> Known | None:
    known = Known()
    for piece in pieces:
        if isinstance(piece, Undecodable) or case_id in piece.erased:
            return None
        learn(known, case_id, piece.payload)
    return known


def _sector(case_id: UUID, home: Any) -> str:
    """The postcode without its last two letters, which stand for a few doors."""
    child = None if isinstance(home, Undecodable) else home.payload.children.get(case_id)
    postcode = child.address.postcode if child is not None and child.address is not None else None
    return postcode[:-2] if postcode and len(postcode) > 4 else NOT_KNOWN


def settle() -> None:
    """Before many short-lived objects are made: what lives now is not looked at again for every few of them."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 50)
