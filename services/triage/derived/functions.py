"""Facts that are worked out and not said: an age, counts in a window, what a sibling or an adult means for the child.

A derived fact is stated only where the record supports it. Where there is nothing to say, nothing is said: unknown, and
never no. A window of N months ends on the day of receipt and begins on the same day N months before, both included.
"""

from collections.abc import Callable, Container, Mapping
from functools import partial

from libs.schemas.base import maker
from libs.schemas.codes import (
    AdultRole,
    AgreementAnswer,
    ChildStatus,
    ContactKind,
    Disability,
    HelpKind,
    HelpResult,
    TriState,
)
from libs.schemas.dictionary import DERIVED, Definition, Dictionary
from libs.schemas.document import nearest
from libs.schemas.findings import Basis, Between, Fact, FactValue
from libs.schemas.plans import DASH_QUESTIONS, PlanKind
from libs.schemas.referral import Adult, ReferredChild
from services.triage.derived.background import Background, live_together, years
from services.triage.derived.earlier import (
    contacts,
    count_of,
    events,
    neglect_contacts,
    open_plan,
    plan_closed,
    re_referral,
    referrals,
    same_worry,
)
from services.triage.derived.worries import COUNTS, NEGLECT, speaks_for

NON_MOBILE_DAYS = 183
"""A baby under six months is taken as not independently mobile (joint protocols on bruising in infants)."""

HARM: Mapping[str, FactValue] = {
    "child.injury": "unexplained",
    "child.patterned_injury": True,
    "child.disclosed_physical_abuse": True,
    "child.disclosed_sexual_abuse": True,
    "child.confined": True,
    "child.threat_to_life": True,
    "child.fabricated_illness": "suspected",
    "child.fgm_risk": "imminent",
    "child.open_plan": "child_protection",
}
"""From which value on a statement about a sibling tells of harm done or about to be done to that sibling."""

LIVE_IN = frozenset(
    (
        AdultRole.MOTHER,
        AdultRole.FATHER,
        AdultRole.CARER,
        AdultRole.PARTNER_OF_CARER,
        AdultRole.HOUSEHOLD_MEMBER,
    )
)
"""Roles of adults who are taken to live with the child where nothing says where they live."""

_ON_RECORD = Fact.model_construct(fact="", value=False, basis=Basis.RECORD)
_fact = maker(Fact)

Derive = Callable[[Background], FactValue | None]
"""Gives the fact's value, or None where there is nothing to say."""


def derive(background: Background, only: Container[str] | None = None) -> tuple[Fact, ...]:
    """The derived facts of one child, in the order of the dictionary, which `faults` must have found sound.

    `only`: the derivations that are wanted; None means all.
    """
    found = []
    for definition in background.dictionary.derived:
        name = definition.derived or ""
        if only is None or name in only:
            value = DERIVES[name](background)
            if value is not None:
                values = {"fact": definition.name, "value": _capped(definition, value)}
                found.append(_fact({**_ON_RECORD.__dict__, **values}))
    return tuple(found)


def faults(dictionary: Dictionary) -> list[str]:
    """What of the dictionary no derivation can fill: an unknown function, a source that lacks it, or facts that the
    function reads and the dictionary does not know.
    """
    found = []
    for one in dictionary.definitions.values():
        if one.derived is not None and one.derived not in DERIVES:
            found.append(f"{one.name}: unknown derivation `{one.derived}`{nearest(one.derived, DERIVES)}")
        if (one.derived is not None) != (DERIVED in one.sources):
            found.append(f"{one.name}: `derived` names a function where, and only where, it is a source")
        for name, value in READS.get(one.derived or "", {}).items():
            read = dictionary.definitions.get(name)
            if read is None or read.bounds(value) is None:
                found.append(f"{one.name}: `{one.derived}` reads `{name}` at `{value}`, which is not known")
    return found


def _capped(definition: Definition, value: FactValue) -> FactValue:
    if isinstance(value, Between):
        most = definition.maximum
        return Between(at_least=min(value.at_least, most), at_most=min(value.at_most, most))
    return value if isinstance(value, bool | str) else min(value, definition.maximum)


def _age(known: Background) -> FactValue | None:
    return None if known.child.born is None else years(known.child.born, known.on)


def _unborn(known: Background) -> FactValue | None:
    if known.child.status == ChildStatus.UNBORN:
        return True
    return False if known.child.status == ChildStatus.BORN else None


def _non_mobile(known: Background) -> FactValue | None:
    born = known.child.born
    youngest = None if born is None else born.on or born.latest
    young = youngest is not None and (known.on - youngest).days < NON_MOBILE_DAYS
    return True if young else None


def _disabled(known: Background) -> FactValue | None:
    disabilities = known.child.disabilities
    return any(one != Disability.NONE for one in disabilities) if disabilities else None


def _cannot_tell(known: Background) -> FactValue | None:
    return True if Disability.COMM in known.child.disabilities else None


