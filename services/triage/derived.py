"""Facts that are worked out and not said: an age, counts in a window, what a sibling or an adult means for the child.

A derived fact is stated only where the record supports it. Where there is nothing to say, nothing is said: unknown, and
never no. A window of N months ends on the day of receipt and begins on the same day N months before, both included.
"""

from collections.abc import Callable, Mapping
from functools import partial

from libs.schemas.codes import (
    AdultRole,
    AgreementAnswer,
    ChildStatus,
    ContactKind,
    Disability,
    HelpKind,
    HelpResult,
    ReferrerRole,
    TriState,
)
from libs.schemas.dictionary import DERIVED, REFERRER, STAFF, Definition, Dictionary
from libs.schemas.document import nearest
from libs.schemas.findings import Basis, Between, Fact, FactValue
from libs.schemas.referral import Adult, ReferredChild
from services.triage.background import Background, live_together, months_before, years
from services.triage.history import DASH_QUESTIONS, EarlierReport, PlanKind

NON_MOBILE_DAYS = 183
"""A baby under six months is taken as not independently mobile (joint protocols on bruising in infants)."""

COUNTED_KINDS = frozenset((ContactKind.NEW_WORRY, ContactKind.TRANSFER_IN))
"""Contacts that count as referrals (DfE guide to the children in need census, re-referrals)."""

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

NEGLECT: Mapping[str, FactValue] = {
    "child.hunger": "persistent",
    "child.cleanliness": "often_neglected",
    "child.home_conditions": "poor",
    "child.missed_health_appointments": "essential",
    "child.unsafe_care_arrangements": "repeated",
    "child.supervision": "often_lacking",
    "child.neglect_tool_worst_area": "often_unmet",
    "child.left_alone": True,
    "child.untreated_illness": True,
    "child.weight_falling": True,
}
"""Facts that tell of neglect, and from which value on the neglect lasts."""

FIRST_HAND = frozenset((Basis.OBSERVED, Basis.CHILD_SAID, Basis.RECORD))
"""How a source knows what counts as its own worry, and not as somebody else's repeated."""

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

AGENCY_OF_ROLE: Mapping[ReferrerRole, str] = {
    ReferrerRole.POLICE: "police",
    ReferrerRole.TEACHER: "education",
    ReferrerRole.SCHOOL_SAFEGUARDING_LEAD: "education",
    ReferrerRole.HEALTH_VISITOR: "health",
    ReferrerRole.GP: "health",
    ReferrerRole.MIDWIFE: "health",
    ReferrerRole.HOSPITAL: "health",
    ReferrerRole.OTHER_HEALTH: "health",
}
"""The agency that a referrer speaks for, so that its referral and its answer count as one worry."""

Derive = Callable[[Background], FactValue | None]
"""Gives the fact's value, or None where there is nothing to say."""


def derive(background: Background) -> tuple[Fact, ...]:
    """The derived facts of one child, in the order of the dictionary, which `faults` must have found sound."""
    found = []
    for definition in background.dictionary.definitions.values():
        if definition.derived is not None:
            value = DERIVES[definition.derived](background)
            if value is not None:
                found.append(Fact(fact=definition.name, value=_capped(definition, value), basis=Basis.RECORD))
    return tuple(found)


def faults(dictionary: Dictionary) -> list[str]:
    """What of the dictionary no derivation can fill: an unknown function, or a source that lacks it."""
    found = []
    for one in dictionary.definitions.values():
        if one.derived is not None and one.derived not in DERIVES:
            found.append(f"{one.name}: unknown derivation `{one.derived}`{nearest(one.derived, DERIVES)}")
        if (one.derived is not None) != (DERIVED in one.sources):
            found.append(f"{one.name}: `derived` names a function where, and only where, it is a source")
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


def _open_plan(known: Background) -> FactValue | None:
    opened = {
        one.kind
        for one in known.record.plans
        if (one.opened is None or one.opened <= known.on) and (one.closed is None or one.closed > known.on)
    }
    worst = [kind.value for kind in reversed(PlanKind) if kind in opened]
    if worst:
        return worst[0]
    return "none" if known.record.social_care_spoke and not opened else None


def _plan_closed(months: int, kinds: frozenset[PlanKind], known: Background) -> FactValue | None:
    start = months_before(known.on, months)
    closed = any(
        one.kind in kinds and one.closed is not None and start <= one.closed <= known.on
        for one in known.record.plans
    )
    return True if closed else None


