"""What is kept of a referral for those who come later: who was named in it, and what was stated of each child.

No address and no telephone number is kept here, so that none can reach another household's view.
"""

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID, uuid5

from libs.schemas.base import Identifier, Line, Model, Open, Payload
from libs.schemas.codes import AdultRole, ChildPart, ChildStatus, Sex
from libs.schemas.findings import Fact
from libs.schemas.history import EarlierPlan
from libs.schemas.person import Date
from libs.schemas.referral import Adult, ReferredChild

REFERRER = "referrer"
STAFF = "staff"
INDEX = "index"


class HomePerson(Model):
    """Somebody who was named."""

    given_name: Line | None = None
    family_name: Line | None = None
    also_known_as: tuple[Line, ...] = ()
    sex: Open[Sex] | None = None
    born: Date | None = None
    household: str | None = None
    said_by: tuple[Identifier, ...] = (REFERRER,)


class HomeAdult(HomePerson):
    """An adult who was named in a referral, or added to it by staff."""

    id: UUID
    roles: tuple[Open[AdultRole], ...] = ()
    thought_to_harm: bool = False


class HomeChild(HomePerson):
    """One child of a referral, and what its referrer stated of them."""

    status: Open[ChildStatus] = ChildStatus.BORN
    part: Open[ChildPart] = ChildPart.THOUGHT_HARMED
    expected: Date | None = None
    nhs_number: str | None = None
    upn: str | None = None
    facts: tuple[Fact, ...] = ()
    plans: tuple[EarlierPlan, ...] = ()
    """What agencies told of plans when they were asked for this referral."""


class HomeShared(Model):
    """What the children of a referral share."""

    source_reference: Line | None = None
    adults: tuple[HomeAdult, ...] = ()


class Home(Payload[HomeShared, HomeChild]):
    """What is kept of a referral."""


NO_HOME = Home(shared=HomeShared())
"""Stands for a referral whose record was erased."""


def adults_of(adults: Sequence[Adult], within: UUID, said_by: str) -> tuple[HomeAdult, ...]:
    """Adults as they are kept. `within`: what they were named in, a referral or a correction, for their ids."""
    return tuple(
        HomeAdult(
            id=adult_id(within, number),
            given_name=adult.given_name,
            family_name=adult.family_name,
            also_known_as=adult.also_known_as,
            sex=adult.sex,
            born=adult.born,
            household=adult.household,
            roles=adult.roles,
            thought_to_harm=adult.thought_to_harm,
            said_by=(said_by,),
        )
        for number, adult in enumerate(adults, start=1)
    )


def adult_id(within: UUID, number: int) -> UUID:
    """The id of the adult who is named in that place: the same however often it is read."""
    return uuid5(within, f"adult/{number}")


def child_of(child: ReferredChild, said_by: str) -> HomeChild:
    """A child as it is kept."""
    return HomeChild(
        given_name=child.given_name,
        family_name=child.family_name,
        also_known_as=child.also_known_as,
        sex=child.sex,
        born=child.born,
        household=child.household,
        status=child.status,
        part=child.part,
        expected=child.expected,
        nhs_number=child.nhs_number,
        upn=child.upn,
        facts=child.facts,
        said_by=(said_by,),
    )


def with_facts(home: Home, facts: Mapping[UUID, Iterable[Fact]]) -> Home:
    """A home after further facts about some of its children; what is stated already is not stated twice."""
    changed = {}
    for child_id, more in facts.items():
        child = home.children.get(child_id)
        if child is not None:
            new = [fact for fact in more if fact not in child.facts]
            changed[child_id] = child.model_copy(update={"facts": (*child.facts, *new)})
    return home.model_copy(update={"children": {**home.children, **changed}})
