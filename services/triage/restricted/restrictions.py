"""Restricting a case, and showing it again: a manager's, with a reason."""

from collections.abc import Collection, Sequence
from uuid import UUID

from libs.messaging.ledger import Ledger
from libs.platform.auth import Principal
from libs.platform.problems import invalid_body
from libs.platform.validation import FieldError
from services.triage.access import note
from services.triage.case import Case
from services.triage.casework import Casework
from services.triage.desk import Desk, load_cases, save_cases
from services.triage.restricted.persons import hold_persons, same_child
from services.triage.restricted.record import (
    Given,
    Restriction,
    RestrictionBody,
    broken_by,
    keep_restriction,
    last_restriction,
)
from services.triage.restricted.rights import no_such_case, sees_of
from services.triage.restricted.telling import tell_restricted


class Restrictions:
    """Takes restrictions."""

    def __init__(self, ledger: Ledger, casework: Casework) -> None:
        self._ledger = ledger
        self._casework = casework

    async def put(self, case_id: UUID, body: RestrictionBody, caller: Principal) -> Restriction:
        """Hides the case, or all children of its referral, from whoever has no right; or shows them again.

        Whoever is hidden is hidden in their other referrals too. Shown again is what is named alone: each of the others
        may have a reason of its own.

        The same sent again is the same answer, also to a manager who no longer sees the case by it. Raises Problem
        404, 422.
        """
        self._check(body)
        referral_id = await self._ledger.pool.fetchval(
            "SELECT referral_id FROM child_case WHERE id = $1", case_id
        )
        if referral_id is None:
            raise no_such_case()
        locked = {referral_id}
        while True:
            said = await self._put(case_id, referral_id, locked, body, caller)
            if isinstance(said, Restriction):
                return said
            locked |= said

    async def _put(
        self,
        case_id: UUID,
        referral_id: UUID,
        locked: Collection[UUID],
        body: RestrictionBody,
        caller: Principal,
    ) -> Restriction | set[UUID]:
        """Gives the referrals that it must hold beside these before it changes anything, where there are any."""
        async with self._ledger.unit(locked) as unit:
            codec = self._ledger.codec
            desk = await load_cases(unit.connection, [*locked])
            cases = {case.id: case for one in locked for case in _cases_of(desk, one)}
            family, case = _cases_of(desk, referral_id), cases[case_id]
            last = await last_restriction(unit.connection, codec, case_id)
            if last.by == caller.subject and _same(last, body) and last.restricted == case.restricted:
                return last
            if not await sees_of(unit.connection, case_id, referral_id, caller, unit.now):
                raise no_such_case()
            concerned = self._concerned(family, case, body)
            if body.restricted:
                await hold_persons(unit, {one.id for one in concerned})
                others = await same_child(unit, {one.id for one in concerned})
                if further := {one.referral_id for one in others} - {*locked}:
                    return further
                also = {one.case_id: cases[one.case_id] for one in others}
                concerned += [one for one in also.values() if not one.restricted and one not in concerned]
            for one in concerned:
                one.restricted = body.restricted
            ids = [one.id for one in concerned]
            given = Given(body.restricted, body.kind, body.reason, caller.subject, unit.now)
            await keep_restriction(unit.connection, codec, ids, given)
            await save_cases(unit.connection, concerned)
            tell_restricted(unit, concerned)
            action = "case.restrict" if body.restricted else "case.unrestrict"
            for one in concerned:
                await note(unit.connection, unit.now, caller, action, one.id, referral_id=one.referral_id)
            return await last_restriction(unit.connection, codec, case_id)

    async def read(self, case_id: UUID) -> Restriction:
        """What was said last about hiding a case, and who opened it all the same."""
        async with self._ledger.pool.acquire() as connection:
            codec = self._ledger.codec
            last = await last_restriction(connection, codec, case_id)
            return last.model_copy(update={"broken": await broken_by(connection, codec, case_id)})

    def _check(self, body: RestrictionBody) -> None:
        if body.restricted and body.kind is None:
            raise invalid_body([FieldError("/kind", "missing", "is needed to restrict a case")])
        if not body.restricted and body.kind is not None:
            raise invalid_body(
                [FieldError("/kind", "not_for_action", "says nothing for the end of a restriction")]
            )

    def _concerned(self, family: Sequence[Case], case: Case, body: RestrictionBody) -> list[Case]:
        return [one for one in family if one is case or (body.family and one.restricted != body.restricted)]


def _cases_of(desk: Desk, referral_id: UUID) -> list[Case]:
    return [*(file.case for file in desk.by_referral.get(referral_id, ())), *desk.stubs.get(referral_id, ())]


def _same(last: Restriction, body: RestrictionBody) -> bool:
    return (last.restricted, last.kind, last.reason) == (body.restricted, body.kind, body.reason)
