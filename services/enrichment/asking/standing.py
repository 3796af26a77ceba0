"""Which agencies do not answer: found out by each instance, seen by all, shown to staff and to operations."""

import asyncio
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Annotated, Protocol
from zoneinfo import ZoneInfo

import asyncpg
import structlog
from fastapi import APIRouter, Depends, Request
from opentelemetry.metrics import CallbackOptions, Meter, Observation
from pydantic import Field

from libs.messaging.errors import code_of
from libs.messaging.ledger import Ledger
from libs.platform.alarms import Alarm
from libs.platform.auth import Principal, requires
from libs.platform.problems import responses
from libs.schemas.base import Identifier, Instant, Model
from services.enrichment.asking.agency import Reply
from services.enrichment.asking.breaker import Breaker, BreakerTerms, is_failure
from services.enrichment.partnership import AgencyTerms

READ_EVERY = timedelta(seconds=1)
"""How long another instance's finding may be unknown here."""

_READ = "SELECT agency, since, try_at, tries FROM agency_standing"
_OPENED = """
INSERT INTO agency_standing AS s (agency, since, try_at, tries) VALUES ($1, $2, $3, $4)
ON CONFLICT (agency) DO UPDATE SET since = least(s.since, EXCLUDED.since), try_at = EXCLUDED.try_at,
       tries = greatest(s.tries, EXCLUDED.tries)
RETURNING xmax = 0 AS first
"""
_CLOSED = "DELETE FROM agency_standing WHERE agency = $1 RETURNING since"
_TRY = """
UPDATE agency_standing SET try_at = $3
 WHERE agency = $1 AND try_at <= $2
   AND EXISTS (SELECT 1 FROM agency_check AS c WHERE c.agency = $1 AND c.ask_at <= $2)
RETURNING agency
"""
_NOT_TRIED = "UPDATE agency_standing SET try_at = $2 WHERE agency = $1 AND try_at = $3"
_WAITING = """
SELECT agency, count(DISTINCT child_id) AS children FROM agency_check
 WHERE ask_at IS NOT NULL AND answered_at IS NULL GROUP BY agency
"""

_log = structlog.get_logger()


class Standings:
    """Every agency's breaker. An agency that answers has no row, so that the ordinary way costs no statement."""

    def __init__(
        self,
        ledger: Ledger,
        agencies: Mapping[str, AgencyTerms],
        terms: BreakerTerms,
        meter: Meter,
        alarms: Alarm,
        zone: ZoneInfo,
    ) -> None:
        self._ledger = ledger
        self._agencies = agencies
        self._breakers = {agency: Breaker(terms) for agency in agencies}
        self._alarms = alarms
        self._zone = zone
        self._read_at: datetime | None = None
        self._waiting: Mapping[str, int] = {}
        self._changing = asyncio.Lock()
        self._owed: dict[str, tuple[str, tuple[object, ...]]] = {}
        meter.create_observable_gauge(
            "mash.agencies.not_answering",
            [self._observe_standing],
            description="1 where an agency answers nobody, by agency.",
        )
        meter.create_observable_gauge(
            "mash.agencies.waiting",
            [self._observe_waiting],
            description="Children who wait for an agency's answer, by agency.",
        )

    @property
    def away(self) -> frozenset[str]:
        """The agencies that answer nobody at present."""
        return frozenset(agency for agency, breaker in self._breakers.items() if breaker.is_open)

    async def open_to(self, free: Mapping[str, int], now: datetime) -> dict[str, int]:
        """How many questions each agency may be sent: all that fit, or one where somebody has to try it."""
        if self._read_at is None or now - self._read_at >= READ_EVERY:
            await self._read(now)
        sendable: dict[str, int] = {}
        for agency, slots in free.items():
            breaker = self._breakers[agency]
            if not breaker.is_open:
                sendable[agency] = slots
            elif breaker.may_try(now) and await self._take_turn(agency, breaker, now):
                sendable[agency] = 1
        return sendable

    async def not_tried(self, agencies: Iterable[str], now: datetime) -> None:
        """There was nothing to try these agencies with after all: whoever has something may at once."""
        for agency in agencies:
            breaker = self._breakers[agency]
            until = breaker.try_at
            if breaker.not_tried(now):
                await self._write(_NOT_TRIED, agency, now, until)

    async def heard(self, agency: str, reply: Reply, sent: datetime) -> None:
        """What came of a question that was sent to an agency then.

        Never raises: what cannot be written counts for this instance, and is written as soon as it can be.
        """
        breaker = self._breakers[agency]
        if not is_failure(reply) and not breaker.is_open:
            breaker.answered()
            return
        async with self._changing:
            found_out = await self._changed(agency, breaker, reply, sent)
        if found_out:
            await self._alarms.raise_alarm("agency-not-answering", agency=agency)

    async def _changed(self, agency: str, breaker: Breaker, reply: Reply, sent: datetime) -> bool:
        """Whether this instance is the first to find out that the agency does not answer."""
        before = breaker.try_at
        if not is_failure(reply):
            if breaker.answered():
                await self._settle(_CLOSED, agency)
                _log.info("agency-answers-again", agency=agency)
            return False
        opened = breaker.failed(self._ledger.clock.now(), sent)
        if not opened and breaker.try_at == before:
            return False
        first = await self._settle(_OPENED, agency, breaker.since, breaker.try_at, breaker.tries)
        return opened and first is not False

    async def count(self) -> int:
        """Counts who waits for each agency, for the metric. Gives how many agencies answer nobody."""
        self._waiting = await self._children_waiting()
        return len(self.away)

    async def standings(self) -> "tuple[AgencyStanding, ...]":
        """Each agency's standing now."""
        now = self._ledger.clock.now()
        await self._read(now)
        waiting = await self._children_waiting()
        return tuple(
            _standing(terms, self._breakers[agency], waiting.get(agency, 0), now, self._zone)
            for agency, terms in self._agencies.items()
        )

    async def _children_waiting(self) -> dict[str, int]:
        rows = await self._ledger.pool.fetch(_WAITING)
        return {row["agency"]: row["children"] for row in rows}

    async def _read(self, now: datetime) -> None:
        """Takes over what other instances have found out, and tells what they could not be told yet."""
        async with self._changing:
            await self._take_over(now)

    async def _take_over(self, now: datetime) -> None:
        for agency, (sql, arguments) in list(self._owed.items()):
            await self._settle(sql, agency, *arguments)
        rows = {row["agency"]: row for row in await self._ledger.pool.fetch(_READ)}
        self._read_at = now
        for agency, breaker in self._breakers.items():
            row = rows.get(agency)
            if agency in self._owed:
                continue
            if row is not None:
                breaker.since, breaker.try_at, breaker.tries = row["since"], row["try_at"], row["tries"]
            elif breaker.is_open:
                breaker.answered()

    async def _take_turn(self, agency: str, breaker: Breaker, now: datetime) -> bool:
        until = now + max(breaker.terms.wait, timedelta(seconds=self._agencies[agency].total_seconds))
        if await self._ledger.pool.fetchval(_TRY, agency, now, until) is None:
            return False
        breaker.tried(now, until)
        return True

    async def _settle(self, sql: str, agency: str, *arguments: object) -> object:
        """Writes an agency's standing; what cannot be written is owed until the next look."""
        written, first = await self._write(sql, agency, *arguments)
        if written:
            self._owed.pop(agency, None)
        else:
            self._owed[agency] = (sql, arguments)
        return first

    async def _write(self, sql: str, *arguments: object) -> tuple[bool, object]:
        try:
            return True, await self._ledger.pool.fetchval(sql, *arguments)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            _log.warning("standing-not-written", code=code_of(error))
            return False, None

    def _observe_standing(self, _: CallbackOptions) -> Iterable[Observation]:
        away = self.away
        return [Observation(int(agency in away), {"agency": agency}) for agency in self._breakers]

    def _observe_waiting(self, _: CallbackOptions) -> Iterable[Observation]:
        waiting = self._waiting
        return [Observation(waiting.get(agency, 0), {"agency": agency}) for agency in self._breakers]


