"""Who is told, where, and in which words."""

from __future__ import annotations

import json
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.schemas.challenge import ChallengedChild, ChallengeOutcome, ChallengeState
from libs.schemas.codes import PROFESSIONAL_ROLES, ReferrerRole, SafeChannel
from libs.schemas.events import DecidedChild
from libs.schemas.levels import Destination, Level
from libs.schemas.notice import NoticeChannel, NoticeKind
from libs.schemas.referral import SafeContact
from services.notify.documents import Recipient
from services.notify.telling import Place, Untold, challenge, outcome, place, receipt
from services.notify.wording import Wording, load_wording
from tests.services.notify.conftest import EMAIL, PARTNERSHIP, SMS

WORDING = load_wording(PARTNERSHIP)
WHERE = Place(NoticeChannel.EMAIL, "referrer@example.org")
FIRST, SECOND = UUID(int=1), UUID(int=2)
NOTED = SafeContact(channel=SafeChannel.EMAIL, email="home@example.org", note="not after 17:00")
TELEPHONE = SafeContact(channel=SafeChannel.TELEPHONE, phone="01632 960001")
NOWHERE = SafeContact(channel=SafeChannel.NONE)


def recipient(
    *contacts: SafeContact,
    role: ReferrerRole | str = ReferrerRole.HEALTH_VISITOR,
    anonymous: bool = False,
    suspect_may_read: str | None = None,
) -> Recipient:
    return Recipient(role=role, anonymous=anonymous, contacts=contacts, suspect_may_read=suspect_may_read)


def decided(
    destination: Destination | str = Destination.MASG, *, decision: int = 1, may_tell: bool = True
) -> DecidedChild:
    return DecidedChild(
        level=Level.TARGETED,
        destination=destination,
        departs=False,
        decision=decision,
        may_tell_referrer=may_tell,
    )


def said(
    role: ReferrerRole | str, made: DecidedChild, children: tuple[UUID, ...] = (FIRST, SECOND)
) -> dict[str, str]:
    notice = outcome(WORDING, WHERE, "K7TM-P2RW-Q", recipient(EMAIL, role=role), children, SECOND, made)
    return notice.children[SECOND].personalisation


def heard(role: ReferrerRole | str, *, may_tell: bool = True) -> str:
    """What is said of a challenge that is settled: somebody decides anew."""
    moved = ChallengedChild(
        challenge=UUID(int=9),
        number=2,
        state=ChallengeState.SETTLED,
        outcome=ChallengeOutcome.DECIDE_ANEW,
        may_tell_referrer=may_tell,
    )
    who = recipient(EMAIL, role=role)
    notice = challenge(WORDING, WHERE, "K7TM-P2RW-Q", who, (FIRST, SECOND), SECOND, moved)
    return notice.children[SECOND].personalisation["words"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (recipient(EMAIL, SMS), Place(NoticeChannel.EMAIL, "referrer@example.org")),
        (recipient(TELEPHONE, SMS, EMAIL), Place(NoticeChannel.SMS, "07700 900123")),
        (recipient(EMAIL, anonymous=True), Untold.ANONYMOUS),
        (recipient(), Untold.NO_CONTACT),
        (recipient(TELEPHONE), Untold.NO_USABLE_CHANNEL),
        (recipient(EMAIL, NOWHERE), Untold.FORBIDDEN),
        (recipient(NOTED), Place(NoticeChannel.EMAIL, "home@example.org")),
        (recipient(NOTED, role=ReferrerRole.FAMILY), Untold.CONDITIONS),
        (recipient(NOTED, role="auditor"), Untold.CONDITIONS),
        (recipient(NOTED, SMS, role=ReferrerRole.PUBLIC), Place(NoticeChannel.SMS, "07700 900123")),
    ],
)
def test_the_first_safe_contact_that_a_machine_can_use_is_used(
    given: Recipient, expected: Place | Untold
) -> None:
    assert place(given) == expected


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("He reads REFERRER@example.org", [SMS]),
        ("the e-mail at home", [SMS]),
        ("he has her phone", [EMAIL]),
        ("He picks up +44 7700 900 123", [EMAIL]),
        ("he checks texts and emails", []),
        ("He goes through her iPhone", [EMAIL]),
        ("he reads her text messages", [EMAIL]),
        ("HE READS ALL HER MESSAGES", []),
        ("he sees everything posted on the wall at home", [EMAIL, SMS]),
    ],
)
def test_no_message_goes_where_the_person_thought_to_harm_may_read_it(
    text: str, safe: list[SafeContact]
) -> None:
    # Each alone: beside another, which comes first hides whether it was refused.
    for contact in (EMAIL, SMS):
        found = place(recipient(contact, suspect_may_read=text))
        assert isinstance(found, Place) == (contact in safe)
        assert isinstance(found, Place) or found is Untold.SUSPECT_MAY_READ
    for contacts in ((EMAIL, SMS), (SMS, EMAIL)):
        found = place(recipient(*contacts, suspect_may_read=text))
        first = next((contact.email or contact.phone for contact in contacts if contact in safe), None)
        assert (found.address if isinstance(found, Place) else None) == first


