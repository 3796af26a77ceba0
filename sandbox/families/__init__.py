"""The sandbox's synthetic families: what each agency knows of whom."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ConfigDict, Field

from libs.schemas.base import Identifier, Model

FOLDER = Path(__file__).parent


class _Strict(Model):
    model_config = ConfigDict(extra="forbid")


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
        [
            Family.model_validate(yaml.load(path.read_text(), yaml.CSafeLoader))
            for path in sorted(folder.glob("*.yaml"))
        ]
    )


def _same_names(known: FamilyChild | Mother, person: dict[str, Any]) -> bool:
    return all(
        held is not None and isinstance(given, str) and given.casefold() == held.casefold()
        for held, given in (
            (known.given_name, person.get("given_name")),
            (known.family_name, person.get("family_name")),
        )
    )
