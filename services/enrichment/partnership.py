"""Reads which agencies are asked (`agencies.yaml`) and under which clocks (`checks.yaml`)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

from libs.schemas.document import DocumentError, Node, collect, read_document
from libs.schemas.levels import Rag

PULLED = "pulled"
"""The kind of an agency that fetches its questions."""

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
    endpoint: str
    at_once: int
    connect_seconds: int
    read_seconds: int
    total_seconds: int
    lead: Lead | None = None
    clients: frozenset[str] = frozenset()
    kind: str = "rest"
    """`pulled` where the agency fetches its questions, else `rest`."""


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


def load_agencies(path: Path) -> dict[str, AgencyTerms]:
    """Reads `agencies.yaml`. Raises DocumentError naming every mistake with its place."""
    root = read_document(path).fields({"about": True, "agencies": True})
    agencies: dict[str, AgencyTerms] = {}

    def add(name: str, node: Node) -> None:
        agencies[name] = _agency(name, node)

    faults = collect(partial(add, name, node) for name, node in root["agencies"].fields().items())
    if faults:
        raise DocumentError(faults)
    return agencies


def _agency(name: str, node: Node) -> AgencyTerms:
    keys = (
        "name",
        "endpoint",
        "at_once",
        "connect_seconds",
        "read_seconds",
        "total_seconds",
    )
    fields = node.fields(dict.fromkeys(keys, True) | {"lead": False, "clients": False, "kind": False})
    return AgencyTerms(
        id=name,
        name=fields["name"].text(),
        endpoint=fields["endpoint"].text(),
        at_once=fields["at_once"].whole(1),
        connect_seconds=fields["connect_seconds"].whole(1),
        read_seconds=fields["read_seconds"].whole(1),
        total_seconds=fields["total_seconds"].whole(1),
        lead=_lead(fields["lead"]) if "lead" in fields else None,
        clients=frozenset(item.words() for item in fields["clients"].items())
        if "clients" in fields
        else frozenset(),
        kind=fields["kind"].choice(["rest", PULLED], "kind") if "kind" in fields else "rest",
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
