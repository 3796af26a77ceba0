"""The data-sharing agreement is read whole or refused, and no line that goes missing gives anything away."""

import re
from pathlib import Path

import pytest

from libs.schemas.document import DocumentError
from libs.schemas.levels import Level
from services.enrichment.sharing.agreement import Agreement, Item, load_agreement
from services.enrichment.sharing.permission import About, Permission
from tests.services.enrichment.sharing.making import AGREEMENT, PARTNERSHIP, circumstances, emergency, order
from tests.services.enrichment.sharing.test_decision import within

TEXT = (PARTNERSHIP / "sharing.yaml").read_text()
ITEM = (
    "{item: safety, on: [with_agreement, child_in_need, significant_harm], share: content, "
    "send: [names, sex, born, address, mother], fresh_days: 3}"
)


def read(tmp_path: Path, text: str) -> Agreement:
    path = tmp_path / "sharing.yaml"
    path.write_text(text)
    return load_agreement(path, leads=("police", "health"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("level: section_47", "level: section_74", "did you mean `section_47`"),
        ("agreement: sought", "agreement: sougth", "did you mean `sought`"),
        ("share: content, send: [names, sex", "share: contents, send: [names, sex", "did you mean `content`"),
        ("send: [names, sex", "send: [namse, sex", "did you mean `names`"),
        ("send: [names, sex", "send: [names, names", "`names` stands twice"),
        ("item: safety", "item: saftey", "did you mean `safety`"),
        ("on: [with_agreement", "on: [with_agrement", "did you mean `with_agreement`"),
        ("fresh_days: 3", "fresh_days: -3", "whole number"),
        ("fresh_days: 3", "fresh_dasy: 3", "did you mean `fresh_days`"),
        ("starts: 2024-04-01", "starts: 2024-4-1", "expected a day"),
        ("starts: 2024-04-01", "starts: 2024-02-30", "expected a day"),
        ("starts: 2024-04-01", "starts: 20240401", "expected a day"),
        ("ends: 2031-03-31", "ends: 2023-03-31", "ends before it starts"),
        ("emergency_lasts_hours: 24", "emergency_lasts_hours: 240", "at most 72 hours"),
        ("emergency_lasts_hours: 24", "emergency_lasts_hours: 0", "at least 1"),
        ("about: household", "about: houshold", "did you mean `household`"),
        (
            "    level: section_17\n    agreement: sought",
            "    level: targeted\n    agreement: sought",
            "is needed",
        ),
        (
            "    level: section_47\n    agreement: not_needed",
            "    level: section_17\n    agreement: not_needed",
            "below section_47 the family's agreement is needed",
        ),
        ("    purpose: to find out which", "    puprose: to find out which", "did you mean `purpose`"),
        (
            "document: Operating protocol of the Multi-Agency Risk Assessment Conference",
            "document: ''",
            "says nothing",
        ),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in TEXT
    with pytest.raises(DocumentError) as refused:
        read(tmp_path, TEXT.replace(old, new, 1))
    assert message in str(refused.value)
    assert re.match(r"sharing\.yaml:\d+:\d+: ", str(refused.value))


def everything(agreement: Agreement) -> dict[tuple[str, str], Permission]:
    """What the agreement grants at each level, to each agency, with what a family answers and staff order."""
    return {
        (f"{level} {answer} {len(orders)}", agency): agreement.decide(
            agency, circumstances(level, answer, orders=orders)
        )
        for level in (Level.UNIVERSAL, Level.SECTION_17, Level.SECTION_47)
        for answer in ("given", "refused")
        for agency in AGREEMENT.agencies
        for orders in ((), (order(agency), emergency(agency)))
    }


@pytest.mark.timeout(60)
def test_a_line_of_the_file_that_goes_missing_gives_nothing_away(tmp_path: Path) -> None:
    before = everything(AGREEMENT)
    lines = TEXT.splitlines(keepends=True)
    granted = refused = 0
    for number in range(len(lines)):
        if not lines[number].strip() or lines[number].startswith("#"):
            continue
        try:
            agreement = read(tmp_path, "".join(lines[:number] + lines[number + 1 :]))
        except DocumentError:
            refused += 1
            continue
        granted += 1
        for asked, permission in everything(agreement).items():
            assert within(permission, before[asked]), (lines[number], asked)
    assert granted > len(AGREEMENT.lines) / 3
    assert refused > 30


def test_each_line_of_an_agency_that_goes_missing_takes_its_item_away(tmp_path: Path) -> None:
    lines = TEXT.splitlines(keepends=True)
    agency, removed = "", 0
    for number, line in enumerate(lines):
        if heading := re.fullmatch(r"  - agency: (\w+)\n", line):
            agency = heading.group(1)
        if entry := re.match(r"      - {item: (\w+),", line):
            agreement = read(tmp_path, "".join(lines[:number] + lines[number + 1 :]))
            orders = (order(agency), emergency(agency))
            asked = circumstances(Level.SECTION_47, "given", orders=orders)
            assert entry.group(1) in AGREEMENT.decide(agency, asked).names
            assert entry.group(1) not in agreement.decide(agency, asked).names
            removed += 1
    assert removed * 3 == len(AGREEMENT.lines)


def test_each_field_and_ground_of_a_line_that_goes_missing_is_not_sent_or_used(tmp_path: Path) -> None:
    assert ITEM in TEXT
    for field in ("names", "sex", "born", "address", "mother"):
        fewer = re.sub(rf"\b{field}(, |(?=\]))", "", ITEM.partition("send: ")[2]).replace(", ]", "]")
        text = TEXT.replace(ITEM, ITEM.partition("send: ")[0] + "send: " + fewer, 1)
        granted = read(tmp_path, text).decide("police", circumstances(Level.SECTION_47)).only({"safety"})
        assert granted.fields == {"names", "sex", "born", "address", "mother"} - {field} or field == "names"
    without = TEXT.replace(ITEM, ITEM.replace("with_agreement, ", ""), 1)
    asked = read(tmp_path, without).decide("police", circumstances(Level.EARLY_HELP))
    assert asked.held_back == {"safety": "below_level"}


def test_an_item_brings_the_facts_that_it_names_and_what_begins_as_it_says() -> None:
    item = Item("pregnancy", "Pregnancy", "Why.", About.CHILD, ("child.treatment_refused", "pregnancy.*"))
    brought = ["child.treatment_refused", "pregnancy.concealed"]
    left = ["child.treatment_refused_twice", "pregnancy_other.concealed", "household.pregnancy.concealed"]
    assert [fact for fact in (*brought, *left) if item.brings(fact)] == brought
