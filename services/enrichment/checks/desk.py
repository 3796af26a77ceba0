"""Decides what screening, permission, a reply, an order or the passing of a deadline changes in a child's checks."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from libs.schemas.commands import CheckOrder, OrderAction
from libs.schemas.findings import (
    ASKED_AGAIN,
    ASKED_WITH_SIBLING,
    LINK_CHANGED,
    AgencyState,
    Answer,
    CorrectionKind,
)
from libs.schemas.levels import Level, Rag
from services.enrichment.asking.agency import Reply
from services.enrichment.checks.corrections import (
    answer_instead,
    answered_again,
    corrects,
    replaced_by,
    says_otherwise,
)
from services.enrichment.checks.further import Further, further
from services.enrichment.checks.record import (
    Check,
    Child,
    Effect,
    Opens,
    Referral,
    Returned,
    asked_id,
)
from services.enrichment.checks.waiting import (
    as_it_left,
    chase,
    clock,
    complete_if_over,
    held_to,
    shared,
    silent_with,
    waits,
)
from services.enrichment.partnership import AgencyTerms, CheckTerms
from services.enrichment.sharing.agreement import Agreement
from services.enrichment.sharing.employers import employed_by
from services.enrichment.sharing.permission import Circumstances, Order, Permission, order_of

FIRST_RETRY = timedelta(seconds=0.5)
LONGEST_RETRY = timedelta(seconds=30)

NOT_ANSWERING = "not_answering"
"""Why an agency counts as unavailable that nobody was sent to because it does not answer anybody."""

STOPPED = "stopped"
"""Why an agency has no answer whom a person told not to be asked any more."""


@dataclass(frozen=True, slots=True)
class Desk:
    """Decides, by the partnership's terms, what happens to checks."""

    terms: CheckTerms
    agencies: Mapping[str, AgencyTerms]
    agreement: Agreement

    def permission(
        self,
        agency: str,
        *,
        level: Level | None,
        agreement: str,
        identifiers: frozenset[str],
        employers: Collection[str],
        orders: tuple[Order, ...] = (),
        now: datetime,
    ) -> Permission:
        """What an agency may be asked about a child at this instant. `employers`: as `Referral` has them."""
        clients = {each.id: each.clients for each in self.agencies.values()} if employers else {}
        return self.agreement.decide(
            agency,
            Circumstances(
                level=level,
                agreement=agreement,
                identifiers=identifiers,
                at=now,
                suspect_works_for=employed_by(employers, clients),
                orders=orders,
            ),
        )

    def screened(
        self, referral: Referral, child: Child, level: Level, rag: Rag, trace: str | None, now: datetime
    ) -> list[Effect]:
        """Triage has screened a child, for the first time or again. Neither level nor urgency ever falls here."""
        child.level = level if child.level is None else max(child.level, level)
        child.rag = rag if child.rag is None else max(child.rag, rag)
        child.trace = child.trace or trace
        child.screened_at = child.screened_at or now
        child.changed = True
        due = now + self.terms.longest(child.rag, self.agencies)
        effects: list[Effect] = []
        if child.due_at is None or (child.completed_at is None and due < child.due_at):
            child.due_at = due
            effects += self._shorten(child, child.rag, now)
        return effects + self.permitted(referral, child, now)

    def _shorten(self, child: Child, rag: Rag, now: datetime) -> list[Effect]:
        shortened = False
        for check in child.pending:
            due = now + self.terms.deadline(rag, check.agency)
            if due < check.due_at:
                check.due_at, check.changed, shortened = due, True, True
        return clock(child) if shortened else []

    def permitted(self, referral: Referral, child: Child, now: datetime) -> list[Effect]:
        """Asks what may be asked now and was not, and holds back what may not, after anything changed that counts."""
        if child.rag is None:
            return []
        effects: list[Effect] = []
        put = False
        for agency in self.agencies:
            permission = self._permission(referral, child, agency, now)
            asks = further(referral, child, agency, permission)
            for one in asks:
                put |= self._put(child, agency, one, child.rag, now)
            effects += held_to(child, agency, permission, now)
        for check in list(child.checks.values()):
            if check.state is AgencyState.NOT_REQUESTED and check.items:
                effects += self._heard_for_siblings(referral, check, now)
        effects += complete_if_over(child, now)
        starts = self.agreement.next_start(now)
        effects += [] if starts is None else [Opens(child, starts)]
        return effects + (clock(child) if put else []) + self._known_with_siblings(referral, child, now)

    def _permission(self, referral: Referral, child: Child, agency: str, now: datetime) -> Permission:
        return self.permission(
            agency,
            level=child.level,
            agreement=referral.agreement,
            identifiers=child.identifiers,
            employers=referral.employers,
            orders=orders_of(child.orders),
            now=now,
        )

    def _put(self, child: Child, agency: str, ask: Further, rag: Rag, now: datetime) -> bool:
        """Puts a question, for the first time or again after it was held back."""
        check = child.checks.get(ask.question_id)
        if check is not None and check.state is not AgencyState.NOT_REQUESTED:
            return False
        due = now + self.terms.deadline(rag, agency)
        if child.completed_at is None and child.due_at is not None:
            due = min(due, child.due_at)
        if check is None:
            check = Check(agency, ask.question_id, due)
            child.checks[ask.question_id] = check
        check.items, check.existence, check.held_back = ask.items, ask.existence, ask.held_back
        check.state, check.reason, check.due_at, check.changed = AgencyState.PENDING, None, due, True
        check.with_question, check.again = ask.with_question, ask.again
        check.ask_at = now if ask.with_question is None else None
        if ask.with_question is not None:
            check.reason = ASKED_WITH_SIBLING
        return True

    def replied(
        self,
        referral: Referral,
        child: Child,
        question: UUID,
        attempt: int,
        reply: Reply,
        now: datetime,
        jitter: float,
        *,
        earlier: Answer | None = None,
        permission: Permission | None = None,
    ) -> list[Effect]:
        """One attempt to ask has ended. `jitter` is a random number from 0 to 1.

        The first answer counts, also where the question was out when asking stopped being permitted: what was
        said is kept. The failure of an attempt that another has overtaken is dropped. `earlier` is what the agency
        answered before, to this question or to the one that it repeats: another answer corrects it. `permission` is
        the one by which the question left.
        """
        check = child.checks.get(question)
        if check is None:
            return []
        if check.answered_at is not None:
            return answered_again(referral, child, check, attempt, reply, earlier, now)
        if reply.settled:
            return self._settled(referral, child, check, reply, earlier, permission, now)
        if check.attempts != attempt or check.state is AgencyState.NOT_REQUESTED:
            return []
        check.silence, check.reason, check.changed = reply.state, reply.reason, True
        if check.ask_at is not None:
            check.ask_at = now + self._wait(check, reply, now, jitter)
        return []

    def _settled(
        self,
        referral: Referral,
        child: Child,
        check: Check,
        reply: Reply,
        earlier: Answer | None,
        permission: Permission | None,
        now: datetime,
    ) -> list[Effect]:
        silent = check.state is not AgencyState.PENDING
        check.state, check.reason, check.ask_at, check.changed = reply.state, reply.reason, None, True
        check.reused_from, check.reused_of = reply.reused_from, reply.reused_of
        if reply.state is not AgencyState.NOT_REQUESTED:
            check.answered_at = now
        if permission is not None:
            as_it_left(check, permission)
        check.late = child.completed_at is not None or now > check.due_at
        answer = check.told(reply)
        check.answer = answer if reply.has_content else None
        effects: list[Effect] = [Returned(child, answer)]
        first = None if check.again is None else child.checks.get(check.again)
        if first is not None and earlier is not None and says_otherwise(earlier, answer):
            effects = [Returned(child, check.told())] if silent else []
            effects += corrects(referral, child, first, answer, ASKED_AGAIN, now)
        return [*effects, *complete_if_over(child, now), *self._heard_for_siblings(referral, check, now)]

    def _heard_for_siblings(self, referral: Referral, settled: Check, now: datetime) -> list[Effect]:
        """What an agency said of the home counts for the others who live there.

        Only where it found something: who holds nothing of one child may hold something of the next.
        """
        effects: list[Effect] = []
        for child in referral.children.values():
            for check in list(child.checks.values()):
                waits = check.answered_at is None and check.state is not AgencyState.NOT_REQUESTED
                if check.with_question != settled.question_id or not waits:
                    continue
                if settled.state is AgencyState.RETURNED:
                    effects += shared(child, check, settled, now)
                else:
                    told = check.state is not AgencyState.PENDING
                    check.state, check.reason, check.changed = AgencyState.NOT_REQUESTED, settled.reason, True
                    effects += [Returned(child, check.told())] if told else []
                    effects += self.permitted(referral, child, now)
        return effects

    def _known_with_siblings(self, referral: Referral, child: Child, now: datetime) -> list[Effect]:
        """A brother's or sister's answer about the home that was there before the child was asked about."""
        effects: list[Effect] = []
        for check in child.pending:
            if check.with_question is None:
                continue
            for sibling in referral.children.values():
                elder = sibling.checks.get(check.with_question)
                if elder is not None and elder.state is AgencyState.RETURNED:
                    effects += shared(child, check, elder, now)
        return effects

    def time_up(
        self, referral: Referral, child: Child, now: datetime, away: Collection[str] = ()
    ) -> list[Effect]:
        """A deadline has passed: silence is told as what it is, and the decision goes on without it.

        `away`: the agencies that answer nobody at present, so that nobody was sent to them.
        """
        effects: list[Effect] = []
        for check in child.pending:
            if check.due_at <= now:
                if check.with_question is not None:
                    silent_with(referral, check)
                if check.agency in away and check.silence is AgencyState.NO_ANSWER and not waits(check):
                    check.silence, check.reason = AgencyState.UNAVAILABLE, NOT_ANSWERING
                check.state, check.changed = check.silence, True
                check.reason = check.reason or ("never_asked" if check.asked_at is None else "deadline")
                effects.append(Returned(child, check.told()))
        effects += complete_if_over(child, now)
        return effects + clock(child)

    def ordered(self, referral: Referral, child: Child, command: CheckOrder, now: datetime) -> list[Effect]:
        """Somebody of the staff orders that an agency is asked, chased, or not asked any more.

        The same command again changes nothing that the first time did not. A question that is answered is put again
        by `ask`, with an id of its own: what the agency then says otherwise corrects its first answer.
        """
        if command.agency not in self.agencies:
            return []
        match command.action:
            case OrderAction.STOP:
                return self._stop(child, command.agency, now)
            case OrderAction.CHASE:
                chase(child, command.agency, now)
                return []
            case OrderAction.ASK:
                return self._ask(referral, child, command, now)
        return []

    def _stop(self, child: Child, agency: str, now: datetime) -> list[Effect]:
        effects: list[Effect] = []
        for check in child.of(agency):
            if not check.open or check.stopped:
                continue
            check.stopped, check.ask_at, check.changed = True, None, True
            if check.state is AgencyState.PENDING:
                check.state, check.reason = check.silence, check.reason or STOPPED
                effects.append(Returned(child, check.told()))
        return effects + complete_if_over(child, now)

    def _ask(self, referral: Referral, child: Child, command: CheckOrder, now: datetime) -> list[Effect]:
        order = order_of(command)
        if order is None or child.rag is None or any(order.id == known.command_id for known in child.orders):
            return []
        child.orders, child.changed = (*child.orders, command), True
        before = child.of(command.agency)
        effects = self.permitted(referral, child, now)
        chase(child, command.agency, now)
        permission = self._permission(referral, child, command.agency, now)
        wanted = {name for name in permission.names if not order.items or name in order.items}
        put = False
        # First what was asked exactly so: of two that would be put once more as one, it is that one that is repeated.
        for check in sorted(before, key=lambda one: not one.items <= wanted):
            items = check.items & wanted
            if check.answered_at is None or check.with_question is not None or check.again or not items:
                continue
            existence = items & permission.existence_only
            question = asked_id(child.id, check.agency, items, existence, order.id)
            again = check.question_id if items == check.items else None
            repeat = Further(question, items, existence, permission.held_back, again=again)
            put |= self._put(child, check.agency, repeat, child.rag, now)
        return effects + (clock(child) if put else [])

    def corrected(
        self,
        referral: Referral,
        child: Child,
        question: UUID,
        kind: CorrectionKind,
        reason: str,
        reply: Reply | None,
        now: datetime,
    ) -> list[Effect]:
        """An agency of itself replaces an answer, or takes it back. The first answer stays on record.

        An answer to a question put once more that counts in the first one's place is replaced there.
        """
        check = child.checks.get(question)
        if check is None or check.answered_at is None:
            return []
        if reply is not None and reply.reused_from is not None:
            check.reused_from = reply.reused_from
        answer = None if reply is None else answer_instead(check, reply, now)
        counting = replaced_by(child, check) or check
        return corrects(referral, child, counting, answer, reason, now, kind)

    def unlinked(self, referral: Referral, child: Child, now: datetime) -> list[Effect]:
        """The child is somebody else than was thought: what was said of that person is taken back, and asked."""
        effects: list[Effect] = []
        if child.rag is None:
            return effects
        for check in list(child.checks.values()):
            if check.reused_from is None or check.corrected_at is not None or check.with_question is not None:
                continue
            effects += corrects(referral, child, check, None, LINK_CHANGED, now, CorrectionKind.RETRACTED)
            question = asked_id(child.id, check.agency, check.items, check.existence, check.question_id)
            anew = Further(question, check.items, check.existence, check.held_back)
            self._put(child, check.agency, anew, child.rag, now)
        return effects + (clock(child) if effects else [])

    def _wait(self, check: Check, reply: Reply, now: datetime, jitter: float) -> timedelta:
        wished = timedelta(seconds=reply.retry_after or 0.0)
        if now < check.due_at:
            backoff = min(LONGEST_RETRY, FIRST_RETRY * 2 ** min(check.attempts - 1, 16))
            return wished or backoff * (0.5 + jitter / 2)
        wait = self.terms.chase(check.chases, check.agency)
        check.chases += 1
        return max(wait, wished)


def orders_of(commands: Iterable[CheckOrder]) -> tuple[Order, ...]:
    """The orders that were given for a child."""
    return tuple(order for order in map(order_of, commands) if order is not None)
