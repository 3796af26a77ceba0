"""A mistake in the files about agencies and their clocks is refused with its place."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from libs.schemas.document import DocumentError
from libs.schemas.levels import Rag
from services.enrichment.partnership import Lead, load_agencies, load_check_terms

PARTNERSHIP = Path("deploy/partnership")


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("agencies/police.yaml", "at_once: 20", "at_onec: 20", "did you mean `at_once`"),
        ("agencies/police.yaml", "client: police-lead", "cleint: police-lead", "did you mean `client`"),
        ("agencies/police.yaml", "kind: rest", "kind: rets", "did you mean `rest`"),
        ("agencies/police.yaml", "kind: rest", "kind: pulled", "and no `dialect`"),
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
    path = tmp_path / Path(file).name
    path.write_text(text.replace(old, new))
    load: Callable[[], object] = partial(load_agencies, tmp_path)
    if file == "checks.yaml":
        load = partial(load_check_terms, path)
    with pytest.raises(DocumentError) as refused:
        load()
    assert message in str(refused.value)
    assert f"{path.name}:" in str(refused.value)


def test_an_agency_names_its_lead_and_who_belongs_to_it() -> None:
    police = load_agencies(PARTNERSHIP / "agencies")["police"]
    assert police.lead == Lead("Head of professional standards", "police-lead")
    assert police.clients == {"cambridgeshire_police"}


def test_an_agencys_own_clocks_stand_in_place_of_the_ordinary_ones(tmp_path: Path) -> None:
    text = (PARTNERSHIP / "checks.yaml").read_text()
    own = "agencies:\n  health:\n    deadline_minutes: {red: 45, amber: 50, green: 300, blue: 600}\n"
    own += "    chase_minutes: [7]\n"
    path = tmp_path / "checks.yaml"
    path.write_text(text.replace("agencies: {}\n", own))
    terms = load_check_terms(path, agencies=("health", "police"))
    minutes = timedelta(minutes=1)
    assert terms.deadline(Rag.RED, "health") == 45 * minutes
    assert terms.deadline(Rag.RED, "police") == 30 * minutes
    assert terms.longest(Rag.RED, ("health", "police")) == 45 * minutes
    assert (terms.chase(3, "health"), terms.chase(0, "police")) == (7 * minutes, 30 * minutes)
    with pytest.raises(DocumentError, match="there is no agency health"):
        load_check_terms(path, agencies=("police",))