class AgencyStanding(Model):
    """Whether an agency answers, and who waits for it."""

    agency: Identifier
    name: str
    answering: bool
    since: Instant | None = Field(None, description="Since when it has not answered anybody.")
    tried_next: Instant | None = Field(None, description="When one question tries it again.")
    waiting: int = Field(ge=0, description="How many children wait for its answer.")
    words: str = Field(description="The same in words.")


def _standing(
    terms: AgencyTerms, breaker: Breaker, waiting: int, now: datetime, zone: ZoneInfo
) -> AgencyStanding:
    since = breaker.since if breaker.is_open else None
    return AgencyStanding(
        agency=terms.id,
        name=terms.name,
        answering=since is None,
        since=since,
        tried_next=breaker.try_at,
        waiting=waiting,
        words=standing_words(terms.name, since, waiting, now, zone),
    )


def standing_words(name: str, since: datetime | None, waiting: int, now: datetime, zone: ZoneInfo) -> str:
    """An agency's standing as staff read it, with the time of their wall."""
    children = {0: "no child waiting", 1: "1 child waiting"}.get(waiting, f"{waiting} children waiting")
    if since is None:
        return f"{name}: answering; {children}"
    began, today = since.astimezone(zone), now.astimezone(zone).date()
    day = "" if began.date() == today else f"{began.day} {began:%B} "
    return f"{name}: not answering since {day}{began:%H:%M}; {children}"


class Reading(Protocol):
    """Who tells how the agencies stand."""

    async def standings(self) -> tuple[AgencyStanding, ...]:
        """Each agency's standing now."""
        ...


async def _standings(request: Request) -> Reading:
    standings: Reading = request.app.state.standings
    return standings


Reader = Annotated[Principal, requires("checks:read")]

router = APIRouter(prefix="/v1/agencies", tags=["agencies"])


@router.get(
    "", responses=responses(401, 403, 503), summary="Whether each agency answers, and who waits for it"
)
async def read_agencies(
    caller: Reader, standings: Annotated[Reading, Depends(_standings)]
) -> tuple[AgencyStanding, ...]:
    """Every agency that is asked. Nothing about any child but how many wait."""
    return await standings.standings()
