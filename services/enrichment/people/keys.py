"""Blocking keys: by which records that may be one person's find each other, without a name or date in any column.

A key is a keyed hash (HMAC-SHA-256, shortened to 16 bytes) of a kind and a value, under a secret that is not in the
database: whoever reads the tables alone can neither read nor guess who is in them.
"""

import hmac
from collections.abc import Iterable, Sequence
from itertools import product
from typing import NamedTuple

from libs.spelling import sound
from services.enrichment.people.births import years_of
from services.enrichment.people.names import Names
from services.enrichment.people.scoring import Record, mothers
from services.enrichment.people.subject import Particulars

WIDEST_ESTIMATE = 6
"""Years of an estimated birth that get a key each; a wider estimate is found by its names alone."""

SCHEME = 1
"""Counts up when keys are made in another way."""


class Key(NamedTuple):
    """A blocking key and how much a hit by it weighs when there are more hits than are compared."""

    digest: bytes
    weight: int


class Keys:
    """Makes the keys of records under one secret."""

    def __init__(self, secret: str, names: Names) -> None:
        self._secret = secret.encode()
        self._names = names
        self.fingerprint = self.digest("scheme", str(SCHEME), names.fingerprint).hex()[:16]
        """Tells apart what keys were made with: stored with each person, so that they can be made anew."""

    def digest(self, kind: str, *values: str) -> bytes:
        """The keyed hash of a value of a kind."""
        return hmac.digest(self._secret, "\x1f".join((kind, *values)).encode(), "sha256")[:16]

    def of(self, record: Record) -> tuple[Key, ...]:
        """The keys of a record, each once, sorted. An identifier's weigh most, a name's with a date next."""
        found: dict[bytes, int] = {}
        for kind, values, weight in self._kinds(record):
            digest = self.digest(kind, *values)
            found[digest] = max(weight, found.get(digest, 0))
        return tuple(Key(digest, found[digest]) for digest in sorted(found))

    def _kinds(self, record: Record) -> Iterable[tuple[str, tuple[str, ...], int]]:
        profile = record.profile
        yield from (("nhs", (number,), 100) for number in profile.nhs_numbers)
        yield from (("upn", (number,), 100) for number in profile.upns)
        yield from self._by_mother(record)
        places = {home.postcode for home in record.places} | {home.uprn for home in record.places}
        if profile.unborn:
            # A family name expected for an unborn child is nobody's yet.
            yield from (("expected at", (where,), 2) for where in sorted(places) if where)
            return
        given, family = self._sounds(record.given), self._parts(record.family)
        either = sorted(given | family)
        for birth in profile.births:
            if birth.on is not None:
                yield from (("born", (birth.on.isoformat(), each), 3) for each in either)
        yield from (("home", (where, each), 2) for where in sorted(places) if where for each in either)
        years = {year for birth in profile.births for year in years_of(birth)}
        for first, last in product(sorted(given), sorted(family)):
            # In one order: given and family name may have changed places.
            pair = (min(first, last), max(first, last))
            yield "names", pair, 1
            if len(years) <= WIDEST_ESTIMATE:
                yield from (("year", (*pair, str(year)), 1) for year in sorted(years))

    def _by_mother(self, record: Record) -> Iterable[tuple[str, tuple[str, ...], int]]:
        for mother in mothers(record, self._names):
            yield from (("mother", (number,), 100) for number in mother.profile.nhs_numbers)
            for first, last in product(
                sorted(self._sounds(mother.given)), sorted(self._parts(mother.family))
            ):
                yield "mother", (first, last), 3
            for birth in mother.profile.births:
                if birth.on is not None:
                    for each in sorted(self._sounds(mother.given)):
                        yield "mother", (each, birth.on.isoformat()), 3

    def companions(self, others: Iterable[Particulars]) -> tuple[str, ...]:
        """Keyed hashes of those who live with somebody, by which two records of one home know each other."""
        found = set()
        for one in others:
            given, family = self._names.given(one.given_name), self._names.family(one.family_name)
            first = self._names.standing(given[0]) if given else ""
            if first and one.born is not None and one.born.on is not None:
                found.add(self.digest("lives-with", first, one.born.on.isoformat()).hex())
            if first and family:
                found.add(self.digest("lives-with", first, "".join(family)).hex())
        return tuple(sorted(found))

    def _sounds(self, given: Sequence[tuple[str, ...]]) -> set[str]:
        """How first names sound, and what they may be short for."""
        firsts = {word for name in given for word in name[:2]}
        whole = {self._names.standing(word) for word in firsts}
        return {sound(word) for word in whole.union(*(self._names.formals(word) for word in firsts))}

    def _parts(self, family: Sequence[tuple[str, ...]]) -> set[str]:
        """How family names sound, whole and by their parts."""
        whole = {"".join(name) for name in family} | {part for name in family for part in name}
        return {sound(self._names.standing(word)) for word in whole}
