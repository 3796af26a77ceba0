"""Whom a record is linked to, and whom a person is asked about. Pure: candidates in any order, the same choice."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from uuid import UUID

from libs.schemas.base import maker
from libs.schemas.people import Band, Candidate, LinkMethod
from services.enrichment.people.names import Names
from services.enrichment.people.rules import Rules
from services.enrichment.people.scoring import Record, Score, explained, may_be, score

OFFERED = 10
"""So many candidates are shown at most: whoever has to choose among more does not look."""

_candidate = maker(Candidate)


@dataclass(frozen=True, slots=True)
class Choice:
    """What the rules make of a record's candidates."""

    linked: Candidate | None
    """The one that links by itself; None where nobody does."""
    method: LinkMethod
    offered: tuple[Candidate, ...]
    """Whom a person is asked about, best first; nobody where the record is linked."""


def choose(
    ours: Record,
    candidates: Iterable[tuple[UUID, Record]],
    rules: Rules,
    names: Names,
    doubted: Collection[UUID] = (),
) -> Choice:
    """The choice among candidates. Only `same` links, and only where nobody else is `same` as well.

    An identifier that agrees goes before names. `doubted`: persons that another of the record's own household is: they
    are offered and never linked.
    """
    scored = [
        (person_id, theirs, found)
        for person_id, theirs in candidates
        if may_be(ours, theirs, rules, names)
        and (found := score(ours, theirs, rules, names)).band is not Band.NONE
    ]
    same = [each for each in scored if each[2].band is Band.SAME and each[0] not in doubted]
    decisive = [each for each in same if each[2].by_identifier] or same
    if len(decisive) == 1:
        person_id, theirs, found = decisive[0]
        method = LinkMethod.IDENTIFIER if found.by_identifier else LinkMethod.SCORE
        return Choice(_shown(ours, person_id, theirs, found, found.band), method, ())
    scored.sort(key=lambda each: (-each[2].band.rank, -each[2].score, each[0]))
    offered = tuple(
        _shown(ours, person_id, theirs, found, min(found.band, Band.LIKELY, key=lambda band: band.rank))
        for person_id, theirs, found in scored[:OFFERED]
    )
    return Choice(None, LinkMethod.NEW, offered)


def _shown(ours: Record, person_id: UUID, theirs: Record, found: Score, band: Band) -> Candidate:
    return _candidate(
        {
            "person_id": person_id,
            "band": band,
            "score": found.score,
            "comparisons": explained(ours, theirs, found),
        }
    )
