"""Answers the referring agency's question how far its referral has come."""

from __future__ import annotations

import asyncpg

from libs.messaging.codec import Decoded
from libs.messaging.ledger import Ledger
from libs.platform.access import note
from libs.platform.auth import Principal
from libs.platform.problems import Problem
from libs.schemas.codes import PROFESSIONAL_ROLES
from services.intake import status
from services.intake.answers import IfDangerRises, Receipt
from services.intake.employers import Employers
from services.intake.hub import StateWords, Wording
from services.intake.status import (
    AdditionStatus,
    ChallengeStatus,
    CheckTold,
    NoticeStatus,
    Progress,
    ReferralStatus,
    SeenWithin,
)

_REFERRAL = """
SELECT id, received_at, immediate_danger, referrer_role, screened_at, answer, employers
  FROM referral WHERE reference = $1 AND agency = $2
"""
_CHILDREN = """
SELECT child_id, screened_at, decision, decided_at, destination, may_tell, checked_at
  FROM child_progress WHERE referral_id = $1
"""
_CHECKS = """
SELECT child_id, agency, question_id, state FROM check_progress WHERE referral_id = $1
"""
_NOTICES = (
    "SELECT kind, channel, state, reason, at FROM notice_progress WHERE referral_id = $1 ORDER BY at, id"
)
_CHALLENGES = """
SELECT child_id, state, stage, outcome, may_tell, at FROM challenge_progress WHERE referral_id = $1
 ORDER BY at, challenge_id
"""
_ADDITIONS = "SELECT kind, received_at FROM addition WHERE referral_id = $1 ORDER BY received_at, id"
NOTHING_YET = Progress()


def not_found() -> Problem:
    """A referral that does not exist, is another agency's, or is kept from this caller: all look alike."""
    return Problem(404, "referral-not-found", "There is no such referral of your agency")


class Lookup:
    """Reads a referral's status for the agency that sent it."""

    def __init__(
        self,
        ledger: Ledger,
        danger: IfDangerRises,
        states: StateWords,
        wording: Wording,
        seen_within: SeenWithin,
        employers: Employers,
    ) -> None:
        self._ledger = ledger
        self._seen_within = seen_within
        self._employers = employers
        self._danger = danger
        self._states = states
        self._wording = wording

    async def status(self, reference: str, caller: Principal) -> ReferralStatus:
        """The status now. Who read it is recorded. Raises Problem 404 where their agency has no such referral.

        Where the person thought to harm works for that agency, all but its safeguarding lead get the same answer.
        """
        now = self._ledger.clock.now()
        async with self._ledger.pool.acquire() as connection:
            row = await connection.fetchrow(_REFERRAL, reference, caller.of_agency())
            if row is None:
                raise not_found()
            hidden = self._employers.hide(row["employers"], caller.of_agency(), caller.client_id)
            act = "status.withheld" if hidden else "status.read"
            await note(connection, now, caller, act, referral_id=row["id"])
            if hidden:
                raise not_found()
            children = await connection.fetch(_CHILDREN, row["id"])
            checks = await connection.fetch(_CHECKS, row["id"])
            notices = await connection.fetch(_NOTICES, row["id"])
            challenges = await connection.fetch(_CHALLENGES, row["id"])
            additions = await connection.fetch(_ADDITIONS, row["id"])
        (stored,) = await self._ledger.codec.decode([(Receipt, row["answer"])])
        numbers = (
            {child_id: child.number for child_id, child in stored.payload.children.items()}
            if isinstance(stored, Decoded)
            else {}
        )
        professional = row["referrer_role"] in PROFESSIONAL_ROLES
        progress = {child["child_id"]: Progress(*tuple(child)[1:]) for child in children}
        return ReferralStatus(
            reference=reference,
            received_at=row["received_at"],
            children=tuple(
                status.of_child(
                    number,
                    progress.get(child_id, NOTHING_YET),
                    [CheckTold(*tuple(one)[1:]) for one in checks if one["child_id"] == child_id],
                    received_at=row["received_at"],
                    seen_within=self._seen_within.after(row["immediate_danger"]),
                    professional=professional,
                    states=self._states,
                    wording=self._wording,
                    now=now,
                )
                for child_id, number in sorted(numbers.items(), key=lambda item: item[1])
            ),
            notices=tuple(NoticeStatus(**dict(notice)) for notice in notices),
            added=tuple(AdditionStatus(**dict(addition)) for addition in additions),
            challenges=tuple(
                self._challenge(numbers[one["child_id"]], one, professional)
                for one in challenges
                if one["child_id"] in numbers
            ),
            if_danger_rises=self._danger,
        )

    def _challenge(self, number: int, row: asyncpg.Record, professional: bool) -> ChallengeStatus:
        told, outcome = self._wording.challenges.told(
            row["state"], row["stage"], row["outcome"], professional=professional, may_tell=row["may_tell"]
        )
        return ChallengeStatus(
            child=number,
            state=row["state"],
            words=f"{told.words} {told.next_step}",
            outcome=outcome,
            at=row["at"],
        )
