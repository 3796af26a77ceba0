"""How often people depart from what is recommended, in which direction and why."""

from tests.services.triage.conftest import HubWorld, Story, stated
from tests.services.triage.staff import Person


async def test_departures_are_counted_by_direction_and_reason(
    hub: HubWorld, worker: Person, manager: Person
) -> None:
    story = Story()
    await hub.take(story.received([stated("child.hunger", "persistent")]), story.completed())
    [child] = story.child_ids
    await worker.read(child)
    _, tag = await manager.open(child)
    higher = {"level": "section_17", "destination": "csc_section_17", "departure_reason": "Seen today."}
    unknown = await manager.decide(child, tag, **higher, departure_code="hunch")
    assert unknown.json()["errors"][0]["pointer"] == "/departure_code"
    assert (await manager.decide(child, tag, **higher, departure_code="history")).status_code == 200
    counted = await worker.get(
        "/v1/departures", **{"from": "2026-11-23T00:00:00Z", "to": "2026-11-24T00:00:00Z"}
    )
    found = counted.json()
    assert found.pop("words")["history"] == "What is known from before, and is not on this record"
    assert found == {
        "decisions": 1,
        "counts": [
            {"departure": "above", "reason": "history", "destination": "csc_section_17", "decisions": 1}
        ],
    }
    before = await worker.get(
        "/v1/departures", **{"from": "2026-11-22T00:00:00Z", "to": "2026-11-23T10:00:00Z"}
    )
    assert before.json()["decisions"] == 0, "the end of one time is the start of the next"
    assert len(await hub.rows("SELECT 1 FROM access WHERE action = 'departures.read'")) == 2
