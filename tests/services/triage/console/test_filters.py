"""The partnership's own names stand on the pages; a code that nobody knows is said as it is, never as a milder one."""

from collections.abc import Callable
from typing import Any

import pytest

from libs.schemas.findings import AgencyState
from services.triage.console.filters import filters
from services.triage.thresholds import Thresholds


@pytest.fixture
def said(shipped: Thresholds) -> dict[str, Callable[..., Any]]:
    return filters(shipped.rulebooks.directory.dictionary, shipped.names)


SAID: list[tuple[str, object, str]] = [
    ("label", "child.hunger", "The child is hungry"),
    ("label", "child.something_new", "Something new"),
    ("who", "police", "Cambridgeshire Constabulary"),
    ("who", "referrer", "The referrer"),
    ("who", "index", "The hub’s index"),
    ("who", "st_ives_primary", "St Ives Primary"),
    ("colour", "amber", "orange"),
    ("colour", "violet", "grey"),
    ("departure", "below", "Below the recommendation"),
    ("departure", "some_way_off", "Some way off"),
    ("state", "out_of_office", "Out of office"),
    ("enquiry", "joint", "A section 47 enquiry by social care and the police"),
    ("enquiry", "another_kind", "Another kind"),
    ("signed", 2, "+2"),
    ("signed", -1, "-1"),
    ("signed", 0, "0"),
]


def test_a_code_is_said_in_words(said: dict[str, Callable[..., Any]]) -> None:
    assert [(name, code, said[name](code)) for name, code, _ in SAID] == SAID


def test_no_two_silences_of_an_agency_are_called_alike(said: dict[str, Callable[..., Any]]) -> None:
    words = {state: said["state"](state) for state in AgencyState}
    assert len({*words.values()}) == len(words)
    assert words[AgencyState.NOTHING_HELD] == "Holds nothing"
    assert words[AgencyState.NOT_REQUESTED] == "Not asked"


def test_codes_to_choose_from_are_called_by_the_names_of_their_list(
    said: dict[str, Callable[..., Any]], shipped: Thresholds
) -> None:
    words_of = said["words_of"]
    team, name = next(iter(shipped.names.teams.items()))
    assert words_of([team], "team") == [(team, name)]
    assert words_of(["police"], "agency") == [("police", "Cambridgeshire Constabulary")]
    assert words_of(["north_west"], "locality") == [("north_west", "North West")]
    assert words_of(["re_referral", "to_be_read"], "tag") == [
        ("re_referral", "Re-referral"),
        ("to_be_read", "To be read"),
    ]
    assert said["home_line"]({"fact": {"fact": "f", "value": True}, "source": "police"}) == {
        "fact": "f",
        "value": True,
        "source": "police",
    }
