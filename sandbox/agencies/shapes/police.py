"""The police: occurrences, markers and associates of a nominal. Dates on the wire are dd/mm/yyyy."""

from datetime import date
from typing import Literal

from pydantic import Field

from sandbox.agencies.shapes import Record, Strict, Wire

Grading = Literal["R", "A", "B", "C", "D"]


class HeldInvolvement(Strict):
    """An occurrence in which the nominal is involved."""

    occurrence: str
    code: str
    on_days_ago: int | None = None
    grading: Grading = "R"
    live: bool = False
    log: str | None = None


class HeldMarker(Strict):
    """A warning marker."""

    marker: str
    on_days_ago: int | None = None
    grading: Grading = "R"


class HeldAssociate(Strict):
    """Somebody with whom the nominal is linked."""

    id: str
    surname: str
    forenames: str
    born: date | None = None
    gender: Literal["F", "M", "U"] | None = None
    tie: Literal["SIB", "PAR", "PTR", "OTH"]
    same_address: bool = False
    suspect: bool = False


class PoliceRecord(Record):
    """What the police hold of a nominal."""

    counters: dict[str, int] = Field(default_factory=dict)
    involvements: tuple[HeldInvolvement, ...] = ()
    warnings: tuple[HeldMarker, ...] = ()
    associates: tuple[HeldAssociate, ...] = ()


class Token(Wire):
    """An access token (RFC 6749, section 5.1)."""

    access_token: str = Field(alias="access_token")
    token_type: str = Field(alias="token_type")
    expires_in: int = Field(alias="expires_in")
    scope: str


class Subject(Wire):
    """Who is searched for."""

    surname: str
    forenames: str | None = None
    aliases: tuple[str, ...] = ()
    dob: str | None = None
    dob_from: str | None = None
    dob_to: str | None = None
    gender: str | None = None
    postcode: str | None = None
    address_lines: tuple[str, ...] = ()


class SearchRequest(Wire):
    """A search for a nominal. `via` is MOTHER where the child is not born yet."""

    reason: Literal["CHILD_SAFEGUARDING"]
    subject: Subject
    via: Literal["SUBJECT", "MOTHER"] = "SUBJECT"


class Links(Wire):
    """Where the next page is; null on the last."""

    next: str | None


class Nominal(Wire):
    """A person as the police know them."""

    nominal_id: str
    surname: str | None
    forenames: str | None
    dob: str | None


class MatchedNominal(Nominal):
    """A nominal, and how alike it is: A identical, B probable, C possible."""

    match_grade: Literal["A", "B", "C"]


class Holdings(Wire):
    """From when to when occurrences are held."""

    from_: str = Field(alias="from")
    to: str


class Searched(Wire):
    """What a search found."""

    search_status: Literal["COMPLETE", "OUTSIDE_HOLDINGS", "QUEUED"]
    data_as_at: str
    holdings: Holdings | None = None
    nominals: list[MatchedNominal]
    links: Links


class Involvement(Wire):
    """An occurrence: its class, when, how it is graded, and whether it is live."""

    occurrence: str
    class_: str = Field(alias="class")
    on: str | None
    grading: Grading
    live: bool
    log: str | None


class Involvements(Wire):
    """A page of occurrences. The counters are on the first."""

    nominal: Nominal
    counters: dict[str, int] | None = None
    involvements: list[Involvement]
    links: Links


class Marker(Wire):
    """A warning marker."""

    marker: str
    on: str | None
    grading: Grading


class Warnings(Wire):
    """All warning markers of a nominal."""

    nominal: Nominal
    warnings: list[Marker]
    links: Links


class Associate(Nominal):
    """Somebody linked with the nominal."""

    gender: str | None
    tie: Literal["SIB", "PAR", "PTR", "OTH"]
    same_address: bool
    suspect: bool


class Associates(Wire):
    """A page of associates."""

    nominal: Nominal
    associates: list[Associate]
    links: Links


class Fault(Wire):
    """One thing that is wrong."""

    code: str
    detail: str


class Failure(Wire):
    """Why a request was refused."""

    errors: list[Fault]
