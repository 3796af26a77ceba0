"""Who somebody is: names, dates that may be uncertain, where they live, and people whom an agency knows of."""

from typing import Annotated, Self

from pydantic import Field, StrictBool, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from libs.schemas.base import CodeList, IsoDate, Line, Model, Open
from libs.schemas.codes import AdultRole, Sex

Phone = Annotated[str, StringConstraints(pattern=r"^\+?[0-9 ()-]{5,24}$")]
Postcode = Annotated[
    str, StringConstraints(to_upper=True, pattern=r"^[A-Za-z]{1,2}[0-9][A-Za-z0-9]? ?[0-9][A-Za-z]{2}$")
]


class Date(Model):
    """A date that may be uncertain: exact, or between two days (an estimated birth, an expected one)."""

    on: IsoDate | None = None
    earliest: IsoDate | None = None
    latest: IsoDate | None = None

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if (self.on is None) == (self.earliest is None and self.latest is None):
            raise PydanticCustomError("date_shape", "must have either `on`, or `earliest` and `latest`")
        if self.on is None and (self.earliest is None or self.latest is None or self.earliest > self.latest):
            raise PydanticCustomError("date_bounds", "must have `earliest` on or before `latest`")
        return self


class Address(Model):
    """Where somebody lives or is. A confidential address never leaves the hub, in no notice and no check."""

    lines: tuple[Line, ...] = Field((), max_length=6)
    postcode: Postcode | None = None
    uprn: Annotated[str, StringConstraints(pattern=r"^[0-9]{1,12}$")] | None = None
    confidential: StrictBool = False


class Person(Model):
    """A name as it was given, and what distinguishes its bearer."""

    given_name: Line | None = None
    family_name: Line | None = None
    also_known_as: tuple[Line, ...] = Field((), max_length=10)
    sex: Open[Sex] | None = None
    address: Address | None = None
    phone: Phone | None = None


class Relation(CodeList):
    """Who somebody is to the child that an agency was asked about."""

    SIBLING = "sibling"
    OTHER_CHILD = "other_child"
    PARENT = "parent"
    CARER = "carer"
    OTHER_ADULT = "other_adult"


class FoundPerson(Person):
    """Somebody whom an agency's answer names: who lives with the child, or is a danger to them."""

    relation: Open[Relation]
    roles: tuple[Open[AdultRole], ...] = Field((), max_length=8)
    born: Date | None = None
    expected: Date | None = Field(None, description="Expected date of birth of an unborn sibling.")
    nhs_number: str | None = Field(None, max_length=10)
    upn: str | None = Field(None, max_length=13)
    same_household: StrictBool | None = Field(
        None, description="Whether they live with the child; absent where not known."
    )
    thought_to_harm: StrictBool = False
