"""The interfaces of all agencies of a partnership, from the files in which they are described."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from libs.schemas.dictionary import Dictionary
from libs.schemas.document import DocumentError, collect
from services.enrichment.dialects.loading import load_dialect
from services.enrichment.dialects.terms import Dialect
from services.enrichment.partnership import AgencyTerms, Kind, agency_file


def load_dialects(
    folder: Path, terms: Mapping[str, AgencyTerms], dictionary: Dictionary
) -> dict[str, Dialect]:
    """The dialects of the agencies of kind `rest`, by agency. Raises DocumentError."""
    found: dict[str, Dialect] = {}

    def add(name: str) -> None:
        found[name] = load_dialect(agency_file(folder / f"{name}.yaml")["dialect"], dictionary)

    faults = collect(partial(add, name) for name, one in terms.items() if one.kind is Kind.REST)
    if faults:
        raise DocumentError(faults)
    return found
