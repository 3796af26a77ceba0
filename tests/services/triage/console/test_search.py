"""A search finds by all that was given, as people write it, and says by what and not whom."""

import re

import pytest

from services.triage.search import search
from tests.services.triage.conftest import Story
from tests.services.triage.console.conftest import HUNGRY, Browser, Office
from tests.services.triage.console.test_pages import words_of
from tests.services.triage.search.test_search import about

PAGE = "/console/search"
BORN = {"born-day": "3", "born-month": "2", "born-year": "2018"}
ASKED: list[tuple[dict[str, str], list[str]]] = [
    ({"name": "zoe"}, ["Name"]),
    ({"name": "Otan"}, ["Name begins"]),
    ({"nhs_number": "999 000 0026"}, ["NHS number"]),
    ({"upn": "z999 0000 00001"}, ["Unique pupil number"]),
    ({"postcode": "pe11aa"}, ["Postcode"]),
    (BORN, ["Date of birth"]),
    (BORN | {"name": "Zouey", "postcode": "PE1 1AA"}, ["Date of birth", "Postcode", "Name sounds"]),
    (BORN | {"name": "Zoe", "nhs_number": "9990000034"}, []),
]
WRONG: list[tuple[dict[str, str], str]] = [
    ({"born-day": "3"}, "Enter a day, a month and a year"),
    ({"born-day": "24", "born-month": "11", "born-year": "2026"}, "The date must be today or in the past"),
    ({"reference": "4KKG-PZGK-3"}, "Reference must be a reference with its check character"),
]


def found_by(browser: Browser) -> list[str]:
    (cell,) = re.findall(r'data-label="Found by">([^<]*)', browser.page.text) or [""]
    return [one for one in cell.split(", ") if one]


async def test_a_case_is_found_by_all_that_was_given_as_people_write_it(office: Office) -> None:
    story, other = Story(), Story()
    await office.hub.take(about(story), other.received([HUNGRY]))
    browser = await office.at("staff-sw-1", PAGE)
    for given, by in [*ASKED, ({"reference": story.reference.lower()}, ["Reference"])]:
        await browser.submit(given, "/search")
        assert found_by(browser) == by, given
        said = words_of(browser)
        assert f"{len(by[:1])} case{'' if by else 's'} found" in said
        level = "Nothing yet: the words are to be read first"
        row = f"{story.reference}, child 1 {', '.join(by)} Today, 10:00 To be read {level} Green"
        assert (row in said) == bool(by)
        form = browser.page.text.partition("Search again")[2]
        assert all(f'value="{text}"' in form for text in given.values()), "to be changed and sent again"
    for given, wanted in WRONG:
        await browser.submit(given, "/search")
        said = words_of(browser)
        assert (browser.page.status_code, wanted in said, "Search again" in said) == (422, True, False), given
        assert "Enter at least one thing" not in said


async def test_more_than_are_shown_are_said_to_be_there(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "MOST_FOUND", 1)
    await office.hub.take(about(Story()))
    browser = await office.at("staff-sw-1", PAGE)
    await browser.submit(BORN, "/search")
    assert "1 case found" in words_of(browser)
    assert "there are more" not in words_of(browser)
    await office.hub.take(about(Story()))
    await browser.submit(BORN, "/search")
    assert "1 case found, and there are more" in words_of(browser)
    assert "Ask for more at once to see fewer" in words_of(browser)
