"""The keys by which a case is found: keyed hashes of names, dates, numbers and postcodes, never these themselves.

A key is a keyed hash (HMAC-SHA-256, shortened to 16 bytes) of a kind and a value, under a secret that is not in the
database: whoever reads the table alone can neither read nor guess who is in it.
"""

import hmac
from collections.abc import Iterable, Iterator
from datetime import date
from enum import StrEnum
from typing import NamedTuple

from libs.schemas.person import Date, Person
from libs.schemas.referral import Adult, ReferredChild
from libs.spelling import sound, words

SCHEME = 1
"""Counts up when keys are made in another way, so that they are made anew."""

SHORTEST_START, LONGEST_START = 3, 5
"""Letters of the beginnings of a name that get a key: fewer find half the town, more find no more precisely."""

WIDEST_ESTIMATE = 6
"""Years of an estimated birth that get a key each."""


class Matched(StrEnum):
    """By what a case was found."""

    REFERENCE = "reference"
    NHS_NUMBER = "nhs_number"
    UPN = "upn"
    DATE_OF_BIRTH = "date_of_birth"
    YEAR_OF_BIRTH = "year_of_birth"
    """The child's date of birth is an estimate that holds the date that was asked for."""
    POSTCODE = "postcode"
    NAME = "name"
    NAME_BEGINS = "name_begins"
    NAME_SOUNDS = "name_sounds"


class Term(NamedTuple):
    """One thing that was asked for: a case answers it where it has one of these keys."""

    keys: dict[bytes, Matched]


class Keys:
    """Makes keys under one secret."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()
        self.scheme = self._digest("scheme", str(SCHEME)).hex()[:16]
        """Tells apart what keys were made with: kept with each case, so that they can be made anew."""

    def of_case(self, child: ReferredChild | None, adults: Iterable[Adult]) -> frozenset[bytes]:
        """The keys of a case: its child's, and the names of the adults around it."""
        found = set[bytes]()
        for adult in adults:
            found |= self._names(adult)
            found |= self._place(adult)
        if child is not None:
            found |= self._names(child) | self._place(child)
            found |= {self._digest(Matched.NHS_NUMBER, one) for one in (child.nhs_number,) if one}
            found |= {self._digest(Matched.UPN, one) for one in (child.upn,) if one}
            found |= set(self._born(child.born))
        return frozenset(found)

    def number(self, kind: Matched, value: str) -> Term:
        """An NHS number or a UPN."""
        return Term({self._digest(kind, value): kind})

    def born(self, on: date) -> Term:
        """A date of birth, also where only an estimate of it is known."""
        return Term(
            {
                self._digest(Matched.DATE_OF_BIRTH, on.isoformat()): Matched.DATE_OF_BIRTH,
                self._digest(Matched.YEAR_OF_BIRTH, str(on.year)): Matched.YEAR_OF_BIRTH,
            }
        )

    def postcode(self, postcode: str) -> Term:
        """A postcode, however it is spaced."""
        return Term({self._digest(Matched.POSTCODE, _plain(postcode)): Matched.POSTCODE})

    def name(self, name: str) -> list[Term]:
        """Each word of a name: as it is spelt, as it begins, as it sounds."""
        return [self._word(word) for word in words(name)]

    def _word(self, word: str) -> Term:
        found = {self._digest(Matched.NAME_SOUNDS, sound(word)): Matched.NAME_SOUNDS}
        if len(word) >= SHORTEST_START:
            found[self._digest(Matched.NAME_BEGINS, word[:LONGEST_START])] = Matched.NAME_BEGINS
        found[self._digest(Matched.NAME, word)] = Matched.NAME
        return Term(found)

    def _names(self, person: Person) -> set[bytes]:
        given = (person.given_name, person.family_name, *person.also_known_as)
        found = set[bytes]()
        for word in {word for text in given if text for word in words(text)}:
            found.add(self._digest(Matched.NAME, word))
            found.add(self._digest(Matched.NAME_SOUNDS, sound(word)))
            longest = min(len(word), LONGEST_START)
            starts = {word[:length] for length in range(SHORTEST_START, longest + 1)}
            found |= {self._digest(Matched.NAME_BEGINS, start) for start in starts}
        return found

    def _place(self, person: Person) -> set[bytes]:
        postcode = person.address.postcode if person.address is not None else None
        return {self._digest(Matched.POSTCODE, _plain(postcode))} if postcode else set()

    def _born(self, born: Date | None) -> Iterator[bytes]:
        if born is None:
            return
        if born.on is not None:
            yield self._digest(Matched.DATE_OF_BIRTH, born.on.isoformat())
        elif born.earliest is not None and born.latest is not None:
            years = range(born.earliest.year, born.latest.year + 1)
            if len(years) <= WIDEST_ESTIMATE:
                yield from (self._digest(Matched.YEAR_OF_BIRTH, str(year)) for year in years)

    def _digest(self, kind: str, value: str) -> bytes:
        return hmac.digest(self._secret, f"search\x1f{kind}\x1f{value}".encode(), "sha256")[:16]


def _plain(postcode: str) -> str:
    return postcode.replace(" ", "").upper()
