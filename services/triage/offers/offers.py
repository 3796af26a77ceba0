"""A partnership's offers, and what early help is asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from libs.schemas.document import DocumentError, Node, read_document
from libs.schemas.levels import Destination
from services.triage.clocks.loading import read_length
from services.triage.clocks.rules import Length
from services.triage.tasks.raising import AGREEMENT

_OFFER = dict.fromkeys(("name", "for", "ages", "agreement", "how"), True)
ASSESSMENT = "complete_early_help_assessment"


@dataclass(frozen=True, slots=True)
class Offer:
    """One offer. Ages are full years, both inclusive."""

    id: str
    name: str
    destinations: frozenset[Destination]
    youngest: int
    oldest: int
    agreement: bool
    how: str

    def fits(self, destination: Destination, age: int | None) -> bool:
        """Whether it is offered there; an age that is not known leaves nothing out."""
        return destination in self.destinations and (age is None or self.youngest <= age <= self.oldest)


@dataclass(frozen=True, slots=True)
class Offers:
    """Everything that `offers.yaml` says."""

    offers: Mapping[str, Offer]
    early_help: Mapping[str, Length]
    """By when each of early help's tasks is done, from the decision."""
    bring_back: tuple[str, ...]


def load_offers(path: Path) -> Offers:
    """Reads and checks `offers.yaml`. Raises DocumentError naming every mistake with its place."""
    record = read_document(path).record(dict.fromkeys(("about", "offers", "early_help", "bring_back"), True))
    offers = record.read("offers", _offers, {})
    early_help = record.read("early_help", _early_help, {})
    bring_back = record.read("bring_back", lambda node: tuple(item.words() for item in node.items()), ())
    if "bring_back" in record.members and not bring_back:
        record.add(f"{record.members['bring_back'].place}: nothing would bring a child back")
    record.refuse()
    return Offers(offers, early_help, bring_back)


def _early_help(node: Node) -> dict[str, Length]:
    fields = node.fields({"assessment": True, "agreement": True})
    return {ASSESSMENT: read_length(fields["assessment"]), AGREEMENT: read_length(fields["agreement"])}


def _offers(node: Node) -> dict[str, Offer]:
    faults: list[str] = []
    offers = {}
    for name, entry in node.fields().items():
        try:
            offers[name] = _offer(name, entry)
        except DocumentError as error:
            faults += error.faults
    if faults:
        raise DocumentError(faults)
    return offers


def _offer(name: str, node: Node) -> Offer:
    fields = node.fields(_OFFER)
    ages = fields["ages"].fields({"from": True, "to": True})
    youngest, oldest = ages["from"].whole(), ages["to"].whole()
    if youngest > oldest:
        raise DocumentError([f"{fields['ages'].place}: `from` is above `to`"])
    known = [one.value for one in Destination]
    return Offer(
        id=name,
        name=fields["name"].words(),
        destinations=frozenset(
            Destination(one.choice(known, "destination")) for one in fields["for"].items()
        ),
        youngest=youngest,
        oldest=oldest,
        agreement=fields["agreement"].flag(),
        how=fields["how"].words(),
    )
