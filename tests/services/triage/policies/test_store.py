"""A policy takes effect by a row with an instant; a referral is judged by the one in force when it was received."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from libs.messaging.ledger import Ledger
from services.triage.policies import shadow as shadow_module
from services.triage.policies import store as module
from services.triage.policies.rulebook import BEGINNING, InForce, Mode, Rulebook, Rulebooks, Timeline
from services.triage.policies.shadow import Shadow
from services.triage.policies.store import (
    AHEAD,
    Policies,
    UnreadablePolicy,
    in_force,
    put_in_force,
    register,
    stored_policies,
)
from services.triage.thresholds import Thresholds
from tests.services.triage.conftest import MONDAY, HubWorld, Story, stated
from tests.services.triage.furnishing import consumer_of
from tests.services.triage.policies.versions import stricter

CALM = stated("child.hunger", "none")


@pytest.fixture
def own(shipped: Thresholds) -> Rulebook:
    return shipped.rulebooks.directory


@pytest.fixture(scope="module")
def strict(shipped: Thresholds) -> Rulebook:
    return stricter(shipped.rulebooks.directory)


async def adopt(ledger: Ledger, rulebook: Rulebook, from_at: datetime, mode: Mode = Mode.LIVE) -> None:
    """What another process does."""
    async with ledger.unit() as unit:
        await register(unit.connection, rulebook, unit.now)
        await put_in_force(
            unit.connection, rulebook.fingerprint, from_at, mode, "A. Lead", "a trial", unit.now
        )


async def evaluations(hub: HubWorld, case_id: UUID) -> list[tuple[str, str, str]]:
    rows = await hub.rows(
        "SELECT policy, level, rag FROM evaluation WHERE case_id = $1 ORDER BY number", case_id
    )
    return [tuple(row) for row in rows]


async def test_the_first_policy_is_in_force_from_the_beginning_once(ledger: Ledger, own: Rulebook) -> None:
    for _ in range(2):
        await Policies(Rulebooks(own)).start(ledger)
    (row,) = (await in_force(ledger.pool)).rows
    assert (row.fingerprint, row.from_at, row.mode, row.by) == (
        own.fingerprint,
        BEGINNING,
        Mode.LIVE,
        "system",
    )
    (stored,) = await stored_policies(ledger.pool)
    assert (stored.fingerprint, stored.version, stored.proof) == (own.fingerprint, own.policy.version, None)


async def test_two_processes_that_start_together_put_one_policy_in_force(
    ledger: Ledger, own: Rulebook
) -> None:
    await asyncio.gather(*(Policies(Rulebooks(own)).start(ledger) for _ in range(4)))
    assert len((await in_force(ledger.pool)).rows) == 1


async def test_another_directory_is_registered_waits_for_a_person_and_says_so(
    ledger: Ledger, own: Rulebook, strict: Rulebook
) -> None:
    await Policies(Rulebooks(own)).start(ledger)
    later = Policies(Rulebooks(strict))
    with capture_logs() as logs:
        await later.start(ledger)
    (line,) = logs
    assert (line["log_level"], line["policy"]) == ("warning", strict.fingerprint)
    assert "`mash policy adopt`" in line["event"]
    assert {one.fingerprint for one in await stored_policies(ledger.pool)} == {
        own.fingerprint,
        strict.fingerprint,
    }
    assert later.rulebooks.at(MONDAY).fingerprint == own.fingerprint


async def test_a_referral_is_judged_by_the_policy_in_force_when_it_was_received(
    hub: HubWorld, own: Rulebook, strict: Rulebook
) -> None:
    await hub.policies.start(hub.ledger)
    change = MONDAY + timedelta(minutes=5)
    await adopt(hub.ledger, strict, change)
    before, after = Story(at=change - timedelta(seconds=1)), Story(at=change)
    hub.clock.advance(timedelta(minutes=10))
    await hub.take(before.received([CALM]), after.received([CALM]))
    await hub.take(before.answer("health"), after.answer("health"))
    assert {policy for policy, _, _ in await evaluations(hub, before.child_ids[0])} == {own.fingerprint}
    found = await evaluations(hub, after.child_ids[0])
    assert len(found) == 2
    assert {(policy, level) for policy, level, _ in found} == {(strict.fingerprint, "early_help")}


async def test_what_is_known_of_the_policies_in_force_is_never_older_than_half_a_minute(
    hub: HubWorld, strict: Rulebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = 0

    async def counted(connection: Any) -> Timeline:
        nonlocal reads
        reads += 1
        return await in_force(connection)

    monkeypatch.setattr(module, "in_force", counted)
    for _ in range(3):
        await hub.take(Story().received([CALM]))
    assert reads == 1
    await adopt(hub.ledger, strict, MONDAY + AHEAD)
    hub.clock.advance(timedelta(seconds=29))
    await hub.take(Story().received([CALM]))
    assert reads == 1
    hub.clock.advance(timedelta(seconds=31))
    story = Story(at=MONDAY + AHEAD)
    await hub.take(story.received([CALM]))
    assert reads == 2
    assert (await evaluations(hub, story.child_ids[0]))[0][0] == strict.fingerprint


async def test_nothing_takes_effect_before_every_process_can_know(ledger: Ledger, strict: Rulebook) -> None:
    with pytest.raises(ValueError, match="from_at"):
        await adopt(ledger, strict, MONDAY + AHEAD - timedelta(microseconds=1))
    assert (await in_force(ledger.pool)).rows == ()


async def test_a_release_that_cannot_read_the_policy_in_force_does_not_start(
    ledger: Ledger, own: Rulebook
) -> None:
    await Policies(Rulebooks(own)).start(ledger)
    await ledger.pool.execute(
        "UPDATE policy SET fingerprint = fingerprint, texts = $1", '{"policy.yaml": "odd: yes"}'
    )
    other = replace(own, policy=replace(own.policy, fingerprint="0" * 64))
    with pytest.raises(UnreadablePolicy, match=own.fingerprint[:12]):
        await Policies(Rulebooks(other)).start(ledger)


def row(number: int, fingerprint: str, minute: int, mode: Mode) -> InForce:
    return InForce(number, fingerprint, MONDAY + timedelta(minutes=minute), mode, "A. Lead", "why", MONDAY)


def test_of_two_rows_for_one_instant_the_later_written_one_counts() -> None:
    timeline = Timeline([row(2, "b", 5, Mode.LIVE), row(1, "a", 0, Mode.LIVE), row(3, "c", 5, Mode.LIVE)])
    assert [timeline.live(MONDAY + timedelta(minutes=at)) for at in (-1, 0, 4, 5, 6)] == [
        "a",
        "a",
        "a",
        "c",
        "c",
    ]


def test_a_shadow_lasts_until_it_is_ended_or_adopted() -> None:
    timeline = Timeline(
        [
            row(1, "a", 0, Mode.LIVE),
            row(2, "b", 1, Mode.SHADOW),
            row(3, "c", 1, Mode.SHADOW),
            row(4, "b", 2, Mode.LIVE),
            row(5, "c", 3, Mode.ENDED),
        ]
    )
    at = [timeline.shadows(MONDAY + timedelta(minutes=minute)) for minute in range(4)]
    assert at == [(), ("b", "c"), ("c",), ()]


async def shadowed(ledger: Ledger, thresholds: Thresholds, strict: Rulebook) -> tuple[HubWorld, Shadow]:
    shadow = Shadow(ledger.pool, thresholds.rulebooks)
    policies = Policies(thresholds.rulebooks, shadow.evaluated)
    await policies.start(ledger)
    await adopt(ledger, strict, MONDAY + AHEAD, Mode.SHADOW)
    ledger.clock.advance(AHEAD)  # type: ignore[attr-defined]
    return HubWorld(ledger, consumer_of(thresholds, policies), policies, ledger.clock), shadow  # type: ignore[arg-type]


async def test_a_shadow_is_evaluated_beside_and_what_both_said_is_kept(
    ledger: Ledger, thresholds: Thresholds, own: Rulebook, strict: Rulebook
) -> None:
    hub, shadow = await shadowed(ledger, thresholds, strict)
    story = Story()
    await hub.take(story.received([CALM]))
    await hub.take(story.answer("health"))
    shadow.stop()
    await shadow.run()
    rows = await hub.rows("SELECT * FROM shadow_evaluation ORDER BY number")
    assert [row["number"] for row in rows] == [1, 2]
    assert {row["fingerprint"] for row in rows} == {strict.fingerprint}
    assert {(row["level"], row["live_level"]) for row in rows} == {("early_help", "universal")}
    assert {policy for policy, _, _ in await evaluations(hub, story.child_ids[0])} == {own.fingerprint}


async def test_what_waits_for_a_shadow_is_bounded(
    ledger: Ledger, thresholds: Thresholds, strict: Rulebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub, shadow = await shadowed(ledger, thresholds, strict)
    monkeypatch.setattr(shadow_module, "MOST_WAITING", 2)
    stories = [Story() for _ in range(4)]
    await hub.take(*(story.received([CALM]) for story in stories))
    shadow.stop()
    await shadow.run()
    assert len(await hub.rows("SELECT * FROM shadow_evaluation")) == 2
    for story in stories:
        assert len(await evaluations(hub, story.child_ids[0])) == 1


async def test_a_shadow_that_fails_harms_no_case(
    ledger: Ledger, thresholds: Thresholds, strict: Rulebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub, shadow = await shadowed(ledger, thresholds, strict)

    def breaks(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(shadow_module, "evaluate", breaks)
    stories = [Story() for _ in range(4)]
    await hub.take(*(story.received([CALM]) for story in stories))
    shadow.stop()
    await shadow.run()
    assert await hub.rows("SELECT * FROM shadow_evaluation") == []
    for story in stories:
        assert len(await evaluations(hub, story.child_ids[0])) == 1
