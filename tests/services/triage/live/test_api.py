"""The operation that tells of changed cases, as it is called."""

import pytest

from services.triage.live import feed
from tests.services.triage.conftest import HubWorld, Story, stated
from tests.services.triage.live.test_feed import parsed
from tests.services.triage.staff import Person

HUNGRY = stated("child.hunger", "persistent")


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream that ends soon: the transport of these tests gives a body when it is complete."""
    monkeypatch.setattr(feed, "LONGEST_SECONDS", 0.1)


async def test_who_listens_for_the_first_time_learns_the_place_and_who_comes_back_what_was_missed(
    hub: HubWorld, worker: Person
) -> None:
    first = await worker.get("/v1/queue/events")
    assert first.status_code == 200
    assert first.headers["content-type"].startswith("text/event-stream")
    assert first.headers["cache-control"] == "no-store"
    here = parsed(first.content.split(b"\n\n")[1])
    assert here["event"] == "here"
    assert await hub.rows("SELECT 1 FROM access WHERE action = 'queue.listen' AND subject = $1", worker.id)
    story = Story()
    await hub.take(story.received([HUNGRY]))
    back = await worker.http.get(
        "/v1/queue/events", headers={"Authorization": f"Bearer {worker.token}", "Last-Event-ID": here["id"]}
    )
    changed = parsed(back.content.split(b"\n\n")[1])
    assert [one["id"] for one in changed["data"]["cases"]] == [str(story.child_ids[0])]


async def test_who_may_not_read_the_queue_does_not_listen(operator: Person) -> None:
    assert (await operator.get("/v1/queue/events")).status_code == 403


async def test_one_too_many_is_told_to_read_now_and_then(
    worker: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "MOST_LISTENERS", 0)
    answer = await worker.get("/v1/queue/events")
    assert (answer.status_code, answer.json()["code"]) == (503, "too-many-listeners")
