"""Codes in the field's words, as a sentence says them. A code without words is said as it is, with spaces.

The words are those of Working Together to Safeguard Children 2023 and of the usual threshold documents.
"""

from collections.abc import Iterable, Mapping

from libs.schemas.codes import ContactKind
from libs.schemas.commands import OrderAction, PersonAction
from libs.schemas.levels import Destination, Level, Rag, Stage
from libs.schemas.plans import PlanKind
from services.triage.decision.authority import MANAGER, SOCIAL_WORKER

LEVELS: Mapping[str, str] = {
    Level.UNIVERSAL: "universal services",
    Level.EARLY_HELP: "early help",
    Level.TARGETED: "targeted support",
    Level.SECTION_17: "a child in need (section 17)",
    Level.SECTION_47: "child protection (section 47)",
}
DESTINATIONS: Mapping[str, str] = {
    Destination.UNIVERSAL_ADVICE: "universal advice",
    Destination.EARLY_HELP: "early help",
    Destination.MASG: "the Multi-Agency Support Group",
    Destination.SECTION_17: "children's social care for an assessment under section 17",
    Destination.SECTION_47: "children's social care for an enquiry under section 47",
    Destination.UNBORN_BABY_PANEL: "the Unborn Baby Panel",
    Destination.ACCESS_TO_SUPPORT: "the Access to Support panel",
    Destination.ASSISTANT_DIRECTOR: "the Assistant Director of children's social care",
    Destination.ALLOCATED_WORKER: "the worker who has the case already",
    Destination.OTHER_AUTHORITY: "another local authority",
}
STAGES: Mapping[str, str] = {
    Stage.TO_BE_READ: "to be read",
    Stage.CHECKS: "checks under way",
    Stage.DECISION: "to be decided",
    Stage.SIGN_OFF: "waits for a signature",
    Stage.HAND_OVER: "waits to be accepted",
    Stage.DECIDED: "decided",
    Stage.CLOSED: "closed",
    Stage.PROCESSING_STOPPED: "processing stopped",
}
RATINGS: Mapping[str, str] = {Rag.RED: "red", Rag.AMBER: "amber", Rag.GREEN: "green", Rag.BLUE: "blue"}
CONTACTS: Mapping[str, str] = {
    ContactKind.NEW_WORRY: "a new worry",
    ContactKind.NOTIFICATION: "a notification",
    ContactKind.INFORMATION_ON_OPEN_CASE: "information on an open case",
    ContactKind.STEP_DOWN: "a step-down from social care",
    ContactKind.TRANSFER_IN: "a transfer from another authority",
}
PLANS: Mapping[str, str] = {
    PlanKind.CHILD_IN_NEED: "child in need",
    PlanKind.LOOKED_AFTER: "looked-after child",
    PlanKind.CHILD_PROTECTION: "child protection",
}
ORDERS: Mapping[str, str] = {
    OrderAction.ASK: "Ordered that {agency} is asked.",
    OrderAction.CHASE: "Ordered that {agency} is asked again.",
    OrderAction.STOP: "Ordered that {agency} is asked no more.",
    PersonAction.LINK: "Said that somebody on record is the child.",
    PersonAction.UNLINK: "Said that somebody on record is not the child.",
    PersonAction.MERGE: "Said that two people on record are one.",
    PersonAction.SAME_EVENT: "Said that another referral tells of the same event.",
    PersonAction.OTHER_EVENT: "Said that another referral tells of another event.",
    PersonAction.UNDO: "Took back what was said before.",
}
"""What staff ordered; `agency` is put in by its name."""


def worded(words: Mapping[str, str], code: object) -> str:
    """A code in words."""
    return words.get(str(code)) or str(code).replace("_", " ").replace("-", " ")


def by_role(roles: Iterable[str]) -> str:
    """Somebody of the staff by what their token said they are; "somebody" where that is not on record."""
    held = set(roles)
    if MANAGER in held:
        return "a manager"
    return "a social worker" if SOCIAL_WORKER in held else "somebody of the hub"
