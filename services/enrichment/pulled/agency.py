"""The port to an agency that fetches its questions, and to the safeguarding lead of every agency that names one."""

from uuid import UUID

from libs.messaging.ledger import Ledger
from libs.schemas.findings import AgencyState
from services.enrichment.asking.agency import Reply
from services.enrichment.asking.question import Question
from services.enrichment.pulled.given import reply_of
from services.enrichment.pulled.listing import Listing
from services.enrichment.pulled.work import WorkTable

LOOK_AGAIN_SECONDS = 300.0
"""An answer is recorded when it is given. Looking again only heals, and need not be often."""


class PulledAgency:
    """Puts questions on the work table, where the agency's team or its lead fetches them."""

    def __init__(self, agency: str, ledger: Ledger, listing: Listing) -> None:
        self._agency = agency
        self._ledger = ledger
        self._work = WorkTable(ledger.codec)
        self._listing = listing

    async def ask(self, question: Question, *, trace: str | None) -> Reply:
        """The agency's answer where it has given one; else the question waits for it: `no_answer`, `accepted`."""
        pool = self._ledger.pool
        question_id, keys = UUID(question.question_id), self._listing.keys_of(question)
        if await self._work.put(pool, self._agency, question, keys, self._ledger.clock.now()) and keys:
            await self._listing.tell(self._agency, question_id)
        given = await self._work.answer(pool, question_id)
        if given is not None:
            return reply_of(given)
        return Reply(AgencyState.NO_ANSWER, "accepted", LOOK_AGAIN_SECONDS)

    async def close(self) -> None:
        """Nothing is open."""
        return
