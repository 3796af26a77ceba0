"""Sets tasks, gives them to people, and takes them as done or explained."""

from collections.abc import Awaitable, Callable, Mapping
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid5

from pydantic import Field

from libs.messaging.ledger import Ledger, Unit
from libs.platform import idempotency
from libs.platform.auth import Principal
from libs.platform.problems import Problem, invalid_body
from libs.platform.validation import FieldError
from libs.schemas.base import Identifier, Instant, Line, Model, Nothing, Text
from services.triage.access import note
from services.triage.claims.claim import renew
from services.triage.decision.authority import DECIDERS, MANAGER
from services.triage.decision.record import referral_of
from services.triage.desk import SELECT_CASES, case_of
from services.triage.documents import RecordedNote, RecordedRequest, TaskNote, TaskRequest
from services.triage.live.changes import touch
from services.triage.restricted.rights import sees_of
from services.triage.tasks.due import Due
from services.triage.tasks.raising import TASK_CLOCK
from services.triage.tasks.record import TaskFilter, TaskPage, one_task, open_tasks, request_of
from services.triage.tasks.terms import CHALLENGE, STRATEGY
from services.triage.thresholds import Thresholds
from services.triage.views import TaskOutcome, TaskView

MOST_TASKS = 200
"""Tasks that one answer lists; the most urgent come first, and done ones leave the list."""

_SET = """
INSERT INTO task (id, referral_id, case_id, kind, raised_at, raised_by, due_at, since, rule, owner, request)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
"""
_FINISH = "UPDATE task SET done_at = $2, done_by = $3, outcome = $4, document = $5 WHERE id = $1"
_HELD = "SELECT EXISTS (SELECT FROM strategy_discussion WHERE case_id = $1 AND recorded_at >= $2)"

Finishing = Callable[[Unit, UUID], Awaitable[None]]


class TaskDone(Model):
    """The body of `PUT /v1/tasks/{id}`: what was done about a task, or why nothing had to be."""

    note: Text
    outcome: TaskOutcome = Field(
        TaskOutcome.DONE, description="`not_needed` explains; a social worker or a manager may."
    )


class OwnerBody(Model):
    """The body of `PUT /v1/tasks/{id}/owner`."""

    owner: Line = Field(description="Subject of the owner's token.")


class TaskBody(Model):
    """The body of `POST /v1/cases/{id}/tasks`."""

    kind: Identifier = Field(
        description="One of `tasks.yaml`'s kinds by hand, or an action of `actions.yaml`."
    )
    what: Text = Field(description="What is to be done.")
    due_at: Instant | None = Field(None, description="By when; where it is absent, the kind's own time.")
    owner: Line | None = Field(None, description="Who does it; where it is absent, whose case it is.")


