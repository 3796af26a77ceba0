"""What is still open of a child: what may be asked on, what is shared with a brother or sister, what is over."""

from datetime import datetime

from libs.schemas.findings import ASKED_WITH_SIBLING, PARTIAL, AgencyState
from services.enrichment.asking.question import question_id
from services.enrichment.checks.record import Check, Child, Completed, Due, Effect, Referral, Returned
from services.enrichment.sharing.permission import Permission


def held_to(child: Child, agency: str, permission: Permission, now: datetime) -> list[Effect]:
    """Holds an agency's questions to what may be asked now, and says where nothing may."""
    effects: list[Effect] = []
    granted = set(permission.names)
    for check in child.of(agency):
        if not check.open or not check.items:
            continue
        if check.items & granted:
            if check.ask_at is None and not check.stopped:
                check.ask_at, check.changed = now, True
        elif check.state is AgencyState.PENDING and check.asked_at is None:
            _not_requested(check, permission)
            check.late = child.completed_at is not None
            effects.append(Returned(child, check.told()))
        elif check.ask_at is not None and check.asked_at is not None:
            # What was asked cannot be unasked; what may not be asked any more is not chased.
            check.ask_at, check.changed = None, True
    return effects + _never(child, agency, permission, now)


def _never(child: Child, agency: str, permission: Permission, now: datetime) -> list[Effect]:
    """That there is no question at all is told as well, and anew where the reason has become another."""
    known = child.of(agency)
    base = child.checks.get(question_id(child.id, agency))
    if any(check is not base for check in known) or permission.granted:
        return []
    if base is None:
        due = now if child.due_at is None else child.due_at
        base = Check(agency, question_id(child.id, agency), due)
        child.checks[base.question_id] = base
    elif base.reason == permission.reason and base.held_back == permission.held_back:
        return []
    _not_requested(base, permission)
    base.late = child.completed_at is not None
    return [Returned(child, base.told())]


def _not_requested(check: Check, permission: Permission) -> None:
    check.state, check.reason, check.ask_at = AgencyState.NOT_REQUESTED, permission.reason, None
    check.held_back, check.changed = permission.held_back, True


def as_it_left(check: Check, permission: Permission) -> None:
    """What was permitted when a question left may be less than when it was put."""
    elsewhere = {item: why for item, why in check.held_back.items() if why == ASKED_WITH_SIBLING}
    if permission.granted:
        check.items = frozenset(permission.names)
        check.existence = permission.existence_only
    if permission.granted or permission.held_back:
        check.held_back = {**permission.held_back, **elsewhere}


def complete_if_over(child: Child, now: datetime) -> list[Effect]:
    """Checks are complete when no question is pending: each is answered, held back, or silent past its deadline."""
    if child.completed_at is not None or not child.checks or child.pending:
        return []
    child.completed_at, child.changed = now, True
    return [Completed(child)]


def clock(child: Child) -> list[Effect]:
    """When the next of a child's deadlines is."""
    pending = child.pending
    return [Due(child, min(check.due_at for check in pending))] if pending else []


def chase(child: Child, agency: str, now: datetime) -> None:
    """Has an agency asked once more at once, for all that it has not answered."""
    for check in child.of(agency):
        if check.open and check.items:
            check.ask_at, check.stopped, check.changed = now, False, True


def shared(child: Child, check: Check, elder: Check, now: datetime) -> list[Effect]:
    """A brother's or sister's answer about the home counts for this child."""
    check.state, check.ask_at, check.changed = AgencyState.RETURNED, None, True
    check.reason = elder.reason if elder.reason in PARTIAL else None
    check.asked_at, check.answered_at = elder.asked_at, elder.answered_at or now
    check.existence = check.items & elder.existence
    check.reused_from = elder.reused_from
    check.late = child.completed_at is not None or now > check.due_at
    return [Returned(child, check.told()), *complete_if_over(child, now)]


def silent_with(referral: Referral, check: Check) -> None:
    """What is silent about the home is silent for everybody who lives there."""
    for sibling in referral.children.values():
        elder = sibling.checks.get(check.with_question) if check.with_question else None
        if elder is not None:
            check.silence, check.asked_at = elder.silence, elder.asked_at


def waits(check: Check) -> bool:
    """Whether the agency has taken the question and said that it needs time."""
    return check.reason == "accepted"
