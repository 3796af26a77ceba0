"""The FHIR client against the sandbox's server over real HTTP, or against bundles made by hand."""

from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from libs.platform.clock import SystemClock
from libs.platform.http import http_client
from libs.schemas.base import IsoDate
from libs.schemas.dictionary import Dictionary
from libs.schemas.document import read_document
from sandbox.settings import AGENCY_KEY
from services.enrichment.asking.agency import Reply
from services.enrichment.asking.question import Question, Subject
from services.enrichment.fhir import FhirAgency, FhirTerms, load_fhir
from services.enrichment.partnership import AgencyTerms, load_agencies
from tests.services.enrichment.conftest import Sandbox

PARTNERSHIP = Path("deploy/partnership")
ITEMS = ("safety", "care", "health", "domestic_abuse", "adults", "parents", "help")
TRUST = "https://fhir.sandbox.example.org/CodeSystem/community-health"


@pytest.fixture(scope="session")
def fhir_terms(dictionary: Dictionary) -> FhirTerms:
    file = read_document(PARTNERSHIP / "agencies" / "health.yaml")
    return load_fhir(file.fields()["dialect"], dictionary)


@pytest.fixture(scope="session")
def agency_terms() -> AgencyTerms:
    return load_agencies(PARTNERSHIP / "agencies")["health"]


@dataclass
class Health:
    """The health trust, asked through the real client."""

    sandbox: Sandbox
    terms: AgencyTerms
    fhir: FhirTerms
    dictionary: Dictionary
    key: str = AGENCY_KEY

    async def ask(
        self,
        child: dict[str, Any] | None = None,
        *,
        items: tuple[str, ...] = ITEMS,
        existence_only: tuple[str, ...] = (),
        mother: dict[str, Any] | None = None,
        question_id: str = "q",
        transport: httpx.AsyncBaseTransport | None = None,
        **limits: float,
    ) -> Reply:
        question = Question(
            question_id=question_id,
            purpose="to find out whether the child is in need",
            basis="public task",
            items=items,
            existence_only=frozenset(existence_only),
            child=Subject.model_validate(child or {"nhs_number": "9990041008"}),
            mother=None if mother is None else Subject.model_validate(mother),
        )
        client = http_client(self.sandbox.url, peer="health", transport=transport)
        terms = replace(self.terms, **limits)  # type: ignore[arg-type]
        agency = FhirAgency(terms, self.fhir, client, self.key, self.dictionary, SystemClock())
        try:
            return await agency.ask(question, trace=None)
        finally:
            await agency.close()

    async def steps(self, question_id: str = "q") -> dict[str, int]:
        """The requests that a question took, as the server counted them."""
        (one,) = [each for each in await self.sandbox.asked("health") if each["question_id"] == question_id]
        steps: dict[str, int] = one["steps"]
        return steps


@pytest.fixture
def health(
    sandbox: Sandbox, agency_terms: AgencyTerms, fhir_terms: FhirTerms, dictionary: Dictionary
) -> Health:
    return Health(sandbox, agency_terms, fhir_terms, dictionary)


def ago(days: int) -> IsoDate:
    """The day that many days ago."""
    return SystemClock().now().date() - timedelta(days=days)
