"""A referral that somebody wrote down, in the form in which a partner sends one."""

from libs.schemas.dictionary import REFERRER
from libs.schemas.findings import Basis, Fact
from libs.schemas.history import EarlierReport
from libs.schemas.referral import Adult, Agreement, Agreements, Help, ReferralBody, Referrer, StepDown
from services.triage.decide.picture import Earlier, Picture, Statement
from services.triage.policy import StatedFact

UNSAID = "-"
"""Stands where the form demands words and the file has none."""


def fact_of(name: str, one: Statement) -> Fact:
    return Fact(fact=name, value=one.value, basis=one.basis, period=one.period, on=one.on)


def recorded(name: str) -> StatedFact:
    return StatedFact(Fact(fact=name, value=True, basis=Basis.RECORD), REFERRER)


def earlier_of(one: Earlier) -> EarlierReport:
    facts = tuple(fact_of(name, said) for name, statements in one.facts.items() for said in statements)
    return EarlierReport.model_construct(**{**dict(one), "facts": facts})


def form_of(picture: Picture) -> ReferralBody:
    """The part of the form that the children share."""
    agreed = {name: Agreement(answer=answer) for name, answer in picture.agreement if answer is not None}
    return ReferralBody(
        kind=picture.kind,
        channel=picture.channel,
        level_asked=picture.level_asked,
        worry=picture.worry or UNSAID,
        immediate_danger=picture.immediate_danger,
        do_not_alert_household=picture.do_not_alert_household,
        adults=tuple(
            Adult(
                roles=one.roles,
                household=one.household,
                thought_to_harm=one.thought_to_harm,
                works_with_children=one.works_with_children,
            )
            for one in picture.adults
        ),
        help_given=tuple(Help(**dict(one)) for one in picture.help_given),
        agreements=Agreements(**agreed),
        referrer=Referrer(
            role=picture.referrer.role,
            source=picture.referrer.source,
            anonymous=picture.referrer.anonymous,
            family_may_know=picture.referrer.family_may_know,
        ),
        step_down=StepDown(closing_plan=UNSAID, contingency=UNSAID) if picture.step_down else None,
    )
