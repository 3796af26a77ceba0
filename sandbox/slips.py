"""How people are written down: as a record that an index holds, and as a referrer gives them, with realistic errors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from uuid import UUID

from libs.schemas.codes import Sex
from libs.schemas.person import Address, Date
from sandbox.population import TODAY, Human, Population
from services.enrichment.people.names import Names
from services.enrichment.people.subject import Particulars, Subject

KEYS = "qwertyuiop asdfghjkl  zxcvbnm"
RATES = {
    "typing": 0.06,
    "transposed letters": 0.03,
    "nickname": 0.07,
    "other spelling": 0.04,
    "other family name": 0.05,
    "part of the name": 0.03,
    "names swapped": 0.01,
    "day and month swapped": 0.02,
    "wrong digit in date": 0.02,
    "estimated date": 0.07,
    "no date": 0.02,
    "moved": 0.1,
    "no address": 0.05,
    "no postcode": 0.05,
    "no sex": 0.05,
    "neighbour's flat": 0.005,
    "sibling's number": 0.004,
    "wrong digit in number": 0.01,
}
"""How often a referral has each error. Estimates: nobody publishes the rates of referrals to children's services."""

MOST_ERRORS = 3


@dataclass(frozen=True, slots=True)
class Sighting:
    """Somebody as a referral gives them, with those said to live with them. `human`: who it truly is."""

    human: Human
    subject: Subject
    household: tuple[Subject, ...]
    errors: tuple[str, ...]


