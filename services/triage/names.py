"""What people call the partnership's agencies, teams and localities, as its own files say it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from libs.schemas.document import DocumentError, Node, read_document

_SMALL = frozenset(("and", "of", "for", "the"))


@dataclass(frozen=True, slots=True)
class Names:
    """Names by id."""

    agencies: Mapping[str, str] = field(default_factory=dict)
    teams: Mapping[str, str] = field(default_factory=dict)
    localities: tuple[str, ...] = ()
    """Their ids: no file names them otherwise."""

    def agency(self, agency: str) -> str:
        """An agency's name. One that no file names, such as a school that refers, is called by its id."""
        return self.agencies.get(agency) or capitals(agency)

    def team(self, team: str) -> str:
        """A team's name."""
        return self.teams.get(team) or capitals(team)

    def locality(self, locality: str) -> str:
        """A locality's name."""
        return capitals(locality)


def capitals(code: str) -> str:
    """An id as a name: `st_ives_primary` is St Ives Primary."""
    parts = code.replace("-", "_").split("_")
    return " ".join(one if one in _SMALL else one[:1].upper() + one[1:] for one in parts)


def load_names(partnership: Path) -> Names:
    """Reads what `teams.yaml`, `placement.yaml` and the files of `agencies` name. Raises DocumentError."""
    teams = read_document(partnership / "teams.yaml").fields()["teams"].fields()
    files = sorted((partnership / "agencies").glob("*.yaml"))
    agencies = {path.stem: _name(read_document(path)) for path in files}
    placement = read_document(partnership / "placement.yaml").fields()
    localities = placement["localities"].fields() if "localities" in placement else {}
    return Names(agencies, {team: _name(node) for team, node in teams.items()}, tuple(localities))


def _name(node: Node) -> str:
    members = node.fields()
    if "name" not in members:
        raise DocumentError([f"{node.place}: the key `name` is missing"])
    return members["name"].words()
