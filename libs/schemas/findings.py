"""What is said about a child: facts with their basis and time, and the agencies' answers with every kind of nothing."""

from pydantic import Field, StrictBool, StrictInt, StrictStr

from libs.schemas.base import CodeList, FactName, Identifier, Instant, IsoDate, Model, Open, Text
from libs.schemas.person import FoundPerson
from libs.schemas.plans import Dash, Plan, Worker


class Basis(CodeList):
    """How the one who states a fact knows it. A low basis lowers the certainty shown, never the floor."""

    OBSERVED = "observed"
    CHILD_SAID = "child_said"
    RECORD = "record"
    PARENT_SAID = "parent_said"
    THIRD_PARTY = "third_party"
    SUSPICION = "suspicion"


class Period(CodeList):
    """When a fact holds or held."""

    NOW = "now"
    CONTINUING = "continuing"
    LAST_3_MONTHS = "last_3_months"
    LAST_12_MONTHS = "last_12_months"
    LONG_AGO = "long_ago"
    EXPECTED = "expected"


class Between(Model):
    """A value known only within bounds, both inclusive: seven yes of ten asked of 24 is between 7 and 21."""

    at_least: StrictInt = Field(ge=0, le=1_000_000)
    at_most: StrictInt = Field(ge=0, le=1_000_000)


FactValue = StrictBool | StrictInt | StrictStr | Between
"""Yes/no as a boolean, a scale's step as its name, a count as a whole number or its bounds."""


class Fact(Model):
    """One statement about a child, in the words of the partnership's dictionary.

    A fact that is not stated is unknown, never no.
    """

    fact: FactName
    value: FactValue
    basis: Open[Basis]
    period: Open[Period] = Period.NOW
    on: IsoDate | None = Field(None, description="The day that the fact was seen or recorded.")


class AgencyState(CodeList):
    """What an agency's silence or answer means. Only `returned` and `nothing_held` are answers about the child."""

    PENDING = "pending"
    RETURNED = "returned"
    NOTHING_HELD = "nothing_held"
    OUTSIDE_COVERAGE = "outside_coverage"
    NOT_REQUESTED = "not_requested"
    DECLINED = "declined"
    NO_ANSWER = "no_answer"
    UNAVAILABLE = "unavailable"


SETTLED = frozenset(AgencyState) - {AgencyState.PENDING, AgencyState.NO_ANSWER, AgencyState.UNAVAILABLE}
"""States after which waiting longer brings nothing: the agency has spoken, or was never asked."""


PARTLY_UNDERSTOOD = "partly_understood"
"""`reason` of an answer of which not every statement was understood: what the rest says is a gap."""

EXISTENCE_ONLY = "existence_only"
"""`reason` of an answer that says that something is held, and not what."""

HELD_BACK = "held_back"
"""`reason` of an answer to a question that could not be asked in full: what it did not ask for is a gap."""

ASKED_WITH_SIBLING = "asked_with_sibling"
"""`reason` of an answer whose part about the home was asked with a brother or sister, who has no answer yet."""

PARTIAL = frozenset((PARTLY_UNDERSTOOD, EXISTENCE_ONLY, HELD_BACK, ASKED_WITH_SIBLING))
"""Reasons of an answer beside which the agency may know more: what it does not say is unknown, not no."""

NOT_UNDERSTOOD = "not_understood"
"""Stands for a value or a basis that could not be read. No dictionary knows it, so it reads as possible, never no."""


class Answer(Model):
    """What one agency said of one child, or why it said nothing."""

    agency: Identifier
    question_id: str = Field(
        max_length=64, description="Stable across retries: the agency sees one question."
    )
    state: Open[AgencyState]
    reason: str | None = Field(None, max_length=80, description="A code for the state, such as `timeout`.")
    asked_at: Instant | None = None
    due_at: Instant | None = None
    answered_at: Instant | None = None
    late: bool = False
    as_of: IsoDate | None = Field(None, description="The day that the agency's data was last current.")
    coverage_from: IsoDate | None = None
    coverage_to: IsoDate | None = None
    facts: tuple[Fact, ...] = ()
    narrative: Text | None = None
    items: tuple[Identifier, ...] = Field((), description="What the agency was asked for.")
    held_back: dict[Identifier, str] = Field(
        default_factory=dict, description="What it was not asked for, each with the code of the reason."
    )
    plans: tuple[Plan, ...] = Field((), max_length=100)
    dash: Dash | None = None
    worker: Worker | None = Field(None, description="Whose case the child is already.")
    people: tuple[FoundPerson, ...] = Field((), max_length=60, description="Whom the agency names.")
    reused_from: Instant | None = Field(
        None, description="When it was given, where an answer to an earlier question was fresh enough."
    )


ASKED_AGAIN = "asked_again"
"""Why an answer was replaced: the agency was asked once more and said something else."""

CORRECTED_ELSEWHERE = "corrected_elsewhere"
"""Why an answer is corrected that was given to a question of another referral."""

LINK_CHANGED = "link_changed"
"""Why an answer is taken back that was given about the person whom the child was taken for. It is asked for anew."""


class CorrectionKind(CodeList):
    """What an agency says of an answer that it gave."""

    CORRECTED = "corrected"
    RETRACTED = "retracted"


class Correction(Model):
    """An agency takes an answer back, or gives another in its place. The first answer stays on record."""

    agency: Identifier
    question_id: str = Field(max_length=64, description="The question whose answer it is.")
    kind: Open[CorrectionKind]
    reason: str | None = Field(None, max_length=80, description="A code, such as `wrong_person`.")
    corrected_at: Instant
    answer: Answer | None = Field(None, description="What counts instead; absent where nothing does.")
