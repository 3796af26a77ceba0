"""Writes down what became of questions, many at a time: state, events and clocks in one transaction."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from random import Random
from uuid import UUID

import structlog

from libs.messaging.errors import ErrorClass, classify, code_of
from libs.messaging.ledger import Bell, Ledger, Unit
from libs.platform.alarms import Alarm
from libs.schemas.findings import Answer
from services.enrichment.asking.agency import Reply
from services.enrichment.asking.question import Question
from services.enrichment.asking.replies import LONGEST_RETRY_AFTER, SPOKEN, unavailable
from services.enrichment.checks.desk import Desk
from services.enrichment.checks.effects import CORRECTED, carry_out
from services.enrichment.checks.record import ANSWERED, Check, Due, Effect, Referral
from services.enrichment.checks.reuse import corrected_meanwhile
from services.enrichment.checks.store import Store
from services.enrichment.sharing.disclosures import Disclosure, Disclosures, answered
from services.enrichment.sharing.permission import Permission

MOST_AT_ONCE = 200
WAITING = 2000
LONGEST_WAIT = 60.0
GATHER_SECONDS = 0.005
"""A child's agencies answer side by side: what comes so close together is recorded in one transaction."""
ALARM_GRACE = 1.0
"""Seconds that alarms get when the service stops. They stand in the log whether or not anybody takes them."""
PAUSE = 0.5
"""Seconds between attempts while the database fails."""

NOT_RECORDED = "not_recorded"
"""Why an agency counts as unavailable whose reply can never be written down."""

_SET_ASIDE = """
UPDATE agency_check SET ask_at = NULL, silence = 'unavailable', reason = $2
 WHERE question_id = $1 AND answered_at IS NULL
"""

logger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Claim:
    """One question that this process has taken on, until its lease ends."""

    child_id: UUID
    referral_id: UUID
    agency: str
    question_id: UUID
    attempt: int
    trace: str | None
    permission: Permission
    question: Question | None = field(repr=False)
    """What to ask; None where nothing may be asked, or nothing can be read, of which `refusal` tells."""
    refusal: str | None = None
    fault: str | None = None
    """Why nothing could be asked that may be asked."""
    known: Reply | None = field(default=None, repr=False)
    """What the agency answered to the same about the same person, where that is fresh enough to count."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of one claimed question."""

    claim: Claim
    reply: Reply
    at: datetime


