"""Housing: one look-up of a household, by an API key."""

from datetime import date
from typing import Any, Literal

from sandbox.agencies.shapes import Record, Strict, Wire

Part = Literal["tenancy", "notices", "property", "household"]


class HeldTenancy(Strict):
    """How the household holds its home."""

    kind: Literal["SEC", "INT", "TMP", "NON"]
    from_days_ago: int


class HeldNotice(Strict):
    """A notice that was served."""

    type: str
    served_days_ago: int


class HeldHazard(Strict):
    """A hazard that an inspection found."""

    hazard: str
    band: int
    found_days_ago: int


class HeldProperty(Strict):
    """The home."""

    bedrooms: int
    occupants: int
    hazards: tuple[HeldHazard, ...] = ()


class HeldOccupant(Strict):
    """Somebody who lives there."""

    last_name: str
    first_name: str
    born: date | None = None
    link: str


class HeldVisit(Strict):
    """A visit of a housing officer, and what was found."""

    outcome: str
    visited_days_ago: int


class HousingRecord(Record):
    """What the housing service holds of a child's household."""

    tenancy: HeldTenancy | None = None
    notices: tuple[HeldNotice, ...] = ()
    property: HeldProperty | None = None
    household: tuple[HeldOccupant, ...] = ()
    visits: tuple[HeldVisit, ...] = ()
    officer_note: str | None = None


class Person(Wire):
    """Somebody of the household."""

    last_name: str | None = None
    first_name: str | None = None
    birth_date: str | None = None
    post_code: str | None = None


class LookupRequest(Wire):
    """Whose household, and which parts of its file."""

    person: Person
    include: tuple[Part, ...] = ()


class Tenancy(Wire):
    """How the household holds its home: secure, introductory, temporary, or not the tenant."""

    kind: Literal["SEC", "INT", "TMP", "NON"]
    from_: str

    model_config = Wire.model_config | {"alias_generator": lambda name: name.rstrip("_")}


class Notice(Wire):
    """A notice that was served: seeking possession, possession order, eviction warrant."""

    type: str
    served: str


class Hazard(Wire):
    """A hazard that an inspection found; band 1 is the most serious."""

    hazard: str
    band: int
    found: str


class Property(Wire):
    """The home."""

    bedrooms: int
    occupants: int
    hazards: list[Hazard]


class Occupant(Wire):
    """Somebody who lives there."""

    last_name: str
    first_name: str
    birth_date: str | None
    link: str


class Household(Wire):
    """The household's file. What was not included is absent."""

    household_ref: str
    refreshed_at: str
    records_since: str
    matched_person: Person
    tenancy: Tenancy | None = None
    notices: tuple[Notice, ...] = ()
    property: Property | None = None
    household: tuple[Occupant, ...] = ()
    officer_note: str | None = None


class Visit(Wire):
    """A visit to a home: in order, untidy, unsafe, or nobody in."""

    outcome: Literal["ORD", "UNT", "UNS", "OUT"]
    visited: str


class Visits(Wire):
    """One page of a household's visits."""

    household_ref: str
    page: int
    last: bool
    visits: list[Visit]


class Failure(Wire):
    """Why there is no file."""

    error: dict[str, Any]
