"""The way to each agency, by the kind that its file names."""

import os
from collections.abc import Mapping

import httpx

from libs.platform.http import http_client
from libs.schemas.clock import Clock
from libs.schemas.dictionary import Dictionary
from libs.schemas.document import DocumentError
from services.enrichment.asking.agency import Agency, InstantAgency
from services.enrichment.dialects.agency import DialectAgency
from services.enrichment.dialects.files import load_dialects
from services.enrichment.fhir import FhirAgency, load_fhir_files
from services.enrichment.partnership import AgencyTerms, Kind
from services.enrichment.settings import EnrichmentSettings

AGENCY_KEY = "MASH_AGENCY_KEY"


def reach_agencies(
    settings: EnrichmentSettings, terms: Mapping[str, AgencyTerms], dictionary: Dictionary, clock: Clock
) -> dict[str, Agency]:
    """A way to each agency that does not fetch its questions: over HTTP, or inside the process for measuring.

    Raises DocumentError for a faulty file, and for a secret that no environment variable holds.
    """
    if settings.agencies_in_process:
        return {name: InstantAgency() for name in terms}
    folder = settings.partnership_dir / "agencies"
    fhir = load_fhir_files(folder, dictionary)
    dialects = load_dialects(folder, terms, dictionary)
    reached: dict[str, Agency] = {}
    for name, one in terms.items():
        if one.kind is Kind.PULLED:
            continue
        client = client_for(settings.agencies_url, one)
        if one.kind is Kind.REST:
            secret = secret_of(settings, dialects[name].authentication.secret, name)
            reached[name] = DialectAgency(one, dialects[name], client, secret, dictionary, clock)
        else:
            reached[name] = FhirAgency(one, fhir[name], client, settings.agency_key, dictionary, clock)
    return reached


def client_for(url: str, terms: AgencyTerms) -> httpx.AsyncClient:
    """A client with an agency's limits and timeouts by phase."""
    timeout = httpx.Timeout(terms.read_seconds, connect=terms.connect_seconds)
    return http_client(url, peer=terms.id, limit=terms.at_once, timeout=timeout)


def secret_of(settings: EnrichmentSettings, name: str, agency: str) -> str:
    """The secret that a file names: the shared key, or an environment variable of the agency's own."""
    if not name or name == AGENCY_KEY:
        return settings.agency_key
    found = os.environ.get(name)
    if not found:
        raise DocumentError([f"agencies/{agency}.yaml: the environment variable `{name}` is not set"])
    return found
