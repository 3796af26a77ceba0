"""An agency that speaks FHIR R4: one exchange for each question, followed to its last page or not relied on."""

import json
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, date, timedelta
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

import httpx

from libs.schemas.clock import Clock
from libs.schemas.dictionary import Dictionary
from libs.schemas.findings import EXISTENCE_ONLY, PARTLY_UNDERSTOOD, AgencyState
from services.enrichment.asking.agency import Reply, Silent, Unreliable
from services.enrichment.asking.attempt import attempt
from services.enrichment.asking.question import Question
from services.enrichment.asking.replies import MAX_BYTES, seconds_to_wait, unavailable
from services.enrichment.fhir.matching import certain_match, match_request
from services.enrichment.fhir.reading import dates, read
from services.enrichment.fhir.resources import (
    Bundle,
    Finding,
    Outcome,
    day_of,
    read_bundle,
    read_outcome,
    read_resource,
)
from services.enrichment.fhir.terms import Code, FhirTerms, Resource
from services.enrichment.partnership import AgencyTerms

MAX_PAGES = 50
"""Pages of one exchange: more belong to no child, or lead in a circle."""

PAGE_SIZE = 50


class FhirAgency:
    """One agency's FHIR server. `client` has its address, its limits and its timeouts by phase."""

    def __init__(
        self,
        terms: AgencyTerms,
        fhir: FhirTerms,
        client: httpx.AsyncClient,
        key: str,
        dictionary: Dictionary,
        clock: Clock,
    ) -> None:
        self._terms = terms
        self._fhir = fhir
        self._client = client
        self._key = key
        self._dictionary = dictionary
        self._clock = clock

    async def ask(self, question: Question, *, trace: str | None) -> Reply:
        """Asks once, for at most the agency's `total_seconds`."""
        exchange = _Exchange(self._client, self._fhir, self._key, question.question_id, self._clock)
        return await attempt(
            lambda: self._ask(question, exchange),
            seconds=self._terms.total_seconds,
            began=lambda: exchange.began,
            trace=trace,
        )

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.aclose()

    async def _ask(self, question: Question, exchange: "_Exchange") -> Reply:
        body = json.dumps(match_request(question, self._fhir)).encode()
        bundle = await exchange.fetch("Patient/$match", body, "application/fhir+json")
        if bundle.total is not None and len(_matches(bundle)) < bundle.total:
            raise Unreliable("incomplete")
        outcome = _outcome_of(bundle)
        latest = self._clock.now().astimezone(UTC).date() + timedelta(days=1)
        coverage = _coverage(outcome, self._fhir, latest)
        said = None if outcome is None else _said(outcome, self._fhir)
        if said is not None:
            return Reply(said, _reason(said), as_of=_as_of([bundle], latest), **coverage)
        patient = certain_match(bundle, question, self._fhir)
        if patient is None:
            return Reply(AgencyState.NOTHING_HELD, as_of=_as_of([bundle], latest), **coverage)
        contents, existence = self._granted(question)
        bundles, findings = [bundle], list[Finding]()
        for resource in contents:
            pages = await exchange.search(resource, patient)
            bundles += pages
            findings += _findings(pages, resource, patient, self._base)
        counts = [await exchange.count(resource, patient) for resource in existence]
        if any(day > latest for day in dates(findings)):
            raise Unreliable("future_date")
        understood = read(findings, self._fhir, self._dictionary, latest - timedelta(days=1))
        held = EXISTENCE_ONLY if any(counts) else None
        return Reply(
            state=AgencyState.RETURNED if findings or held else AgencyState.NOTHING_HELD,
            reason=PARTLY_UNDERSTOOD if understood.dropped else held,
            as_of=_as_of(bundles, latest),
            facts=understood.facts,
            narrative=understood.narrative,
            dropped=understood.dropped,
            **coverage,
        )

    @property
    def _base(self) -> str:
        return urljoin(str(self._client.base_url), self._fhir.base)

    def _granted(self, question: Question) -> tuple[list[Resource], list[Resource]]:
        """The types of resources whose content may be fetched, and those of which only that they are held."""
        content = self._bringing(item for item in question.items if item not in question.existence_only)
        return content, [one for one in self._bringing(question.existence_only) if one not in content]

    def _bringing(self, items: Iterable[str]) -> list[Resource]:
        wanted = {resource for item in items for resource in self._fhir.items.get(item, ())}
        return [resource for resource in Resource if resource in wanted]