def _referrals(months: int, known: Background) -> list[EarlierReport]:
    """Earlier referrals about other events than this one, one report for each event."""
    found: dict[object, EarlierReport] = {}
    for number, one in enumerate(known.within(months)):
        if one.kind in COUNTED_KINDS and not _same_event(known, one):
            found.setdefault(one.event or number, one)
    return list(found.values())


def _same_event(known: Background, one: EarlierReport) -> bool:
    return one.event is not None and one.event == known.record.event


def _count(number: int) -> FactValue | None:
    return number or None


def _referrals_counted(months: int, known: Background) -> FactValue | None:
    return _count(len(_referrals(months, known)))


def _contacts(months: int, known: Background) -> FactValue | None:
    reports = enumerate(known.within(months))
    return _count(len({one.event or number for number, one in reports if not _same_event(known, one)}))


def reports_of_the_event(known: Background) -> list[EarlierReport]:
    """Earlier reports of the very event that this referral tells of: it is their duplicate."""
    return [one for one in known.record.earlier if _same_event(known, one) and not one.mistaken]


def re_referred(known: Background, months: int = 12) -> list[EarlierReport]:
    """The referrals of the window that were decided before this one came, each event once."""
    return [
        one for one in _referrals(months, known) if one.decided_on is not None and one.decided_on <= known.on
    ]


def _re_referral(months: int, known: Background) -> FactValue | None:
    return True if re_referred(known, months) else None


def _same_worry(months: int, known: Background) -> FactValue | None:
    now = {one.fact.fact for one in known.stated if known.worries(one.fact)}
    before = (fact for report in re_referred(known, months) for fact in report.facts)
    return True if any(fact.fact in now and known.worries(fact) for fact in before) else None


def _neglect_contacts(months: int, known: Background) -> FactValue | None:
    told = {
        one.event or number
        for number, one in enumerate(known.within(months))
        if not _same_event(known, one)
        and any(fact.fact in NEGLECT and known.worries(fact) for fact in one.facts)
    }
    return _count(len(told))


def _events(name: str, value: FactValue, months: int, known: Background) -> FactValue | None:
    """How many events were told of in which a fact was at that value or worse, this referral's among them."""
    told: set[object] = {
        one.event or number
        for number, one in enumerate(known.within(months))
        if any(known.reaches(fact, name, value) for fact in one.facts)
    }
    if any(known.reaches(one.fact, name, value) for one in known.stated):
        told.add(known.record.event or "this")
    return _count(len(told))


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


def _worried(known: Background, counts: Callable[[Fact], bool]) -> FactValue | None:
    """How many sources tell of something first-hand that counts. A referrer and their agency are one source."""
    role = known.referral.referrer.role
    own = AGENCY_OF_ROLE.get(role, REFERRER) if isinstance(role, ReferrerRole) else REFERRER
    sources = {
        own if one.source == REFERRER else one.source
        for one in known.stated
        if one.source not in (STAFF, DERIVED) and one.fact.basis in FIRST_HAND and counts(one.fact)
    }
    return _count(len(sources))


def _agencies_worried(known: Background) -> FactValue | None:
    return _worried(known, known.worries)


def _agencies_seeing_neglect(known: Background) -> FactValue | None:
    return _worried(
        known,
        lambda fact: fact.fact in NEGLECT and known.reaches(fact, fact.fact, NEGLECT[fact.fact]),
    )


def _dash_score(known: Background) -> FactValue | None:
    if known.record.dash is None:
        return None
    yes, most = known.record.dash.yes, known.record.dash.yes + DASH_QUESTIONS - known.record.dash.asked
    return yes if yes == most else Between(at_least=yes, at_most=most)


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
    "open_plan": _open_plan,
    "plan_closed_12_months": partial(_plan_closed, 12, frozenset(PlanKind)),
    "plan_closed_6_months": partial(_plan_closed, 6, frozenset((PlanKind.CHILD_PROTECTION,))),
    "referrals_12_months": partial(_referrals_counted, 12),
    "contacts_12_months": partial(_contacts, 12),
    "re_referral_12_months": partial(_re_referral, 12),
    "same_worry_12_months": partial(_same_worry, 12),
    "neglect_contacts_12_months": partial(_neglect_contacts, 12),
    "domestic_abuse_incidents_6_months": partial(_events, "household.domestic_abuse", "minor_incident", 6),
    "missing_episodes_12_months": partial(_events, "child.missing_now", True, 12),
    "sibling_harmed": _sibling_harmed,
    "worst_adult": _worst_adult,
    "adult_works_with_children": _adult_works_with_children,
    "agencies_worried": _agencies_worried,
    "agencies_seeing_neglect": _agencies_seeing_neglect,
    "dash_score": _dash_score,
}
"""The functions that `derived:` in `facts.yaml` may name."""
