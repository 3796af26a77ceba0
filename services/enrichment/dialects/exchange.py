"""The requests of one question: authentication, pages, limits, and every kind of trouble as a reason."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

import httpx

from libs.schemas.clock import Clock
from libs.schemas.findings import AgencyState
from services.enrichment.asking.agency import Reply, Silent, Unreliable
from services.enrichment.asking.replies import MAX_BYTES, seconds_to_wait, unavailable
from services.enrichment.dialects.documents import parse
from services.enrichment.dialects.expressions import Expression
from services.enrichment.dialects.terms import Authentication, Dialect, Pages, Scheme

MAX_PAGES = 50
"""Pages of one list: more belong to no child, or lead in a circle."""

RENEW_BEFORE = 30.0
"""Seconds before a token's end at which a new one is fetched."""

LONGEST_TOKEN_LIFE = 3600.0

NO_QUERY: Mapping[str, str] = MappingProxyType({})

Numbered = Callable[[int], Awaitable[Any]]
"""Fetches the page of a number."""


class Tokens:
    """The access token of one agency, fetched once for all who ask (RFC 6749, section 4.4)."""

    def __init__(self, authentication: Authentication, secret: str) -> None:
        self._authentication = authentication
        self._secret = secret
        self._token: str | None = None
        self._ends = 0.0
        self._lock = asyncio.Lock()

    async def get(
        self, client: httpx.AsyncClient, url: str, headers: Mapping[str, str], refused: str | None
    ) -> str:
        """A token that is good; another one than `refused`. Raises Silent and what httpx raises."""
        async with self._lock:
            if self._token is None or self._token == refused or time.monotonic() > self._ends:
                await self._fetch(client, url, headers)
            assert self._token is not None  # just fetched
            return self._token

    async def _fetch(self, client: httpx.AsyncClient, url: str, headers: Mapping[str, str]) -> None:
        self._token = None
        form = {"grant_type": "client_credentials"}
        if self._authentication.scope:
            form["scope"] = self._authentication.scope
        sent = {**headers, "authorization": basic(self._authentication.client, self._secret)}
        try:
            async with client.stream("POST", url, data=form, headers=sent) as response:
                body = await _read(response)
            if response.status_code != 200:
                refused = response.status_code in (400, 401, 403)
                raise Silent(unavailable("not_authorised" if refused else "no_token"))
            said = parse(response.headers.get("content-type", ""), body)
            token, lasts = said["access_token"], float(said.get("expires_in", RENEW_BEFORE))
        except (Unreliable, KeyError, TypeError, ValueError):
            raise Silent(unavailable("no_token")) from None
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise Silent(unavailable("no_token"))
        self._token, self._ends = token, time.monotonic() + min(lasts, LONGEST_TOKEN_LIFE) - RENEW_BEFORE


class Pace:
    """Keeps requests below an agency's rate: each waits for its turn."""

    def __init__(self, per_second: int | None) -> None:
        self._gap = 0.0 if per_second is None else 1 / per_second
        self._next = 0.0

    async def turn(self) -> None:
        """Waits until a request may go out."""
        if not self._gap:
            return
        now = time.monotonic()
        self._next = max(self._next + self._gap, now)
        await asyncio.sleep(self._next - now)


def basic(client: str, secret: str) -> str:
    """The header of HTTP Basic authentication (RFC 7617)."""
    return "Basic " + base64.b64encode(f"{client}:{secret}".encode()).decode()


