"""A referral that is taken by telephone: what it needs, what intake is sent, and what intake refuses of it."""

from datetime import timedelta
from typing import Any

import pytest

from libs.platform.problems import Problem
from libs.platform.signin import IDLE
from libs.platform.validation import FieldError
from tests.services.triage.console.conftest import Browser, Office
from tests.services.triage.console.test_pages import words_of
from tests.services.triage.console.test_records import fault

CALL = {"worry": "He was crying.", "role": "public", "danger": "no", "action": "send"}
PAGE = "/console/new-referral"


@pytest.fixture
async def caller(office: Office) -> Browser:
    """A worker at the telephone."""
    return await office.at("staff-worker-1", PAGE)


def sent(office: Office) -> dict[str, Any]:
    """The one referral that intake was sent."""
    ((body, _),) = office.neighbours.sent
    return dict(body)


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({"worry": ""}, "Enter what the caller is worried about, in their words"),
        ({"role": ""}, "Select who is calling"),
        ({"role": "wizard"}, "Select who is calling"),
        ({"danger": ""}, "Select whether a child is in danger now"),
        ({"status_1": "perhaps"}, "Select whether the child is born"),
        ({"status_1": "unidentified"}, "Enter what is known of the child"),
        ({"channel": "sms"}, "Enter the number or the address, or select no way to reach the caller"),
        ({"contact": "01632 960001"}, "Select how it is safe to reach the caller"),
        ({"contact": "01632 960001", "channel": "pigeon"}, "Select how it is safe to reach the caller"),
        (
            {"born_1-day": "24", "born_1-month": "11", "born_1-year": "2026"},
            "The date must be today or in the past",
        ),
        ({"expected_1-day": "24"}, "Enter a day, a month and a year"),
    ],
)
async def test_a_referral_is_not_sent_in_part(
    office: Office, caller: Browser, change: dict[str, str], wanted: str
) -> None:
    await caller.submit(CALL | change, PAGE)
    assert fault(caller).startswith(wanted)
    assert office.neighbours.sent == []


async def test_the_least_that_is_needed_is_sent_and_claims_nothing_more(
    office: Office, caller: Browser
) -> None:
    await caller.submit(CALL, PAGE)
    assert "Referral taken" in caller.page.text
    body = sent(office)
    assert body["children"] == [{"status": "born"}]
    assert body["adults"] == []
    assert body["agreements"] == {}
    assert body["referrer"] == {"role": "public", "source": "1D", "anonymous": False}
    assert (body["immediate_danger"], body["do_not_alert_household"]) == (False, False)
    assert not {"danger_reason", "staff_danger", "effect_on_child", "wanted_outcome"} & body.keys()


async def test_danger_and_what_must_not_be_done_reach_intake(office: Office, caller: Browser) -> None:
    await caller.submit(
        CALL
        | {
            "danger": "yes",
            "danger_reason": "A knife.",
            "do_not_alert": "yes",
            "staff_danger": "A dog.",
            "effect": "He hides.",
            "wanted": "That he is safe.",
            "anonymous": "yes",
            "agreement_checks": "refused",
            "agreement_early_help": "given",
        },
        PAGE,
    )
    body = sent(office)
    assert (body["immediate_danger"], body["danger_reason"]) == (True, "A knife.")
    assert (body["do_not_alert_household"], body["staff_danger"]) == (True, "A dog.")
    assert (body["effect_on_child"], body["wanted_outcome"]) == ("He hides.", "That he is safe.")
    assert body["referrer"]["anonymous"] is True
    assert body["agreements"] == {"checks": {"answer": "refused"}, "early_help": {"answer": "given"}}


@pytest.mark.parametrize(
    ("channel", "contact", "kind"),
    [
        ("telephone", "01632 960001", "phone"),
        ("sms", "07700 900001", "phone"),
        ("email", "pat@example.org", "email"),
    ],
)
async def test_the_caller_is_reached_the_way_that_they_said_is_safe(
    office: Office, caller: Browser, channel: str, contact: str, kind: str
) -> None:
    await caller.submit(
        CALL | {"channel": channel, "contact": contact, "caller": "Pat", "organisation": "Gym"}, PAGE
    )
    referrer = sent(office)["referrer"]
    assert referrer["contacts"] == [{"channel": channel, kind: contact}]
    assert (referrer["name"], referrer["organisation"]) == ("Pat", "Gym")