class _Exchange:
    """The requests of one question."""

    def __init__(
        self, client: httpx.AsyncClient, fhir: FhirTerms, key: str, question_id: str, clock: Clock
    ) -> None:
        self.began = False
        self._client = client
        self._fhir = fhir
        self._clock = clock
        self._base = urljoin(str(client.base_url), fhir.base)
        self._headers = {
            "accept": "application/fhir+json",
            "accept-encoding": "identity",
            "apikey": key,
            "x-request-id": question_id,
        }

    async def search(self, resource: Resource, patient: str) -> list[Bundle]:
        """All pages of a patient's resources of a type. Raises Unreliable where they cannot be followed to the end."""
        # By POST: not even the server's own id of a patient stands in an address.
        form = urlencode({"patient": patient, "_count": PAGE_SIZE}).encode()
        page = await self.fetch(f"{resource}/_search", form, "application/x-www-form-urlencoded")
        pages, seen = [page], set[str]()
        while (following := page.next) is not None:
            if following in seen or len(pages) >= MAX_PAGES:
                raise Unreliable("endless_pages")
            seen.add(following)
            page = await self.fetch(self._within(following))
            pages.append(page)
        matches = sum(len(_matches(one)) for one in pages)
        if pages[0].total is not None and matches < pages[0].total:
            raise Unreliable("incomplete")
        return pages

    async def count(self, resource: Resource, patient: str) -> int:
        """How many resources of a type there are of a patient, and nothing of what they say. Raises Unreliable."""
        form = urlencode({"patient": patient, "_summary": "count"}).encode()
        page = await self.fetch(f"{resource}/_search", form, "application/x-www-form-urlencoded")
        if page.total is None or page.entry:
            raise Unreliable("contract")
        return page.total

    async def fetch(self, path: str, body: bytes | None = None, media: str | None = None) -> Bundle:
        """One page. Raises Unreliable, Silent and what httpx raises."""
        url = path if path.startswith("http") else f"{self._base}/{path}"
        headers = self._headers | ({"content-type": media} if media else {})
        async with self._client.stream(
            "GET" if body is None else "POST", url, content=body, headers=headers
        ) as response:
            self.began = True
            content = bytearray()
            async for chunk in response.aiter_raw():
                content += chunk
                if len(content) > MAX_BYTES:
                    raise Unreliable("too_large")
        if response.status_code != 200:
            raise Silent(self._refusal(response, bytes(content)))
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in ("application/fhir+json", "application/json"):
            raise Unreliable("not_json")
        return read_bundle(bytes(content))

    def _refusal(self, response: httpx.Response, body: bytes) -> Reply:
        wait = seconds_to_wait(response.headers.get("retry-after"), self._clock.now())
        if response.status_code == 202:
            return Reply(AgencyState.NO_ANSWER, "accepted", wait)
        try:
            said = _said(read_outcome(body), self._fhir)
        except Unreliable:
            said = None
        if said is not None:
            return Reply(said, _reason(said))
        return unavailable(f"http_{response.status_code}", wait)

    def _within(self, url: str) -> str:
        """The address of a further page. Raises Unreliable where it leads away from the server that was asked."""
        there, base = urlsplit(urljoin(f"{self._base}/", url)), urlsplit(self._base)
        here = (base.scheme, base.netloc)
        if (there.scheme, there.netloc) != here or not there.path.startswith(f"{base.path}/"):
            raise Unreliable("other_origin")
        return there.geturl()


def _outcome_of(bundle: Bundle) -> Outcome | None:
    """What the server says beside what it found. Raises Unreliable where it says that something failed."""
    outcomes = [
        read_resource(entry.resource, Outcome)
        for entry in bundle.entry
        if entry.resource.get("resourceType") == "OperationOutcome"
    ]
    if any(issue.severity not in ("information", "warning") for one in outcomes for issue in one.issue):
        raise Unreliable("server_error")
    return outcomes[0] if outcomes else None


def _said(outcome: Outcome, terms: FhirTerms) -> AgencyState | None:
    """The state that the outcome's codes stand for. Raises Unreliable for a code of the same system that is unknown."""
    systems = {code.system for code in terms.outcomes}
    for issue in outcome.issue:
        for one in issue.details.coding if issue.details else ():
            if one.system in systems:
                state = terms.outcomes.get(Code(one.system or "", one.code or ""))
                if state is None:
                    raise Unreliable("unknown_state")
                return state
    return None


def _reason(state: AgencyState) -> str | None:
    return "agency_declined" if state is AgencyState.DECLINED else None


def _coverage(outcome: Outcome | None, terms: FhirTerms, latest: date) -> Mapping[str, Any]:
    period = next(
        (one.value_period for one in (outcome.extension if outcome else ()) if one.url == terms.coverage),
        None,
    )
    if period is None:
        return {}
    start, end = (day_of(text)[0] if text else None for text in (period.start, period.end))
    if any(day is not None and day > latest for day in (start, end)):
        raise Unreliable("future_date")
    if start and end and start > end:
        raise Unreliable("contract")
    return {"coverage_from": start, "coverage_to": end}


def _as_of(bundles: Iterable[Bundle], latest: date) -> date | None:
    """The day on which the least current of the bundles was current."""
    days = [day_of(one.meta.last_updated)[0] for one in bundles if one.meta.last_updated is not None]
    if any(day > latest for day in days):
        raise Unreliable("future_date")
    return min(days, default=None)


def _matches(bundle: Bundle) -> list[dict[str, Any]]:
    return [
        entry.resource for entry in bundle.entry if entry.resource.get("resourceType") != "OperationOutcome"
    ]


def _findings(pages: Collection[Bundle], resource: Resource, patient: str, base: str) -> Iterable[Finding]:
    """The resources of all pages. Raises Unreliable where one is of another type, or about somebody else."""
    own = {f"Patient/{patient}", f"{base}/Patient/{patient}"}
    for page in pages:
        _outcome_of(page)
        for fields in _matches(page):
            finding = read_resource(fields, Finding)
            if finding.resource_type != resource:
                raise Unreliable("contract")
            if finding.subject.reference not in own:
                raise Unreliable("about_someone_else")
            yield finding
