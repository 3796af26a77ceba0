"""Whether what a referrer states of a child is said in the words of the partnership's dictionary."""

from collections.abc import Iterable, Sequence
from itertools import islice

from libs.schemas.dictionary import Dictionary, FactFault
from libs.schemas.findings import Fact

MOST_FAULTS = 20
"""Finding a near word costs about a millisecond; a sender who gets twenty of them wrong has seen enough."""


def faults(dictionary: Dictionary, by_child: Iterable[Sequence[Fact]]) -> list[tuple[str, FactFault]]:
    """The statements that do not fit, at most MOST_FAULTS, each with its JSON Pointer into the body."""
    return list(islice(_faults(dictionary, by_child), MOST_FAULTS))


def _faults(dictionary: Dictionary, by_child: Iterable[Sequence[Fact]]) -> Iterable[tuple[str, FactFault]]:
    for index, stated in enumerate(by_child):
        for place, fact in enumerate(stated):
            fault = dictionary.check(fact)
            if fault is not None:
                yield f"/children/{index}/facts/{place}/{fault.field}", fault
