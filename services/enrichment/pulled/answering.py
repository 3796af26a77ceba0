"""Takes what agencies answer to the questions that they fetched: kept, recorded and told in one transaction."""

from collections.abc import Mapping
from hashlib import sha256
from uuid import UUID

from libs.messaging.ledger import Ledger, Unit
from libs.platform.alarms import Alarm
from libs.platform.auth import Principal
from libs.platform.problems import Problem, invalid_body
from libs.platform.validation import FieldError
from libs.schemas.base import Nothing, Payload
from libs.schemas.dictionary import Dictionary
from libs.schemas.findings import CorrectionKind
from services.enrichment.asking.question import Question
from services.enrichment.asking.recorder import Claim, Recorded, Recorder
from services.enrichment.checks.desk import Desk
from services.enrichment.checks.effects import carry_out
from services.enrichment.checks.store import Store
from services.enrichment.partnership import AgencyTerms
from services.enrichment.pulled.given import (
    AnswerBody,
    CorrectionBody,
    Given,
    about_someone_else,
    faults,
    reply_of,
)
from services.enrichment.pulled.seats import Seat, seats_of
from services.enrichment.pulled.work import Item, WorkTable
from services.enrichment.sharing.disclosures import Disclosures, answered
from services.enrichment.sharing.permission import Permission

_ALREADY = "SELECT number, digest FROM work_correction WHERE question_id = $1 AND key = $2"
_NEXT = "SELECT coalesce(max(number), 0) + 1 FROM work_correction WHERE question_id = $1"
_CORRECT = """
INSERT INTO work_correction (question_id, number, at, by, key, digest, correction)
VALUES ($1, $2, $3, $4, $5, $6, $7)
"""


class CorrectionOf(Payload[Nothing, CorrectionBody]):
    """A correction as it is kept."""


