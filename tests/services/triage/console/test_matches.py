"""A doubtful match is a person's to decide, with both records side by side."""

import re
from uuid import uuid4

from libs.schemas.people import Band, Candidate, Comparison, LinkMethod
from tests.services.triage.conftest import NEGLECTED
from tests.services.triage.console.conftest import Office, case_path
from tests.services.triage.staff import CANARY

WHO = uuid4()
FIELDS = (
    Comparison(field="given_name", ours=CANARY, theirs="Zyxwquil", likeness="close", points=12),
    Comparison(field="born", ours="2017-05-02", theirs="2017-05-03", likeness="different", points=-8),
)


async def test_a_possible_match_stands_side_by_side_and_is_linked_with_a_reason(office: Office) -> None:
    story = await office.told(list(NEGLECTED))
    candidate = Candidate(person_id=WHO, band=Band.LIKELY, score=71, comparisons=FIELDS)
    await office.hub.take(story.linked(band=Band.NONE, method=LinkMethod.NEW, candidates=(candidate,)))
    path = case_path(story, 0, "/matches")
    browser = await office.at("staff-sw-1", path)
    for said in ("71 of 100", "Zyxwquil", "+12", "-8", "Different"):
        assert said in browser.page.text
    await browser.submit({"action": f"link {WHO}"}, path)
    assert "Enter how you know" in browser.page.text
    await browser.submit({"action": f"link {WHO}", "reason": "The school named both."}, path)
    assert "Your decision is passed on" in browser.page.text, re.findall(
        r"<a href=.#[^>]+>([^<]+)", browser.page.text
    )
    assert "The school named both." in browser.page.text
