"""What a referral says of one child: what is said about its home counts too, whoever of the children it stands with."""

from datetime import date
from typing import Any

import pytest

from libs.schemas.findings import Fact
from libs.schemas.referral import ReferralBody, ReferredChild
from services.triage.documents import StatedChild
from services.triage.facts import stated_by_referrer
from tests.services.triage.shipped import shipped_dictionary

DICTIONARY = shipped_dictionary()
DAY = date(2026, 11, 25)


def child(*facts: tuple[str, Any], **fields: Any) -> ReferredChild:
    stated = [{"fact": name, "value": value, "basis": "observed"} for name, value in facts]
    return ReferredChild.model_validate({"facts": stated, **fields})


def stated(one: ReferredChild, *others: ReferredChild, **fields: Any) -> StatedChild:
    body = {"worry": "x", "referrer": {"role": "teacher", "source": "2A"}, **fields}
    return stated_by_referrer(DICTIONARY, ReferralBody.model_validate(body), one, DAY, others)


def named(facts: tuple[Fact, ...]) -> dict[str, Any]:
    return {one.fact: one.value for one in facts}


MISUSE = ("household.substance_misuse", "harmful")


@pytest.mark.parametrize(
    ("mine", "theirs", "counts"),
    [("home", "home", True), (None, "home", True), ("home", None, True), ("home", "flat", False)],
)
def test_what_is_said_about_the_home_with_a_sibling_counts_for_every_child_who_may_live_there(
    mine: str | None, theirs: str | None, counts: bool
) -> None:
    found = stated(child(household=mine), child(MISUSE, household=theirs))
    assert named(found.shared) == (dict([MISUSE]) if counts else {})
    assert found.facts == ()


def test_what_is_said_of_the_sibling_itself_is_not_the_childs() -> None:
    found = stated(child(), child(("child.hunger", "persistent"), ("referral.immediate_danger", True)))
    assert found.shared == ()


def test_the_same_thing_said_with_both_children_counts_once() -> None:
    found = stated(child(MISUSE), child(MISUSE), child(MISUSE))
    assert named(found.facts) == dict([MISUSE])
    assert found.shared == ()


def test_the_worse_of_two_siblings_statements_is_kept_beside_the_milder() -> None:
    milder = ("household.substance_misuse", "some_impact")
    found = stated(child(milder), child(MISUSE))
    assert (found.facts[0].value, found.shared[0].value) == ("some_impact", "harmful")


def test_what_follows_from_the_form_is_stated_as_derived() -> None:
    found = stated(
        child(born={"on": "2026-10-01"}), help_given=[{"kind": "other", "result": "not_resolving"}]
    )
    derived = named(found.derived)
    assert derived["child.age"] == 0
    assert derived["child.non_mobile"] is True
    assert derived["family.help_not_resolving"] is True
    assert {one.basis for one in found.derived} == {"record"}
