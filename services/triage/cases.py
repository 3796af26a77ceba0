"""Puts a case together for the person who reads it."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from libs.messaging.codec import Codec, Undecodable
from libs.platform.auth import Principal
from libs.platform.problems import Problem
from libs.schemas.evaluation import Evaluation
from libs.schemas.levels import Destination, Level, Rag
from services.triage.basis import read_states
from services.triage.blocked import blocked
from services.triage.case import Case, is_low
from services.triage.clocks.kept import Running, running
from services.triage.commands.record import CommandView, command_views, commands_of
from services.triage.commands.record import Known as CommandsKnown
from services.triage.decision.proposals import last_proposal, view_of
from services.triage.decision.record import not_found, read_decision
from services.triage.desk import SELECT_CASES, case_of
from services.triage.documents import RecordedEvaluation
from services.triage.explanation import Explanation, explain
from services.triage.gathering import Gathered, gather
from services.triage.handover.record import handovers_of
from services.triage.known import Known
from services.triage.panels.record import outcomes_of
from services.triage.partnership import Partnership
from services.triage.policies.store import Policies
from services.triage.queue.tags import tags
from services.triage.restricted.rights import hidden
from services.triage.restricted.sight import cases_named, commands_without, without
from services.triage.strategy.record import discussions_of
from services.triage.tasks.record import task_views
from services.triage.thresholds import Thresholds
from services.triage.tools.record import tools_of
from services.triage.views import (
    AtRisk,
    CaseView,
    ClockView,
    EvaluationShown,
    EvaluationView,
    Recommendation,
    StopView,
)
from services.triage.wording import Words


class Cases:
    """Reads cases."""

    def __init__(
        self, codec: Codec, thresholds: Thresholds, policies: Policies, partnership: Partnership
    ) -> None:
        self._codec = codec
        self.thresholds = thresholds
        self._policies = policies
        self._partnership = partnership
        self._words = Words(thresholds.clocks.zone)

    async def read(
        self, connection: asyncpg.Connection, case_id: UUID, caller: Principal, now: datetime
    ) -> tuple[CaseView, str]:
        """The case and its entity tag's value, of one moment, without the cases that the caller may not see.

        Raises Problem 404.
        """
        await self._policies.fresh(connection, now)
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            row = await connection.fetchrow(f"{SELECT_CASES} WHERE id = $1", case_id)
            if row is None:
                raise not_found()
            case = case_of(row)
            gathered = await gather(connection, self._codec, case, self._words, now)
            unseen = await hidden(connection, cases_named(gathered.view), caller, now)
            evidence, known = without(gathered.view, unseen), gathered.known
            rows = await connection.fetch(
                "SELECT number, at, trigger, level, rag, could_rise_to FROM evaluation"
                " WHERE case_id = $1 ORDER BY number",
                case_id,
            )
            decisions = await connection.fetch(
                "SELECT number, evaluation, document FROM decision WHERE case_id = $1 ORDER BY number",
                case_id,
            )
            made = [await read_decision(self._codec, case_id, row["document"]) for row in decisions]
            last = await last_proposal(connection, self._codec, case_id) if case.signing else None
            evaluation, states = await self._evaluation(connection, case)
            # A message is about every child of the referral.
            mixed = any(one.case_id in unseen for one in gathered.view.siblings)
            stuck = () if mixed else await blocked(connection, self._codec, case)
            view = CaseView(
                case_id=case.id,
                referral_id=case.referral_id,
                reference=case.reference,
                child_number=case.child_number,
                stage=case.stage,
                team=case.team,
                tags=tags(case, now),
                untellable=await connection.fetchval(
                    "SELECT untellable FROM referral WHERE id = $1", case.referral_id
                ),
                evidence=evidence,
                recommendation=self._recommendation(case, known),
                evaluation=evaluation,
                explanation=await self._explained(connection, evaluation, states),
                evaluations=tuple(EvaluationView(**dict(row)) for row in rows),
                decisions=tuple(decision for decision in made if decision is not None),
                proposal=None
                if last is None or (case.proposed_at is None and last.returned is None)
                else view_of(last, self._partnership.authority),
                handovers=tuple(await handovers_of(connection, self._codec, case_id, now))
                if case.decision
                else (),
                discussions=tuple(await discussions_of(connection, self._codec, case_id)),
                tools=await tools_of(connection, self._codec, self._partnership.catalogue, case_id),
                panels=await outcomes_of(connection, self._codec, self._partnership.programme, case_id),
                at_risk=_at_risk(case, rows, decisions),
                clocks=_clocks(case, await running(connection, case_id), now),
                tasks=await task_views(
                    connection,
                    self._codec,
                    self.thresholds,
                    now,
                    referral_id=case.referral_id,
                    case_id=case.id,
                ),
                stops=tuple(
                    StopView(**dict(row))
                    for row in await connection.fetch(
                        "SELECT consumer, event_id, event_type, reason, at FROM stop WHERE referral_id = $1",
                        case.referral_id,
                    )
                ),
                blocked=stuck,
                commands=commands_without(await self._commands(connection, case, gathered), unseen),
            )
        return view, case.tag

    async def _commands(
        self, connection: asyncpg.Connection, case: Case, gathered: Gathered
    ) -> tuple[CommandView, ...]:
        kept = await commands_of(connection, self._codec, case.id)
        if not kept:
            return ()
        cases = {case.id, *(one.case_id for one in gathered.view.siblings)}
        linked = gathered.known.linked
        known = CommandsKnown(linked, gathered.linked_at, gathered.known.given, frozenset(cases))
        return command_views(case.id, kept, known)

    def _recommendation(self, case: Case, known: Known) -> Recommendation | None:
        if case.stub or case.evaluation == 0:
            return None
        rulebook = self.thresholds.rulebook(case.received_at)
        placement = rulebook.placement(case.level, known)
        if case.unread and (case.withheld or is_low(placement.level, placement.destination)):
            return None
        at_panel = Destination.MASG in (placement.destination, *placement.listed)
        return Recommendation(
            level=placement.level,
            destination=placement.destination,
            listed=placement.listed,
            because=rulebook.places.reasons[placement.why],
            panel=case.locality if at_panel else None,
            rag=case.rag,
            next_steps=placement.next_steps,
            final=case.completed_at is not None,
        )

    async def evaluation(self, connection: asyncpg.Connection, case_id: UUID, number: int) -> EvaluationShown:
        """One of a case's evaluations. Raises Problem 404 where there is none, it was erased, or a person must first
        read the referrer's words.
        """
        row = await connection.fetchrow(f"{SELECT_CASES} WHERE id = $1", case_id)
        if row is None:
            raise not_found()
        found, states = await self._evaluation(connection, case_of(row), number)
        explanation = await self._explained(connection, found, states)
        if found is None or explanation is None:
            raise Problem(404, "evaluation-not-found", "There is no such evaluation to show")
        return EvaluationShown(evaluation=found, explanation=explanation)

    async def _evaluation(
        self, connection: asyncpg.Connection, case: Case, number: int | None = None
    ) -> tuple[Evaluation | None, str | None]:
        """An evaluation, and the agencies' states that it rested on."""
        row = await connection.fetchrow(
            "SELECT document, states FROM evaluation WHERE case_id = $1 AND number = $2",
            case.id,
            number or case.evaluation,
        )
        if row is None or (case.unread and case.withheld):
            return None, None
        (item,) = await self._codec.decode([(RecordedEvaluation, row["document"])])
        if isinstance(item, Undecodable):
            return None, None
        return item.payload.children.get(case.id), row["states"]

    async def _explained(
        self, connection: asyncpg.Connection, evaluation: Evaluation | None, states: str | None
    ) -> Explanation | None:
        if evaluation is None:
            return None
        rulebook = await self._policies.load(connection, evaluation.outcome.policy)
        day = self.thresholds.clocks.day(evaluation.at)
        agencies = {} if states is None else read_states(states)
        return explain(evaluation, rulebook.policy if rulebook is not None else None, day, agencies)


def _at_risk(
    case: Case, evaluations: Sequence[asyncpg.Record], decisions: Sequence[asyncpg.Record]
) -> AtRisk | None:
    if not case.at_risk or not decisions:
        return None
    rested_on = decisions[-1]["evaluation"]
    then = next((row for row in evaluations if row["number"] == rested_on), None)
    return AtRisk(
        decision=decisions[-1]["number"],
        reopened_at=case.reopened_at,
        level_then=Level(then["level"]) if then is not None else case.level,
        level_now=case.level,
        rag_then=Rag(then["rag"]) if then is not None else case.rag,
        rag_now=case.rag,
        evaluations_since=tuple(row["number"] for row in evaluations if row["number"] > rested_on),
    )


def _clocks(case: Case, kept: Sequence[Running], now: datetime) -> tuple[ClockView, ...]:
    times = [*case.clocks().items(), *((one.clock, one.due_at) for one in kept)]
    return tuple(ClockView(clock=clock, due_at=due_at, overdue=due_at < now) for clock, due_at in times)
