"""What the staff are called: learnt from whoever comes, kept sealed, told to staff."""

from datetime import timedelta

import pytest

from libs.platform.auth import Principal
from services.triage.colleagues.colleagues import FRESH, SEEN_EVERY, ColleaguePage, Colleagues
from tests.services.triage.conftest import HubWorld
from tests.services.triage.staff import CANARY, Person


def somebody(
    account: str, name: str | None = CANARY, role: str = "worker", agency: str | None = None
) -> Principal:
    roles = frozenset((role,)) if role else frozenset[str]()
    return Principal(account, "pages", agency=agency, roles=roles, name=name)


async def test_only_the_staffs_own_people_are_kept_and_only_as_a_sealed_name(
    hub: HubWorld, worker: Person
) -> None:
    colleagues = Colleagues(hub.ledger)
    for one in (
        somebody("a-1"),
        somebody("b-2", "Bea Orrell", "manager"),
        somebody("named-by-nobody", None),
        somebody("program", role=""),
        somebody("partner", agency="police"),
        somebody("endless", "x" * 201),
        somebody("b\0d"),
    ):
        await colleagues.meet(one)
    answer = await worker.get("/v1/colleagues")
    assert [(one["account"], one["name"], one["roles"]) for one in answer.json()["items"]] == [
        ("b-2", "Bea Orrell", ["manager"]),
        ("a-1", CANARY, ["worker"]),
    ]
    columns = await hub.rows("SELECT to_jsonb(c) - 'document' AS told FROM colleague AS c")
    assert CANARY not in str([row["told"] for row in columns])


async def test_the_newest_name_counts_and_being_seen_is_written_seldom(hub: HubWorld) -> None:
    colleagues = Colleagues(hub.ledger)

    async def seen() -> list[tuple[str, object]]:
        page = ColleaguePage.model_validate_json(await colleagues.told())
        return [(one.name, one.seen_at) for one in page.items]

    first = hub.clock.now()
    await colleagues.meet(somebody("a-1", "Amira Khan"))
    hub.clock.advance(timedelta(minutes=5))
    await colleagues.meet(somebody("a-1", "Amira Khan"))
    assert await seen() == [("Amira Khan", first)]
    await colleagues.meet(somebody("a-1", "Amira Hussain"))
    assert await seen() == [("Amira Hussain", hub.clock.now())]
    hub.clock.advance(SEEN_EVERY)
    await colleagues.meet(somebody("a-1", "Amira Hussain"))
    assert await seen() == [("Amira Hussain", hub.clock.now())]


async def test_the_staff_are_read_once_for_many_pages_and_anew_once_a_name_is_learnt(hub: HubWorld) -> None:
    colleagues, elsewhere = Colleagues(hub.ledger), Colleagues(hub.ledger)
    await colleagues.meet(somebody("a-1", "Amira Khan"))
    first = await colleagues.told()
    await elsewhere.meet(somebody("a-1", "Amira Hussain"))
    hub.clock.advance(FRESH - timedelta(milliseconds=1))
    await colleagues.meet(somebody("a-1", "Amira Hussain"))
    assert await colleagues.told() is first, "nothing was learnt here"
    hub.clock.advance(timedelta(milliseconds=1))
    assert b"Amira Hussain" in await colleagues.told(), "what another process learnt"
    await colleagues.meet(somebody("a-1", "Amira Orrell"))
    assert b"Amira Orrell" in await colleagues.told()


async def test_whoever_cannot_be_kept_is_refused_nothing(
    hub: HubWorld, worker: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.triage.colleagues.colleagues._KEEP", "SELECT $1::text, $2::text, 1 / 0")
    await Colleagues(hub.ledger).meet(somebody("a-1"))
    assert (await worker.get("/v1/colleagues")).json() == {"items": [], "more": False}