@pytest.mark.parametrize("number", ["07700 900123", "+44 7700 900123", "+447700900123"])
@pytest.mark.parametrize(
    "named", ["07700900123", "+44 7700 900 123", "(0)7700-900-123", "the one ending 900 123"]
)
def test_a_number_is_the_same_however_it_and_what_is_said_of_it_are_written(number: str, named: str) -> None:
    contact = SafeContact(channel=SafeChannel.SMS, phone=number)
    assert place(recipient(contact, suspect_may_read=f"he answers {named}")) is Untold.SUSPECT_MAY_READ


def test_an_address_is_the_same_in_capitals() -> None:
    contact = SafeContact(channel=SafeChannel.EMAIL, email="Referrer@Example.org")
    who = recipient(contact, suspect_may_read="he reads referrer@example.org")
    assert place(who) is Untold.SUSPECT_MAY_READ


def test_of_several_reasons_the_unsafe_place_is_said() -> None:
    who = recipient(NOTED, SMS, role=ReferrerRole.FAMILY, suspect_may_read="he has her phone")
    assert place(who) is Untold.SUSPECT_MAY_READ


def test_professionals_hear_which_kind_of_help_and_others_that_a_decision_was_made() -> None:
    for destination in Destination:
        told = {role: said(role, decided(destination))["words"] for role in ReferrerRole}
        for role, words in told.items():
            if role in PROFESSIONAL_ROLES:
                assert words == WORDING.destinations[destination].words
            else:
                assert words == WORDING.decided.words
    assert len({words.words for words in WORDING.destinations.values()}) == len(Destination)


def test_how_a_challenge_ended_is_told_to_professionals_where_the_decision_may_be() -> None:
    ended = WORDING.challenges.outcomes[ChallengeOutcome.DECIDE_ANEW].words
    settled = WORDING.challenges.states[ChallengeState.SETTLED].words
    assert ended != settled
    for role in (*ReferrerRole, "auditor"):
        assert heard(role) == (ended if role in PROFESSIONAL_ROLES else settled)
        assert heard(role, may_tell=False) == settled


def test_what_is_not_known_is_told_as_a_decision_and_no_more() -> None:
    assert said("auditor", decided())["words"] == WORDING.decided.words
    assert said(ReferrerRole.POLICE, decided("moon_base"))["words"] == WORDING.decided.words


@given(
    role=st.sampled_from(ReferrerRole), destination=st.sampled_from(Destination), decision=st.integers(1, 3)
)
def test_an_outcome_that_may_not_be_told_is_not_even_hinted_at(
    role: ReferrerRole, destination: Destination, decision: int
) -> None:
    words = said(role, decided(destination, decision=decision, may_tell=False))
    assert words["words"] == WORDING.looked_at.words
    assert words["next_step"] == WORDING.looked_at.next_step


@pytest.mark.parametrize("channel", NoticeChannel)
def test_what_a_machine_did_is_not_told_as_a_persons_looking(channel: NoticeChannel) -> None:
    queued = WORDING.templates[NoticeKind.BEING_LOOKED_AT][channel]
    text = f"{queued.subject} {queued.body} {WORDING.templates[NoticeKind.RECEIPT][channel].body}"
    assert "looked at" not in text
    assert "looking at" not in text
    assert "in the hub's queue" in queued.body


def test_a_new_decision_says_that_it_has_changed() -> None:
    first = said(ReferrerRole.GP, decided())["words"]
    assert said(ReferrerRole.GP, decided(decision=2))["words"] == f"{WORDING.changed} {first}"


def test_a_child_is_a_number_and_only_where_there_are_several() -> None:
    assert said(ReferrerRole.GP, decided())["child"] == "child 2 of 2"
    assert said(ReferrerRole.GP, decided(), (SECOND,))["child"] == "the child you told us about"


def test_every_notice_names_the_reference_and_the_hubs_telephone() -> None:
    notice = receipt(WORDING, WHERE, "K7TM-P2RW-Q")
    assert notice.shared.personalisation == {"reference": "K7TM-P2RW-Q", "telephone": WORDING.telephone}
    assert notice.children == {}


def test_a_wording_without_words_for_a_destination_is_refused() -> None:
    document = json.loads(WORDING.model_dump_json())
    del document["destinations"]["masg"]
    with pytest.raises(ValueError, match="words for each destination"):
        Wording.model_validate(document)


def test_a_wording_that_cannot_tell_children_apart_is_refused() -> None:
    document = json.loads(WORDING.model_dump_json())
    for several in ("a child of {count}", "child {nummer}", "child {number} of {}", "child {"):
        document["child"]["several"] = several
        with pytest.raises(ValueError, match="no braces but in"):
            Wording.model_validate(document)