class Recorder:
    """Takes replies from all agencies.

    What the process takes with it when it dies is asked again when the claim's lease ends. A reply that can never be
    written raises an alarm and makes its agency unavailable, asked again an hour later; where not even that can be
    written, the question is set aside.
    """

    def __init__(
        self, ledger: Ledger, store: Store, desk: Desk, random: Random, alarms: Alarm, asks: Bell
    ) -> None:
        """`asks` is rung where a reply leads to further questions."""
        self._asks = asks
        self._alarms = alarms
        self._ledger = ledger
        self._store = store
        self._desk = desk
        self._disclosures = Disclosures(ledger.codec)
        self._random = random
        self._queue: asyncio.Queue[Recorded] = asyncio.Queue(WAITING)
        self._bell = Bell()
        self._raising: set[asyncio.Task[bool]] = set()
        self._stopping = False

    async def put(self, recorded: Recorded) -> None:
        """Hands over a reply; waits while too many are on their way."""
        await self._queue.put(recorded)
        self._bell.ring()

    def stop(self) -> None:
        """Asks `run` to record what it was handed and return."""
        self._stopping = True
        self._bell.ring()

    async def run(self) -> None:
        """Records until `stop`."""
        while not (self._stopping and self._queue.empty()):
            waiting: list[Recorded] = []
            while not self._queue.empty():
                waiting.append(self._queue.get_nowait())
            # The answers of one referral side by side: its state is then loaded and written once, not once for each.
            waiting.sort(key=lambda item: item.claim.referral_id)
            for start in range(0, len(waiting), MOST_AT_ONCE):
                await self._persist(waiting[start : start + MOST_AT_ONCE])
            if not waiting and await self._bell.wait(LONGEST_WAIT):
                await asyncio.sleep(GATHER_SECONDS)
        if self._raising:
            _, unheard = await asyncio.wait(self._raising, timeout=ALARM_GRACE)
            for task in unheard:
                task.cancel()

    async def _persist(self, batch: Sequence[Recorded]) -> None:
        while True:
            try:
                await self.record(batch)
            except Exception as error:  # noqa: BLE001 - what fails is given up by itself
                passing = classify(error) is ErrorClass.TRANSIENT
                if passing:
                    await asyncio.sleep(PAUSE)
                if len(batch) > 1:
                    # It may also have been too much for the database's limits of time and locks.
                    size = len(batch) // 2 if passing else 1
                    for start in range(0, len(batch), size):
                        await self._persist(batch[start : start + size])
                elif passing:
                    continue
                else:
                    await self._give_up(batch[0], error)
            return

    async def _give_up(self, item: Recorded, reason: Exception) -> None:
        claim = item.claim
        log = logger.bind(agency=claim.agency, referral_id=str(claim.referral_id))
        log.error("reply-not-recorded", code=code_of(reason), exc_info=reason)
        if item.reply.reason != NOT_RECORDED:
            self._raise("reply-not-recorded", claim)
            await self._persist([replace(item, reply=unavailable(NOT_RECORDED, LONGEST_RETRY_AFTER))])
            return
        try:
            arguments = (claim.question_id, NOT_RECORDED)
            await self._ledger.pool.execute(_SET_ASIDE, *arguments)
        except Exception as error:  # noqa: BLE001 - the other agencies' replies wait behind this one
            log.error("question-not-set-aside", code=code_of(error))

    def _raise(self, code: str, claim: Claim) -> None:
        """Raises an alarm beside the work: the other agencies' replies do not wait until somebody takes it."""
        raising = self._alarms.raise_alarm(code, agency=claim.agency, referral_id=claim.referral_id)
        task = asyncio.create_task(raising, name=code)
        self._raising.add(task)
        task.add_done_callback(self._raising.discard)

    async def record(self, batch: Sequence[Recorded]) -> None:
        """Writes a batch in one unit. Replies to what was answered already change nothing."""
        async with self._ledger.unit({item.claim.referral_id for item in batch}) as unit:
            await self.write(unit, batch)
        await self._ledger.failpoints.hit("enrichment.after_record")

    async def write(self, unit: Unit, batch: Sequence[Recorded]) -> None:
        """Writes a batch in the caller's unit, which holds its referrals."""
        referrals = await self._store.load(unit.connection, unit.referrals)
        earlier = await self._earlier(unit, referrals, batch)
        effects: dict[UUID, list[Effect]] = {}
        came: list[Disclosure] = []
        for item in batch:
            claim = item.claim
            referral = referrals[claim.referral_id]
            told = self._desk.replied(
                referral,
                referral.children[claim.child_id],
                claim.question_id,
                claim.attempt,
                item.reply,
                max(item.at, unit.now),
                self._random.random(),
                earlier=earlier.get(claim.question_id),
                permission=claim.permission,
            )
            effects.setdefault(referral.id, []).extend(told)
            if told and item.reply.state in SPOKEN and item.reply.reused_from is None:
                came.append(_came(item, unit.now))
        for claim in await self._corrected_meanwhile(unit, batch):
            unit.arm(CORRECTED, claim.referral_id, claim.question_id, unit.now, trace=claim.trace)
        for referral_id, decided in effects.items():
            carry_out(unit, referrals[referral_id], decided)
        await self._store.save(unit.connection, referrals.values(), unit.now)
        await self._disclosures.record(unit.connection, came)
        if any(isinstance(effect, Due) for decided in effects.values() for effect in decided):
            unit.committed.append(self._asks.ring)
        await self._ledger.failpoints.hit("enrichment.before_record")

    async def _corrected_meanwhile(self, unit: Unit, batch: Sequence[Recorded]) -> list[Claim]:
        """Claims answered with what was said to another question and has been corrected since it was read."""
        used = [(item.claim, item.reply.reused_of) for item in batch if item.reply.reused_of is not None]
        if not used:
            return []
        corrected = await corrected_meanwhile(unit.connection, {origin for _, origin in used})
        return [claim for claim, origin in used if origin in corrected]

    async def _earlier(
        self, unit: Unit, referrals: Mapping[UUID, Referral], batch: Sequence[Recorded]
    ) -> dict[UUID, Answer]:
        """What agencies said before to questions that are answered once more, by the question that is now answered."""
        before: dict[UUID, Check] = {}
        for item in batch:
            claim = item.claim
            checks = referrals[claim.referral_id].children[claim.child_id].checks
            check = checks.get(claim.question_id)
            first = checks.get(check.again) if check is not None and check.again is not None else check
            if item.reply.state in ANSWERED and first is not None and first.state in ANSWERED:
                before[claim.question_id] = first
        if not before:
            return {}
        kept = await self._store.answers(unit.connection, [check.question_id for check in before.values()])
        return {asked: kept.get(check.question_id) or check.told() for asked, check in before.items()}


def _came(item: Recorded, now: datetime) -> Disclosure:
    claim = item.claim
    return answered(
        claim.agency,
        claim.referral_id,
        claim.child_id,
        claim.question_id,
        () if claim.question is None else claim.question.items,
        item.reply,
        now,
        claim.permission.to,
    )
