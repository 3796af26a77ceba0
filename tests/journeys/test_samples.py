"""The whole system, started as `mash up` starts it, carries every example from POST to the referrer's notice."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli import journey, samples
from cli.client import Client
from cli.stories import example_stories
from cli.watch import Follower
from libs.schemas.events import Service
from sandbox.stack import Events, Plan, Stack
from tests.conftest import FAST

SECONDS = 60.0
PAUSE = 1.0
"""Each round asks three services about every referral: nobody watches the lines of a test as they come."""


@pytest.fixture
def on_postgres(tmp_path: Path) -> Iterator[Stack]:
    """The system on the PostgreSQL event log."""
    found = Stack(Plan(tmp_path, events="postgres", ports={}, postgres_settings=FAST))
    try:
        asyncio.run(found.start())
        yield found
    finally:
        found.stop()


@pytest.mark.timeout(180)
@pytest.mark.parametrize("events", ["kafka", "postgres"])
def test_every_example_is_routed_where_it_should_be_and_every_notice_is_delivered(
    events: Events, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    stack: Stack = (
        request.getfixturevalue("running").stack
        if events == "kafka"
        else request.getfixturevalue("on_postgres")
    )
    lines: list[str] = []
    urls = {name: stack.url(name) for name in ("sandbox", *(service.value for service in Service))}
    with Client(urls) as client:
        sent = samples.send(client, example_stories(samples.EXAMPLES), tmp_path, lines.append)
        late = samples.follow(client, sent, Follower(client, lines.append), seconds=SECONDS, pause=PAUSE)
        statuses = {each.reference: client.status(each.story.client, each.reference) for each in sent}
        known = {each.story.name: first_case(client, each) for each in sent if each.story.after}

    assert {each.reference: each.missing for each in late} == {}, "\n".join(lines)
    assert [each.destinations for each in sent] == [each.story.expect for each in sent], "\n".join(lines)
    for each in sent:
        assert each.undelivered == []
        assert each.seen.notify is not None
        kinds = {notice["kind"] for notice in each.seen.notify["notices"]}
        # Whoever is on call hears of red work, and no referrer does.
        assert kinds - {"alert"} == {"being_looked_at", "outcome", "receipt"}
        assert not each.seen.notify["untold"]
        assert {child["state"] for child in statuses[each.reference]["children"]} == {"decision_made"}
    danger = next(each for each in sent if each.story.referral.get("immediate_danger"))
    steps = [step.what for step in journey.steps(danger.seen)]
    assert steps.index("screened") < steps.index("answer"), "danger waited for a check"
    again, offered = known["15-school-tells-again"], known["16-school-perhaps-on-record"]
    assert again["tags"] == ["re_referral"]
    assert again["evidence"]["index"]["method"] == "identifier"
    # Who was only alike is the same person because somebody said so, and what came before is known from then on.
    index = offered["evidence"]["index"]
    assert (index["band"], index["method"], len(index["history"]["earlier"])) == ("same", "staff", 1)
    assert [command["person"]["action"] for command in offered["commands"]] == ["link"]


def first_case(client: Client, sent: samples.Sent) -> dict[str, Any]:
    """The case of the first child, as a member of staff sees it."""
    assert sent.seen.triage is not None
    case, _ = client.case(sent.seen.triage["children"][0]["child_id"])
    return case
