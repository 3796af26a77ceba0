"""What the thresholds answer for a whole referral: what each child needs and why, and what the hub owes to whom."""

from enum import StrEnum

from pydantic import Field

from libs.schemas.base import Identifier, Instant, IsoDate, Line, Model, Open
from libs.schemas.evaluation import DecisiveQuestion, FiredRule, PartlyMet
from libs.schemas.findings import AgencyState, FactValue
from libs.schemas.levels import Destination, Level, Rag


class Named(Model):
    """An action, step or fact with what people call it."""

    id: str
    label: str


class Obligation(Named):
    """Something that must be done whatever is decided, and by when."""

    due_at: Instant | None = None


class MissingFact(Named):
    """A fact that is not known and could raise the outcome, as a form would ask for it."""

    question: str


class WorkedOut(Named):
    """A fact that nobody stated and that follows from the record."""

    value: FactValue


class CouldRise(Model):
    """What could still raise the outcome, to what, and who would have to say it."""

    level: Level
    rag: Rag
    agencies: tuple[Identifier, ...] = ()
    questions: tuple[str, ...] = Field((), description="Ids of the open questions that it hangs on.")
    rules: tuple[Named, ...]


class Repeat(StrEnum):
    """How a child's referral relates to earlier ones."""

    FIRST = "first"
    DUPLICATE = "duplicate"
    RE_REFERRAL = "re_referral"


class EarlierSaid(Model):
    """An earlier report that a duplicate repeats or a re-referral follows."""

    on: IsoDate
    reference: Line | None = None


class WeighedChild(Model):
    """The answer for one child."""

    number: int
    name: Line
    level: Level
    destination: Destination = Field(description="The one that owns the case.")
    listed: tuple[Destination, ...] = Field((), description="Who lists the case beside its owner.")
    placed_because: str
    panel: Identifier | None = Field(None, description="The locality whose panel it is.")
    home_authority: Line | None = None
    withheld: bool = Field(description="Not recommended before a person has read the words.")
    rag: Rag
    rag_due_at: Instant | None = None
    rag_raised_for: tuple[Identifier, ...] = ()
    immediate_danger: bool
    could_rise_to: Level
    rag_could_rise_to: Rag
    waiting_on: tuple[Identifier, ...] = ()
    could_rise: tuple[CouldRise, ...] = ()
    questions: tuple[DecisiveQuestion, ...] = ()
    actions: tuple[Obligation, ...] = ()
    possible_actions: tuple[Named, ...] = Field((), description="What could still be obliged.")
    next_steps: tuple[Named, ...] = ()
    rules: tuple[FiredRule, ...] = ()
    partly_met: tuple[PartlyMet, ...] = ()
    missing: tuple[MissingFact, ...] = ()
    worked_out: tuple[WorkedOut, ...] = ()
    agencies: dict[Identifier, Open[AgencyState]] = Field(default_factory=dict)
    repeat: Repeat = Repeat.FIRST
    earlier: tuple[EarlierSaid, ...] = ()
    added_at: Instant | None = None


class Due(Model):
    """By when something must have happened, and whether that time is over."""

    at: Instant
    over: bool


class Times(Model):
    """The referral's clocks. Nothing extends the decision's."""

    decision: Due
    urgency: Due = Field(description="The target of the most urgent child.")
    reading: Due | None = Field(None, description="By when a person must have read the words.")


class Untellable(StrEnum):
    """Why a referrer cannot be told. It is no failure; the record says why."""

    ANONYMOUS = "anonymous"
    NO_SAFE_WAY = "no_safe_way"


class Duties(Model):
    """What the hub owes the referrer."""

    receipt: bool = Field(description="A receipt goes at once.")
    outcome: bool = Field(description="The outcome is told when a person has decided.")
    told: str = Field(description="What they may be told.")
    why_not: Untellable | None = None
    ask_for_a_way: bool = Field(False, description="Nobody wrote how they can be told safely.")


class Chase(Model):
    """An agency whose answer is outstanding and could raise the outcome of a child."""

    agency: Identifier
    state: Open[AgencyState]
    children: tuple[int, ...]
    could_rise_to: Level


class Weighed(Model):
    """The answer for a whole referral. A named person decides."""

    policy: str = Field(description="Id of the policy.")
    version: str
    fingerprint: str
    sign_off: str
    at: Instant
    received_at: Instant
    times: Times
    level_asked: Level | None = None
    duties: Duties
    children: tuple[WeighedChild, ...]
    siblings_differ: bool = Field(
        description="One reason is asked for where siblings are decided differently."
    )
    chase: tuple[Chase, ...] = ()
