"""How alike two addresses are. Every comparison is symmetric."""

from dataclasses import dataclass
from enum import StrEnum

from rapidfuzz import fuzz
from rapidfuzz.distance import OSA

from libs.schemas.person import Address
from libs.spelling import words

ONE_STREET = 80.0
"""Similarity (rapidfuzz, 0 to 100) from which two addresses' words name one street, whatever stands before or after."""

_SHORT = {
    "st": "street",
    "str": "street",
    "rd": "road",
    "ave": "avenue",
    "av": "avenue",
    "dr": "drive",
    "cl": "close",
    "ct": "court",
    "cres": "crescent",
    "ln": "lane",
    "gdns": "gardens",
    "pl": "place",
    "sq": "square",
    "tce": "terrace",
    "ter": "terrace",
    "apartment": "flat",
    "apt": "flat",
    "no": "",
    "number": "",
}


class PlaceAlike(StrEnum):
    """How two addresses agree, best first."""

    SAME = "same"
    CLOSE = "close"
    """The same house and street, with a postcode that is missing or mistyped."""
    POSTCODE = "postcode"
    """The same postcode, which some fifteen homes share; another home, or none said."""
    DIFFERENT = "different"
    MISSING = "missing"

    # Equal to its text, a member may share the text's hash; an enumeration's own is worked out anew each time.
    __hash__ = str.__hash__


PLACE_RANK = {alike: rank for rank, alike in enumerate(PlaceAlike)}


@dataclass(frozen=True, slots=True)
class Place:
    """An address in a form that compares."""

    postcode: str
    uprn: str
    numbers: tuple[str, ...]
    """House and flat numbers in the order in which they stand."""
    street: str


def place(address: Address) -> Place | None:
    """An address in a form that compares; None where it says nothing."""
    found = [_SHORT.get(word, word) for line in address.lines for word in words(line)]
    numbers = tuple(word for word in found if any(mark.isdigit() for mark in word))
    street = " ".join(word for word in found if word and not any(mark.isdigit() for mark in word))
    postcode = (address.postcode or "").replace(" ", "").upper()
    uprn = (address.uprn or "").lstrip("0")
    return Place(postcode, uprn, numbers, street) if postcode or uprn or street else None


def place_alike(one: Place, other: Place) -> PlaceAlike:
    """How alike two addresses are. A flat is another home than its neighbour."""
    if one.uprn and one.uprn == other.uprn:
        return PlaceAlike.SAME
    told = bool(one.street and other.street)
    one_home = (
        told
        and one.numbers == other.numbers
        and bool(one.numbers or one.street == other.street)
        and fuzz.token_set_ratio(one.street, other.street) >= ONE_STREET
        and not (one.uprn and other.uprn)
    )
    if one.postcode and one.postcode == other.postcode:
        return PlaceAlike.SAME if one_home else PlaceAlike.POSTCODE
    mistyped = not one.postcode or not other.postcode or OSA.distance(one.postcode, other.postcode) == 1
    if one_home and mistyped:
        return PlaceAlike.CLOSE
    return PlaceAlike.DIFFERENT
