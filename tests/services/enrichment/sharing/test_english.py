"""The agreement as English says everything that the file says."""

from datetime import date

from libs.schemas.levels import Level
from services.enrichment.asking.question import SENDABLE
from services.enrichment.sharing.decision import Needed
from services.enrichment.sharing.english import FIELDS, LEVELS, MODES, NEEDS, explain
from services.enrichment.sharing.permission import Mode
from tests.services.enrichment.sharing.making import AGREEMENT

ON = date(2026, 11, 25)


def test_every_code_of_an_agreement_has_words() -> None:
    assert set(FIELDS) == set(SENDABLE)
    assert set(LEVELS) == set(Level)
    assert set(NEEDS) == set(Needed)
    assert set(MODES) == set(Mode)


def test_every_line_stands_in_the_paper_with_its_ground_fields_and_freshness() -> None:
    sections = {section.heading: section for section in explain(AGREEMENT, {}, ON)}
    for line in AGREEMENT.lines:
        label = AGREEMENT.items[line.item].label
        (row,) = [row for row in sections[line.agency].rows if row[0].lower() == label.lower()]
        assert line.ground.name.replace("_", " ") in row[2]
        assert all((FIELDS[field] in row[4]) is (field in line.fields) for field in FIELDS)
        assert str(line.freshness.days) in row[5]
    grounds = " ".join(sections["On which grounds"].paragraphs)
    for ground in AGREEMENT.grounds.values():
        assert ground.purpose in grounds
        assert ground.basis in grounds
        assert ground.citation in grounds


def test_an_agreement_says_when_it_is_in_force_and_when_it_is_not() -> None:
    said = {
        day: {section.heading: section for section in explain(AGREEMENT, {"marac": "MARAC"}, day)}[
            "MARAC"
        ].paragraphs[0]
        for day in (date(2024, 3, 31), ON, date(2030, 4, 1))
    }
    assert "NOT YET IN FORCE" in said[date(2024, 3, 31)]
    assert said[ON].endswith("In force from 1 April 2024 to 31 March 2030.")
    assert "EXPIRED" in said[date(2030, 4, 1)]


def test_one_agencys_part_can_be_had_alone() -> None:
    headings = [section.heading for section in explain(AGREEMENT, {}, ON, "health")]
    assert "health" in headings
    assert "police" not in headings
