"""Agencies that are described by files, asked through the real client over real HTTP."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest

from libs.platform.clock import SystemClock
from libs.platform.http import http_client
from libs.schemas.dictionary import Dictionary
from sandbox.settings import AGENCY_KEY
from services.enrichment.asking.agency import Reply
from services.enrichment.asking.question import Question, Subject
from services.enrichment.dialects.agency import DialectAgency
from services.enrichment.dialects.files import load_dialects
from services.enrichment.dialects.terms import Dialect
from services.enrichment.partnership import AgencyTerms, load_agencies
from tests.services.enrichment.conftest import PARTNERSHIP, Sandbox

ITEMS = (
    "safety",
    "care",
    "health",
    "education",
    "whereabouts",
    "domestic_abuse",
    "adults",
    "parents",
    "help",
)
MIA = {
    "given_name": "Mia",
    "family_name": "Farthing-Test",
    "born": {"on": "2022-03-14"},
    "nhs_number": "9990001006",
}
WREN = {
    "given_name": "Wren",
    "family_name": "Kestrel-Test",
    "born": {"on": "2015-02-11"},
    "nhs_number": "9990041008",
    "upn": "T874200026001",
}
NOBODY = {"given_name": "Lark", "family_name": "Plover-Test", "born": {"on": "2012-01-01"}}


@dataclass
class Asking:
    """Asks the sandbox's suppliers as their files say."""

    sandbox: Sandbox
    terms: Mapping[str, AgencyTerms]
    dialects: Mapping[str, Dialect]
    dictionary: Dictionary

    def agency(
        self, name: str, *, key: str = AGENCY_KEY, url: str | None = None, **limits: float
    ) -> DialectAgency:
        """The client of one agency."""
        terms = replace(self.terms[name], **limits)  # type: ignore[arg-type]
        client = http_client(url or self.sandbox.url, peer=name)
        return DialectAgency(terms, self.dialects[name], client, key, self.dictionary, SystemClock())

    async def ask(
        self,
        name: str,
        child: Mapping[str, Any],
        *,
        items: tuple[str, ...] = ITEMS,
        existence_only: tuple[str, ...] = (),
        mother: Mapping[str, Any] | None = None,
        question_id: str = "q",
        **client: Any,
    ) -> Reply:
        """Asks once with a client of its own."""
        agency = self.agency(name, **client)
        try:
            return await agency.ask(
                Question(
                    question_id=question_id,
                    purpose="to find out whether the child is in need",
                    basis="public task",
                    items=items,
                    existence_only=frozenset(existence_only),
                    child=Subject.model_validate(child),
                    mother=None if mother is None else Subject.model_validate(mother),
                ),
                trace=None,
            )
        finally:
            await agency.close()

    async def steps(self, name: str, question_id: str = "q") -> dict[str, int]:
        """How often each kind of request was made for a question."""
        (one,) = [each for each in await self.sandbox.asked(name) if each["question_id"] == question_id]
        steps: dict[str, int] = one["steps"]
        return steps


@pytest.fixture(scope="session")
def agency_terms() -> dict[str, AgencyTerms]:
    return load_agencies(PARTNERSHIP / "agencies")


@pytest.fixture(scope="session")
def dialects(agency_terms: dict[str, AgencyTerms], dictionary: Dictionary) -> dict[str, Dialect]:
    return load_dialects(PARTNERSHIP / "agencies", agency_terms, dictionary)


@pytest.fixture
def asking(
    sandbox: Sandbox,
    agency_terms: dict[str, AgencyTerms],
    dialects: dict[str, Dialect],
    dictionary: Dictionary,
) -> Asking:
    return Asking(sandbox, agency_terms, dialects, dictionary)
