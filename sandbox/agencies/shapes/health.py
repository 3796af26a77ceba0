"""Community health: what its FHIR server has of a patient. Codes are of the trust's own code system."""

from typing import Literal

from sandbox.agencies.shapes import Record, Strict


class HeldCondition(Strict):
    """A problem on the record."""

    code: str
    clinical: str = "active"
    verified: str = "confirmed"
    recorded_days_ago: int
    note: str | None = None
    words: str | None = None
    """The narrative, as XHTML without its `div`."""


class HeldEncounter(Strict):
    """A contact with the service, or one that did not come about."""

    code: str
    status: str = "finished"
    days_ago: int


class HeldFlag(Strict):
    """Something that everybody who opens the record must see."""

    code: str
    status: str = "active"
    since_days_ago: int


class HeldObservation(Strict):
    """Something that was measured, asked or seen."""

    code: str
    value: str | None = None
    number: int | None = None
    seen: bool | None = None
    status: str = "final"
    days_ago: int
    by: Literal["Practitioner", "Patient", "RelatedPerson"] | None = "Practitioner"
    note: str | None = None


class HealthRecord(Record):
    """What the server has of a patient."""

    conditions: tuple[HeldCondition, ...] = ()
    encounters: tuple[HeldEncounter, ...] = ()
    flags: tuple[HeldFlag, ...] = ()
    observations: tuple[HeldObservation, ...] = ()
