"""Takes the challenges that the referrer's own system sends, and tells how far the referrer's challenges have come."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID, uuid5

import asyncpg

from libs.messaging.codec import Codec
from libs.messaging.event import Event
from libs.messaging.ledger import Unit
from libs.schemas.challenge import (
    Challenged,
    ChallengedChild,
    ChallengedReferral,
    ChallengeOutcome,
    ChallengeState,
)
from libs.schemas.events import (
    CHALLENGE_MOVED,
    AddedInformation,
    ChallengeMoved,
    Reference,
)
from services.triage.case import File
from services.triage.casework import Casework
from services.triage.challenges.joining import join, open_challenge
from services.triage.challenges.ladder import Ladder, Stage
from services.triage.challenges.record import Came, Channel, Did, Said, keep_challenge, keep_step
from services.triage.decision.record import read_decision
from services.triage.desk import Desk
from services.triage.reckoning import Cause, Change
from services.triage.tasks.due import Due
from services.triage.tasks.raising import NewTask
from services.triage.tasks.terms import CHALLENGE, CHALLENGE_JOINED

_HEARD = "SELECT 1 FROM challenge_step WHERE sent = $1"
_STEPS = """
SELECT count(*) FROM challenge_step AS s JOIN challenge AS g ON g.id = s.challenge_id WHERE g.case_id = $1
"""
_LAST = "SELECT document FROM decision WHERE case_id = $1 ORDER BY number DESC LIMIT 1"
_REFERRER = "SELECT agency = $2 FROM referral WHERE id = $1"


class Hearing:
    """Takes a challenge from intake: once for each case that it is about, with the first stage's clock from when it
    was sent. Where nothing is decided on a child, what was said is further information on it.
    """

    def __init__(self, casework: Casework, codec: Codec, ladder: Ladder) -> None:
        self._casework = casework
        self._codec = codec
        self._ladder = ladder

    async def hear(
        self, unit: Unit, desk: Desk, event: Event, challenged: Challenged, cause: Cause
    ) -> list[tuple[File, Change]]:
        """Applies the event; gives what else changed on the cases, for others to be told."""
        changes = []
        for child_id in challenged.children:
            file = desk.files.get(child_id)
            if file is None or file.case.referral_id != event.referral_id or child_id in event.erased:
                continue
            shared = challenged.shared
            challenge_id = uuid5(shared.addition, str(child_id))
            if file.case.decision:
                await self._open(unit, desk, file, challenge_id, shared)
            else:
                changes.append((file, self._casework.information(file, cause, _as_information(shared), None)))
                await announce(unit, self._codec, file, challenge_id, ChallengeState.INFORMATION)
        return changes

    async def _open(
        self, unit: Unit, desk: Desk, file: File, challenge_id: UUID, shared: ChallengedReferral
    ) -> None:
        case, sent = file.case, challenge_id
        if await unit.connection.fetchval(_HEARD, sent):
            return
        said = Said(
            text=shared.because,
            safe_meanwhile=shared.safe_meanwhile,
            challenger=shared.challenger,
            reach=shared.reach,
            disagrees_with=shared.disagrees_with,
        )
        before = await open_challenge(unit.connection, case.id)
        if before is None:
            stage, did = self._ladder.stages[0], Did.RAISED
            due = self._casework.thresholds.days.due(stage.within, shared.received_at)
            await keep_challenge(
                unit.connection,
                challenge_id,
                case.id,
                case.referral_id,
                case.decision,
                shared.agency,
                Channel.SYSTEM.value,
                stage.id,
                shared.agency,
                shared.received_at,
                due.at,
                True,
                b"",
            )
            ask(desk, file, challenge_id, stage, unit.now, due)
        else:
            challenge_id, stage, did = before["id"], self._ladder.stage(before["stage"]), Did.ADDED
            due = self._casework.thresholds.flow_due(CHALLENGE_JOINED, unit.now)
            await join(unit, desk, file, before, sent, due, shared.agency, referrers=True)
        await keep_step(
            unit.connection,
            self._codec,
            challenge_id,
            case.id,
            did,
            stage.id,
            shared.agency,
            shared.received_at,
            said,
            Came(shared.agency, Channel.SYSTEM, sent),
        )
        self._casework.open_again(file)
        await announce(unit, self._codec, file, challenge_id, ChallengeState.HEARD, stage)


def ask(desk: Desk, file: File, challenge_id: UUID, stage: Stage, now: datetime, due: Due) -> None:
    """A task stands for the stage: it has the stage's clock, and keeps the referral open."""
    case, about = file.case, uuid5(challenge_id, stage.id)
    desk.task(
        NewTask(case.referral_id, case.id, CHALLENGE, now, due, stage.id, about=about, trace=case.trace)
    )


async def is_referrer(connection: asyncpg.Connection, referral_id: UUID, agency: str | None) -> bool:
    """Whether an agency is the one that referred: it hears what becomes of its challenge."""
    return agency is not None and bool(await connection.fetchval(_REFERRER, referral_id, agency))


async def announce(
    unit: Unit,
    codec: Codec,
    file: File,
    challenge_id: UUID,
    state: ChallengeState,
    stage: Stage | None = None,
    outcome: ChallengeOutcome | None = None,
) -> None:
    """Tells how far a challenge of the referrer's has come, after its step was kept. The outcome may be told where the
    decision that it is about may be.
    """
    case, may_tell = file.case, True
    document = await unit.connection.fetchval(_LAST, case.id)
    if document is not None:
        decision = await read_decision(codec, case.id, document)
        may_tell = decision is not None and decision.may_tell_referrer
    child = ChallengedChild(
        challenge=challenge_id,
        number=await unit.connection.fetchval(_STEPS, case.id) if stage is not None else 0,
        state=state,
        stage=None if stage is None else stage.id,
        outcome=outcome,
        may_tell_referrer=may_tell,
    )
    about = Reference(reference=case.reference, at=unit.now)
    unit.emit(
        CHALLENGE_MOVED,
        case.referral_id,
        ChallengeMoved(shared=about, children={case.id: child}),
        trace=case.trace,
    )


def _as_information(shared: ChallengedReferral) -> AddedInformation:
    parts = (
        f"{shared.challenger} disagrees with: {shared.disagrees_with}",
        shared.because,
        f"How the child is safe meanwhile: {shared.safe_meanwhile}",
        f"To be reached: {shared.reach}",
    )
    return AddedInformation(
        reference=shared.reference,
        received_at=shared.received_at,
        agency=shared.agency,
        worry="\n\n".join(parts),
    )
