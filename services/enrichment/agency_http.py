"""Asks an agency over HTTP: one POST for each question, whose id is the Idempotency-Key."""

import asyncio

import httpx
from opentelemetry import context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from libs.schemas.clock import Clock
from libs.schemas.dictionary import Dictionary
from libs.schemas.findings import AgencyState
from services.enrichment.agency import Reply
from services.enrichment.partnership import AgencyTerms
from services.enrichment.question import Question
from services.enrichment.replies import MAX_BYTES, read_reply, unavailable

_W3C = TraceContextTextMapPropagator()


class HttpAgency:
    """One agency's REST interface. `client` has the agency's address, its limits and its timeouts by phase."""

    def __init__(
        self,
        terms: AgencyTerms,
        endpoint: str,
        client: httpx.AsyncClient,
        key: str,
        dictionary: Dictionary,
        clock: Clock,
    ) -> None:
        self._terms = terms
        self._endpoint = endpoint
        self._client = client
        self._key = key
        self._dictionary = dictionary
        self._clock = clock

    async def ask(self, question: Question, *, trace: str | None) -> Reply:
        """Asks once, for at most the agency's `total_seconds`."""
        token = context.attach(_W3C.extract({"traceparent": trace})) if trace else None
        try:
            return await self._ask(question)
        finally:
            if token is not None:
                context.detach(token)

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.aclose()

    async def _ask(self, question: Question) -> Reply:
        began = False
        try:
            async with (
                asyncio.timeout(self._terms.total_seconds),
                self._client.stream(
                    "POST",
                    self._endpoint,
                    content=question.model_dump_json(exclude_none=True).encode(),
                    headers=self._headers(question),
                ) as response,
            ):
                began = True
                body = bytearray()
                async for chunk in response.aiter_raw():
                    body += chunk
                    if len(body) > MAX_BYTES:
                        return unavailable("too_large")
        except (httpx.ConnectTimeout, httpx.PoolTimeout):
            return unavailable("cannot_connect")
        except (TimeoutError, httpx.TimeoutException):
            # Headers without a body are an agency that is broken, not one that needs time to look.
            return unavailable("too_slow") if began else Reply(AgencyState.NO_ANSWER, "timeout")
        except httpx.ConnectError:
            return unavailable("cannot_connect")
        except httpx.HTTPError:
            return unavailable("broken_off")
        return read_reply(
            response.status_code,
            response.headers.get("content-type", ""),
            response.headers.get("retry-after"),
            bytes(body),
            question=question,
            dictionary=self._dictionary,
            now=self._clock.now(),
        )

    def _headers(self, question: Question) -> dict[str, str]:
        return {
            "content-type": "application/json",
            "accept": "application/json",
            "accept-encoding": "identity",
            "authorization": f"Bearer {self._key}",
            "idempotency-key": question.question_id,
        }