class Answering:
    """The desk at which agencies fetch and answer; set as `app.state.answering` once the database is there."""

    def __init__(
        self,
        ledger: Ledger,
        recorder: Recorder,
        store: Store,
        desk: Desk,
        terms: Mapping[str, AgencyTerms],
        dictionary: Dictionary,
        alarms: Alarm,
    ) -> None:
        self.ledger = ledger
        self.table = WorkTable(ledger.codec)
        self.terms = terms
        self.dictionary = dictionary
        self._recorder = recorder
        self._store = store
        self._desk = desk
        self._alarms = alarms
        self._disclosures = Disclosures(ledger.codec)

    def seats(self, caller: Principal) -> tuple[Seat, ...]:
        """Where a caller sits. Raises Problem 403 where they sit nowhere."""
        seats = seats_of(caller.subject, caller.agency, self.terms)
        if not seats:
            raise Problem(
                403, "no-seat", "This access token speaks for no agency that answers questions here"
            )
        return seats

    async def claim(self, caller: Principal, most: int) -> list[Item]:
        """Takes up to so many questions for a caller."""
        seats = self.seats(caller)
        async with self.ledger.pool.acquire() as connection, connection.transaction():
            return await self.table.claim(connection, seats, caller, most, self.ledger.clock.now())

    async def open(self, caller: Principal, question_id: UUID) -> Item | None:
        """Takes one question for a person; None where somebody else holds it or it is answered.

        Raises Problem 404 where the caller has no such question.
        """
        seats = self.seats(caller)
        now = self.ledger.clock.now()
        async with self.ledger.pool.acquire() as connection, connection.transaction():
            taken = await self.table.claim_one(connection, seats, caller, question_id, now)
            if taken is None and await self.table.find(connection, seats, question_id) is None:
                raise not_found()
            return taken

    async def renew(self, caller: Principal, claim_id: UUID) -> list[UUID]:
        """Lengthens a claim. Raises Problem 404 where it holds nothing any more."""
        held = await self.table.renew(self.ledger.pool, claim_id, caller.subject, self.ledger.clock.now())
        if not held:
            raise Problem(404, "claim-ended", "This claim holds no question any more", "claim again")
        return held

    async def release(self, caller: Principal, question_id: UUID, claim_id: UUID) -> None:
        """Gives a question back. Giving back what the claim does not hold changes nothing."""
        if await self.table.find(self.ledger.pool, self.seats(caller), question_id) is None:
            raise not_found()
        await self.table.release(self.ledger.pool, question_id, claim_id, caller.subject)

    async def answer(self, caller: Principal, question_id: UUID, body: AnswerBody) -> None:
        """Takes the answer to a claimed question: the same again changes nothing.

        Raises Problem 404, 409 where another answer stands or somebody else holds the question, 422.
        """
        given = body.given()
        found = await self._found(caller, question_id)
        await self._check(found, given)
        async with self.ledger.unit({found.referral_id}) as unit:
            item = await self.table.find(unit.connection, self.seats(caller), question_id, lock=True)
            question = None if item is None else item.question
            if item is None or question is None:
                raise not_found()
            if item.digest is not None:
                if item.digest == given.digest:
                    return
                raise Problem(
                    409,
                    "answer-stands",
                    "This question has another answer",
                    "send a correction; the first answer stays on record",
                )
            if item.claim_id != body.claim_id or item.claimed_by != caller.subject:
                raise Problem(
                    409,
                    "claim-not-held",
                    "This claim does not hold the question",
                    "claim again: the claim has ended and somebody else may hold it",
                )
            await self.table.close(unit.connection, item, caller.subject, given, unit.now)
            await self.table.renew(unit.connection, body.claim_id, caller.subject, unit.now)
            await self.table.note(unit.connection, caller, "work.answered", [item], unit.now)
            await self._record(unit, item, question, given)
        await self.ledger.failpoints.hit("enrichment.after_record")

    async def _record(self, unit: Unit, item: Item, question: Question, given: Given) -> None:
        claim = Claim(
            child_id=item.child_id,
            referral_id=item.referral_id,
            agency=item.seat.agency,
            question_id=item.question_id,
            attempt=0,
            trace=None,
            permission=Permission((), {}, to=item.seat.audience),
            question=question,
        )
        await self._recorder.write(unit, [Recorded(claim, reply_of(given), unit.now)])

    async def correct(
        self, caller: Principal, question_id: UUID, key: str, body: CorrectionBody
    ) -> tuple[int, bool]:
        """Takes a correction of an answer; gives its number and whether it is new.

        Raises Problem 404, 409 where nothing was answered, 422.
        """
        found = await self._found(caller, question_id)
        # A sender's key may name a child.
        key = sha256(key.encode()).hexdigest()
        if body.answer is not None:
            await self._check(found, body.answer, "/answer")
        async with self.ledger.unit({found.referral_id}) as unit:
            item = await self.table.find(unit.connection, self.seats(caller), question_id, lock=True)
            if item is None:
                raise not_found()
            if item.digest is None:
                raise Problem(409, "not-answered", "There is no answer to correct", "send the answer first")
            known = await unit.connection.fetchrow(_ALREADY, question_id, key)
            if known is not None:
                if known["digest"] != body.digest:
                    raise Problem(
                        422,
                        "idempotency-key-reused",
                        "This Idempotency-Key was used for another correction",
                        "send a new key, or the same body as the first time",
                    )
                return known["number"], False
            number: int = await unit.connection.fetchval(_NEXT, question_id)
            (sealed,) = await self.ledger.codec.encode(
                [CorrectionOf(shared=Nothing(), children={item.child_id: body})]
            )
            await unit.connection.execute(
                _CORRECT, question_id, number, unit.now, caller.subject, key, body.digest, sealed
            )
            await self.table.note(unit.connection, caller, "work.corrected", [item], unit.now)
            await self._tell(unit, item, body)
            return number, True

    async def _tell(self, unit: Unit, item: Item, body: CorrectionBody) -> None:
        referrals = await self._store.load(unit.connection, [item.referral_id])
        referral = referrals[item.referral_id]
        reply = None if body.answer is None else reply_of(body.answer)
        kind = CorrectionKind.RETRACTED if reply is None else CorrectionKind.CORRECTED
        child = referral.children[item.child_id]
        reason = str(body.reason)
        effects = self._desk.corrected(referral, child, item.question_id, kind, reason, reply, unit.now)
        carry_out(unit, referral, effects)
        await self._store.save(unit.connection, [referral], unit.now)
        if body.answer is not None:
            came = answered(
                item.seat.agency,
                item.referral_id,
                item.child_id,
                item.question_id,
                () if item.question is None else item.question.items,
                reply_of(body.answer),
                unit.now,
                item.seat.audience,
            )
            await self._disclosures.record(unit.connection, [came])

    async def _found(self, caller: Principal, question_id: UUID) -> Item:
        item = await self.table.find(self.ledger.pool, self.seats(caller), question_id)
        if item is None:
            raise not_found()
        return item

    async def _check(self, item: Item, given: Given, root: str = "") -> None:
        wrong = faults(given, item.seat.agency, self.dictionary, self.ledger.clock.now())
        if wrong:
            raise invalid_body([FieldError(root + one.pointer, one.code, one.wanted) for one in wrong])
        if item.question is not None and about_someone_else(given, item.question):
            await self._alarms.raise_alarm(
                "answer-about-someone-else", agency=item.seat.agency, referral_id=item.referral_id
            )
            pointer = f"{root}/child"
            raise invalid_body(
                [FieldError(pointer, "about_someone_else", "must not contradict whom the question names")]
            )


def not_found() -> Problem:
    """What a caller learns of a question that is not theirs: the same as of one that does not exist."""
    return Problem(404, "question-not-found", "You have no such question")
