"""Who may be asked: refused unless the partnership's own terms permit it."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.schemas.codes import AgreementAnswer
from libs.schemas.document import DocumentError
from libs.schemas.levels import Level
from services.enrichment.may_ask import may_ask
from services.enrichment.partnership import NOT_STATED, load_agencies, load_check_terms

PARTNERSHIP = Path("deploy/partnership")
TERMS = load_check_terms(PARTNERSHIP / "checks.yaml")
AGENCIES = load_agencies(PARTNERSHIP / "agencies.yaml")
POLICE = AGENCIES["police"]
KNOWN = frozenset({"names"})
ANSWERS = [*AgreementAnswer, NOT_STATED, "a code of a newer release"]


@pytest.mark.parametrize("level", [Level.SECTION_17, Level.SECTION_47])
@pytest.mark.parametrize("answer", ANSWERS)
def test_from_section_17_on_no_answer_of_the_family_stops_a_check(level: Level, answer: str) -> None:
    assert may_ask(TERMS, POLICE, level, answer, KNOWN).granted


@pytest.mark.parametrize("level", [Level.UNIVERSAL, Level.EARLY_HELP, Level.TARGETED])
@pytest.mark.parametrize("answer", ["refused", "a code of a newer release", ""])
def test_below_it_refusal_and_what_is_not_understood_stop_it(level: Level, answer: str) -> None:
    reason = may_ask(TERMS, POLICE, level, answer, KNOWN).reason
    assert reason == ("agreement_refused" if answer == "refused" else "agreement_missing")


@given(
    level=st.sampled_from([None, *Level]),
    answer=st.sampled_from(ANSWERS),
    known=st.frozensets(st.sampled_from(["names", "upn", "nhs_number", "mother"])),
    listed=st.booleans(),
)
def test_what_is_not_expressly_permitted_is_refused_with_a_reason(
    level: Level | None, answer: str, known: frozenset[str], listed: bool
) -> None:
    strict = replace(TERMS, sufficient_answers=frozenset())
    agency = replace(POLICE, asked_from=Level.TARGETED) if listed else None
    permission = may_ask(strict, agency, level, answer, known)
    expected = listed and level is not None and level >= Level.SECTION_17 and bool(known & POLICE.send)
    assert permission.granted is expected
    assert (permission.reason is None) is expected


def test_a_milder_level_than_the_agencys_own_is_not_asked() -> None:
    agency = replace(POLICE, asked_from=Level.TARGETED)
    assert may_ask(TERMS, agency, Level.EARLY_HELP, "given", KNOWN).reason == "below_level"
    assert may_ask(TERMS, agency, Level.TARGETED, "given", KNOWN).granted


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("agencies.yaml", "send: [names", "send: [namse", "did you mean `names`"),
        ("agencies.yaml", "at_once: 10", "at_onec: 10", "did you mean `at_once`"),
        ("agencies.yaml", "asked_from: universal", "asked_from: univresal", "did you mean `universal`"),
        (
            "checks.yaml",
            "not_needed_from: section_17",
            "not_needed_from: section_18",
            "did you mean `section_17`",
        ),
        ("checks.yaml", "sufficient: [given", "sufficient: [givne", "did you mean `given`"),
        ("checks.yaml", "  red: 30\n", "", "`red` is missing"),
        ("checks.yaml", "  red: 30\n", "  red: 9000\n", "more urgent must not have a longer deadline"),
        ("checks.yaml", "[30, 120, 480, 1440]", "[]", "at least one wait"),
    ],
)
def test_a_mistake_in_a_file_is_named_with_its_place(
    tmp_path: Path, file: str, old: str, new: str, message: str
) -> None:
    text = (PARTNERSHIP / file).read_text()
    assert old in text
    path = tmp_path / file
    path.write_text(text.replace(old, new))
    with pytest.raises(DocumentError) as refused:
        (load_agencies if file == "agencies.yaml" else load_check_terms)(path)
    assert message in str(refused.value)
    assert f"{file}:" in str(refused.value)
