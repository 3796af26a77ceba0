"""Reads which agencies are asked (`agencies/`) and under which clocks (`checks.yaml`)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import partial
from pathlib import Path

from libs.schemas.document import DocumentError, Node, collect, read_document
from libs.schemas.levels import Rag


class Kind(StrEnum):
    """How an agency is reached."""

    REST = "rest"
    """Over an interface that its file describes."""
    FHIR = "fhir"
    PULLED = "pulled"
    """It fetches its questions."""


_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")

NOT_STATED = "not_stated"
"""The answer about an agreement that a referral does not give."""


@dataclass(frozen=True, slots=True)
class Lead:
    """An agency's safeguarding lead, by the client of the token issuer that speaks for them."""

    name: str
    client: str


@dataclass(frozen=True, slots=True)
class AgencyTerms:
    """One agency: where and how it is asked.

    `clients`: the agencies that access tokens name and that belong to this one, such as its schools. Of somebody who
    works for one of them only the `lead` is asked.
    """

    id: str
    name: str
    at_once: int
    connect_seconds: int
    read_seconds: int
    total_seconds: int
    lead: Lead | None = None
    clients: frozenset[str] = frozenset()
    kind: Kind = Kind.REST


@dataclass(frozen=True, slots=True)
class CheckTerms:
    """The clocks of checks. `limit` shortens every wait, for the sandbox and tests."""

    deadlines: Mapping[Rag, timedelta]
    chases: tuple[timedelta, ...]
    limit: timedelta | None = None

    def deadline(self, rag: Rag) -> timedelta:
        """How long the agencies have, from the moment of asking."""
        return self._shorter(self.deadlines[rag])

    def chase(self, number: int) -> timedelta:
        """The wait before the chase after `number` earlier ones; the last one of the schedule repeats."""
        return self._shorter(self.chases[min(number, len(self.chases) - 1)])

    def _shorter(self, wait: timedelta) -> timedelta:
        return wait if self.limit is None else min(wait, self.limit)


def load_agencies(folder: Path) -> dict[str, AgencyTerms]:
    """Reads every agency's file of a folder; the file's name is the agency's id. Raises DocumentError naming every
    mistake with its place. What an interface's `dialect` says is read by the adapter of its `kind`.
    """
    agencies: dict[str, AgencyTerms] = {}

    def add(path: Path) -> None:
        agencies[path.stem] = agency_terms(path.stem, agency_file(path))

    faults = collect(partial(add, path) for path in sorted(folder.glob("*.yaml")))
    if not faults and not agencies:
        faults = [f"{folder.name}: there is no agency's file"]
    if faults:
        raise DocumentError(faults)
    return agencies


def agency_file(path: Path) -> dict[str, Node]:
    """The members of an agency's file. Raises DocumentError."""
    name = path.stem
    if not _NAME.fullmatch(name):
        raise DocumentError([f"{path.name}: an agency's file is named after its id, in small letters"])
    keys = {"name": True, "kind": True, "lead": False, "clients": False, "limits": True, "dialect": False}
    return read_document(path).fields(keys)


def agency_terms(name: str, fields: Mapping[str, Node]) -> AgencyTerms:
    """What the members of an agency's file say beside its `dialect`. Raises DocumentError."""
    limits = fields["limits"].fields(
        dict.fromkeys(("at_once", "connect_seconds", "read_seconds", "total_seconds"), True)
    )
    kind = Kind(fields["kind"].choice([one.value for one in Kind], "kind"))
    described = kind in (Kind.REST, Kind.FHIR)
    if described != ("dialect" in fields):
        said = "is asked, and needs a" if described else "has an interface of the hub's own, and no"
        raise DocumentError([f"{fields['kind'].place}: such an agency {said} `dialect`"])
    return AgencyTerms(
        id=name,
        name=fields["name"].words(),
        kind=kind,
        **{key: one.whole(1) for key, one in limits.items()},
        lead=_lead(fields["lead"]) if "lead" in fields else None,
        clients=frozenset(item.words() for item in fields["clients"].items())
        if "clients" in fields
        else frozenset(),
    )


def _lead(node: Node) -> Lead:
    fields = node.fields({"name": True, "client": True})
    return Lead(fields["name"].words(), fields["client"].words())


def load_check_terms(path: Path, limit: timedelta | None = None) -> CheckTerms:
    """Reads `checks.yaml`. Raises DocumentError naming the mistake with its place."""
    root = read_document(path).fields({"about": True, "deadline_minutes": True, "chase_minutes": True})
    minutes = root["deadline_minutes"].fields({rag.value: True for rag in Rag})
    deadlines = {rag: timedelta(minutes=minutes[rag.value].whole(1)) for rag in Rag}
    if sorted(deadlines.values(), reverse=True) != [deadlines[rag] for rag in Rag]:
        raise DocumentError(
            [f"{root['deadline_minutes'].place}: more urgent must not have a longer deadline"]
        )
    chases = tuple(timedelta(minutes=item.whole(1)) for item in root["chase_minutes"].items())
    if not chases:
        raise DocumentError([f"{root['chase_minutes'].place}: expected at least one wait"])
    return CheckTerms(deadlines=deadlines, chases=chases, limit=limit)
