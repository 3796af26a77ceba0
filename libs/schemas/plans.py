"""What else is on record of a child: plans of children's social care, a DASH assessment, the allocated worker."""

from typing import Self

from pydantic import Field, StrictInt, model_validator
from pydantic_core import PydanticCustomError

from libs.schemas.base import CodeList, IsoDate, Line, Model, Open

DASH_QUESTIONS = 24
"""Questions of the DASH risk checklist for domestic abuse (SafeLives)."""


class PlanKind(CodeList):
    """Plans and statuses of children's social care, mildest first, as `child.open_plan` ranks them."""

    CHILD_IN_NEED = "child_in_need"
    LOOKED_AFTER = "looked_after"
    CHILD_PROTECTION = "child_protection"


class Plan(Model):
    """A plan or status with children's social care."""

    kind: Open[PlanKind]
    opened: IsoDate | None = None
    closed: IsoDate | None = None

    @model_validator(mode="after")
    def _opens_before_it_closes(self) -> Self:
        if self.opened is not None and self.closed is not None and self.closed < self.opened:
            raise PydanticCustomError("plan_dates", "must have `opened` on or before `closed`")
        return self


class Dash(Model):
    """A DASH assessment as far as it was asked: seven yes of ten asked of 24 is between 7 and 21."""

    yes: StrictInt = Field(ge=0, le=DASH_QUESTIONS)
    asked: StrictInt = Field(ge=0, le=DASH_QUESTIONS)

    @model_validator(mode="after")
    def _answers_were_asked_for(self) -> Self:
        if self.yes > self.asked:
            raise PydanticCustomError("dash_answers", "must have at least as many questions `asked` as `yes`")
        return self


class Worker(Model):
    """The allocated worker of a child whose case is open with social care or early help."""

    name: Line
    team: Line | None = None
    since: IsoDate | None = None
