"""Backgrounds for derived facts: a child of whom nothing is known but what a test names."""

from datetime import date
from typing import Any

from libs.schemas.findings import Fact, FactValue
from libs.schemas.referral import ReferralBody, ReferredChild
from services.triage.derived.background import Background, Record
from services.triage.derived.functions import DERIVES
from services.triage.policy import StatedFact
from tests.services.triage.shipped import shipped_dictionary

DICTIONARY = shipped_dictionary()
TODAY = date(2026, 11, 25)


def said(name: str, value: FactValue, source: str = "referrer", basis: str = "observed") -> StatedFact:
    return StatedFact(Fact(fact=name, value=value, basis=basis), source)


def referral(**fields: Any) -> ReferralBody:
    body = {"worry": "x", "referrer": {"role": "teacher", "source": "2A"}, **fields}
    return ReferralBody.model_validate(body)


def known(*stated: StatedFact, **fields: Any) -> Background:
    """`fields`: those of the background, or of what is on record."""
    form = {"referral": referral(), "child": ReferredChild()} | {
        name: given for name, given in fields.items() if name in ("referral", "child", "others")
    }
    record = Record(
        **{name: given for name, given in fields.items() if name not in form and name != "others"}
    )
    return Background(dictionary=DICTIONARY, on=TODAY, stated=stated, record=record, **form)


def value(name: str, background: Background) -> FactValue | None:
    return DERIVES[name](background)
