"""Which items an agency may be asked for about a child that no question asks for yet."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from libs.schemas.findings import ASKED_WITH_SIBLING, AgencyState
from services.enrichment.checks.record import Check, Child, Referral, asked_id
from services.enrichment.sharing.permission import About, Grant, Mode, Permission

_FOUND_NOTHING = frozenset(
    (
        AgencyState.NOT_REQUESTED,
        AgencyState.NOTHING_HELD,
        AgencyState.OUTSIDE_COVERAGE,
        AgencyState.DECLINED,
    )
)
"""After these the next child of the home is asked about: who holds nothing of one may hold something of another."""


@dataclass(frozen=True, slots=True)
class Further:
    """A question to be put. `with_question`: the one about a brother or sister that asks for the same of the home."""

    question_id: UUID
    items: frozenset[str]
    existence: frozenset[str]
    held_back: Mapping[str, str] = field(default_factory=dict)
    with_question: UUID | None = None
    again: UUID | None = None


def further(referral: Referral, child: Child, agency: str, permission: Permission) -> list[Further]:
    """The questions that ask for what is granted and not asked for yet: at most one of the child's own.

    What is about the home and is asked with a brother or sister makes one of each such question.
    """
    wanting = [grant for grant in permission.items if not _asked(referral, child, agency, grant)]
    with_siblings: dict[UUID, list[Grant]] = {}
    own: list[Grant] = []
    for grant in wanting:
        elder = _elder(referral, child, agency, grant)
        if elder is None:
            own.append(grant)
        else:
            with_siblings.setdefault(elder.question_id, []).append(grant)
    elsewhere = {grant.item for grants in with_siblings.values() for grant in grants}
    held_back = {**permission.held_back, **dict.fromkeys(elsewhere, ASKED_WITH_SIBLING)}
    questions = [_question(child, agency, own, held_back)] if own else []
    return questions + [
        _question(child, agency, grants, {}, question_id) for question_id, grants in with_siblings.items()
    ]


def _question(
    child: Child,
    agency: str,
    grants: list[Grant],
    held_back: Mapping[str, str],
    with_question: UUID | None = None,
) -> Further:
    items = frozenset(grant.item for grant in grants)
    existence = frozenset(grant.item for grant in grants if grant.mode is Mode.EXISTENCE)
    names = agency if with_question is None else f"{agency}/{with_question}"
    return Further(asked_id(child.id, names, items, existence), items, existence, held_back, with_question)


def _asked(referral: Referral, child: Child, agency: str, grant: Grant) -> bool:
    return any(
        check.covers(grant.item, grant.mode)
        for check in child.of(agency)
        if check.state is not AgencyState.NOT_REQUESTED and _same_home(referral, child, check)
    )


def _same_home(referral: Referral, child: Child, check: Check) -> bool:
    """Whether what is asked with a brother or sister still is about the child's own home."""
    if check.with_question is None:
        return True
    return any(
        check.with_question in sibling.checks
        for sibling in referral.children.values()
        if child.home is not None and sibling.home == child.home
    )


def _elder(referral: Referral, child: Child, agency: str, grant: Grant) -> Check | None:
    """The question about a brother or sister that asks for the same of the home."""
    if grant.about is not About.HOUSEHOLD or child.home is None:
        return None
    for sibling in sorted(referral.children.values(), key=lambda one: one.number):
        if sibling.id == child.id or sibling.home != child.home:
            continue
        for check in sibling.of(agency):
            stands = check.state not in _FOUND_NOTHING and check.corrected_at is None
            asks = check.with_question is None and stands
            if asks and check.covers(grant.item, grant.mode):
                return check
    return None
