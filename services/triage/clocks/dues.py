"""The instants of a case's own clocks, worked out from when each started and by what rule holds now: pure."""

from datetime import datetime

from services.triage.case import Case
from services.triage.clocks.hub import Hub
from services.triage.clocks.pauses import intervals, resumed


def target_due(hub: Hub, case: Case) -> datetime | None:
    """By when the case's urgency asks for action; None while that stands still."""
    return hub.target_with(case.rag, case.counts_from, intervals(case.pauses))


def rate(hub: Hub, case: Case, now: datetime) -> None:
    """Works out the target of the case's rating anew. What does not pause stands still no longer."""
    if not hub.targets[case.rag].pauses:
        case.pauses = resumed(case.pauses, now)
    case.rag_due_at = target_due(hub, case)


def restart(hub: Hub, case: Case, at: datetime, now: datetime) -> None:
    """A clock of its own for what puts a decision at risk, from when the hub received that. A decision that is at risk
    already keeps the clock that started first: nothing extends it.
    """
    since = min(at, now)
    case.clock_from = min(since, case.counts_from) if case.at_risk else since
    case.pauses = resumed(case.pauses, now)
    case.due_at = hub.decision_due(case.clock_from)
    case.rag_due_at = target_due(hub, case)


def to_read(hub: Hub, case: Case, since: datetime, *, coded: bool = False) -> None:
    """The referrer's words wait for a reader from then on. `coded`: coded facts stand beside them."""
    case.unread = True
    if coded:
        case.narrative_from, case.narrative_due_at = since, hub.read_due(since)
    elif case.read_due_at is None:
        case.read_from, case.read_due_at = since, hub.read_due(since)


def was_read(case: Case) -> None:
    """Somebody read the words."""
    case.unread = False
    case.read_from = case.read_due_at = case.narrative_from = case.narrative_due_at = None


def join(hub: Hub, case: Case, since: datetime) -> bool:
    """Keeps the clock of an earlier report of the same event, which started then. True: something moved.

    It never moves a due time later, and leaves alone what a decision has stopped already.
    """
    if since >= case.counts_from or case.decision > 0:
        return False
    return _count_from(hub, case, since)


def part(hub: Hub, case: Case) -> bool:
    """The earlier report told of another event after all: the case's own clock counts. True: something moved."""
    if case.clock_from is None or case.decision > 0 or case.clock_from >= case.received_at:
        return False
    return _count_from(hub, case, None)


def reckon(hub: Hub, case: Case) -> bool:
    """Works out every instant of the case by what `hub` says now. True: something moved."""
    before = (case.due_at, case.read_due_at, case.narrative_due_at, case.rag_due_at)
    if not case.decided:
        case.due_at = hub.decision_due(case.counts_from)
        if case.rag_due_at is not None or case.pauses:
            case.rag_due_at = target_due(hub, case)
    if case.read_due_at is not None and case.read_from is not None:
        case.read_due_at = hub.read_due(case.read_from)
    if case.narrative_due_at is not None and case.narrative_from is not None:
        case.narrative_due_at = hub.read_due(case.narrative_from)
    case.rules = hub.fingerprint
    return before != (case.due_at, case.read_due_at, case.narrative_due_at, case.rag_due_at)


def _count_from(hub: Hub, case: Case, since: datetime | None) -> bool:
    case.clock_from = since
    case.due_at = hub.decision_due(case.counts_from)
    case.rag_due_at = target_due(hub, case)
    return True
