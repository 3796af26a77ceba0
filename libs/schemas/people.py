"""Who the child is: the link to a person of the index, what speaks for it, and who lives with the child."""

from uuid import UUID

from pydantic import Field, StrictBool

from libs.schemas.base import CodeList, Identifier, Line, Model, Open, Ordered
from libs.schemas.history import History
from libs.schemas.person import Date, FoundPerson


class Band(Ordered):
    """How surely two records are about one person, least sure first. Only `same` links by itself."""

    NONE = "none"
    POSSIBLE = "possible"
    LIKELY = "likely"
    SAME = "same"


class Likeness(CodeList):
    """What became of comparing one field of two records."""

    SAME = "same"
    CLOSE = "close"
    DIFFERENT = "different"
    CONTRADICTS = "contradicts"
    MISSING = "missing"


class Comparison(Model):
    """One field of two records, side by side. The texts are for the person who decides, and for nobody else."""

    field: Identifier
    ours: Line | None = Field(None, description="As the referral says.")
    theirs: Line | None = Field(None, description="As the index says.")
    likeness: Open[Likeness]
    points: int = Field(description="What the field adds to the score, or takes from it.")


class Candidate(Model):
    """Somebody of the index who may be the child."""

    person_id: UUID
    band: Open[Band]
    score: int = Field(ge=0, le=100)
    comparisons: tuple[Comparison, ...] = Field((), max_length=40)


class LinkMethod(CodeList):
    """How a child of a referral came to be linked to a person of the index."""

    NEW = "new"
    """Nobody of the index is the child as far as is known: the index has a new person."""
    IDENTIFIER = "identifier"
    SCORE = "score"
    STAFF = "staff"


class Member(FoundPerson):
    """Somebody of the child's household, or who is a danger to the child, and who says so."""

    person_id: UUID | None = None
    case_id: UUID | None = Field(None, description="The case of a child who is in this referral too.")
    said_by: tuple[Identifier, ...] = Field(
        (), description="`referrer`, `index`, `staff`, or an agency's id."
    )
    left: StrictBool = Field(False, description="They are said not to live there any more.")


class Linked(Model):
    """Who a child of a referral is, as far as is known, and what the index knows of that person.

    Sent again whenever any of it changes; the latest replaces the earlier ones.
    """

    revision: int = Field(ge=1, description="Counts up for each child: a later one replaces an earlier one.")
    person_id: UUID
    band: Open[Band] = Field(description="`same` where the person was known before, `none` for a new one.")
    method: Open[LinkMethod]
    rules: str = Field(max_length=64, description="The version of the rules by which it was scored.")
    candidates: tuple[Candidate, ...] = Field((), max_length=20, description="To be decided by a person.")
    born: Date | None = Field(None, description="The date of birth that the index adds to the referral's.")
    history: History = History()
    household: tuple[Member, ...] = Field((), max_length=60)
