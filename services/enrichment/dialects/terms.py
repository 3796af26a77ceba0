"""What an agency's file says of its interface: how it is asked, and what its answers mean."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from libs.schemas.findings import AgencyState, FactValue
from services.enrichment.dialects.expressions import Dates, Expression

ASK = "answer"
"""Under which name expressions find the document of the first request."""

Template = Expression | Mapping[str, "Template"] | tuple["Template", ...]
"""A body to be sent: expressions over the question at its leaves. What is nothing is left out."""


class Scheme(StrEnum):
    """How the hub shows who it is."""

    NONE = "none"
    BEARER = "bearer"
    BASIC = "basic"
    HEADER = "header"
    OAUTH2 = "oauth2"


@dataclass(frozen=True, slots=True)
class Authentication:
    """Who the hub is to the agency. The secret is never here: `secret` names the setting that holds it."""

    scheme: Scheme
    client: str = ""
    header: str = ""
    token: str = ""
    scope: str = ""
    secret: str = ""


@dataclass(frozen=True, slots=True)
class Pages:
    """How an answer goes on, and which lists are joined: by what leads to the next page, or by numbers.

    `number` is where the page's number is sent: a parameter of the query, or a field of the body where the page is
    asked for with one. `more` tells of a page whether another follows.
    """

    lists: tuple[str, ...]
    next: Expression | None = None
    number: str = ""
    more: Expression | None = None
    first: int = 1


@dataclass(frozen=True, slots=True)
class States:
    """Which word of an answer means which state; None stands for `found`, with which reading goes on."""

    read: Expression
    codes: Mapping[str, AgencyState | None]

    @property
    def tell_of_nobody(self) -> bool:
        """Whether one of the words says that nothing is held: then no other word means it."""
        return AgencyState.NOTHING_HELD in self.codes.values()


@dataclass(frozen=True, slots=True)
class Refusal:
    """An HTTP status that is an answer, where `when` holds of its body."""

    status: int
    state: AgencyState
    when: Expression | None = None


@dataclass(frozen=True, slots=True)
class Who:
    """Whom the agency found: candidates, which of them are certain, and by what they are told apart."""

    each: Expression
    certain: Expression | None = None
    family_name: Expression | None = None
    given_name: Expression | None = None
    born: Expression | None = None
    nhs_number: Expression | None = None
    upn: Expression | None = None


@dataclass(frozen=True, slots=True)
class Ask:
    """The first request: it finds the child, and where the agency has one request only, brings all it knows."""

    path: str
    body: Template
    submitted: bool
    pages: Pages | None
    states: States | None
    who: Who | None
    query: Mapping[str, str] = field(default_factory=dict)
    """Fixed words in the address: nothing of a person ever stands there."""


@dataclass(frozen=True, slots=True)
class Section:
    """A further request about whoever was found, made where one of its items is granted."""

    name: str
    path: str
    items: frozenset[str]
    pages: Pages | None
    same: Mapping[str, tuple[Expression, Expression]]
    """By what the answer must be about the same person: read from the answer, read from who was found."""
    query: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Coded:
    """A value that an agency writes in codes of its own."""

    read: Expression
    codes: Mapping[str, str]
    otherwise: str | None = None


@dataclass(frozen=True, slots=True)
class FactsByCode:
    """A list whose members each bear codes that state facts. A code that means nothing to us is listed too."""

    each: Expression
    code: Expression
    means: Mapping[str, Mapping[str, FactValue]]
    on: Expression | None
    basis: Coded | str
    period: Coded | str


@dataclass(frozen=True, slots=True)
class FactByValue:
    """One value of the answer that is a fact as it stands, such as a count."""

    fact: str
    value: Expression
    on: Expression | None
    basis: str


@dataclass(frozen=True, slots=True)
class PlansRead:
    """Plans of children's social care in an answer."""

    each: Expression
    kind: Coded
    opened: Expression | None
    closed: Expression | None


@dataclass(frozen=True, slots=True)
class PeopleRead:
    """People whom an answer names."""

    each: Expression
    relation: Coded
    roles: Coded | None
    fields: Mapping[str, Expression]


@dataclass(frozen=True, slots=True)
class Reads:
    """What is read of the documents of an exchange, each under the name of its request."""

    as_of: Expression | None
    coverage_from: Expression | None
    coverage_to: Expression | None
    narrative: Expression | None
    facts: tuple[FactsByCode | FactByValue, ...]
    plans: PlansRead | None
    worker: Mapping[str, Expression]
    dash: Mapping[str, Expression]
    people: PeopleRead | None


@dataclass(frozen=True, slots=True)
class Dialect:
    """An agency's interface."""

    base: str
    authentication: Authentication
    reference: str | None
    """The header that bears the question's id; None where the body does."""
    dates: Dates
    parts: Mapping[str, frozenset[str]]
    """What the first request can name as wanted, with the items that each may bring."""
    ask: Ask
    sections: tuple[Section, ...]
    refusals: tuple[Refusal, ...]
    nobody: AgencyState | None
    """What an answer that names nobody means, where the file says so."""
    reads: Reads
    per_second: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    """Fixed words that every request bears, such as the interface's version."""
