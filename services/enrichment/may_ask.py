"""Whether an agency may be asked about a child. What is not expressly permitted is refused, with the reason."""

from collections.abc import Collection
from dataclasses import dataclass

from libs.schemas.levels import Level
from services.enrichment.partnership import AgencyTerms, CheckTerms


@dataclass(frozen=True, slots=True)
class Permission:
    """Whether to ask; `reason` is the code of a refusal and None where asking is permitted."""

    reason: str | None

    @property
    def granted(self) -> bool:
        """Whether the agency may be asked."""
        return self.reason is None


GRANTED = Permission(None)


def may_ask(
    terms: CheckTerms,
    agency: AgencyTerms | None,
    level: Level | None,
    agreement: str,
    identifiers: Collection[str],
) -> Permission:
    """Whether this agency may be asked about a child at this level, with this answer of the family.

    `agreement` is what became of asking the family's agreement to checks: a code of `AgreementAnswer`, a code
    that is not known here, or `not_stated`. `identifiers` are the codes of what is known of the child. An agency
    that would be sent none of them is not asked: its answer would be about somebody else.
    """
    if agency is None:
        return Permission("agency_not_listed")
    if not isinstance(level, Level):
        return Permission("level_not_known")
    if agency.send.isdisjoint(identifiers):
        return Permission("not_identifiable")
    if level < agency.asked_from:
        return Permission("below_level")
    if level >= terms.agreement_not_needed_from or agreement in terms.sufficient_answers:
        return GRANTED
    return Permission("agreement_refused" if agreement == "refused" else "agreement_missing")
