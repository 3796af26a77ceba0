"""Reads which agencies are asked (`agencies.yaml`) and under which clocks and conditions (`checks.yaml`)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

from libs.schemas.codes import AgreementAnswer
from libs.schemas.document import DocumentError, Node, collect, read_document
from libs.schemas.levels import Level, Rag
from services.enrichment.question import SENDABLE

NOT_STATED = "not_stated"
"""The answer about an agreement that a referral does not give."""


@dataclass(frozen=True, slots=True)
class AgencyTerms:
    """One agency: where and how it is asked, and from which level of need."""

    id: str
    name: str
    endpoint: str
    send: frozenset[str]
    at_once: int
    connect_seconds: int
    read_seconds: int
    total_seconds: int
    asked_from: Level


@dataclass(frozen=True, slots=True)
class CheckTerms:
    """The clocks of checks and the conditions of asking. `limit` shortens every wait, for the sandbox and tests."""

    deadlines: Mapping[Rag, timedelta]
    chases: tuple[timedelta, ...]
    agreement_not_needed_from: Level
    sufficient_answers: frozenset[str]
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
        "send",
        "at_once",
        "connect_seconds",
        "read_seconds",
        "total_seconds",
        "asked_from",
    )
    fields = node.fields(dict.fromkeys(keys, True))
    return AgencyTerms(
        id=name,
        name=fields["name"].text(),
        endpoint=fields["endpoint"].text(),
        send=frozenset(item.choice(list(SENDABLE), "field") for item in fields["send"].items()),
        at_once=fields["at_once"].whole(1),
        connect_seconds=fields["connect_seconds"].whole(1),
        read_seconds=fields["read_seconds"].whole(1),
        total_seconds=fields["total_seconds"].whole(1),
        asked_from=Level(fields["asked_from"].choice([level.value for level in Level], "level")),
    )


def load_check_terms(path: Path, limit: timedelta | None = None) -> CheckTerms:
    """Reads `checks.yaml`. Raises DocumentError naming the mistake with its place."""
    root = read_document(path).fields(
        {"about": True, "deadline_minutes": True, "chase_minutes": True, "agreement": True}
    )
    minutes = root["deadline_minutes"].fields({rag.value: True for rag in Rag})
    deadlines = {rag: timedelta(minutes=minutes[rag.value].whole(1)) for rag in Rag}
    if sorted(deadlines.values(), reverse=True) != [deadlines[rag] for rag in Rag]:
        raise DocumentError(
            [f"{root['deadline_minutes'].place}: more urgent must not have a longer deadline"]
        )
    chases = tuple(timedelta(minutes=item.whole(1)) for item in root["chase_minutes"].items())
    if not chases:
        raise DocumentError([f"{root['chase_minutes'].place}: expected at least one wait"])
    agreement = root["agreement"].fields({"not_needed_from": True, "sufficient": True})
    answers = [*(answer.value for answer in AgreementAnswer), NOT_STATED]
    return CheckTerms(
        deadlines=deadlines,
        chases=chases,
        agreement_not_needed_from=Level(
            agreement["not_needed_from"].choice([level.value for level in Level], "level")
        ),
        sufficient_answers=frozenset(
            item.choice(answers, "answer") for item in agreement["sufficient"].items()
        ),
        limit=limit,
    )
