"""The lists that agencies send: kept sealed, found by keyed hashes, and told for each child whom they concern.

Whoever is on the newest list of an agency is found when a question about them is put, and when the list comes. Who is
not on it is not "not held": the question still waits for the agency's own answer.
"""

import hmac
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from uuid import UUID, uuid4

from libs.messaging.ledger import Ledger, Unit
from libs.platform.auth import Principal
from libs.schemas.base import Model, Nothing, Payload
from libs.schemas.events import CHECK_RETURNED, CheckReturned, Reference
from libs.schemas.findings import EXISTENCE_ONLY, HELD_BACK, PARTIAL, AgencyState, Answer
from libs.spelling import words
from services.enrichment.asking.agency import Reply
from services.enrichment.asking.question import Question, Subject, exact_birth
from services.enrichment.pulled.lists import Entry, ReadList, listed_fact
from services.enrichment.pulled.seats import Seat
from services.enrichment.pulled.work import WorkTable
from services.enrichment.sharing.disclosures import Disclosures, answered

ITEMS = frozenset({"listing", "domestic_abuse"})
"""The items of the data-sharing agreement that a list answers."""

IN_HAND = timedelta(days=120)
"""A question that was put longer ago belongs to no case that a new list could change."""

_LATEST = 'SELECT id, "on", digest FROM list WHERE agency = $1 ORDER BY "on" DESC, at DESC LIMIT 1'
_ADD = """
INSERT INTO list (id, agency, "on", at, by, digest, accepted, refused) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""
_ENTRIES = "INSERT INTO list_entry (list_id, row, keys, entry) VALUES ($1, $2, $3, $4)"
_SUPERSEDE = """
DELETE FROM list_entry WHERE list_id IN (SELECT id FROM list WHERE agency = $1 AND id <> $2)
"""
_CONCERNED = """
SELECT DISTINCT w.question_id, w.agency, w.audience, w.referral_id, l.id, l."on"
  FROM (SELECT DISTINCT ON (agency) id, agency, "on" FROM list ORDER BY agency, "on" DESC, at DESC) AS l
  JOIN list_entry AS e ON e.list_id = l.id
  JOIN work AS w ON w.agency = l.agency AND w.keys && e.keys
 WHERE ($1::text IS NULL OR w.agency = $1) AND ($2::uuid IS NULL OR w.question_id = $2) AND w.put_at > $3
   AND NOT EXISTS (SELECT 1 FROM list_match AS m WHERE m.question_id = w.question_id AND m.list_id = l.id)
