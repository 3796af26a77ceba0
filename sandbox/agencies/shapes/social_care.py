"""Social care: a person, then episodes, plans, worker and family. Codes are the children in need census's."""

from datetime import date
from typing import Literal

from pydantic import Field

from sandbox.agencies.shapes import Record, Strict, Wire

Relation = Literal["SIB", "HSB", "MOT", "FAT", "STP", "REL", "OCH"]
Match = Literal["NUMBER", "DEMOGRAPHIC", "PARTIAL"]


class HeldEpisode(Strict):
    """An episode of need: from a referral to its closure."""

    episode: int
    referred_days_ago: int
    closed_days_ago: int | None = None
    source: str
    primary_need: str
    factors: tuple[str, ...] = ()
    closure: str | None = None
    summary: str | None = None


class HeldPlan(Strict):
    """A plan or status."""

    type: str
    opened_days_ago: int
    closed_days_ago: int | None = None
    category: str | None = None


class HeldWorker(Strict):
    """The allocated worker."""

    name: str
    team: str
    since_days_ago: int


class HeldRelation(Strict):
    """Somebody of the family."""

    id: int
    relation: Relation
    surname: str
    forename: str | None = None
    former_names: tuple[str, ...] = ()
    born: date | None = None
    expected_in_days: int | None = None
    sex: Literal["F", "M", "U"] | None = None
    nhs_number: str | None = None
    upn: str | None = None
    same_home: bool | None = None
    poses_risk: bool = False
    removed: bool = False


class SocialCareRecord(Record):
    """What social care holds of a child. `id` is the person's number."""

    episodes: tuple[HeldEpisode, ...] = ()
    plans: tuple[HeldPlan, ...] = ()
    worker: HeldWorker | None = None
    family: tuple[HeldRelation, ...] = ()


class UnbornOf(Wire):
    """The mother of an unborn child."""

    surname: str
    forename: str | None = None
    date_of_birth: str | None = None


class SearchRequest(Wire):
    """Who is searched for."""

    nhs_number: str | None = None
    upn: str | None = None
    surname: str | None = None
    forename: str | None = None
    former_names: tuple[str, ...] = ()
    date_of_birth: str | None = None
    postcode: str | None = None
    unborn_of: UnbornOf | None = None


class FoundPerson(Wire):
    """A person on file, and by what they were found."""

    person_id: int
    match: Match
    surname: str | None
    forename: str | None
    date_of_birth: str | None
    nhs_number: str | None
    upn: str | None


class Extract(Wire):
    """When the file was last current, and what it covers."""

    taken_on: str
    from_: str = Field(alias="from")
    to: str


class Searched(Wire):
    """Who was found."""

    status: Literal["OK", "NOT_OURS", "RESTRICTED"]
    people: list[FoundPerson]
    extract: Extract


class Working(Wire):
    """The search is put to a person first."""

    status: Literal["PENDING"]


class Episode(Wire):
    """An episode of need."""

    episode_id: int
    referred_on: str
    source: str
    primary_need: str
    factors: list[str]
    closed_on: str | None
    closure: str | None
    summary: str | None


class Episodes(Wire):
    """Episodes, the latest first, in pages."""

    person_id: int
    episodes: list[Episode]
    next: str | None


class Plan(Wire):
    """A plan or status."""

    type: str
    opened: str
    closed: str | None
    category: str | None


class Plans(Wire):
    """All plans."""

    person_id: int
    plans: list[Plan]


class Worker(Wire):
    """The allocated worker."""

    name: str
    team: str
    since: str


class Allocation(Wire):
    """Who works with the child, or null."""

    person_id: int
    worker: Worker | None


class Relative(Wire):
    """Somebody of the family."""

    person_id: int
    relation: Relation
    surname: str
    forename: str | None
    former_names: list[str]
    date_of_birth: str | None
    expected_on: str | None
    sex: str | None
    nhs_number: str | None
    upn: str | None
    same_home: bool | None
    poses_risk: bool
    removed: bool


class Relatives(Wire):
    """The family, in pages."""

    person_id: int
    relations: list[Relative]
    next: str | None


class Failure(Wire):
    """Why a request was refused."""

    message: str