class Scribe:
    """Writes people of a population down. The same seed writes the same."""

    def __init__(self, population: Population, names: Names, seed: int) -> None:
        self._population = population
        self._chance = Random(seed)
        self._short: dict[str, list[str]] = {}
        for word, formals in sorted(names.formal.items()):
            for formal in sorted(formals):
                self._short.setdefault(formal, []).append(word)
        self._spellings: dict[str, list[str]] = {}
        for word, standing in sorted(names.spelt.items()):
            self._spellings.setdefault(standing, []).append(word)
        self._standing = names.standing
        self._slips: dict[str, Callable[[dict[str, object], Human], bool]] = {
            "typing": self._typing,
            "transposed letters": self._transposed,
            "nickname": self._nickname,
            "other spelling": self._spelling,
            "other family name": self._other_family,
            "part of the name": self._part,
            "names swapped": self._swapped,
            "day and month swapped": self._day_and_month,
            "wrong digit in date": self._digit,
            "estimated date": self._estimated,
            "no date": self._drop("born"),
            "moved": self._moved,
            "no address": self._drop("address"),
            "no postcode": self._no_postcode,
            "no sex": self._drop("sex"),
            "neighbour's flat": self._neighbour,
            "sibling's number": self._sibling,
            "wrong digit in number": self._number,
        }

    def record(self, human: Human, household: Sequence[Human] = ()) -> tuple[Subject, tuple[Subject, ...]]:
        """Somebody as the index came to know them, without errors and without everything; and who lives with them."""
        chance = self._chance
        values = self._values(human)
        if chance.random() < 0.3:
            del values["nhs_number"]
        if chance.random() < 0.3:
            values.pop("upn", None)
        referral = self._id()
        return self._subject(human, values, referral), tuple(
            self._subject(other, self._values(other), referral) for other in household
        )

    def sighting(self, human: Human, forced: str | None = None) -> Sighting | None:
        """Somebody as a referrer gives them; None where a `forced` error cannot happen to them."""
        chance = self._chance
        values = self._values(human)
        # Few referrers know the numbers.
        if chance.random() < 0.7:
            del values["nhs_number"]
        if chance.random() < 0.75:
            values.pop("upn", None)
        if forced in ("sibling's number", "wrong digit in number"):
            values["nhs_number"] = human.nhs_number
        drawn = [error for error, rate in RATES.items() if error != forced and chance.random() < rate]
        chance.shuffle(drawn)
        wanted = ([forced] if forced else []) + drawn
        errors = tuple(error for error in wanted[:MOST_ERRORS] if self._slips[error](values, human))
        if forced and forced not in errors:
            return None
        referral = self._id()
        members = [self._population.people[number] for number in self._population.households[human.household]]
        named = [other for other in members if other.number != human.number and chance.random() < 0.4]
        household = tuple(self._subject(other, self._values(other), referral) for other in named)
        return Sighting(human, self._subject(human, values, referral), household, errors)

    def _id(self) -> UUID:
        return UUID(int=self._chance.getrandbits(128), version=4)

    def _values(self, human: Human) -> dict[str, object]:
        values: dict[str, object] = {
            "given_name": human.given,
            "family_name": human.family,
            "sex": human.sex,
            "born": Date(on=human.born),
            "address": human.home.address(),
            "nhs_number": human.nhs_number,
        }
        if human.upn is not None:
            values["upn"] = human.upn
        if human.mother is not None:
            mother = self._population.people[human.mother]
            values["mother"] = Particulars(
                given_name=mother.given, family_name=mother.family, born=Date(on=mother.born)
            )
        return values

    def _subject(self, human: Human, values: dict[str, object], referral: UUID) -> Subject:
        return Subject.model_validate(
            values | {"id": self._id(), "referral_id": referral, "adult": human.adult, "household": "home"}
        )

    def _typing(self, values: dict[str, object], human: Human) -> bool:
        """One letter is left out, doubled, or another of the keyboard."""
        field = self._chance.choice(("given_name", "family_name"))
        name = str(values[field])
        places = [place for place, letter in enumerate(name) if letter.isalpha()]
        if len(name) < 4:
            return False
        place = self._chance.choice(places[1:])
        how = self._chance.random()
        if how < 0.35:
            typed = name[:place] + name[place + 1 :]
        elif how < 0.6:
            typed = name[:place] + name[place] + name[place:]
        else:
            at = KEYS.find(name[place].lower())
            near = KEYS[at - 1] if at > 0 and KEYS[at - 1] != " " else KEYS[at + 1]
            typed = name[:place] + (near if near.isalpha() else "e") + name[place + 1 :]
        values[field] = typed
        return typed != name

    def _transposed(self, values: dict[str, object], human: Human) -> bool:
        field = self._chance.choice(("given_name", "family_name"))
        name = str(values[field])
        if len(name) < 4:
            return False
        place = self._chance.randint(1, len(name) - 2)
        typed = name[:place] + name[place + 1] + name[place] + name[place + 2 :]
        values[field] = typed
        return typed != name

    def _nickname(self, values: dict[str, object], human: Human) -> bool:
        """A short form of the partnership's list, or, once in four times, one that nobody has listed."""
        given = str(values["given_name"])
        forms = self._short.get(self._standing(given.lower()))
        if forms is None or len(given) < 5:
            return False
        unlisted = given[:3] + self._chance.choice(("y", "ie", "zy"))
        values["given_name"] = (
            unlisted if self._chance.random() < 0.25 else self._chance.choice(forms).capitalize()
        )
        return True

    def _spelling(self, values: dict[str, object], human: Human) -> bool:
        for field in ("given_name", "family_name"):
            name = str(values[field]).lower()
            others = [word for word in self._spellings.get(self._standing(name), ()) if word != name]
            if others:
                values[field] = self._chance.choice(others).capitalize()
                return str(values[field]).lower() != name
        plain = str(values["family_name"]).translate(
            str.maketrans("łśńóąęćżźšžčņļķģīūāēėųțș", "lsnoaeczzszcnlkgiuaeeuts")
        )
        changed = plain != values["family_name"]
        values["family_name"] = plain
        return changed

    def _other_family(self, values: dict[str, object], human: Human) -> bool:
        """A maiden name, a name before adoption, or the mother's name for her child's."""
        mother = self._population.people[human.mother] if human.mother is not None else None
        other = human.earlier_family or (mother.family if mother is not None else None)
        if other is None or other == human.family:
            return False
        values["family_name"] = other
        return True

    def _part(self, values: dict[str, object], human: Human) -> bool:
        parts = str(values["family_name"]).split("-")
        if len(parts) > 1:
            values["family_name"] = self._chance.choice(parts)
            return True
        words = str(values["given_name"]).split()
        values["given_name"] = words[0]
        return len(words) > 1

    def _swapped(self, values: dict[str, object], human: Human) -> bool:
        values["given_name"], values["family_name"] = values["family_name"], values["given_name"]
        return True

    def _day_and_month(self, values: dict[str, object], human: Human) -> bool:
        born = human.born
        if born.day > 12 or born.day == born.month:
            return False
        values["born"] = Date(on=date(born.year, born.day, born.month))
        return True

    def _digit(self, values: dict[str, object], human: Human) -> bool:
        born = human.born
        days, years = self._chance.choice(((1, 0), (-1, 0), (10, 0), (0, 1), (0, -1), (0, 10), (0, -10)))
        try:
            wrong = date(born.year + years, born.month, born.day + days)
        except ValueError:
            return False
        if not date(1900, 1, 1) <= wrong <= TODAY:
            return False
        values["born"] = Date(on=wrong)
        return True

    def _estimated(self, values: dict[str, object], human: Human) -> bool:
        """An age in years, at times off by one."""
        age = (TODAY - human.born).days // 365 + self._chance.choice((0, 0, 0, 0, 1, -1))
        latest = TODAY - timedelta(days=max(0, age) * 365)
        values["born"] = Date(earliest=latest - timedelta(days=365), latest=latest)
        return True

    def _moved(self, values: dict[str, object], human: Human) -> bool:
        values["address"] = self._population.home().address()
        return True

    def _no_postcode(self, values: dict[str, object], human: Human) -> bool:
        values["address"] = Address(lines=human.home.lines)
        return True

    def _neighbour(self, values: dict[str, object], human: Human) -> bool:
        first, *rest = human.home.lines
        if not first.startswith("Flat "):
            return False
        other = int(first.removeprefix("Flat ")) % 15 + 1
        values["address"] = Address(lines=(f"Flat {other}", *rest), postcode=human.home.postcode)
        return True

    def _sibling(self, values: dict[str, object], human: Human) -> bool:
        """The number of a brother, sister or parent stands where the child's own belongs."""
        members = [
            number for number in self._population.households[human.household] if number != human.number
        ]
        if "nhs_number" not in values or not members:
            return False
        values["nhs_number"] = self._population.people[self._chance.choice(members)].nhs_number
        return True

    def _number(self, values: dict[str, object], human: Human) -> bool:
        if "nhs_number" not in values:
            return False
        number = human.nhs_number
        place = self._chance.randint(3, 9)
        values["nhs_number"] = number[:place] + str((int(number[place]) + 1) % 10) + number[place + 1 :]
        return True

    def _drop(self, field: str) -> Callable[[dict[str, object], Human], bool]:
        def drop(values: dict[str, object], human: Human) -> bool:
            return values.pop(field, None) is not None

        return drop


def unborn(mother: Human, referral: UUID, child: UUID, due: date) -> Subject:
    """A child whom somebody expects."""
    return Subject(
        id=child,
        referral_id=referral,
        sex=Sex.UNKNOWN,
        family_name=mother.family,
        expected=Date(on=due),
        household="home",
        address=mother.home.address(),
        mother=Particulars(
            given_name=mother.given,
            family_name=mother.family,
            born=Date(on=mother.born),
            nhs_number=mother.nhs_number,
        ),
    )