class Tasks:
    """The rules of tasks."""

    def __init__(
        self,
        ledger: Ledger,
        thresholds: Thresholds,
        finishing: Mapping[str, Finishing],
        afterwards: Finishing,
    ) -> None:
        """`finishing`: what else is done when a task of that kind is, for its referral, in the same unit;
        `afterwards`: what is done when any is.
        """
        self._ledger = ledger
        self._thresholds = thresholds
        self._afterwards = afterwards
        self._finishing = finishing

    async def open(self, wanted: TaskFilter, limit: int, caller: Principal) -> TaskPage:
        """Open tasks, most urgent first. The reading is recorded."""
        now = self._ledger.clock.now()
        async with self._ledger.pool.acquire() as connection:
            await note(connection, now, caller, "tasks.read", wanted.case_id)
            return await open_tasks(
                connection, self._ledger.codec, self._thresholds, wanted, limit, caller, now
            )

    async def set(
        self, case_id: UUID, body: TaskBody, caller: Principal, key: str, fingerprint: bytes
    ) -> TaskView:
        """Sets a task by hand. The same request sent again is the same answer.

        Raises Problem: 404, 409 where the case is closed, 422.
        """
        referral_id = await referral_of(self._ledger, case_id)
        task_id = uuid5(case_id, sha256(f"{caller.subject}/{key}".encode()).hexdigest())
        given = fingerprint.hex()
        async with self._ledger.unit([referral_id]) as unit:
            before = await request_of(unit.connection, self._ledger.codec, task_id)
            if before is not None:
                if before != given:
                    raise idempotency.reused()
                return await self._view(unit, task_id)
            case = case_of(await unit.connection.fetchrow(f"{SELECT_CASES} WHERE id = $1", case_id))
            if case.closed_at is not None:
                raise Problem(409, "referral-closed", "The referral is closed", "open it again first")
            actions = self._thresholds.rulebook(case.received_at).policy.actions
            if body.kind not in self._thresholds.tasks.kinds_by_hand(actions):
                raise _wrong("/kind", "unknown_kind", "must be a kind of task that people set")
            if body.due_at is not None and body.due_at <= unit.now:
                raise _wrong("/due_at", "in_the_past", "must be later than now")
            due = (
                Due(body.due_at)
                if body.due_at is not None
                else self._thresholds.tasks.due(self._thresholds.clocks, body.kind, actions, unit.now)
            ) or Due(case.due_at)
            request = TaskRequest(what=body.what, fingerprint=given)
            (document,) = await self._ledger.codec.encode(
                [RecordedRequest(shared=Nothing(), children={case_id: request})]
            )
            await unit.connection.execute(
                _SET,
                task_id,
                referral_id,
                case_id,
                body.kind,
                unit.now,
                caller.subject,
                due.at,
                due.since,
                due.rule,
                body.owner,
                document,
            )
            unit.arm(TASK_CLOCK, referral_id, task_id, due.at, trace=case.trace)
            await self._worked(unit, case_id, caller)
            await note(unit.connection, unit.now, caller, "task.set", case_id)
            return await self._view(unit, task_id)

    async def give(self, task_id: UUID, body: OwnerBody, caller: Principal) -> TaskView:
        """Says who does a task. Anybody takes or gives what nobody has; what is somebody's they give on, or a manager
        does. Raises Problem: 403, 404, 409 where it is done.
        """
        async with await self._unit(task_id) as unit:
            task = await self._demand(unit, task_id, caller)
            if task.done_at is not None:
                raise _done_already(task)
            if task.owner == body.owner:
                return task
            if task.owner not in (None, caller.subject) and MANAGER not in caller.roles:
                raise Problem(
                    403,
                    "manager-needed",
                    "The task is somebody else's",
                    "they give it on, or a manager does",
                    extra={"owner": task.owner},
                )
            await unit.connection.execute("UPDATE task SET owner = $2 WHERE id = $1", task_id, body.owner)
            await self._worked(unit, task.case_id, caller)
            await note(
                unit.connection, unit.now, caller, "task.give", task.case_id, referral_id=task.referral_id
            )
            return await self._view(unit, task_id)

    async def done(self, task_id: UUID, body: TaskDone, caller: Principal) -> TaskView:
        """Records what was done, or why nothing had to be.

        Raises Problem: 403 where somebody who may not decide explains a task away, 404, 409 where somebody else did it,
        or where it is a strategy discussion of which there is no record.
        """
        async with await self._unit(task_id) as unit:
            task = await self._demand(unit, task_id, caller)
            if task.done_at is not None:
                if (task.done_by, task.note, task.outcome) == (caller.subject, body.note, body.outcome):
                    return task
                raise _done_already(task)
            if body.outcome is TaskOutcome.NOT_NEEDED and not caller.roles & {*DECIDERS}:
                raise Problem(
                    403,
                    "decider-needed",
                    "Only a social worker or a manager says that a task is not needed",
                    "say what was done, or ask one of them",
                )
            if task.kind == CHALLENGE:
                raise Problem(
                    409,
                    "challenge-open",
                    "The challenge is not settled",
                    "its reviewer settles it, or it goes up a stage; that takes the task as done",
                )
            if (
                task.kind == STRATEGY
                and body.outcome is TaskOutcome.DONE
                and not await unit.connection.fetchval(_HELD, task.case_id, task.raised_at)
            ):
                raise Problem(
                    409,
                    "discussion-not-recorded",
                    "There is no record of the strategy discussion",
                    "record it: who took part and what came of it; that takes the task as done",
                )
            (document,) = await self._ledger.codec.encode(
                [RecordedNote(shared=TaskNote(note=body.note, done_by=caller.subject))]
            )
            await unit.connection.execute(
                _FINISH, task_id, unit.now, caller.subject, body.outcome.value, document
            )
            unit.disarm(TASK_CLOCK, task_id)
            if task.kind in self._finishing:
                await self._finishing[task.kind](unit, task.referral_id)
            await self._afterwards(unit, task.referral_id)
            await self._worked(unit, task.case_id, caller)
            await note(
                unit.connection, unit.now, caller, "task.done", task.case_id, referral_id=task.referral_id
            )
            return await self._view(unit, task_id)

    async def _unit(self, task_id: UUID) -> Any:
        referral_id = await self._ledger.pool.fetchval("SELECT referral_id FROM task WHERE id = $1", task_id)
        if referral_id is None:
            raise _no_such_task()
        return self._ledger.unit([referral_id])

    async def _demand(self, unit: Unit, task_id: UUID, caller: Principal) -> TaskView:
        task = await self._view(unit, task_id)
        if not await sees_of(unit.connection, task.case_id, task.referral_id, caller, unit.now):
            raise _no_such_task()
        return task

    async def _view(self, unit: Unit, task_id: UUID) -> TaskView:
        view = await one_task(unit.connection, self._ledger.codec, self._thresholds, task_id, unit.now)
        if view is None:
            raise _no_such_task()
        return view

    async def _worked(self, unit: Unit, case_id: UUID | None, caller: Principal) -> None:
        """Work renews the pen of whoever has it. It needs none: what must be done waits for nobody's writing."""
        if case_id is not None:
            await renew(unit.connection, case_id, caller, unit.now)
            await touch(unit.connection, [case_id])


def _wrong(pointer: str, code: str, detail: str) -> Problem:
    return invalid_body([FieldError(pointer, code, detail)])


def _no_such_task() -> Problem:
    return Problem(404, "task-not-found", "There is no such task")


def _done_already(task: TaskView) -> Problem:
    done_at = None if task.done_at is None else task.done_at.isoformat()
    return Problem(
        409,
        "task-done-already",
        "This task is done already",
        extra={"done_by": task.done_by, "done_at": done_at},
    )
