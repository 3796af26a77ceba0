"""The sandbox's synthetic families: what each agency knows of whom."""

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import ConfigDict, Field

from libs.schemas.base import FactName, Identifier, Model
from libs.schemas.findings import AgencyState, Basis, FactValue, Period

FOLDER = Path(__file__).parent


class _Strict(Model):
    model_config = ConfigDict(extra="forbid")


class KnownFact(_Strict):
    """A fact that an agency holds, dated by how long ago it was recorded."""

    fact: FactName
    value: FactValue
    basis: Basis
    period: Period = Period.NOW
    on_days_ago: int | None = Field(None, ge=0)


class Knowledge(_Strict):
    """What one agency holds of one child."""

    state: Literal[
        AgencyState.RETURNED, AgencyState.NOTHING_HELD, AgencyState.OUTSIDE_COVERAGE, AgencyState.DECLINED
    ]
    as_of_days_ago: int | None = Field(None, ge=0)
    covers_years: int | None = Field(None, ge=1)
    facts: tuple[KnownFact, ...] = ()
    narrative: str | None = None

    def answer(self, today: date) -> dict[str, Any]:
        """The body of an answer given on this day, without what identifies question and child."""
        body: dict[str, Any] = {"state": self.state.value}
        if self.as_of_days_ago is not None:
            body["as_of"] = _ago(today, self.as_of_days_ago)
        if self.covers_years is not None:
            body["coverage_from"] = _ago(today, 365 * self.covers_years)
            body["coverage_to"] = today.isoformat()
        if self.facts:
            body["facts"] = [_fact(fact, today) for fact in self.facts]
        if self.narrative is not None:
            body["narrative"] = self.narrative
        return body


class Mother(_Strict):
    """By whom an unborn child is found."""

    given_name: str
    family_name: str


class FamilyChild(_Strict):
    """A synthetic child, and what the agencies know of them."""

    given_name: str | None = None
    family_name: str
    born: str | None = None
    unborn: bool = False
    nhs_number: str | None = None
    upn: str | None = None
    mother: Mother | None = None
    agencies: dict[Identifier, Knowledge]
    records: dict[Identifier, dict[str, Any]] = Field(
        default_factory=dict, description="What each supplier holds, in its own codes: its stand-in reads it."
    )


class Family(_Strict):
    """One file of this folder."""

    about: str
    children: tuple[FamilyChild, ...]


class Families:
    """Finds a child by what a question says of them."""

    def __init__(self, families: Sequence[Family]) -> None:
        self.children = tuple(child for family in families for child in family.children)

    def find(self, child: dict[str, Any], mother: dict[str, Any] | None) -> FamilyChild | None:
        """The child with this number, or these names and this birth; the unborn by the mother's names."""
        for known in self.children:
            if any(known_number(known, child, name) for name in ("nhs_number", "upn")):
                return known
            if known.unborn:
                if mother and known.mother and _same_names(known.mother, mother):
                    return known
            elif _same_names(known, child) and (child.get("born") or {}).get("on") == known.born:
                return known
        return None


def known_number(known: FamilyChild, child: dict[str, Any], name: str) -> bool:
    """Whether a question gives the number that this child has."""
    number = getattr(known, name)
    return number is not None and child.get(name) == number


def load_families(folder: Path = FOLDER) -> Families:
    """Reads every file of a folder. Raises pydantic.ValidationError."""
    return Families(
        [Family.model_validate(yaml.safe_load(path.read_text())) for path in sorted(folder.glob("*.yaml"))]
    )


def _same_names(known: FamilyChild | Mother, person: dict[str, Any]) -> bool:
    return all(
        held is not None and isinstance(given, str) and given.casefold() == held.casefold()
        for held, given in (
            (known.given_name, person.get("given_name")),
            (known.family_name, person.get("family_name")),
        )
    )


def _fact(fact: KnownFact, today: date) -> dict[str, Any]:
    body = fact.model_dump(mode="json", exclude={"on_days_ago"})
    if fact.on_days_ago is not None:
        body["on"] = _ago(today, fact.on_days_ago)
    return body


def _ago(today: date, days: int) -> str:
    return (today - timedelta(days=days)).isoformat()
