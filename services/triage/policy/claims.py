"""What the check of a policy says: claims that are proved, refuted with a place and a case, or were not tried."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """What became of a claim."""

    PROVED = "proved"
    REFUTED = "refuted"
    NOT_TRIED = "not_tried"


@dataclass(frozen=True, slots=True)
class Finding:
    """One reason why a claim does not hold.

    `place` is file:line:column, `subject` the rule, guarantee, fact or case, `case` the smallest case in English.
    """

    place: str
    subject: str
    message: str
    case: str = ""

    def __str__(self) -> str:
        return f"{self.place}: {self.subject}: {self.message}"


@dataclass(frozen=True, slots=True)
class Claim:
    """One thing that is said of the whole policy, with how long its proof took in seconds."""

    id: str
    title: str
    status: Status
    detail: str = ""
    findings: tuple[Finding, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Report:
    """All claims about one policy."""

    policy: str
    version: str
    fingerprint: str
    claims: tuple[Claim, ...]

    @property
    def holds(self) -> bool:
        """Whether every claim was proved."""
        return all(claim.status is Status.PROVED for claim in self.claims)

    @property
    def refuted(self) -> tuple[Claim, ...]:
        """The claims that do not hold."""
        return tuple(claim for claim in self.claims if claim.status is Status.REFUTED)

    def claim(self, name: str) -> Claim | None:
        """The claim of that id, or None where it was not made."""
        return next((claim for claim in self.claims if claim.id == name), None)

    def document(self) -> dict[str, Any]:
        """For programs and for keeping: the report as JSON's types."""
        return {"holds": self.holds, **asdict(self)}

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> "Report":
        """The report that a document was made of. Raises KeyError, TypeError or ValueError where it is none."""
        claims = (
            Claim(
                **{
                    **claim,
                    "status": Status(claim["status"]),
                    "findings": tuple(Finding(**finding) for finding in claim["findings"]),
                }
            )
            for claim in document["claims"]
        )
        return cls(document["policy"], document["version"], document["fingerprint"], tuple(claims))
