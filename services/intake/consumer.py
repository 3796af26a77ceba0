"""Projects what triage, enrichment and notify say into the status that the referrer may see.

Each event only moves its row towards a later state, so that events of all topics give the same status in any
order, and a referral's own row is always there before anybody can speak of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from libs.messaging.consumer import Parked
from libs.messaging.event import Event
from libs.messaging.ledger import Unit
from libs.platform.restricted import learn
from libs.schemas.base import Nothing
from libs.schemas.events import (
    CASE_DECIDED,
    CASE_RESTRICTED,
    CASE_ROUTED,
    CASE_SCREENED,
    CHALLENGE_MOVED,
    CHECK_RETURNED,
    CHECKS_COMPLETED,
    INTAKE_RESUMED,
    INTAKE_STOPPED,
    NOTICE_DELIVERED,
    NOTICE_FAILED,
    PEOPLE_CORRECTED,
    REFERRER_UNTELLABLE,
    CaseDecided,
    CaseRouted,
    CaseScreened,
    ChallengeMoved,
    CheckReturned,
    ChecksCompleted,
    EventType,
    NoticeDelivered,
    NoticeFailed,
    PeopleCorrected,
    ProcessingResumed,
    ProcessingStopped,
    ReferrerUntellable,
    Resumed,
    Service,
    Stopped,
)
from services.intake.employers import employers_of

_SEEN_REFERRALS = """
UPDATE referral AS r SET screened_at = s.at
  FROM (SELECT id, min(at) AS at FROM unnest($1::uuid[], $2::timestamptz[]) AS t (id, at) GROUP BY id) AS s
 WHERE r.id = s.id AND (r.screened_at IS NULL OR r.screened_at > s.at)
"""
_SEEN_CHILDREN = """
INSERT INTO child_progress AS c (child_id, referral_id, screened_at)
SELECT id, referral, min(at)
  FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[]) AS t (id, referral, at) GROUP BY id, referral
ON CONFLICT (child_id) DO UPDATE SET screened_at = least(c.screened_at, excluded.screened_at)
"""
CLOCKS_APART = timedelta(seconds=1)
"""By how much triage's clock may be behind intake's before danger that it saw counts as unseen."""

_SEEN_DANGER = """
UPDATE addition AS a SET seen_at = s.at
  FROM (SELECT id, max(at) AS at FROM unnest($1::uuid[], $2::timestamptz[]) AS t (id, at) GROUP BY id) AS s
 WHERE a.referral_id = s.id AND a.immediate_danger AND a.seen_at IS NULL AND a.received_at <= s.at + $3
"""
_DECIDED = """
INSERT INTO child_progress AS c (child_id, referral_id, decision, decided_at, destination, may_tell)
SELECT DISTINCT ON (id) id, referral, decision, at, destination, may_tell
  FROM unnest($1::uuid[], $2::uuid[], $3::smallint[], $4::timestamptz[], $5::text[], $6::boolean[])
       AS t (id, referral, decision, at, destination, may_tell)
 ORDER BY id, decision DESC
ON CONFLICT (child_id) DO UPDATE SET decision = excluded.decision, decided_at = excluded.decided_at,
       destination = excluded.destination, may_tell = excluded.may_tell
 WHERE c.decision < excluded.decision
"""
_NOTICES = """
INSERT INTO notice_progress AS n (id, referral_id, kind, channel, state, reason, at)
SELECT DISTINCT ON (id) id, referral, kind, channel, state, reason, at
  FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[])
       AS t (id, referral, kind, channel, state, reason, at)
 ORDER BY id, at DESC, state
ON CONFLICT (id) DO UPDATE SET state = excluded.state, reason = excluded.reason, at = excluded.at
 WHERE (n.at, excluded.state) < (excluded.at, n.state)
"""


_CHECKED = """
INSERT INTO child_progress AS c (child_id, referral_id, checked_at)
SELECT id, referral, min(at)
  FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[]) AS t (id, referral, at) GROUP BY id, referral
ON CONFLICT (child_id) DO UPDATE SET checked_at = least(c.checked_at, excluded.checked_at)
"""
_CHECKS = """
INSERT INTO check_progress AS c (child_id, referral_id, agency, question_id, state, at)
SELECT DISTINCT ON (id, agency, question) id, referral, agency, question, state, at
  FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::timestamptz[])
       AS t (id, referral, agency, question, state, at)
 ORDER BY id, agency, question, at DESC, state
ON CONFLICT (child_id, agency, question_id) DO UPDATE SET state = excluded.state, at = excluded.at
 WHERE (c.at, excluded.state) < (excluded.at, c.state)
"""
_CHALLENGES = """
INSERT INTO challenge_progress AS c
       (challenge_id, child_id, referral_id, number, state, stage, outcome, may_tell, at)
SELECT DISTINCT ON (id) id, child, referral, number, state, stage, outcome, may_tell, at
  FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::integer[], $5::text[], $6::text[], $7::text[], $8::boolean[],
              $9::timestamptz[])
       AS t (id, child, referral, number, state, stage, outcome, may_tell, at)
 ORDER BY id, number DESC
ON CONFLICT (challenge_id) DO UPDATE SET number = excluded.number, state = excluded.state, stage = excluded.stage,
       outcome = excluded.outcome, may_tell = excluded.may_tell, at = excluded.at
 WHERE c.number < excluded.number
"""
COMPLETED = ""
"""Stands for the question where completion tells of an agency."""

_EMPLOYERS = """
UPDATE referral AS r SET employers = ARRAY(SELECT DISTINCT unnest(r.employers || s.employers) ORDER BY 1)
  FROM (SELECT id, array_agg(employer) AS employers FROM unnest($1::uuid[], $2::text[]) AS t (id, employer)
         GROUP BY id) AS s
 WHERE r.id = s.id
