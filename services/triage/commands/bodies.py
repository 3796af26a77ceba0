"""What staff send with a command. Who gives it comes from the token."""

from collections.abc import Iterable, Iterator
from uuid import UUID

from pydantic import Field, StrictBool

from libs.platform.validation import FieldError
from libs.schemas.base import Identifier, Instant, Line, Model, Open, Text
from libs.schemas.commands import OrderAction, PersonAction
from libs.schemas.dictionary import Dictionary
from libs.schemas.referral import Adult, ReferredChild

_NEEDED = {
    PersonAction.LINK: ("person_id",),
    PersonAction.UNLINK: ("person_id",),
    PersonAction.MERGE: ("person_id", "other_id"),
    PersonAction.SAME_EVENT: ("case_id",),
    PersonAction.OTHER_EVENT: ("case_id",),
    PersonAction.UNDO: ("undoes",),
}
"""What each action names, and nothing else."""


class PersonDecisionBody(Model):
    """The body of `POST /v1/cases/{id}/person-decisions`."""

    action: Open[PersonAction]
    person_id: UUID | None = Field(None, description="The person of the index: for link, unlink and merge.")
    other_id: UUID | None = Field(None, description="The person that is merged into `person_id`.")
    case_id: UUID | None = Field(
        None, description="The earlier report that tells of the same event, or does not."
    )
    undoes: UUID | None = Field(None, description="The command on this case that is taken back.")
    reason: Text

    def faults(self) -> Iterator[FieldError]:
        """What is missing for the action, or stands beside it for nothing."""
        needed = _NEEDED.get(PersonAction(self.action), ())
        for name in ("person_id", "other_id", "case_id", "undoes"):
            given = getattr(self, name) is not None
            if name in needed and not given:
                yield FieldError(f"/{name}", "missing", f"is needed for `{self.action}`")
            elif given and name not in needed:
                yield FieldError(f"/{name}", "not_for_action", f"says nothing for `{self.action}`")
        if self.person_id is not None and self.person_id == self.other_id:
            yield FieldError("/other_id", "same_person", "must be another person than `person_id`")


class CheckOrderBody(Model):
    """The body of `POST /v1/cases/{id}/check-orders`."""

    agency: Identifier
    action: Open[OrderAction]
    items: tuple[Identifier, ...] = Field(
        (), max_length=40, description="What is asked for; empty means all that there is."
    )
    purpose: Line | None = Field(None, description="Needed for `ask`.")
    basis: Line | None = Field(None, description="The lawful basis. Needed for `ask`.")
    reason: Text
    emergency: StrictBool = Field(
        False, description="Asked before, or beside, what the agreement grants: needs `approver`."
    )
    approver: Line | None = Field(
        None, description="Who approved the emergency, by the name of their account: not who asks."
    )
    until: Instant | None = Field(None, description="When the order lapses.")

    def faults(self, agencies: Iterable[str], asker: str) -> Iterator[FieldError]:
        """What is missing for the action, or cannot be."""
        if self.agency not in agencies:
            yield FieldError("/agency", "unknown_agency", f"must be one of {', '.join(sorted(agencies))}")
        asks = self.action == OrderAction.ASK
        for name in ("purpose", "basis"):
            given = getattr(self, name) is not None
            if asks and not given:
                yield FieldError(f"/{name}", "missing", "is needed where an agency is asked by hand")
            elif given and not asks:
                yield FieldError(f"/{name}", "not_for_action", f"says nothing for `{self.action}`")
        if self.emergency and not asks:
            yield FieldError("/emergency", "not_for_action", "only asking can be an emergency")
        if self.emergency and self.approver is None:
            yield FieldError("/approver", "missing", "is needed in an emergency")
        if not self.emergency and self.approver is not None:
            yield FieldError("/approver", "not_for_action", "approves an emergency only")
        if self.approver is not None and self.approver.strip().casefold() == asker.casefold():
            yield FieldError("/approver", "approver_asks", "must be somebody else than the one who asks")


class GivenChild(Model):
    """A child whom staff add, or correct where `case_id` is given."""

    case_id: UUID | None = Field(
        None, description="The child's case in this referral; absent for a new child."
    )
    child: ReferredChild


class PeopleBody(Model):
    """The body of `POST /v1/cases/{id}/people`. It is added to what is known, never put in its place."""

    adults: tuple[Adult, ...] = Field((), max_length=40)
    children: tuple[GivenChild, ...] = Field((), max_length=20)
    reason: Text

    def faults(self, cases: Iterable[UUID], dictionary: Dictionary) -> Iterator[FieldError]:
        """Children who are not of this referral, or twice there, and facts that the dictionary does not know."""
        if not self.adults and not self.children:
            yield FieldError("", "missing", "must name at least one adult or child")
        known, seen = set(cases), set[UUID]()
        for place, given in enumerate(self.children):
            if given.case_id is not None and given.case_id not in known:
                wanted = "must be a case of this referral; leave it out to add a child"
                yield FieldError(f"/children/{place}/case_id", "unknown_child", wanted)
            elif given.case_id in seen:
                yield FieldError(f"/children/{place}/case_id", "child_twice", "must name each child once")
            if given.case_id is not None:
                seen.add(given.case_id)
            for number, fact in enumerate(given.child.facts):
                fault = dictionary.check(fact)
                if fault is not None:
                    pointer = f"/children/{place}/child/facts/{number}/{fault.field}"
                    yield FieldError(pointer, fault.code, fault.wanted)
