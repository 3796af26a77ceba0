"""What trying out an agency's file comes to: one line for each field, by name and type and never by value."""

from dataclasses import dataclass
from enum import StrEnum


class Finding(StrEnum):
    """What comparing came to."""

    MAPPED = "mapped"
    MISSING = "missing"
    NOT_DESCRIBED = "not described"
    CODES = "codes"
    RECORDED = "recorded"
    """A refusal on which the file says nothing: what will be recorded of it."""
    UNUSED = "unused"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a report. `place` is in the agency's file, or in the OpenAPI document for what is unused."""

    finding: Finding
    place: str
    says: str

    @property
    def faulty(self) -> bool:
        """Whether the file and the interface cannot work together as they stand."""
        return self.finding in (Finding.MISSING, Finding.CODES)
