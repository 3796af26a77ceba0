"""Stored children as lines of JSON, for comparing two versions of a policy over them."""

from collections.abc import Iterable, Iterator, Mapping

from pydantic import Field, ValidationError

from libs.schemas.base import FactName, Identifier, Model, Open
from libs.schemas.findings import AgencyState, Basis, Fact, FactValue
from services.triage.policy.facts import ChildFacts, StatedFact


class StoredStatement(Model):
    """One statement: the fact, its value, and who made it."""

    fact: FactName
    value: FactValue
    source: Identifier = "referrer"


class StoredChild(Model):
    """What is known of one child, and the attributes by which changes are told apart. No name, no reference.

    An agency that `answers` does not name was not asked.
    """

    facts: tuple[StoredStatement, ...]
    answers: Mapping[Identifier, Open[AgencyState]] = Field(default_factory=dict)
    attributes: Mapping[str, str] = Field(
        default_factory=dict, description="Such as the referring agency, an age band, a ward."
    )

    def known(self) -> ChildFacts:
        """As the policy reads it."""
        stated = (
            StatedFact(Fact(fact=one.fact, value=one.value, basis=Basis.RECORD), one.source)
            for one in self.facts
        )
        return ChildFacts(tuple(stated), self.answers)


def read_stored(lines: Iterable[str]) -> Iterator[tuple[ChildFacts, Mapping[str, str]]]:
    """The children of a file with one JSON object a line. Raises ValueError naming the first line that is none."""
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                child = StoredChild.strictly(line)
            except ValidationError as error:
                place = ".".join(map(str, error.errors()[0]["loc"])) or "the line"
                raise ValueError(f"line {number}: {place} does not fit") from None
            yield child.known(), child.attributes
