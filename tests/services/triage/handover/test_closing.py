"""What keeps a referral open, over every combination."""

import uuid
from datetime import UTC, datetime
from itertools import product
from typing import Any

import pytest

from services.triage.case import Case
from services.triage.handover.closing import Obstacle, kept_open_by

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
MAYBE = (None, NOW)


def child(*waits: Any) -> Case:
    names = (
        "stub",
        "stopped",
        "decision",
        "at_risk",
        "unread",
        "read_due_at",
        "proposed_at",
        "hand_over_due_at",
    )
    row = dict(zip(names, waits, strict=True))
    return Case(uuid.uuid4(), uuid.UUID(int=1), "K7TM-P2RW-C", 1, NOW, NOW, "duty", **row)


CHILDREN = [
    child(*waits)
    for waits in product(
        (False, True), (False, True), (0, 1, 2), (False, True), (False, True), MAYBE, MAYBE, MAYBE
    )
]


def finished(case: Case) -> bool:
    return (
        case.decision > 0
        and not (case.at_risk or case.stub or case.stopped)
        and not (case.unread and case.read_due_at is not None)
        and case.hand_over_due_at is None
    )


@pytest.mark.parametrize("tasks", [(), ("police_now",)])
@pytest.mark.parametrize("stopped", [False, True])
def test_nothing_is_closed_while_a_child_waits_for_anything(tasks: tuple[str, ...], stopped: bool) -> None:
    done = next(case for case in CHILDREN if finished(case))
    for one in CHILDREN:
        for family in ([one], [done, one], [one, done]):
            kept = kept_open_by(family, [(None, kind) for kind in tasks], stopped=stopped)
            assert (kept == ()) is (finished(one) and not stopped and not tasks), one


def test_a_referral_without_any_child_is_not_closed() -> None:
    assert [one.obstacle for one in kept_open_by([], [], stopped=False)] == [Obstacle.STOPPED]
