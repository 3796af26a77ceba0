"""What keeps a referral open, over every combination."""

import uuid
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from services.triage.case import Case
from services.triage.handover.closing import Obstacle, kept_open_by

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
MAYBE = st.sampled_from([None, NOW])


@st.composite
def cases(draw: st.DrawFn) -> Case:
    return Case(
        id=uuid.uuid4(),
        referral_id=uuid.UUID(int=1),
        reference="K7TM-P2RW-C",
        child_number=1,
        received_at=NOW,
        due_at=NOW,
        team="duty",
        stub=draw(st.booleans()),
        stopped=draw(st.booleans()),
        decision=draw(st.integers(0, 2)),
        at_risk=draw(st.booleans()),
        unread=draw(st.booleans()),
        read_due_at=draw(MAYBE),
        proposed_at=draw(MAYBE),
        hand_over_due_at=draw(MAYBE),
    )


@given(
    st.lists(cases(), max_size=4),
    st.lists(st.sampled_from(["police_now", "lado"]), max_size=2),
    st.booleans(),
)
def test_nothing_is_closed_while_a_child_waits_for_anything(
    family: list[Case], tasks: list[str], stopped: bool
) -> None:
    kept = kept_open_by(family, [(None, kind) for kind in tasks], stopped=stopped)
    finished = (
        bool(family)
        and not stopped
        and not tasks
        and all(
            case.decision > 0
            and not (case.at_risk or case.stub or case.stopped)
            and not (case.unread and case.read_due_at is not None)
            and case.hand_over_due_at is None
            for case in family
        )
    )
    assert (kept == ()) is finished


def test_a_referral_without_any_child_is_not_closed() -> None:
    assert [one.obstacle for one in kept_open_by([], [], stopped=False)] == [Obstacle.STOPPED]
