"""Who must take part in a strategy discussion, and what is flagged of one."""

from datetime import timedelta
from itertools import product
from typing import Any

import pytest

from services.triage.strategy.rules import SPEAKS_FOR, Attending, Core, Flag, faults, flags, missing
from tests.services.triage.conftest import MONDAY
from tests.services.triage.strategy.meetings import CAISU, HEALTH, POLICE, SOCIAL_CARE, discussion

NOW = MONDAY + timedelta(hours=3)
MISSING = {"childrens_social_care_missing", "police_missing", "health_missing"}


def wrong(**changed: Any) -> list[tuple[str, str]]:
    return [(one.pointer, one.code) for one in faults(discussion(**changed), MONDAY, NOW)]


def test_with_everybody_there_nothing_is_flagged() -> None:
    assert wrong() == []
    assert flags(discussion()) == ()


def test_a_discussion_in_the_minute_of_the_receipt_was_not_before_it() -> None:
    body = discussion(held_at="2026-11-23T10:00:00Z")
    assert list(faults(body, MONDAY + timedelta(seconds=59), NOW)) == []


@pytest.mark.parametrize("there", list(product([False, True], repeat=3)))
def test_whoever_always_takes_part_and_did_not_is_explained_and_flagged(there: tuple[bool, ...]) -> None:
    core = {Core.CHILDRENS_SOCIAL_CARE: SOCIAL_CARE, Core.POLICE: POLICE, Core.HEALTH: HEALTH}
    present = [member for member, is_there in zip(core.values(), there, strict=True) if is_there]
    away = [one for one, is_there in zip(core, there, strict=True) if not is_there]
    guest = {"agency": "education", "name": "Ms Bell, head teacher"}
    body: dict[str, Any] = {"members": [*present, guest], "outcome": "no_enquiry"}
    assert wrong(**body) == [("/members", f"{one.value}_missing") for one in away]

    absences = [{"agency": one.value, "reason": "Nobody answered."} for one in away]
    assert wrong(**body, absences=absences) == []
    assert missing(discussion(**body)) == tuple(away)
    assert MISSING & {*flags(discussion(**body, absences=absences))} == {
        f"{one.value}_missing" for one in away
    }


@pytest.mark.parametrize("agency", list(Attending))
def test_nobody_else_stands_for_the_core(agency: Attending) -> None:
    body = discussion(members=[{"agency": agency.value, "name": "Somebody"}])
    stood_for = [core for core, voices in SPEAKS_FOR.items() if agency in voices]
    assert [core for core in Core if core not in missing(body)] == stood_for


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"held_at": "2026-11-23T13:01:00Z"}, ("/held_at", "in_the_future")),
        ({"held_at": "2026-11-23T09:59:00Z"}, ("/held_at", "before_receipt")),
        ({"absences": [{"agency": "police", "reason": "Late."}]}, ("/absences/0/agency", "present")),
        ({"dissent": [{"name": "Nobody", "reason": "No."}]}, ("/dissent/0/name", "no_member")),
        (
            {"caisu_told": {"at": "2026-11-23T12:00:00Z", "by": "Robin Day"}},
            ("/caisu_told", "no_crime"),
        ),
        (
            {
                "caisu_told": {"at": "2026-11-23T13:01:00Z", "by": "Robin Day"},
                "crime_may_have_occurred": True,
            },
            ("/caisu_told/at", "in_the_future"),
        ),
        (
            {
                "members": [SOCIAL_CARE, POLICE],
                "absences": [{"agency": "health", "reason": "One."}, {"agency": "health", "reason": "Two."}],
            },
            ("/absences/1/agency", "twice"),
        ),
    ],
)
def test_what_cannot_be_is_refused_with_its_place(changed: dict[str, Any], fault: tuple[str, str]) -> None:
    assert wrong(**changed) == [fault]


@pytest.mark.parametrize(
    ("changed", "flagged"),
    [
        ({}, True),
        ({"members": [SOCIAL_CARE, CAISU, HEALTH]}, False),
        ({"caisu_told": {"at": "2026-11-23T12:00:00Z", "by": "Robin Day", "reference": "35/1"}}, False),
    ],
    ids=["nobody knows", "it took part", "it was told"],
)
def test_caisu_is_flagged_where_a_crime_may_have_occurred(changed: dict[str, Any], flagged: bool) -> None:
    assert (Flag.CAISU_NOT_TOLD in flags(discussion(crime_may_have_occurred=True, **changed))) is flagged
    without = {name: value for name, value in changed.items() if name != "caisu_told"}
    assert Flag.CAISU_NOT_TOLD not in flags(discussion(**without))


def test_a_joint_enquiry_without_the_police_and_dissent_are_flagged() -> None:
    absent = {"members": [SOCIAL_CARE, HEALTH], "absences": [{"agency": "police", "reason": "Nobody free."}]}
    assert flags(discussion(**absent)) == (Flag.POLICE_MISSING, Flag.JOINT_WITHOUT_POLICE)
    assert flags(discussion(**absent, outcome="single")) == (Flag.POLICE_MISSING,)
    dissent = [{"name": HEALTH["name"], "reason": "The bruise is not explained."}]
    assert flags(discussion(dissent=dissent)) == (Flag.DISSENT,)
