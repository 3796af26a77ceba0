"""Which of an agency's questions a caller may see: its team's, or those for its safeguarding lead alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.enrichment.partnership import AgencyTerms
from services.enrichment.sharing.permission import Audience


@dataclass(frozen=True, slots=True)
class Seat:
    """A part of an agency that answers questions of its own."""

    agency: str
    audience: Audience


def seats_of(subject: str, agency: str | None, terms: Mapping[str, AgencyTerms]) -> tuple[Seat, ...]:
    """Where a caller sits, by the subject and the agency of their token.

    The team's seat is that of the agency itself: one of its `clients`, such as a school of the education service,
    has none. The lead's seat is the identity that the agency's file names, whatever agency its token names.
    """
    seats = [Seat(agency, "team")] if agency in terms and agency is not None else []
    seats += [
        Seat(each.id, "lead")
        for each in terms.values()
        if each.lead is not None and each.lead.client == subject
    ]
    return tuple(seats)


def columns(seats: Sequence[Seat]) -> tuple[list[str], list[str]]:
    """Agencies and audiences side by side, for a statement's two arrays."""
    return [seat.agency for seat in seats], [seat.audience for seat in seats]
