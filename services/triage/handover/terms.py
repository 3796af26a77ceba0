"""By when the receiving end accepts: the partnership's `handover.yaml`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from libs.schemas.document import read_all, read_document
from libs.schemas.levels import Destination
from services.triage.case import HAND_OVER_CLOCK
from services.triage.clocks.hub import DECISION, Hub
from services.triage.clocks.loading import read_length
from services.triage.clocks.rules import Clock, Length, Moment
from services.triage.tasks.due import Days, Due

NOTHING_TO_ACCEPT = frozenset((Destination.UNIVERSAL_ADVICE,))
"""Destinations at which nobody takes the child over."""

RECEIVING = tuple(one for one in Destination if one not in NOTHING_TO_ACCEPT)


@dataclass(frozen=True, slots=True)
class Terms:
    """How long each receiving end has."""

    accept_within: Mapping[Destination, Length]

    def due(self, days: Days, destination: Destination, start: datetime) -> Due | None:
        """By when a child that was decided at `start` is accepted; None where nobody has to."""
        length = self.accept_within.get(destination)
        return None if length is None else days.due(length, start)

    def clocks(self, hub: Hub) -> Mapping[str, Clock]:
        """Each receiving end's time as a clock, by `hand_over.` and the destination."""
        return {
            f"{HAND_OVER_CLOCK}.{destination.value}": acceptance(hub, length)
            for destination, length in self.accept_within.items()
        }


def acceptance(hub: Hub, length: Length) -> Clock:
    """The clock of the receiving end that has so long."""
    return Clock(
        id=HAND_OVER_CLOCK,
        label="the acceptance at the receiving end",
        rule=length,
        starts=Moment.DECISION,
        stops=Moment.ACCEPTANCE,
        warn=hub.clocks[DECISION].warn,
        cite="the partnership's own choice",
    )


def load_terms(path: Path) -> Terms:
    """Reads and checks `handover.yaml`. Raises DocumentError naming every mistake with its place."""
    root = read_document(path).fields({"about": True, "accept_within": True})
    nodes = root["accept_within"].fields({one.value: True for one in RECEIVING})
    lengths = read_all([nodes[one.value] for one in RECEIVING], read_length)
    return Terms(dict(zip(RECEIVING, lengths, strict=True)))
