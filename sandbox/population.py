"""Synthetic people: families of an English city with twins, namesakes and shared homes, and nobody who exists.

NHS numbers are from the range 999, which is never issued; pupil numbers name schools below 1000, which there are none
of; postcodes begin with Q, as none does. The same seed makes the same people.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import yaml
from stdnum.gb import nhs, upn

from libs.schemas.codes import Sex
from libs.schemas.person import Address

TODAY = date(2026, 6, 1)
AUTHORITY = 874
TWINS = 0.02
"""Share of births that are twins; in England 1.4 % (ONS, Birth characteristics), more here since they are the trap."""
NAMESAKES = 0.3
"""Share of related households in which cousins are called after the same grandparent."""


@dataclass(frozen=True, slots=True)
class Home:
    """A household's address."""

    lines: tuple[str, ...]
    postcode: str
    uprn: str

    def address(self) -> Address:
        """The address in the vocabulary's form."""
        return Address(lines=self.lines, postcode=self.postcode, uprn=self.uprn)


@dataclass(frozen=True, slots=True)
class Human:
    """One synthetic person as they are, whoever writes what about them."""

    number: int
    household: int
    given: str
    family: str
    born: date
    sex: Sex
    home: Home
    nhs_number: str
    upn: str | None
    adult: bool
    mother: int | None = None
    earlier_family: str | None = None
    """A maiden name, or the name that a child bore before."""
    twin: int | None = None
    namesake: int | None = None


@cache
def material() -> dict[str, Any]:
    """The names of which people are made."""
    loaded: dict[str, Any] = yaml.load(
        Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"), yaml.CSafeLoader
    )
    return loaded


class Population:
    """So many synthetic people, in families. `people[number].number` is `number`."""

    def __init__(self, size: int, seed: int) -> None:
        self._chance = Random(seed)
        self._cultures = ("english", "south_asian", "east_european", "other")
        self._shares = [material()[culture]["share"] for culture in self._cultures]
        self._numbers = _nhs_numbers(self._chance)
        self._pupils: dict[int, int] = {}
        self._homes = _homes(self._chance)
        self.people: list[Human] = []
        self.households: list[list[int]] = []
        while len(self.people) < size:
            self._clan()
        dropped = {human.number for human in self.people[size:]}
        self.people = [
            replace(
                human,
                twin=None if human.twin in dropped else human.twin,
                namesake=None if human.namesake in dropped else human.namesake,
            )
            for human in self.people[:size]
        ]
        self.households = [
            [number for number in members if number not in dropped] for members in self.households
        ]

    def home(self) -> Home:
        """A further home, for somebody who moves."""
        return next(self._homes)

    def _clan(self) -> None:
        """One to three related households of one family name; cousins in them may be namesakes."""
        chance = self._chance
        culture = chance.choices(self._cultures, self._shares)[0]
        family = self._family_name(culture)
        related = chance.choices((1, 2, 3), (70, 20, 10))[0]
        handed_down = (
            {sex: self._given(culture, sex) for sex in (Sex.FEMALE, Sex.MALE)}
            if related > 1 and chance.random() < NAMESAKES
            else {}
        )
        shared = culture == "south_asian" and chance.random() < 0.3
        home = next(self._homes)
        cousins: dict[Sex, int] = {}
        for _ in range(related):
            self._household(culture, family, home, handed_down, cousins)
            if not shared:
                home = next(self._homes)

    def _household(
        self, culture: str, family: str, home: Home, handed_down: dict[Sex, str], cousins: dict[Sex, int]
    ) -> None:
        chance = self._chance
        self.households.append([])
        mother_born = TODAY - timedelta(days=chance.randint(19 * 365, 62 * 365))
        maiden = self._family_name(culture)
        keeps = chance.random()
        # Some keep their own name, some join both.
        mother_name = family if keeps < 0.6 else maiden if keeps < 0.9 else f"{maiden}-{family}"
        mother = self._add(
            self._given(culture, Sex.FEMALE), _gendered(mother_name, Sex.FEMALE), mother_born, Sex.FEMALE, home,
            earlier=_gendered(maiden, Sex.FEMALE) if mother_name != maiden else None,
        )  # fmt: skip
        if chance.random() < 0.7:
            father_born = mother_born + timedelta(days=chance.randint(-4000, 1500))
            self._add(self._given(culture, Sex.MALE), family, father_born, Sex.MALE, home)
        if culture == "south_asian" and chance.random() < 0.25:
            self._add(
                self._given(culture, Sex.FEMALE), family, mother_born - timedelta(days=9000), Sex.FEMALE, home
            )
        double = f"{maiden}-{family}" if chance.random() < 0.08 else None
        child_name = double or (family if keeps < 0.6 or chance.random() < 0.7 else maiden)
        oldest = min((TODAY - mother_born).days - 17 * 365, 40 * 365)
        children = chance.choices((0, 1, 2, 3, 4, 5), (12, 26, 34, 17, 8, 3))[0]
        used: set[str] = set()
        for _ in range(children):
            born = TODAY - timedelta(days=chance.randint(1, max(2, oldest)))
            self._birth(culture, child_name, born, home, mother, used, handed_down, cousins, maiden)

    def _birth(
        self,
        culture: str,
        family: str,
        born: date,
        home: Home,
        mother: int,
        used: set[str],
        handed_down: dict[Sex, str],
        cousins: dict[Sex, int],
        maiden: str,
    ) -> None:
        chance = self._chance
        earlier = maiden if chance.random() < 0.05 and maiden not in family else None
        sexes = [chance.choice((Sex.FEMALE, Sex.MALE))]
        names: list[str] = []
        if chance.random() < TWINS:
            # Two in three twins are of one sex.
            sexes.append(sexes[0] if chance.random() < 0.67 else _other(sexes[0]))
            if chance.random() < 0.3:
                names = list(chance.choice(material()["twins"]))
        found: list[int] = []
        for sex in sexes:
            given = names[len(found)] if names else self._unused(culture, sex, used)
            cousin = cousins.get(sex)
            if not names and sex in handed_down and handed_down[sex] not in used:
                given = handed_down[sex]
            else:
                cousin = None
            used.add(given)
            number = self._add(
                given,
                _gendered(family, sex),
                born,
                sex,
                home,
                mother=mother,
                earlier=earlier,
                namesake=cousin,
            )
            found.append(number)
            if given == handed_down.get(sex):
                cousins.setdefault(sex, number)
                if cousin is not None:
                    self.people[cousin] = replace(self.people[cousin], namesake=number)
        if len(found) == 2:
            for one, other in (found, found[::-1]):
                self.people[one] = replace(self.people[one], twin=other)

    def _add(
        self,
        given: str,
        family: str,
        born: date,
        sex: Sex,
        home: Home,
        *,
        mother: int | None = None,
        earlier: str | None = None,
        namesake: int | None = None,
    ) -> int:
        number = len(self.people)
        age = (TODAY - born).days // 365
        human = Human(
            number,
            len(self.households) - 1,
            given,
            family,
            born,
            sex,
            home,
            next(self._numbers),
            self._pupil_number(born) if 4 <= age < 18 else None,
            age >= 18,
            mother,
            earlier,
            namesake=namesake,
        )
        self.people.append(human)
        self.households[-1].append(number)
        return number

    def _family_name(self, culture: str) -> str:
        names = material()[culture]
        if "stems" in names and self._chance.random() < 0.55:
            return str(self._chance.choice(names["stems"]) + self._chance.choice(names["endings"]))
        return self._common(names["family"])

    def _given(self, culture: str, sex: Sex) -> str:
        return self._common(material()[culture]["female" if sex is Sex.FEMALE else "male"])

    def _unused(self, culture: str, sex: Sex, used: set[str]) -> str:
        """A name that no brother or sister bears."""
        while True:
            given = self._given(culture, sex)
            if given not in used:
                return given

    def _common(self, names: list[str]) -> str:
        """A name of the list, the first ones far more often (Zipf)."""
        return self._chance.choices(names, [1 / (5 + place) for place in range(len(names))])[0]

    def _pupil_number(self, born: date) -> str:
        year = (born.year + 5) % 100
        serial = self._pupils[year] = self._pupils.get(year, 0) + 1
        school, place = divmod(serial, 1000)
        digits = f"{AUTHORITY}{school + 1:04d}{year:02d}{place:03d}"
        return f"{upn.calc_check_digit(digits)}{digits}"


