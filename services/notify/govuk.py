"""GOV.UK Notify's public API (REST API v2): sends a message, finds messages by reference.

Own client because Notify's is synchronous and not traced; the key's form and the signed token are those of its
REST API documentation. Nothing of an answer is kept but ids, statuses, times and error codes: its texts repeat
what was sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar
from uuid import UUID

import httpx
from joserfc import jwt
from joserfc.jwk import OctKey
from pydantic import AwareDatetime, ValidationError

from libs.schemas.base import Model
from libs.schemas.clock import Clock
from libs.schemas.notice import NoticeChannel
from services.notify.documents import Addressed
from services.notify.progress import (
    Accepted,
    Answer,
    Found,
    Limit,
    Limited,
    Message,
    NotSent,
    Refused,
    Unsure,
)

_PATHS = {NoticeChannel.EMAIL: "/v2/notifications/email", NoticeChannel.SMS: "/v2/notifications/sms"}
_FIELDS = {NoticeChannel.EMAIL: "email_address", NoticeChannel.SMS: "phone_number"}
_KEY_LENGTH = 73

M = TypeVar("M", bound=Model)


class _Error(Model):
    error: str = "unknown"


class _Errors(Model):
    errors: tuple[_Error, ...] = ()


class _Sent(Model):
    id: UUID


class _Notification(Model):
    id: UUID
    reference: str | None = None
    status: str
    completed_at: AwareDatetime | None = None


class _Notifications(Model):
    notifications: tuple[_Notification, ...]


class GovUkNotify:
    """Speaks for one service of GOV.UK Notify. `http` has Notify's base address. Raises ValueError for a key
    that is none.
    """

    def __init__(self, http: httpx.AsyncClient, api_key: str, clock: Clock) -> None:
        if len(api_key) < _KEY_LENGTH:
            raise ValueError("a GOV.UK Notify key ends with the service's id and a secret, each a UUID")
        self._http = http
        self._service_id = api_key[-73:-37]
        self._secret = OctKey.import_key(api_key[-36:])
        self._clock = clock

    async def send(self, reference: UUID, addressed: Addressed, words: Mapping[str, str]) -> Answer:
        """Asks Notify to send one message under our reference."""
        body: dict[str, Any] = {
            _FIELDS[addressed.channel]: addressed.address,
            "template_id": addressed.template,
            "personalisation": {**addressed.personalisation, **words},
            "reference": str(reference),
        }
        try:
            answer = await self._http.post(_PATHS[addressed.channel], json=body, headers=self._headers())
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol):
            return NotSent("unreachable")
        except httpx.HTTPError:
            return Unsure("answer_lost")
        if answer.status_code == 201:
            sent = _parsed(_Sent, answer.content)
            return Accepted(sent.id) if sent else Unsure("answer_unreadable")
        if answer.status_code == 429:
            error = _error(answer)
            return Limited(Limit.DAY if error == Limit.DAY else Limit.RATE)
        if answer.status_code in (401, 403):
            return NotSent("key_refused")
        if 400 <= answer.status_code < 500 and answer.status_code != 408:
            return Refused(f"notify_{answer.status_code}")
        return Unsure(f"notify_{answer.status_code}")

    async def find(self, reference: UUID) -> Answer:
        """Every message that Notify shows under our reference."""
        try:
            answer = await self._http.get(
                "/v2/notifications", params={"reference": str(reference)}, headers=self._headers()
            )
        except httpx.HTTPError:
            return Unsure("answer_lost")
        page = _parsed(_Notifications, answer.content) if answer.status_code == 200 else None
        if page is None:
            return Unsure(f"notify_{answer.status_code}")
        # A server that ignores the filter must not make others' messages ours.
        return Found(
            tuple(
                Message(each.id, each.status, each.completed_at)
                for each in page.notifications
                if each.reference == str(reference)
            )
        )

    def _headers(self) -> dict[str, str]:
        issued = int(self._clock.now().timestamp())
        token = jwt.encode(
            {"typ": "JWT", "alg": "HS256"}, {"iss": self._service_id, "iat": issued}, self._secret
        )
        return {"Authorization": f"Bearer {token}"}


def _parsed(model: type[M], body: bytes) -> M | None:
    try:
        return model.model_validate_json(body)
    except ValidationError:
        return None


def _error(answer: httpx.Response) -> str | None:
    parsed = _parsed(_Errors, answer.content)
    return parsed.errors[0].error if parsed and parsed.errors else None
