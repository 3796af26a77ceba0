"""A brother whom social care's own records name, asked over HTTP, gets a case and checks of his own."""

import uuid
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from libs.schemas.events import CHILDREN_FOUND, PERSON_LINKED, CaseScreened
from libs.schemas.levels import Level
from libs.schemas.plans import PlanKind
from tests.services.enrichment.conftest import WREN, Case, Sandbox, World, until
from tests.services.enrichment.serving import Hub, hub


@pytest.fixture
async def running(world: World, sandbox: Sandbox) -> AsyncIterator[Hub]:
    async with hub(world, sandbox) as one:
        yield one


@pytest.mark.timeout(60)
async def test_who_is_named_is_found_checked_and_names_nobody_anew(running: Hub) -> None:
    instance, case = running.instance, Case(children=(WREN,))
    await instance.take(case.received(), case.screened(Level.SECTION_47))

    async def found() -> dict[uuid.UUID, tuple[tuple[str, ...], str | None]]:
        return {
            child_id: (payload.shared.sources, child.given_name)
            for kind, payload in await instance.told()
            if kind is CHILDREN_FOUND
            for child_id, child in payload.children.items()
        }

    async def somebody() -> bool:
        return "Finch" in [name for _, name in (await found()).values()]

    await until(somebody, 20)
    finch = next(child_id for child_id, (_, name) in (await found()).items() if name == "Finch")
    assert (await found())[finch][0] == ("social_care",)
    screened = case.screened(Level.SECTION_47)
    assert isinstance(screened.payload, CaseScreened)
    part = screened.payload.children[case.child]
    payload = screened.payload.model_copy(update={"children": {finch: part}})
    await instance.take(replace(screened, payload=payload))

    async def answered() -> bool:
        return any(one.agency == "social_care" and one.people for one in await instance.answers(finch))

    await until(answered, 20)
    names = [name for _, name in (await found()).values()]
    assert (names.count("Finch"), names.count("Wren")) == (1, 0)

    again = Case(children=(WREN,))
    await instance.take(again.received())
    linked = [
        payload.children[again.child]
        for kind, payload in await instance.told()
        if kind is PERSON_LINKED and again.child in payload.children
    ][-1]
    assert [plan.kind for plan in linked.history.plans] == [PlanKind.CHILD_IN_NEED]
    assert [one.case_id for one in linked.history.earlier] == [case.child]