"""


class StatusProjection:
    """Intake's consumer."""

    name = Service.INTAKE.value
    types: frozenset[EventType[Any]] = frozenset(
        {
            CASE_SCREENED,
            CASE_ROUTED,
            CASE_DECIDED,
            CASE_RESTRICTED,
            CHALLENGE_MOVED,
            CHECK_RETURNED,
            CHECKS_COMPLETED,
            PEOPLE_CORRECTED,
            NOTICE_DELIVERED,
            NOTICE_FAILED,
            REFERRER_UNTELLABLE,
        }
    )

    async def handle(self, unit: Unit, events: Sequence[Event]) -> None:
        """Moves the status on by a batch of events."""
        await learn(unit.connection, events)
        seen: list[tuple[UUID, UUID, datetime]] = []
        in_danger: list[tuple[UUID, datetime]] = []
        decided: list[tuple[Any, ...]] = []
        notices: list[tuple[Any, ...]] = []
        employers: list[tuple[UUID, str]] = []
        checks: list[tuple[Any, ...]] = []
        checked: list[tuple[UUID, UUID, datetime]] = []
        challenges: list[tuple[Any, ...]] = []
        for event in events:
            if isinstance(event.payload, CaseScreened) and any(
                child.immediate_danger for child in event.payload.children.values()
            ):
                in_danger.append((event.referral_id, event.payload.shared.at))
            match event.payload:
                case (
                    CaseScreened(shared=shared, children=children)
                    | CaseRouted(shared=shared, children=children)
                ):
                    seen += [(child_id, event.referral_id, shared.at) for child_id in children]
                case CaseDecided(shared=shared, children=children):
                    seen += [(child_id, event.referral_id, shared.at) for child_id in children]
                    decided += [
                        (
                            child_id,
                            event.referral_id,
                            child.decision,
                            shared.at,
                            str(child.destination),
                            child.may_tell_referrer,
                        )
                        for child_id, child in children.items()
                    ]
                case CheckReturned(shared=shared, children=answers):
                    # Nothing of what was answered is kept here but that it was.
                    checks += [
                        (child_id, event.referral_id, one.agency, one.question_id, str(one.state), shared.at)
                        for child_id, one in answers.items()
                    ]
                case ChecksCompleted(shared=shared, children=completed):
                    checked += [(child_id, event.referral_id, shared.at) for child_id in completed]
                    checks += [
                        (child_id, event.referral_id, agency, COMPLETED, str(state), shared.at)
                        for child_id, one in completed.items()
                        for agency, state in one.states.items()
                    ]
                case ChallengeMoved(shared=shared, children=challenged):
                    challenges += [
                        (
                            one.challenge,
                            child_id,
                            event.referral_id,
                            one.number,
                            str(one.state),
                            one.stage,
                            None if one.outcome is None else str(one.outcome),
                            one.may_tell_referrer,
                            shared.at,
                        )
                        for child_id, one in challenged.items()
                    ]
                case PeopleCorrected(shared=corrected):
                    employers += [(event.referral_id, each) for each in employers_of(corrected.adults)]
                case NoticeDelivered(shared=notice) | NoticeFailed(shared=notice):
                    state = "delivered" if event.type is NOTICE_DELIVERED else "failed"
                    notices.append(
                        (
                            notice.notice_id,
                            event.referral_id,
                            str(notice.kind),
                            str(notice.channel),
                            state,
                            notice.reason,
                            notice.at,
                        )
                    )
                case ReferrerUntellable(shared=untold):
                    notices.append(
                        (event.id, event.referral_id, None, None, "not_sent", untold.reason, untold.at)
                    )
        if seen:
            children_seen, referrals_seen, at = zip(*seen, strict=True)
            await unit.connection.execute(_SEEN_REFERRALS, referrals_seen, at)
            await unit.connection.execute(_SEEN_CHILDREN, children_seen, referrals_seen, at)
        if decided:
            await unit.connection.execute(_DECIDED, *zip(*decided, strict=True))
        if checks:
            await unit.connection.execute(_CHECKS, *zip(*checks, strict=True))
        if checked:
            await unit.connection.execute(_CHECKED, *zip(*checked, strict=True))
        if challenges:
            await unit.connection.execute(_CHALLENGES, *zip(*challenges, strict=True))
        if in_danger:
            await unit.connection.execute(_SEEN_DANGER, *zip(*in_danger, strict=True), CLOCKS_APART)
        if employers:
            await unit.connection.execute(_EMPLOYERS, *zip(*employers, strict=True))
        if notices:
            await unit.connection.execute(_NOTICES, *zip(*notices, strict=True))

    async def stopped(self, unit: Unit, parked: Sequence[Parked]) -> None:
        """Tells triage, where staff see it: the referrer's status no longer moves. Who is restricted counts at once: it
        is what keeps these very messages from others' eyes.
        """
        await learn(unit.connection, (one.event for one in parked if one.event is not None))
        for message in parked:
            if not message.first:
                continue
            shared = Stopped(
                consumer=self.name,
                event_id=message.event_id,
                event_type=message.type,
                reason=message.code,
                at=message.parked_at,
            )
            trace = message.event.trace if message.event is not None else None
            unit.emit(
                INTAKE_STOPPED,
                message.referral_id,
                ProcessingStopped(shared=shared, children=dict[UUID, Nothing]()),
                trace=trace,
            )

    async def resumed(self, unit: Unit, referral_id: UUID) -> None:
        """Tells triage that the status moves again."""
        shared = Resumed(consumer=self.name, at=unit.now)
        unit.emit(INTAKE_RESUMED, referral_id, ProcessingResumed(shared=shared), trace=None)
