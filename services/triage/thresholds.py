"""The partnership's files as triage applies them: policy, clocks, teams, and placement over what is known."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from libs.schemas.dictionary import Dictionary
from libs.schemas.document import DocumentError, read_document
from libs.schemas.levels import Destination, Level
from services.triage.case import Case, Known
from services.triage.clocks import Hub, load_hub
from services.triage.derived import faults
from services.triage.placement import Placement, Places, load_placement
from services.triage.policy import Policy, load_policy, read_texts

SCREENING = "screening"
"""The queue of everything that is not placed yet, and of what cannot wait for placement."""


@dataclass(frozen=True, slots=True)
class Teams:
    """Which team owns which queue."""

    owners: Mapping[str, str]

    @property
    def duty(self) -> str:
        """The team that takes what has just come, what is dangerous, and what is stuck."""
        return self.owners[SCREENING]

    def of(self, case: Case) -> str:
        """The team in whose queue a case stands."""
        urgent = case.immediate_danger and not case.decided
        if urgent or case.stub or case.stopped or case.withheld or case.destination is None:
            return self.duty
        return self.owners[case.destination.value]


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Everything of a partnership that decides."""

    policy: Policy
    clocks: Hub
    teams: Teams
    places: Places
    agencies: tuple[str, ...]
    """Every agency that could know a fact: silent until it has spoken."""

    @property
    def dictionary(self) -> Dictionary:
        """The facts that may be stated."""
        return self.policy.dictionary

    def placement(self, level: Level, known: Known) -> Placement:
        """The destination for a level of need, and the level it is recommended at, which is never lower."""
        facts = (one.fact for one in known.stated)
        around = self.places.around(facts, known.early_help, known.panel, known.closing_plan)
        return self.places.place(level, around)


def load_thresholds(partnership: Path) -> Thresholds:
    """Reads the partnership's directory. Raises DocumentError naming every mistake."""
    policy = load_policy(read_texts(partnership))
    underivable = faults(policy.dictionary)
    if underivable:
        raise DocumentError([f"facts.yaml: {fault}" for fault in underivable])
    return Thresholds(
        policy=policy,
        clocks=load_hub(partnership / "clocks.yaml"),
        teams=load_teams(partnership / "teams.yaml"),
        places=load_placement(read_document(partnership / "placement.yaml"), policy.dictionary),
        agencies=policy.dictionary.agencies,
    )


def load_teams(path: Path) -> Teams:
    """Reads and checks `teams.yaml`. Raises DocumentError."""
    root = read_document(path).fields({"about": True, "teams": True, "queues": True})
    teams = root["teams"].fields()
    queues = root["queues"].fields(dict.fromkeys([SCREENING, *(one.value for one in Destination)], True))
    if not teams:
        raise DocumentError([f"{root['teams'].place}: there is no team"])
    return Teams({queue: node.choice(list(teams), "team") for queue, node in queues.items()})