"""
_MATCH = """
INSERT INTO list_match (question_id, list_id, at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING list_id
"""
_CHECK = """
SELECT c.state, c.reason, c.late, c.due_at, r.reference, child.traceparent
  FROM agency_check AS c JOIN referral AS r ON r.id = c.referral_id JOIN child ON child.id = c.child_id
 WHERE c.question_id = $1
"""
_ANSWERED = frozenset(
    {AgencyState.RETURNED, AgencyState.NOTHING_HELD, AgencyState.OUTSIDE_COVERAGE, AgencyState.DECLINED}
)


class EntryOf(Payload[Entry, Nothing]):
    """An entry as it is kept: it is about no referral's child."""


class Kept(Model):
    """What became of a list."""

    unchanged: bool = False
    older: bool = False


class Listing:
    """Keeps lists, and tells what they say. `secret` makes the keyed hashes, the same in all instances."""

    def __init__(self, ledger: Ledger, secret: str) -> None:
        self._ledger = ledger
        self._secret = secret.encode()
        self._work = WorkTable(ledger.codec)
        self._disclosures = Disclosures(ledger.codec)

    def keys_of(self, question: Question) -> tuple[bytes, ...]:
        """Keyed hashes of everybody whom a question names, where a list may answer it."""
        if ITEMS.isdisjoint(question.items):
            return ()
        people = [question.child, *([question.mother] if question.mother else []), *question.adults]
        return tuple(sorted({key for one in people for key in self._keys_of_subject(one)}))

    def _keys_of_subject(self, one: Subject) -> Iterable[bytes]:
        names = [(one.given_name, one.family_name)]
        names += [(alias, alias) for alias in one.also_known_as or ()]
        for given, family in names:
            yield from self._keys(given, family, exact_birth(one.born), None)
        yield from self._keys(None, None, None, one.nhs_number)

    def _keys(
        self, given: str | None, family: str | None, born: date | None, number: str | None
    ) -> Iterable[bytes]:
        """One hash for the NHS number, one for first name, last part of the family name and day of birth."""
        if number:
            yield self._digest("nhs", number.replace(" ", ""))
        first, last = tuple(words(given or "")), tuple(words(family or ""))
        if first and last and born is not None:
            yield self._digest("named", first[0], last[-1], born.isoformat())

    def _digest(self, *values: str) -> bytes:
        return hmac.digest(self._secret, "\x1f".join(("list", *values)).encode(), "sha256")[:16]

    async def keep(self, agency: str, on: date, by: Principal, read: ReadList) -> Kept:
        """Keeps a list in place of the agency's earlier ones. The same list again changes nothing, an older one too."""
        digest = read.digest(on)
        sealed = await self._ledger.codec.encode([EntryOf(shared=entry) for _, entry in read.entries])
        async with self._ledger.unit(locks=[f"list/{agency}"]) as unit:
            latest = await unit.connection.fetchrow(_LATEST, agency)
            if latest is not None and latest["on"] > on:
                return Kept(older=True)
            if latest is not None and latest["digest"] == digest:
                return Kept(unchanged=True)
            list_id = uuid4()
            numbers = (len(read.entries), read.rows - len(read.entries))
            await unit.connection.execute(_ADD, list_id, agency, on, unit.now, by.subject, digest, *numbers)
            await unit.connection.executemany(
                _ENTRIES,
                [
                    (list_id, row, sorted(set(self._entry_keys(entry))), value)
                    for (row, entry), value in zip(read.entries, sealed, strict=True)
                ],
            )
            await unit.connection.execute(_SUPERSEDE, agency, list_id)
        await self.tell(agency)
        return Kept()

    def _entry_keys(self, entry: Entry) -> Iterable[bytes]:
        return self._keys(entry.given_name, entry.family_name, entry.born, entry.nhs_number)

    async def reconcile(self) -> int:
        """Tells what a process that died left untold."""
        return await self.tell()

    async def tell(self, agency: str | None = None, question_id: UUID | None = None) -> int:
        """Tells what the newest lists say of questions that were put and not yet told of; gives of how many."""
        since = self._ledger.clock.now() - IN_HAND
        rows = await self._ledger.pool.fetch(_CONCERNED, agency, question_id, since)
        for row in rows:
            seat = Seat(row["agency"], "lead" if row["audience"] == "lead" else "team")
            async with self._ledger.unit({row["referral_id"]}) as unit:
                await self._tell(unit, [seat], row["question_id"], row["id"], row["on"])
        return len(rows)

    async def _tell(
        self, unit: Unit, seats: Sequence[Seat], question_id: UUID, list_id: UUID, on: date
    ) -> None:
        if await unit.connection.fetchval(_MATCH, question_id, list_id, unit.now) is None:
            return
        item = await self._work.find(unit.connection, seats, question_id)
        if item is None or item.question is None:
            return
        check = await unit.connection.fetchrow(_CHECK, question_id)
        if check is None:
            return
        asked = ITEMS.intersection(item.question.items)
        reply = Reply(
            AgencyState.RETURNED,
            as_of=on,
            facts=() if asked <= item.question.existence_only else (listed_fact(on),),
        )
        answer = Answer(
            agency=item.seat.agency,
            question_id=str(question_id),
            state=reply.state,
            reason=self._reason(check["state"], check["reason"], bool(reply.facts)),
            asked_at=item.put_at,
            due_at=check["due_at"],
            answered_at=unit.now,
            late=check["late"],
            as_of=on,
            facts=reply.facts,
            items=tuple(sorted(asked)),
        )
        payload = CheckReturned(
            shared=Reference(reference=check["reference"], at=unit.now), children={item.child_id: answer}
        )
        unit.emit(CHECK_RETURNED, item.referral_id, payload, trace=check["traceparent"])
        came = answered(
            item.seat.agency,
            item.referral_id,
            item.child_id,
            question_id,
            asked,
            reply,
            unit.now,
            item.seat.audience,
        )
        await self._disclosures.record(unit.connection, [came])

    @staticmethod
    def _reason(state: str, reason: str | None, says_what: bool) -> str | None:
        """Beside a list the agency may know more, until it has answered itself."""
        if not says_what:
            return EXISTENCE_ONLY
        if state in _ANSWERED:
            return reason if reason in PARTIAL else None
        return HELD_BACK