def _not_found(known: Background) -> FactValue | None:
    return True if known.child.status == ChildStatus.UNIDENTIFIED else None


def _early_help_assessment_complete(known: Background) -> FactValue | None:
    complete = any(
        one.kind == HelpKind.EARLY_HELP_ASSESSMENT
        and (one.result in (HelpResult.COMPLETED, HelpResult.NOT_RESOLVING) or one.ended is not None)
        for one in known.referral.help_given
    )
    return True if complete else None


def _help_not_resolving(known: Background) -> FactValue | None:
    unresolved = any(one.result == HelpResult.NOT_RESOLVING for one in known.referral.help_given)
    return True if unresolved else None


def _agreement_refused_with_unmet_need(known: Background) -> FactValue | None:
    agreements = (known.referral.agreements.early_help, known.referral.agreements.panel)
    refused = any(one is not None and one.answer == AgreementAnswer.REFUSED for one in agreements)
    return True if refused and _help_not_resolving(known) else None


def _step_down(known: Background) -> FactValue | None:
    stepping = known.referral.step_down is not None or known.referral.kind == ContactKind.STEP_DOWN
    return True if stepping else None


def _do_not_alert_household(known: Background) -> FactValue | None:
    return True if known.referral.do_not_alert_household else None


def _sibling_harmed(known: Background) -> FactValue | None:
    harmed = any(
        one.child.status != ChildStatus.UNBORN
        and live_together(one.child.household, known.child.household)
        and any(known.reaches(said.fact, name, value) for said in one.stated for name, value in HARM.items())
        for one in known.others
    )
    return True if harmed else None


def _lives_with(adult: Adult, child: ReferredChild) -> bool:
    if adult.household is not None and child.household is not None:
        return adult.household == child.household
    return any(role in LIVE_IN for role in adult.roles)


def _worst_adult(known: Background) -> FactValue | None:
    thought = any(one.thought_to_harm and _lives_with(one, known.child) for one in known.referral.adults)
    return "thought_to_harm" if thought else None


def _adult_works_with_children(known: Background) -> FactValue | None:
    works = any(
        one.thought_to_harm and one.works_with_children == TriState.YES for one in known.referral.adults
    )
    return True if works else None


def _counted(name: str, known: Background) -> FactValue | None:
    return count_of(COUNTS[name](known.dictionary, known.stated, speaks_for(known.referral)))


def _dash_score(known: Background) -> FactValue | None:
    if known.record.dash is None:
        return None
    yes, most = known.record.dash.yes, known.record.dash.yes + DASH_QUESTIONS - known.record.dash.asked
    return yes if yes == most else Between(at_least=yes, at_most=most)


def _allocated(known: Background) -> FactValue | None:
    return True if known.record.allocated else None


DERIVES: Mapping[str, Derive] = {
    "age": _age,
    "unborn": _unborn,
    "non_mobile": _non_mobile,
    "disabled": _disabled,
    "cannot_tell": _cannot_tell,
    "not_found": _not_found,
    "early_help_assessment_complete": _early_help_assessment_complete,
    "help_not_resolving": _help_not_resolving,
    "agreement_refused_with_unmet_need": _agreement_refused_with_unmet_need,
    "step_down": _step_down,
    "do_not_alert_household": _do_not_alert_household,
    "open_plan": open_plan,
    "plan_closed_12_months": partial(plan_closed, 12, frozenset(PlanKind)),
    "plan_closed_6_months": partial(plan_closed, 6, frozenset((PlanKind.CHILD_PROTECTION,))),
    "referrals_12_months": partial(referrals, 12),
    "contacts_12_months": partial(contacts, 12),
    "re_referral_12_months": partial(re_referral, 12),
    "same_worry_12_months": partial(same_worry, 12),
    "neglect_contacts_12_months": partial(neglect_contacts, 12),
    "domestic_abuse_incidents_6_months": partial(events, "household.domestic_abuse", "minor_incident", 6),
    "missing_episodes_12_months": partial(events, "child.missing_now", True, 12),
    "sibling_harmed": _sibling_harmed,
    "worst_adult": _worst_adult,
    "adult_works_with_children": _adult_works_with_children,
    "agencies_worried": partial(_counted, "agencies_worried"),
    "agencies_seeing_neglect": partial(_counted, "agencies_seeing_neglect"),
    "dash_score": _dash_score,
    "allocated": _allocated,
}
"""The functions that `derived:` in `facts.yaml` may name."""

READS: Mapping[str, Mapping[str, FactValue]] = {
    "sibling_harmed": HARM,
    "neglect_contacts_12_months": NEGLECT,
    "agencies_seeing_neglect": NEGLECT,
    "domestic_abuse_incidents_6_months": {"household.domestic_abuse": "minor_incident"},
    "missing_episodes_12_months": {"child.missing_now": True},
}
"""The facts that derivations read by name, with a value that each must have."""
