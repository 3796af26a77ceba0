"""The stages of a challenge, by the partnership's `challenge.yaml`, and who may review or take it up at each."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from libs.schemas.document import DocumentError, Node, nearest, read_document
from services.triage.clocks.loading import read_length
from services.triage.clocks.rules import Length
from services.triage.decision.authority import DECIDERS, MANAGER


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


def may_take_up(
    stage: Stage, roles: Collection[str], subject: str, involved: Collection[str], reviewer: str | None
) -> bool:
    """Whether somebody may take a challenge up from a stage: whoever reviews it, while nobody does whoever might, and
    a manager at any time, so that no challenge waits for somebody who is away.
    """
    return MANAGER in roles or (
        may_review(stage, roles, subject, involved) if reviewer is None else subject == reviewer
    )


def load_ladder(path: Path, wording: Path) -> Ladder:
    """Reads `challenge.yaml`, and checks it with what `wording.yaml` says of each stage to whoever challenged.

    Raises DocumentError naming every mistake with its place.
    """
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
    faults += _unsaid(root["stages"], wording)
    if faults:
        raise DocumentError(faults)
    return Ladder(tuple(stages))


def _unsaid(stages: Node, wording: Path) -> list[str]:
    """Stages that the referrer is told no words of, and words of stages that are none."""
    said = read_document(wording)
    for key in ("challenges", "stages"):
        if key not in said.fields():
            return [f"{said.place}: the key `{key}` is missing"]
        said = said.fields()[key]
    ladder, words = stages.fields(), said.fields()
    return [
        f"{stages.place_of(name)}: {wording.name} has no words for the stage `{name}` (challenges, stages)"
        for name in ladder
        if name not in words
    ] + [
        f"{said.place_of(name)}: unknown stage `{name}`{nearest(name, ladder)}"
        for name in words
        if name not in ladder
    ]


def _stage(name: str, node: Node) -> Stage:
    fields = node.fields({"title": True, "reviewers": True, "within": True})
    reviewers = frozenset(one.choice(list(DECIDERS), "role") for one in fields["reviewers"].items())
    if not reviewers:
        raise DocumentError([f"{fields['reviewers'].place}: nobody reviews"])
    return Stage(name, fields["title"].words(), reviewers, read_length(fields["within"]))
