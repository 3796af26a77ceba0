"""The stages of a challenge, by the partnership's `challenge.yaml`, and who may review at each."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from libs.schemas.document import DocumentError, Node, read_document
from services.triage.clocks.loading import read_length
from services.triage.clocks.rules import Length
from services.triage.decision.authority import DECIDERS


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of the ladder."""

    id: str
    title: str
    reviewers: frozenset[str]
    within: Length


@dataclass(frozen=True, slots=True)
class Ladder:
    """The stages, the first one first."""

    stages: tuple[Stage, ...]

    def stage(self, name: str) -> Stage:
        """The stage of that id; the first one where a partnership has taken it out of its file."""
        return next((one for one in self.stages if one.id == name), self.stages[0])

    def above(self, name: str) -> Stage | None:
        """The stage that follows; None at the last."""
        places = [one.id for one in self.stages]
        at = places.index(name) if name in places else 0
        return self.stages[at + 1] if at + 1 < len(places) else None


def may_review(stage: Stage, roles: Collection[str], subject: str, involved: Collection[str]) -> bool:
    """Whether somebody may review at a stage: by their role, and only who neither decided, signed nor challenges."""
    return bool(stage.reviewers & set(roles)) and subject not in involved


def load_ladder(path: Path) -> Ladder:
    """Reads and checks `challenge.yaml`. Raises DocumentError naming every mistake with its place."""
    root = read_document(path).fields({"about": True, "stages": True})
    faults: list[str] = []
    stages = []
    for name, entry in root["stages"].fields().items():
        try:
            stages.append(_stage(name, entry))
        except DocumentError as error:
            faults += error.faults
    if not stages and not faults:
        faults.append(f"{root['stages'].place}: there is no stage")
    if faults:
        raise DocumentError(faults)
    return Ladder(tuple(stages))


def _stage(name: str, node: Node) -> Stage:
    fields = node.fields({"title": True, "reviewers": True, "within": True})
    reviewers = frozenset(one.choice(list(DECIDERS), "role") for one in fields["reviewers"].items())
    if not reviewers:
        raise DocumentError([f"{fields['reviewers'].place}: nobody reviews"])
    return Stage(name, fields["title"].words(), reviewers, read_length(fields["within"]))