async def test_each_child_and_adult_is_sent_with_what_was_said_of_them(
    office: Office, caller: Browser
) -> None:
    for what in ("child", "child", "adult", "adult"):
        await caller.submit(CALL | {"action": what}, PAGE)
        assert caller.page.status_code == 200
        assert "There is a problem" not in caller.page.text
    said = {
        "given_1": "Robin",
        "family_1": "Day",
        "sex_1": "F",
        "born_1-day": "2",
        "born_1-month": "5",
        "born_1-year": "2017",
        "address_1": "1 High Street\n\n Sandbox",
        "postcode_1": "PE1 1AA",
        "school_1": "St Ives",
        "whereabouts_1": "With Gran",
        "words_1": "I am cold.",
        "unheard_1": "too_young",
        "status_2": "unborn",
        "expected_2-day": "1",
        "expected_2-month": "2",
        "expected_2-year": "2027",
        "unheard_2": "too_young",
        "status_3": "unidentified",
        "identified_by_3": "A boy in a red coat",
        "adult_given_2": "Lee",
        "adult_family_2": "Day",
        "adult_role_2": "parent",
        "adult_harm_2": "yes",
        "adult_given_3": "Kim",
        "adult_harm_3": "no",
    }
    await caller.submit(CALL | said, PAGE)
    body = sent(office)
    assert body["children"] == [
        {
            "status": "born",
            "given_name": "Robin",
            "family_name": "Day",
            "school": "St Ives",
            "whereabouts": "With Gran",
            "sex": "F",
            "address": {"lines": ["1 High Street", " Sandbox"], "postcode": "PE1 1AA"},
            "voice": {"words": "I am cold."},
            "born": {"on": "2017-05-02"},
        },
        {
            "status": "unborn",
            "voice": {"not_obtained_because": "too_young"},
            "expected": {"on": "2027-02-01"},
        },
        {"status": "unidentified", "identified_by": "A boy in a red coat"},
    ]
    assert body["adults"] == [
        {"given_name": "Lee", "family_name": "Day", "roles": ["parent"], "thought_to_harm": True},
        {"given_name": "Kim"},
    ]


async def test_a_form_takes_ten_children_and_no_more(caller: Browser) -> None:
    for number in range(2, 12):
        await caller.submit({**CALL, "action": "child"}, PAGE)
        assert caller.page.text.count('id="given_') == min(number, 10)


async def test_what_intake_refuses_stands_beside_its_field_and_nothing_is_lost(
    office: Office, caller: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = FieldError("/adults/0/given_name", "too_long", "is too long")

    async def refuses(*_: object) -> None:
        raise Problem(422, "body-invalid", "Wrong", errors=[wrong])

    monkeypatch.setattr(office.neighbours, "refer", refuses)
    await caller.submit(CALL | {"action": "adult"}, PAGE)
    await caller.submit(CALL | {"adult_given_2": "Lee", "caller": "Pat"}, PAGE)
    assert fault(caller).startswith("The first name of adult 2 is too long")
    assert 'href="#adult_given_2"' in caller.page.text
    assert ">He was crying.</textarea>" in caller.page.text


async def test_what_to_say_to_the_caller_is_shown_with_the_reference(
    office: Office, caller: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    danger = {
        "words": "Ring 999 if he is hurt.",
        "emergency": "999",
        "telephone": "01632 960001",
        "hours": "9 to 5",
        "out_of_hours": "At night",
        "out_of_hours_telephone": "01632 960002",
    }

    async def takes(*_: object) -> dict[str, Any]:
        return {"reference": "4KKG-PZGK-2", "if_danger_rises": danger}

    monkeypatch.setattr(office.neighbours, "refer", takes)
    await caller.submit(CALL, PAGE)
    said = words_of(caller)
    for wanted in ("4KKG-PZGK-2", "Ring 999 if he is hurt.", "01632 960001, 9 to 5", "At night 01632 960002"):
        assert wanted in said


async def test_who_may_not_take_referrals_is_offered_no_form(office: Office) -> None:
    receiver = await office.at("receiver-csc-1", PAGE)
    assert receiver.page.status_code == 403
    assert f'href="{PAGE}"' not in receiver.page.text


@pytest.mark.parametrize(
    ("field", "address"),
    [
        ({"address_1": "1 High Street"}, {"lines": ["1 High Street"]}),
        ({"postcode_1": "PE1 1AA"}, {"lines": [], "postcode": "PE1 1AA"}),
    ],
)
async def test_half_an_address_is_sent_as_far_as_it_is_known(
    office: Office, caller: Browser, field: dict[str, str], address: dict[str, Any]
) -> None:
    await caller.submit(CALL | field, PAGE)
    assert sent(office)["children"][0]["address"] == address


async def test_a_referral_that_was_sent_is_no_draft_any_more(office: Office, caller: Browser) -> None:
    office.clock.advance(IDLE + timedelta(seconds=1))
    await caller.submit(CALL, PAGE)
    await caller.submit({"person": "staff-worker-1"})
    assert ">He was crying.</textarea>" in caller.page.text
    await caller.submit({**CALL, "worry": "He was crying."}, PAGE)
    assert "Referral taken" in caller.page.text
    assert await office.hub.rows("SELECT * FROM draft") == []