def _other(sex: Sex) -> Sex:
    return Sex.MALE if sex is Sex.FEMALE else Sex.FEMALE


def _gendered(family: str, sex: Sex) -> str:
    """A Polish name ends in another letter for a woman."""
    if sex is Sex.FEMALE and family.endswith(("ski", "cki")):
        return f"{family[:-1]}a"
    return family


def _nhs_numbers(chance: Random) -> Iterator[str]:
    """Valid NHS numbers that are never issued, each once: about 900,000."""
    # A step without a common divisor with a million visits every serial once.
    serial, step = chance.randrange(1_000_000), 10 * chance.randrange(50_000) + 50_003
    for _ in range(1_000_000):
        serial = (serial + step) % 1_000_000
        digits = f"999{serial:06d}"
        check = -nhs.checksum(f"{digits}0") % 11
        if check < 10:
            yield f"{digits}{check}"


def _homes(chance: Random) -> Iterator[Home]:
    """Homes street by street, some fifteen to a postcode, one in six in a block of flats. No two are one."""
    letters = "ABDEFGHJLNPQRSTUWXYZ"
    uprn = 100
    streets = [f"{name} {kind}" for name in material()["streets"] for kind in material()["kinds"]]
    number = 0
    while True:
        street = streets[number % len(streets)]
        area, unit = divmod(number, 9 * 400)
        postcode = f"QX{area + 1} {unit // 400 + 1}{letters[unit % 400 // 20]}{letters[unit % 20]}"
        number += 1
        block = chance.random() < 0.16
        for house in range(1, 16):
            uprn += 1
            lines = (f"Flat {house}", f"{number % 90 + 1} {street}") if block else (f"{house * 2} {street}",)
            yield Home(lines, postcode, f"99900{uprn:07d}")
