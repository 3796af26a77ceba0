"""Which policy applies to whom: versions by fingerprint, and which of them is in force from when."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from operator import attrgetter

from libs.schemas.dictionary import Dictionary
from libs.schemas.document import DocumentError, parse_document
from libs.schemas.levels import Level
from services.triage.derived.functions import faults
from services.triage.known import Known
from services.triage.placement.loading import load_placement
from services.triage.placement.places import Placement, Places
from services.triage.policy import Policy, load_policy

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
"""From when the first policy of a partnership is in force: before every referral."""


PLACEMENT = "placement.yaml"


class Mode(StrEnum):
    """How a policy is in force."""

    LIVE = "live"
    SHADOW = "shadow"
    ENDED = "ended"
    """No longer in the shadow. What is live ends only by what is live after it."""


@dataclass(frozen=True, slots=True)
class InForce:
    """One row of what is in force: added by a named person with a reason, never changed."""

    number: int
    fingerprint: str
    from_at: datetime
    mode: Mode
    by: str
    reason: str
    written_at: datetime


class Timeline:
    """What is in force at any instant. Of two rows for one instant the later written one counts."""

    def __init__(self, rows: Iterable[InForce] = ()) -> None:
        self.rows = tuple(sorted(rows, key=attrgetter("from_at", "number")))
        self._live = [row for row in self.rows if row.mode is Mode.LIVE]
        self._starts = [row.from_at for row in self._live]

    def live(self, at: datetime) -> str | None:
        """The fingerprint in force at an instant; the first one's before it; None where there never was one."""
        place = max(bisect_right(self._starts, at) - 1, 0)
        return self._live[place].fingerprint if self._live else None

    def shadows(self, at: datetime) -> tuple[str, ...]:
        """The fingerprints that run in the shadow at an instant. One that is adopted leaves the shadow."""
        found: dict[str, None] = {}
        for row in self.rows:
            if row.from_at > at:
                break
            if row.mode is Mode.SHADOW:
                found[row.fingerprint] = None
            else:
                found.pop(row.fingerprint, None)
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Rulebook:
    """One version of a partnership's policy, ready to be applied."""

    policy: Policy
    places: Places

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of what the policy means."""
        return self.policy.fingerprint

    @property
    def dictionary(self) -> Dictionary:
        """The facts that may be stated."""
        return self.policy.dictionary

    @property
    def agencies(self) -> tuple[str, ...]:
        """Every agency that could know a fact: silent until it has spoken."""
        return self.policy.dictionary.agencies

    def placement(self, level: Level, known: Known) -> Placement:
        """The destination for a level of need, and the level it is recommended at, which is never lower."""
        facts = (one.fact for one in known.stated)
        around = self.places.around(facts, known.early_help, known.panel, known.closing_plan)
        return self.places.place(level, around)


def make_rulebook(texts: Mapping[str, str], stored_as: str | None = None) -> Rulebook:
    """A rulebook out of its documents by file name. Raises DocumentError naming every mistake.

    `stored_as`: the fingerprint that a stored version keeps, however a later release computes it.
    """
    policy = load_policy(texts)
    if stored_as is not None and policy.fingerprint != stored_as:
        policy = replace(policy, fingerprint=stored_as)
    mistakes = [f"facts.yaml: {fault}" for fault in faults(policy.dictionary)]
    if PLACEMENT not in texts:
        mistakes.append(f"{PLACEMENT}: cannot be read")
    if mistakes:
        raise DocumentError(mistakes)
    places = load_placement(parse_document(texts[PLACEMENT], PLACEMENT), policy.dictionary)
    return Rulebook(policy, places)


class Rulebooks:
    """The versions that this process has loaded, and which of them is in force when.

    `directory`: that of the partnership's directory, in force while nothing is known of any other.
    """

    def __init__(self, directory: Rulebook) -> None:
        self.directory = directory
        self.timeline = Timeline()
        self._loaded = {directory.fingerprint: directory}

    def add(self, rulebook: Rulebook) -> None:
        """Makes a version known here."""
        self._loaded[rulebook.fingerprint] = rulebook

    def get(self, fingerprint: str) -> Rulebook | None:
        """A version; None where it is not loaded."""
        return self._loaded.get(fingerprint)

    def at(self, instant: datetime) -> Rulebook:
        """The version in force at an instant.

        A version that this release cannot read gives way to the nearest later one that it can: an outcome always
        names the policy that it comes from.
        """
        fingerprint = self.timeline.live(instant)
        if fingerprint is None:
            return self.directory
        found = self._loaded.get(fingerprint)
        if found is not None:
            return found
        later = (row for row in self.timeline.rows if row.mode is Mode.LIVE and row.from_at > instant)
        return next(
            (self._loaded[row.fingerprint] for row in later if row.fingerprint in self._loaded),
            self.directory,
        )

    def shadows(self, at: datetime) -> tuple[Rulebook, ...]:
        """The versions that run in the shadow at an instant, beside the one in force."""
        wanted = self.timeline.shadows(at)
        return tuple(self._loaded[each] for each in wanted if each in self._loaded)
