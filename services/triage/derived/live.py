"""What follows for a child from everything known of it and of its home, worked out anew whenever either changes."""

from collections.abc import Iterator, Sequence
from datetime import date

from libs.schemas.base import maker
from libs.schemas.codes import AdultRole, ContactKind, ReferralSource, ReferrerRole
from libs.schemas.dictionary import DERIVED, Dictionary
from libs.schemas.person import FoundPerson, Relation
from libs.schemas.referral import Adult, Agreements, ReferralBody, ReferredChild, Referrer
from services.triage.derived.background import Background, Other, Record, live_together
from services.triage.derived.earlier import protection
from services.triage.derived.functions import DERIVES, derive
from services.triage.derived.worries import COUNTS
from services.triage.documents import SaidOfHome, WorkedOutChild
from services.triage.facts import OF_THE_HOME
from services.triage.known import SOCIAL_CARE, Known, as_corrected
from services.triage.policy import StatedFact

WORKED_OUT = frozenset(DERIVES) - frozenset(COUNTS)
"""Derivations that are kept once worked out. How many sources worry is counted whenever an evaluation is made."""

_NOTHING_SAID = ReferralBody.model_construct(
    worry="",
    referrer=Referrer.model_construct(role=ReferrerRole.OTHER_PROFESSIONAL, source=ReferralSource.UNKNOWN),
    kind=ContactKind.NEW_WORRY,
    agreements=Agreements(),
    step_down=None,
    do_not_alert_household=False,
)
_CHILD = ReferredChild.model_construct()
_ADULT = Adult.model_construct(household=None)
_referral, _child, _adult = maker(ReferralBody), maker(ReferredChild), maker(Adult)
_CARERS = frozenset((Relation.PARENT, Relation.CARER))
_CHILDREN = frozenset((Relation.SIBLING, Relation.OTHER_CHILD))


def work_out(
    dictionary: Dictionary, on: date, known: Known, siblings: Sequence[Known], *, social_care_spoke: bool
) -> WorkedOutChild:
    """What counts for a child beside what is stated of it, on the day of receipt.

    `siblings`: what is known of the referral's other children. `social_care_spoke`: its own records have answered, so
    that a plan that they do not tell of is not open.
    """
    at_home = [one for one in siblings if live_together(one.household, known.household)]
    own = [*known.beside, *known.own]
    home = list(_of_the_home(own, at_home))
    form = _form(known)
    background = Background(
        dictionary=dictionary,
        on=on,
        referral=_around([known, *at_home], form.household),
        child=form,
        stated=(*own, *home),
        others=tuple(Other(_form(one), (*one.own, *protection(one.plans, on))) for one in siblings),
        record=Record(
            earlier=known.linked.history.earlier if known.linked is not None else (),
            event=known.linked.history.event if known.linked is not None else None,
            plans=tuple(known.plans),
            social_care_spoke=social_care_spoke,
            allocated=known.worker(SOCIAL_CARE) is not None,
            dash=known.dash,
        ),
    )
    stated = {one.fact.fact: one.fact.value for one in known.beside if one.source == DERIVED}
    derived = tuple(
        fact for fact in derive(background, WORKED_OUT) if stated.get(fact.fact, _NOTHING) != fact.value
    )
    return WorkedOutChild(
        home=tuple(SaidOfHome(source=one.source, fact=one.fact) for one in home), derived=derived
    )


_NOTHING = object()


def _of_the_home(own: Sequence[StatedFact], at_home: Sequence[Known]) -> Iterator[StatedFact]:
    """What was stated of the home with a brother or sister, each thing once, and not what the child has as well."""
    seen = list(own)
    for sibling in at_home:
        for one in sibling.own:
            if one.fact.fact.startswith(OF_THE_HOME) and one not in seen:
                seen.append(one)
                yield one


def _form(known: Known) -> ReferredChild:
    """The child as derivations read it, with what staff corrected and the index adds."""
    born = known.born or (known.linked.born if known.linked is not None else None)
    said = {"status": known.status, "born": born, "household": known.household}
    form = _child({**_CHILD.__dict__, **said})
    return as_corrected(form, known.corrected) or form


def _around(family: Sequence[Known], household: str | None) -> ReferralBody:
    """The adults whom staff added and whom agencies and the index name, as a form would have them."""
    adults = [adult for one in family for adult in one.adults]
    adults += [adult for one in family for person in one.people for adult in _adults(person, household)]
    return _referral({**_NOTHING_SAID.__dict__, "adults": tuple(adults)})


def _adults(person: FoundPerson, household: str | None) -> Iterator[Adult]:
    if person.relation in _CHILDREN or person.same_household is False:
        return
    roles = list(person.roles)
    if person.relation in _CARERS:
        roles.append(AdultRole.CARER)
    if person.same_household:
        roles.append(AdultRole.HOUSEHOLD_MEMBER)
    said = {"roles": tuple(roles), "thought_to_harm": person.thought_to_harm}
    yield _adult({**_ADULT.__dict__, **said})
