"""Where the person thought to harm works for an agency, only its safeguarding lead there hears of the referral."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from libs.schemas.document import Node, read_document
from libs.schemas.referral import Adult


@dataclass(frozen=True, slots=True)
class Employer:
    """An agency that is asked about children: those that access tokens name and that belong to it, and its lead.

    `lead` is the client of the token issuer that speaks for the lead; None where the agency has named none.
    """

    members: frozenset[str]
    lead: str | None


@dataclass(frozen=True, slots=True)
class Employers:
    """The agencies that have said who belongs to them."""

    known: tuple[Employer, ...]

    def hide(self, employers: Collection[str], agency: str, client: str) -> bool:
        """Whether a caller must not hear of a referral whose suspect works for one of `employers`.

        Nobody of an agency that has named no lead hears of it.
        """
        own = [one for one in self.known if agency in one.members and not one.members.isdisjoint(employers)]
        if agency not in employers and not own:
            return False
        return client not in {one.lead for one in own}


def employers_of(adults: Iterable[Adult]) -> frozenset[str]:
    """The agencies that employ somebody thought to harm."""
    return frozenset(
        adult.employer_agency
        for adult in adults
        if adult.thought_to_harm and adult.employer_agency is not None
    )


def load_employers(directory: Path) -> Employers:
    """Reads what the agencies' files say of it. Raises DocumentError naming the mistake with its place."""
    named = {path.stem: read_document(path) for path in sorted((directory / "agencies").glob("*.yaml"))}
    return Employers(tuple(_employer(agency, node) for agency, node in named.items()))


def _employer(agency: str, node: Node) -> Employer:
    fields = node.fields()
    clients = fields["clients"].items() if "clients" in fields else []
    lead = fields["lead"].fields()["client"].words() if "lead" in fields else None
    return Employer(frozenset({agency, *(client.words() for client in clients)}), lead)
