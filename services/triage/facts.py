"""What a referral says of one child in the dictionary's facts: as stated, and worked out from the form."""

from collections.abc import Iterator
from datetime import date

from libs.schemas.codes import AgreementAnswer, ChildStatus, Disability, HelpKind, HelpResult
from libs.schemas.findings import Basis, Between, Fact, FactValue
from libs.schemas.referral import Agreements, Date, ReferralBody, ReferredChild
from services.triage.documents import StatedChild

NON_MOBILE_DAYS = 183
"""A baby under six months is taken as not independently mobile (joint protocols on bruising in infants)."""


def stated_by_referrer(referral: ReferralBody, child: ReferredChild, on: date) -> StatedChild:
    """What the thresholds read of a referral for one child, as known on the day of receipt."""
    early_help, panel = agreed(referral.agreements)
    return StatedChild(
        facts=child.facts,
        derived=tuple(_derived(referral, child, on)),
        immediate_danger=referral.immediate_danger,
        early_help=early_help,
        panel=panel,
        closing_plan=referral.step_down is not None,
    )


def agreed(
    agreements: Agreements | None,
) -> tuple[AgreementAnswer | str | None, AgreementAnswer | str | None]:
    """The family's answers about early help and about a panel, None where the form does not say."""
    if agreements is None:
        return None, None
    early_help, panel = agreements.early_help, agreements.panel
    return early_help.answer if early_help else None, panel.answer if panel else None


def danger_fact() -> Fact:
    """The referrer's flag as a fact. A flag that is not set says nothing: it is no statement of safety."""
    return _fact("referral.immediate_danger", True)


def age(born: Date, on: date) -> FactValue | None:
    """Full years on a day, within bounds where the date of birth is uncertain; None for a date ahead."""
    earliest, latest = born.on or born.earliest, born.on or born.latest
    if earliest is None or latest is None or earliest > on:
        return None
    oldest, youngest = _years(earliest, on), _years(min(latest, on), on)
    return oldest if oldest == youngest else Between(at_least=youngest, at_most=oldest)


def _years(born: date, on: date) -> int:
    return on.year - born.year - ((on.month, on.day) < (born.month, born.day))


def _derived(referral: ReferralBody, child: ReferredChild, on: date) -> Iterator[Fact]:
    if child.status == ChildStatus.UNBORN:
        yield _fact("child.unborn", True)
    elif child.status == ChildStatus.BORN:
        yield _fact("child.unborn", False)
    if child.born is not None:
        years = age(child.born, on)
        if years is not None:
            yield _fact("child.age", years)
        youngest = child.born.on or child.born.latest
        if youngest is not None and (on - youngest).days < NON_MOBILE_DAYS:
            yield _fact("child.non_mobile", True)
    if child.disabilities:
        yield _fact("child.disabled", any(one != Disability.NONE for one in child.disabilities))
    helps = referral.help_given
    if any(
        one.kind == HelpKind.EARLY_HELP_ASSESSMENT
        and (one.result in (HelpResult.COMPLETED, HelpResult.NOT_RESOLVING) or one.ended is not None)
        for one in helps
    ):
        yield _fact("family.early_help_assessment_complete", True)
    unresolved = any(one.result == HelpResult.NOT_RESOLVING for one in helps)
    if unresolved:
        yield _fact("family.help_not_resolving", True)
    if unresolved and AgreementAnswer.REFUSED in agreed(referral.agreements):
        yield _fact("family.agreement_refused_with_unmet_need", True)


def _fact(name: str, value: FactValue) -> Fact:
    return Fact(fact=name, value=value, basis=Basis.RECORD)
