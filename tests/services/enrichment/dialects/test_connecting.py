"""A fifth agency is connected by writing files, as the guide says, and without a line of code."""

import shutil
from pathlib import Path

from libs.schemas.dictionary import load_dictionary
from libs.schemas.findings import AgencyState
from libs.schemas.levels import Level
from services.enrichment.partnership import Kind, load_agencies
from tests.services.enrichment.conftest import PARTNERSHIP, WREN, Case, World, until_completed

EXAMPLES = Path("examples/agencies")


def connected(folder: Path) -> Path:
    """A partnership that follows the guide's three steps."""
    shutil.copytree(PARTNERSHIP, folder)
    shutil.copy(EXAMPLES / "housing.yaml", folder / "agencies" / "housing.yaml")
    with (folder / "sharing.yaml").open("a", encoding="utf-8") as agreement:
        agreement.write((EXAMPLES / "housing-agreement.yaml").read_text(encoding="utf-8"))
    facts = (folder / "facts.yaml").read_text(encoding="utf-8")
    for fact in ("household.housing", "child.home_conditions"):
        at = facts.index(f"  {fact}:\n")
        end = facts.index("sources: [", at) + len("sources: [")
        facts = f"{facts[:end]}housing, {facts[end:]}"
    (folder / "facts.yaml").write_text(facts, encoding="utf-8")
    return folder


async def test_a_housing_service_is_asked_and_its_answer_told_after_the_guides_three_steps(
    world: World, tmp_path: Path
) -> None:
    folder = connected(tmp_path / "partnership")
    world.settings = world.settings.model_copy(update={"partnership_dir": folder})
    world.terms = {
        name: terms for name, terms in load_agencies(folder / "agencies").items() if terms.kind is Kind.REST
    }
    assert "housing" in load_dictionary(folder / "facts.yaml").agencies
    instance, case = await world.start(check_deadline_cap_seconds=None), Case(children=(WREN,))
    await instance.take(case.received(), case.screened(Level.SECTION_47))
    states = await until_completed(instance, case.child)
    assert states["housing"] == AgencyState.RETURNED
    (answer,) = [one for one in await instance.answers(case.child) if one.agency == "housing"]
    assert {(fact.fact, fact.value) for fact in answer.facts} == {
        ("household.housing", "overcrowded_or_debt"),
        ("household.housing", "eviction"),
        ("child.home_conditions", "poor"),
        # On the second page of the visits, which are paged by number.
        ("child.home_conditions", "unsafe"),
    }
    assert [one.given_name for one in answer.people] == ["Jay"]


async def test_without_a_signed_agreement_the_same_agency_is_not_asked(world: World, tmp_path: Path) -> None:
    folder = connected(tmp_path / "partnership")
    shutil.copy(PARTNERSHIP / "sharing.yaml", folder / "sharing.yaml")
    world.settings = world.settings.model_copy(update={"partnership_dir": folder})
    world.terms = {"housing": load_agencies(folder / "agencies")["housing"]}
    instance, case = await world.start(check_deadline_cap_seconds=None), Case(children=(WREN,))
    await instance.take(case.received(), case.screened(Level.SECTION_47))
    assert (await until_completed(instance, case.child))["housing"] == AgencyState.NOT_REQUESTED
