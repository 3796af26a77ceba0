"""What sets a case apart in its queue."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from libs.schemas.dictionary import Dictionary
from services.triage.case import Case
from services.triage.policy import StatedFact


class Tag(StrEnum):
    """What sets a case apart in its queue."""

    IMMEDIATE_DANGER = "immediate_danger"
    TO_BE_READ = "to_be_read"
    PROCESSING_STOPPED = "processing_stopped"
    DECISION_AT_RISK = "decision_at_risk"
    REOPENED = "reopened"
    WITHDRAWN = "withdrawn"
    OVERDUE = "overdue"
    DUE_SOON = "due_soon"
    UNBORN = "unborn"
    MISSING = "missing"
    RE_REFERRAL = "re_referral"
    RESTRICTED = "restricted"


LABELS: Mapping[Tag, str] = {
    Tag.UNBORN: "child.unborn",
    Tag.MISSING: "child.missing_now",
    Tag.RE_REFERRAL: "family.re_referral_12_months",
}
"""Tags that a yes of anybody sets, with the fact of the dictionary that it is about."""


def labels_of(dictionary: Dictionary, stated: tuple[StatedFact, ...]) -> tuple[str, ...]:
    """The labels that what is known sets. A fact that the dictionary does not have sets none."""
    said = {one.fact.fact for one in stated if one.fact.value is True}
    return tuple(tag.value for tag, fact in LABELS.items() if fact in said and fact in dictionary.definitions)


def tags(case: Case, now: datetime) -> tuple[Tag, ...]:
    """What sets a case apart."""
    holds = {
        Tag.IMMEDIATE_DANGER: case.immediate_danger,
        Tag.TO_BE_READ: case.to_be_read,
        Tag.PROCESSING_STOPPED: case.stopped or case.stub,
        Tag.DECISION_AT_RISK: case.at_risk,
        Tag.REOPENED: case.reopened_at is not None,
        Tag.WITHDRAWN: case.withdrawn_at is not None,
        Tag.DUE_SOON: bool(case.warned),
        Tag.OVERDUE: case.act_by is not None and case.act_by < now,
        Tag.RESTRICTED: case.restricted,
    } | {tag: tag.value in case.labels for tag in LABELS}
    return tuple(tag for tag, held in holds.items() if held)
