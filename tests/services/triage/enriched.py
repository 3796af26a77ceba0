"""What enrichment tells of a referral beside answers: who the children are, who else there is, what was taken back."""

import uuid
from abc import ABC, abstractmethod
from datetime import datetime
from typing import Any
from uuid import UUID

from libs.messaging.event import Event
from libs.schemas.base import Payload
from libs.schemas.events import (
    CHECK_CORRECTED,
    CHILDREN_FOUND,
    PERSON_LINKED,
    CheckCorrected,
    ChildrenFound,
    EventType,
    FoundBy,
    PersonLinked,
    Reference,
)
from libs.schemas.findings import AgencyState, Answer, Correction, CorrectionKind, Fact
from libs.schemas.history import EarlierReport, History
from libs.schemas.people import Band, Linked, LinkMethod
from libs.schemas.referral import ReferredChild


class Enriched(ABC):
    """The part of a story that enrichment tells."""

    id: UUID
    reference: str
    at: datetime
    child_ids: list[UUID]

    @abstractmethod
    def event(self, type: EventType[Any], payload: Payload[Any, Any]) -> Event: ...

    @abstractmethod
    def about(self) -> Reference: ...

    @abstractmethod
    def question(self, agency: str, child: int = 0) -> str: ...

    def corrected(
        self,
        agency: str,
        *facts: Fact,
        child: int = 0,
        retracted: bool = False,
        reason: str | None = None,
        **fields: Any,
    ) -> Event:
        """The agency takes its answer back, or gives another in its place."""
        question = self.question(agency, child)
        state = AgencyState.RETURNED if facts else AgencyState.NOTHING_HELD
        answer = Answer(agency=agency, question_id=question, state=state, facts=facts, **fields)
        correction = Correction(
            agency=agency,
            question_id=question,
            kind=CorrectionKind.RETRACTED if retracted else CorrectionKind.CORRECTED,
            reason=reason or ("wrong_person" if retracted else "recorded_wrongly"),
            corrected_at=self.at,
            answer=None if retracted else answer,
        )
        children = {self.child_ids[child]: correction}
        return self.event(CHECK_CORRECTED, CheckCorrected(shared=self.about(), children=children))

    def linked(self, *earlier: EarlierReport, child: int = 0, revision: int = 1, **fields: Any) -> Event:
        """What the index says of a child."""
        history = History(
            earlier=earlier,
            event=fields.pop("event", None),
            duplicates=fields.pop("duplicates", ()),
            plans=fields.pop("plans", ()),
            step_downs=fields.pop("step_downs", ()),
        )
        linked = Linked(
            revision=revision,
            person_id=fields.pop("person_id", uuid.uuid5(self.child_ids[child], "person")),
            band=fields.pop("band", Band.SAME),
            method=fields.pop("method", LinkMethod.IDENTIFIER),
            rules="1",
            history=history,
            **fields,
        )
        return self.event(
            PERSON_LINKED, PersonLinked(shared=self.about(), children={self.child_ids[child]: linked})
        )

    def found(self, *children: ReferredChild, source: str = "social_care") -> Event:
        """Children whom a check named; they are the story's from now on."""
        ids = [
            uuid.uuid5(self.id, f"child/{len(self.child_ids) + place}") for place, _ in enumerate(children)
        ]
        self.child_ids += ids
        shared = FoundBy(reference=self.reference, at=self.at, sources=(source,))
        found = ChildrenFound(shared=shared, children=dict(zip(ids, children, strict=True)))
        return self.event(CHILDREN_FOUND, found)