class Exchange:
    """The requests of one question."""

    def __init__(
        self,
        dialect: Dialect,
        client: httpx.AsyncClient,
        secret: str,
        tokens: Tokens,
        pace: Pace,
        question_id: str,
        clock: Clock,
    ) -> None:
        self.began = False
        self._dialect = dialect
        self._client = client
        self._secret = secret
        self._tokens = tokens
        self._pace = pace
        self._clock = clock
        self._base = urljoin(str(client.base_url), dialect.base)
        self._headers = {"accept": "application/json", "accept-encoding": "identity", **dialect.headers}
        if dialect.reference is not None:
            self._headers[dialect.reference] = question_id

    async def post(
        self, path: str, body: Any, query: Mapping[str, str] = NO_QUERY
    ) -> tuple[int, httpx.Headers, Any]:
        """Sends a body; gives the status, 200 or 202, the headers and the document. Raises Silent, Unreliable."""
        content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        return await self._send("POST", asked_with(self._url(path), query), content)

    async def get(self, path: str, query: Mapping[str, str] = NO_QUERY) -> tuple[int, httpx.Headers, Any]:
        """Fetches what stands at a path of the agency's. Raises Silent, Unreliable."""
        return await self._send("GET", asked_with(self._within(path), query), None)

    async def whole(self, first: Any, pages: Pages | None, numbered: Numbered | None = None) -> Any:
        """A document with its lists joined over all pages; `numbered` fetches the page of a number.

        Raises Unreliable where they have no end, or where a page has not every list that the first one has.
        """
        if pages is None:
            return first
        if not isinstance(first, dict):
            raise Unreliable
        # A list that is not there is no empty one: it stays away, and whoever needs it finds that out.
        lists = {name: list(_list(first, name)) for name in pages.lists if first.get(name) is not None}
        if pages.next is not None:
            following = self._linked(first, pages.next)
        else:
            assert numbered is not None  # `loading` refuses numbers where nothing is asked for by them
            following = _counted(first, pages, numbered)
        async for page in following:
            for name, joined in lists.items():
                joined += _list(page, name)
        return {**first, **lists}

    async def _linked(self, page: Any, leads: Expression) -> AsyncIterator[Any]:
        """The pages after the first, each named by the one before."""
        seen = set[str]()
        while (following := leads.text_of(page)) is not None:
            if following in seen or len(seen) >= MAX_PAGES:
                raise Unreliable("endless_pages")
            seen.add(following)
            _, _, page = await self.get(following)
            yield page

    async def _send(self, method: str, url: str, content: bytes | None) -> tuple[int, httpx.Headers, Any]:
        status, answered, body, token = await self._try(method, url, content, None)
        if status == 401 and token is not None:
            status, answered, body, _ = await self._try(method, url, content, token)
        if status in (200, 202):
            document = parse(answered.get("content-type", ""), body) if body or status == 200 else {}
            return status, answered, document
        raise Silent(self._refusal(status, answered, body))

    async def _try(
        self, method: str, url: str, content: bytes | None, refused: str | None
    ) -> tuple[int, httpx.Headers, bytes, str | None]:
        headers, token = await self._authorised(refused)
        if content is not None:
            headers["content-type"] = "application/json"
        await self._pace.turn()
        return *(await self._once(method, url, content, headers)), token

    async def _once(
        self, method: str, url: str, content: bytes | None, headers: Mapping[str, str]
    ) -> tuple[int, httpx.Headers, bytes]:
        async with self._client.stream(method, url, content=content, headers=headers) as response:
            self.began = True
            body = await _read(response)
        return response.status_code, response.headers, body

    async def _authorised(self, refused: str | None) -> tuple[dict[str, str], str | None]:
        how = self._dialect.authentication
        headers = dict(self._headers)
        match how.scheme:
            case Scheme.BEARER:
                headers["authorization"] = f"Bearer {self._secret}"
            case Scheme.BASIC:
                headers["authorization"] = basic(how.client, self._secret)
            case Scheme.HEADER:
                headers[how.header] = self._secret
            case Scheme.OAUTH2:
                token = await self._tokens.get(self._client, self._url(how.token), self._headers, refused)
                headers["authorization"] = f"Bearer {token}"
                return headers, token
        return headers, None

    def _refusal(self, status: int, headers: httpx.Headers, body: bytes) -> Reply:
        for refusal in self._dialect.refusals:
            if refusal.status == status and self._holds(refusal.when, headers, body):
                declined = refusal.state is AgencyState.DECLINED
                return Reply(refusal.state, "agency_declined" if declined else None)
        return unavailable(f"http_{status}", seconds_to_wait(headers.get("retry-after"), self._clock.now()))

    def _holds(self, when: Any, headers: httpx.Headers, body: bytes) -> bool:
        if when is None:
            return True
        try:
            return bool(when.of(parse(headers.get("content-type", ""), body)) is True)
        except Unreliable:
            return False

    def _url(self, path: str) -> str:
        return path if path.startswith("http") else f"{self._base}{path}"

    def _within(self, path: str) -> str:
        """An address that the agency named, or a path of its interface. Raises Unreliable where it leads elsewhere."""
        base = urlsplit(self._base)
        if path.startswith("/") and not path.startswith("//") and not path.startswith(f"{base.path}/"):
            path = f"{base.path}{path}"
        try:
            there = urlsplit(urljoin(f"{self._base}/", path))
        except ValueError:
            raise Unreliable("other_origin") from None
        here = (base.scheme, base.netloc)
        if (there.scheme, there.netloc) != here or not there.path.startswith(f"{base.path}/"):
            raise Unreliable("other_origin")
        return there.geturl()


async def _counted(page: Any, pages: Pages, numbered: Numbered) -> AsyncIterator[Any]:
    """The pages after the first, by their numbers. A page that does not say whether another follows is no answer."""
    assert pages.more is not None  # `loading` refuses numbers without it
    number = pages.first
    while (more := pages.more.flag_of(page)) is not False:
        number += 1
        if more is None:
            raise Unreliable
        before, page = page, await numbered(number)
        if number - pages.first >= MAX_PAGES or all(
            page.get(name) == before.get(name) for name in pages.lists
        ):
            # The same page again: whoever sends it pays no heed to the number, and what follows would be lost.
            raise Unreliable("endless_pages")
        yield page


def asked_with(url: str, query: Mapping[str, str]) -> str:
    """An address with the words of a query added to its own."""
    if not query:
        return url
    return f"{url}{'&' if '?' in url else '?'}{urlencode(query)}"


async def _read(response: httpx.Response) -> bytes:
    """A body as it was sent. Raises Unreliable as soon as it is longer than any honest one."""
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > MAX_BYTES:
            raise Unreliable("too_large")
    return bytes(body)


def _list(document: Any, name: str) -> list[Any]:
    found = document.get(name) if isinstance(document, dict) else None
    if not isinstance(found, list):
        raise Unreliable
    return found
