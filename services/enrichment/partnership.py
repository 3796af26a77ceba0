"""Reads which agencies are asked (`agencies/`) and under which clocks (`checks.yaml`)."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from functools import partial
from pathlib import Path

from libs.schemas.document import DocumentError, Node, collect, nearest, read_document
from libs.schemas.levels import Rag
from services.enrichment.asking.breaker import BreakerTerms


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
    """The clocks of checks. `limit` shortens every wait, for the sandbox and tests.

    `agency_deadlines` and `agency_chases` are those agencies' own, in place of the ordinary ones.
    """

    deadlines: Mapping[Rag, timedelta]
    chases: tuple[timedelta, ...]
    limit: timedelta | None = None
    agency_deadlines: Mapping[str, Mapping[Rag, timedelta]] = field(default_factory=dict)
    agency_chases: Mapping[str, tuple[timedelta, ...]] = field(default_factory=dict)
    breaker: BreakerTerms = field(default_factory=BreakerTerms)

    def deadline(self, rag: Rag, agency: str | None = None) -> timedelta:
        """How long an agency has, from the moment of asking."""
        own = self.agency_deadlines.get(agency or "", self.deadlines)
        return self._shorter(own[rag])

    def longest(self, rag: Rag, agencies: Iterable[str]) -> timedelta:
        """How long the decision waits for these agencies at the most."""
        return max((self.deadline(rag, agency) for agency in agencies), default=self.deadline(rag))

    def chase(self, number: int, agency: str | None = None) -> timedelta:
        """The wait before the chase after `number` earlier ones; the last one of the schedule repeats."""
        chases = self.agency_chases.get(agency or "", self.chases)
        return self._shorter(chases[min(number, len(chases) - 1)])

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


def load_check_terms(
    path: Path, limit: timedelta | None = None, agencies: Collection[str] = ()
) -> CheckTerms:
    """Reads `checks.yaml`. `agencies`: those whose own clocks it may state; empty means any.

    Raises DocumentError naming every mistake with its place.
    """
    keys = {
        "about": True,
        "deadline_minutes": True,
        "chase_minutes": True,
        "agencies": False,
        "breaker": True,
    }
    root = read_document(path).fields(keys)
    own_deadlines: dict[str, Mapping[Rag, timedelta]] = {}
    own_chases: dict[str, tuple[timedelta, ...]] = {}

    def own(name: str, node: Node) -> None:
        if agencies and name not in agencies:
            raise DocumentError([f"{node.place}: there is no agency {name}{nearest(name, sorted(agencies))}"])
        fields = node.fields({"deadline_minutes": False, "chase_minutes": False})
        if "deadline_minutes" in fields:
            own_deadlines[name] = _deadlines(fields["deadline_minutes"])
        if "chase_minutes" in fields:
            own_chases[name] = _chases(fields["chase_minutes"])

    listed = root["agencies"].fields() if "agencies" in root else {}
    faults = collect(partial(own, name, node) for name, node in listed.items())
    if faults:
        raise DocumentError(faults)
    return CheckTerms(
        deadlines=_deadlines(root["deadline_minutes"]),
        chases=_chases(root["chase_minutes"]),
        limit=limit,
        agency_deadlines=own_deadlines,
        agency_chases=own_chases,
        breaker=_breaker(root["breaker"]),
    )


def _deadlines(node: Node) -> Mapping[Rag, timedelta]:
    minutes = node.fields({rag.value: True for rag in Rag})
    deadlines = {rag: timedelta(minutes=minutes[rag.value].whole(1)) for rag in Rag}
    if sorted(deadlines.values(), reverse=True) != [deadlines[rag] for rag in Rag]:
        raise DocumentError([f"{node.place}: more urgent must not have a longer deadline"])
    return deadlines


def _chases(node: Node) -> tuple[timedelta, ...]:
    chases = tuple(timedelta(minutes=item.whole(1)) for item in node.items())
    if not chases:
        raise DocumentError([f"{node.place}: expected at least one wait"])
    return chases


def _breaker(node: Node) -> BreakerTerms:
    keys = ("failures_in_a_row", "of_last", "failed_percent", "wait_seconds", "longest_wait_seconds")
    fields = node.fields(dict.fromkeys(keys, True))
    terms = BreakerTerms(
        in_a_row=fields["failures_in_a_row"].whole(1),
        of_last=fields["of_last"].whole(1),
        failed_percent=fields["failed_percent"].whole(1),
        wait=timedelta(seconds=fields["wait_seconds"].whole(1)),
        longest_wait=timedelta(seconds=fields["longest_wait_seconds"].whole(1)),
    )
    if terms.failed_percent > 100:
        raise DocumentError([f"{fields['failed_percent'].place}: expected at most 100 percent"])
    if terms.longest_wait < terms.wait:
        raise DocumentError([f"{fields['longest_wait_seconds'].place}: expected at least wait_seconds"])
    return terms
