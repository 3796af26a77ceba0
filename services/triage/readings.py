"""A person reads the referrer's words, and states as facts what they found in them."""

from collections.abc import Awaitable, Callable
from uuid import UUID, uuid5

from pydantic import Field, StrictBool

from libs.messaging.ledger import Ledger, Unit
from libs.platform.auth import Principal
from libs.platform.etags import Precondition
from libs.platform.problems import Problem, invalid_body
from libs.platform.validation import FieldError
from libs.schemas.base import Instant, Model, Text
from libs.schemas.findings import Fact
from libs.schemas.levels import Level, Rag, Stage
from services.triage.access import note
from services.triage.case import Case
from services.triage.casework import Casework
from services.triage.claims.claim import writes
from services.triage.consumer import tell
from services.triage.decision.record import changed_meanwhile, referral_of
from services.triage.desk import Desk, load, save
from services.triage.documents import Reading
from services.triage.policies.store import Policies
from services.triage.reckoning import Cause

Settling = Callable[[Unit, Desk, UUID], Awaitable[None]]


class ReadingBody(Model):
    """The body of `PUT /v1/cases/{id}/reading`. No facts means that the words tell of none."""

    facts: tuple[Fact, ...] = Field(
        (), max_length=200, description="What the words say, in the dictionary's facts."
    )
    immediate_danger: StrictBool = Field(False, description="The words tell of danger now.")
    note: Text | None = None


class ReadingKept(Model):
    """What became of the case by being read."""

    case_id: UUID
    stage: Stage
    level: Level
    rag: Rag
    read_by: str
    read_at: Instant


def words_seen(seen: Precondition) -> set[int]:
    """`Case.words` of what the caller has read, by each entity tag that they name."""
    found = set()
    for tag in seen.tags:
        evidence, _, rest = tag.strip('"').partition(".")
        answers = rest.partition(".")[0]
        if evidence.isascii() and evidence.isdigit() and answers.isascii() and answers.isdigit():
            found.add(int(evidence) - int(answers))
    return found


class Readings:
    """Keeps readings."""

    def __init__(self, ledger: Ledger, casework: Casework, policies: Policies, settle: Settling) -> None:
        """`settle`: closes the referral in the same unit, where reading was the last that was to be done."""
        self._settle = settle
        self._ledger = ledger
        self._casework = casework
        self._policies = policies

    async def keep(
        self, case_id: UUID, body: ReadingBody, fingerprint: bytes, seen: Precondition, caller: Principal
    ) -> tuple[ReadingKept, str]:
        """Records a reading of the words that the caller has seen, and evaluates what it found; gives the case's
        entity tag with it.

        The same reading of the same words sent again is the same answer. Raises Problem: 404, 409 where nothing
        waits to be read, 412 where more was said or read meanwhile, 422. Agencies' answers are no words of the
        referrer: they come at any moment, and refuse no reading.
        """
        referral_id = await referral_of(self._ledger, case_id)
        async with self._ledger.unit([referral_id]) as unit:
            desk = await load(unit, self._ledger.codec, self._policies, [referral_id])
            file = desk.files.get(case_id)
            if file is None:
                raise Problem(409, "processing-stopped", "The referral could not be read yet")
            case = file.case
            self._check(case, body)
            reading = Reading(
                facts=body.facts,
                immediate_danger=body.immediate_danger,
                note=body.note,
                read_by=caller.subject,
                read_at=unit.now,
            )
            said = f"reading/{caller.subject}/{fingerprint.hex()}"
            ids = {words: uuid5(case_id, f"{said}/{words}") for words in words_seen(seen)}
            read_at = await unit.connection.fetchval(
                "SELECT at FROM evidence WHERE case_id = $1 AND event_id = ANY ($2)", case_id, [*ids.values()]
            )
            if read_at is None:
                event_id = ids.get(case.words)
                if event_id is None:
                    raise changed_meanwhile(case, seen)
                if not case.unread:
                    raise Problem(409, "nothing-to-read", "Nothing of this case waits to be read")
                await writes(unit.connection, case_id, caller, unit.now)
                read_at = unit.now
                cause = Cause(event_id, unit.now, unit.now)
                change = self._casework.read(file, cause, reading)
                # What was read of the home counts for the brothers and sisters.
                spread = self._casework.spread(desk.by_referral[referral_id], cause)
                tell(unit, [(file, change), *spread], case.trace)
                await note(unit.connection, unit.now, caller, "case.reading", case_id)
                await self._settle(unit, desk, referral_id)
                await save(unit, self._ledger.codec, self._policies, desk)
            kept = ReadingKept(
                case_id=case_id,
                stage=case.stage,
                level=case.level,
                rag=case.rag,
                read_by=caller.subject,
                read_at=read_at,
            )
            return kept, case.tag

    def _check(self, case: Case, body: ReadingBody) -> None:
        dictionary = self._casework.thresholds.rulebook(case.received_at).dictionary
        errors = []
        for place, fact in enumerate(body.facts):
            fault = dictionary.check(fact)
            if fault is not None:
                errors.append(FieldError(f"/facts/{place}/{fault.field}", fault.code, fault.wanted))
        if errors:
            raise invalid_body(errors[:20])
