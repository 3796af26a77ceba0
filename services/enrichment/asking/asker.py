"""Asks one agency the questions that were claimed, and hands the replies on."""

import structlog
from opentelemetry.metrics import Meter

from libs.messaging.errors import code_of
from libs.messaging.ledger import Ledger
from libs.platform.alarms import Alarm
from libs.schemas.findings import AgencyState
from services.enrichment.asking.agency import Agency, Reply
from services.enrichment.asking.recorder import Claim, Recorded, Recorder
from services.enrichment.asking.replies import LONGEST_RETRY_AFTER, unavailable
from services.enrichment.asking.standing import Standings
from services.enrichment.partnership import AgencyTerms
from services.enrichment.sharing.permission import Audience

LEAD_NOT_REACHED = "lead_not_reached"
"""Why an agency counts as unavailable whose safeguarding lead has no way to be asked."""

NOT_MADE = "question_not_made"
"""Why an agency counts as unavailable whose question about a child cannot be made from what is kept."""

ALARMS = {"about_someone_else": "answer-about-someone-else", NOT_MADE: "question-not-made"}
"""Reasons of which somebody must know at once, with the alarm's code."""

logger = structlog.get_logger()


class Asker:
    """Asks one agency, with as many questions at the same time as its terms permit.

    `lead` is the way to its safeguarding lead, who alone is asked where the suspect works for the agency.
    """

    def __init__(
        self,
        terms: AgencyTerms,
        agency: Agency,
        *,
        ledger: Ledger,
        recorder: Recorder,
        meter: Meter,
        alarms: Alarm,
        standings: Standings,
        slots: int,
        lead: Agency | None = None,
    ) -> None:
        self.agency_id = terms.id
        self.out = 0
        """How many questions are with the agency now."""
        self._terms = terms
        self._ways: dict[Audience, Agency | None] = {"team": agency, "lead": lead}
        self._ledger = ledger
        self._recorder = recorder
        self._alarms = alarms
        self._standings = standings
        self._slots = slots
        self._attempts = meter.create_counter(
            "mash.checks.attempts", description="Questions sent, by agency and what became of them."
        )
        self._dropped = meter.create_counter(
            "mash.checks.facts_dropped",
            description="Facts of answers that were not understood, by agency and code.",
        )

    @property
    def free(self) -> int:
        """How many more questions the agency may be asked at the same time."""
        return max(0, self._slots - self.out)

    def reaches(self, audience: Audience) -> bool:
        """Whether there is a way to this part of the agency."""
        return self._ways[audience] is not None

    async def ask(self, claim: Claim) -> None:
        """Asks one claimed question and hands the reply on."""
        await self._ledger.failpoints.hit("enrichment.before_ask")
        sent = self._ledger.clock.now()
        reply = await self._reply(claim)
        await self._ledger.failpoints.hit("enrichment.after_ask")
        if claim.known is None and claim.question is not None:
            await self._standings.heard(self._terms.id, reply, sent)
        labels = {"agency": self._terms.id, "state": reply.state.value, "reason": reply.reason or ""}
        self._attempts.add(1, labels)
        for code, count in reply.dropped.items():
            self._dropped.add(count, {"agency": self._terms.id, "code": code})
        alarm = ALARMS.get(reply.reason or "")
        if alarm is not None:
            await self._alarms.raise_alarm(alarm, agency=self._terms.id, referral_id=claim.referral_id)
        await self._recorder.put(Recorded(claim, reply, self._ledger.clock.now()))

    async def _reply(self, claim: Claim) -> Reply:
        way = self._ways[claim.permission.to]
        if way is None:
            return unavailable(LEAD_NOT_REACHED)
        if claim.fault is not None:
            return unavailable(claim.fault, LONGEST_RETRY_AFTER)
        if claim.question is None:
            return Reply(AgencyState.NOT_REQUESTED, claim.refusal)
        if claim.known is not None:
            return claim.known
        try:
            return await way.ask(claim.question, trace=claim.trace)
        except Exception as error:
            logger.exception("agency-adapter-failed", agency=self._terms.id, code=code_of(error))
            return unavailable("adapter_failed")
