"""The sandbox's GOV.UK Notify: the public API's requests, answers and errors, at the root of a port.

It stands at the root because Notify's own clients drop a path from their base address.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import re
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from libs.schemas.base import Model
from libs.schemas.clock import Clock
from libs.schemas.document import read_document, validated
from sandbox.messages import Behaviour, Document, Messages, Send

CLOCK_TOLERANCE_SECONDS = 30
SMS_PREFIX = "Sandbox Safeguarding Hub: "
_PLACEHOLDER = re.compile(r"\(\(([^()]+)\)\)")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_UK_MOBILE = re.compile(r"(?:\+44|0044|0)7\d{9}")
_FIELDS = {
    "email": (
        "email_address",
        {"email_reply_to_id", "one_click_unsubscribe_url", "sanitise_content_for"},
    ),
    "sms": ("phone_number", {"sms_sender_id"}),
}


class RefusedRequest(Exception):
    """An answer in the form of Notify's errors."""

    def __init__(self, status: int, error: str, message: str) -> None:
        super().__init__(error)
        self.status = status
        self.error = error
        self.message = message

    def answer(self) -> JSONResponse:
        errors = [{"error": self.error, "message": self.message}]
        return JSONResponse({"status_code": self.status, "errors": errors}, self.status)


@dataclass(frozen=True, slots=True)
class Template:
    """A template as Notify keeps it: text with ((placeholders))."""

    id: str
    type: str
    body: str
    subject: str | None
    version: int = 1

    @property
    def placeholders(self) -> list[str]:
        return list(dict.fromkeys(_PLACEHOLDER.findall(f"{self.subject or ''}\n{self.body}")))

    def fill(self, text: str, personalisation: Mapping[str, Any]) -> str:
        return _PLACEHOLDER.sub(lambda match: str(personalisation[match[1]]), text)


class _Entry(Model):
    id: str
    body: str
    subject: str | None = None


class _Entries(Model):
    templates: Mapping[str, Mapping[str, _Entry]]


def load_templates(wording: Path) -> dict[str, Template]:
    """The templates that the partnership's `wording.yaml` says are in Notify, by id. Raises DocumentError."""
    kinds = validated(read_document(wording), _Entries.model_validate).templates
    templates = [
        Template(entry.id, channel, entry.body, entry.subject)
        for channels in kinds.values()
        for channel, entry in channels.items()
    ]
    return {template.id: template for template in templates}


def callback_post(
    http: httpx.AsyncClient, url: str, bearer_token: str
) -> Callable[[Document], Awaitable[bool]]:
    """Sends delivery receipts to a service's callback, as Notify does."""

    async def post(receipt: Document) -> bool:
        try:
            answer = await http.post(url, json=receipt, headers={"Authorization": f"Bearer {bearer_token}"})
        except httpx.HTTPError:
            return False
        return answer.is_success

    return post


class NotifyApi:
    """Checks requests as Notify does and hands what is good to the messages."""

    def __init__(
        self,
        messages: Messages,
        templates: Mapping[str, Template],
        *,
        api_key: str,
        clock: Clock,
    ) -> None:
        self.messages = messages
        self._templates = templates
        self._service_id = api_key[-73:-37]
        self._secret = OctKey.import_key(api_key[-36:])
        self._clock = clock

    def authenticate(self, authorization: str | None) -> None:
        """Checks the service's own signed token: HS256, `iss` the service's id, `iat` now. Raises RefusedRequest."""
        if not authorization:
            raise RefusedRequest(401, "AuthError", "Unauthorized: authentication token must be provided")
        if authorization[:7].title() != "Bearer ":
            raise RefusedRequest(
                401,
                "AuthError",
                "Unauthorized: authentication bearer scheme must be used",
            )
        try:
            claims = jwt.decode(authorization[7:], self._secret, algorithms=["HS256"]).claims
        except (JoseError, ValueError):
            raise RefusedRequest(403, "AuthError", "Invalid token: API key not found") from None
        if not hmac.compare_digest(str(claims.get("iss", "")), self._service_id):
            raise RefusedRequest(403, "AuthError", "Invalid token: service not found")
        issued = claims.get("iat")
        now = self._clock.now().timestamp()
        if not isinstance(issued, int) or abs(now - issued) > CLOCK_TOLERANCE_SECONDS:
            message = "Error: Your system clock must be accurate to within 30 seconds"
            raise RefusedRequest(403, "AuthError", message)

    def check(self, kind: str, body: bytes) -> Document:
        """A checked request to send, as the document that look-ups show later. Raises RefusedRequest."""
        try:
            request = json.loads(body)
        except ValueError:
            raise RefusedRequest(400, "BadRequestError", "Invalid JSON supplied in POST data") from None
        if not isinstance(request, dict):
            raise _invalid("is not of type object")
        address_field, options = _FIELDS[kind]
        allowed = {
            address_field,
            "template_id",
            "personalisation",
            "reference",
            *options,
        }
        for field in (address_field, "template_id"):
            if field not in request:
                raise _invalid(f"{field} is a required property")
        if unknown := sorted(set(request) - allowed):
            raise _invalid(f"Additional properties are not allowed ({', '.join(unknown)} was unexpected)")
        address = _address(kind, request[address_field])
        template = self._template(kind, request["template_id"])
        personalisation = request.get("personalisation") or {}
        if not isinstance(personalisation, dict):
            raise _invalid("personalisation is not of type object")
        if missing := [name for name in template.placeholders if name not in personalisation]:
            raise RefusedRequest(400, "BadRequestError", f"Missing personalisation: {', '.join(missing)}")
        reference = request.get("reference")
        if reference is not None and not isinstance(reference, str):
            raise _invalid("reference is not of type string")
        text = template.fill(template.body, personalisation)
        return {
            "id": None,
            "reference": reference,
            "email_address": address if kind == "email" else None,
            "phone_number": address if kind == "sms" else None,
            "type": kind,
            "status": None,
            "template": {
                "id": template.id,
                "version": template.version,
                "uri": f"/v2/template/{template.id}/version/{template.version}",
            },
            "body": f"{SMS_PREFIX}{text}" if kind == "sms" else text,
            "subject": template.fill(template.subject or "", personalisation) if kind == "email" else None,
            "created_at": None,
            "created_by_name": None,
            "sent_at": None,
            "completed_at": None,
            "scheduled_for": None,
            "postage": None,
        }

    async def send(self, kind: str, body: bytes) -> Document:
        """Accepts one message, or behaves as it was told to. Raises RefusedRequest."""
        document = self.check(kind, body)
        behaviour = self.messages.take_send()
        match behaviour.send:
            case Send.RATE_LIMITED:
                message = "Exceeded rate limit for key type LIVE of 3000 requests per 60 seconds"
                raise RefusedRequest(429, "RateLimitError", message)
            case Send.DAILY_LIMIT:
                raise RefusedRequest(
                    429,
                    "TooManyRequestsError",
                    "Exceeded send limits (250000) for today",
                )
            case Send.ERROR:
                raise RefusedRequest(500, "Exception", "Internal server error")
            case Send.TIME_OUT:
                await asyncio.sleep(behaviour.seconds)
                raise RefusedRequest(500, "Exception", "Internal server error")
            case Send.SLOW:
                await asyncio.sleep(behaviour.seconds)
        accepted = self.messages.accept(document)
        if behaviour.send is Send.ACCEPT_THEN_TIME_OUT:
            await asyncio.sleep(behaviour.seconds)
        elif behaviour.send is Send.ACCEPT_THEN_ERROR:
            raise RefusedRequest(500, "Exception", "Internal server error")
        return accepted

    def _template(self, kind: str, template_id: object) -> Template:
        try:
            template = self._templates.get(str(uuid.UUID(str(template_id))))
        except ValueError:
            raise _invalid("template_id is not a valid UUID") from None
        if template is None:
            raise RefusedRequest(400, "BadRequestError", "Template not found")
        if template.type != kind:
            message = f"{template.type} template is not suitable for {kind} notification"
            raise RefusedRequest(400, "BadRequestError", message)
        return template


def _invalid(message: str) -> RefusedRequest:
    return RefusedRequest(400, "ValidationError", message)


def _address(kind: str, value: object) -> str:
    if kind == "email":
        if not isinstance(value, str) or not _EMAIL.fullmatch(value):
            raise _invalid("email_address Not a valid email address")
    elif not isinstance(value, str) or not _UK_MOBILE.fullmatch(re.sub(r"[\s()-]", "", value)):
        raise _invalid("phone_number Not a UK mobile number")
    return value


def notify_router(api: NotifyApi) -> APIRouter:
    """`/v2/notifications…` as GOV.UK Notify serves them, and `/notify/…` to watch and steer them."""
    router = APIRouter(tags=["GOV.UK Notify"])
    messages = api.messages

    async def send(kind: str, request: Request) -> JSONResponse:
        try:
            api.authenticate(request.headers.get("authorization"))
            accepted = await api.send(kind, await request.body())
        except RefusedRequest as refused:
            return refused.answer()
        sender = {"from_email": "sandbox@example.org"} if kind == "email" else {"from_number": "MASH"}
        content = {"body": accepted["body"], **sender}
        if kind == "email":
            content["subject"] = accepted["subject"]
        answer = {
            "id": accepted["id"],
            "reference": accepted["reference"],
            "content": content,
            "uri": str(request.url_for("get_notification", message_id=accepted["id"])),
            "template": accepted["template"],
            "scheduled_for": None,
        }
        return JSONResponse(answer, 201)

    @router.post("/v2/notifications/email", status_code=201)
    async def send_email(request: Request) -> JSONResponse:
        """Sends an e-mail."""
        return await send("email", request)

    @router.post("/v2/notifications/sms", status_code=201)
    async def send_sms(request: Request) -> JSONResponse:
        """Sends a text message."""
        return await send("sms", request)

    @router.get("/v2/notifications/{message_id}")
    async def get_notification(request: Request, message_id: str) -> JSONResponse:
        """One message."""
        try:
            api.authenticate(request.headers.get("authorization"))
            try:
                document = messages.look_up(str(uuid.UUID(message_id)))
            except ValueError:
                raise _invalid("id is not a valid UUID") from None
            if document is None:
                raise RefusedRequest(404, "NoResultFound", "No result found")
        except RefusedRequest as refused:
            return refused.answer()
        return JSONResponse(document)

    @router.get("/v2/notifications")
    async def get_notifications(request: Request) -> JSONResponse:
        """Messages, newest first, filtered by `reference`, `status`, `template_type`, `older_than`."""
        try:
            api.authenticate(request.headers.get("authorization"))
        except RefusedRequest as refused:
            return refused.answer()
        query = request.query_params
        found = messages.page(
            reference=query.get("reference"),
            status=query.getlist("status"),
            kind=query.get("template_type"),
            older_than=query.get("older_than"),
        )
        links = {"current": str(request.url)}
        if found:
            links["next"] = str(request.url.include_query_params(older_than=found[-1]["id"]))
        return JSONResponse({"notifications": found, "links": links})

    @router.get("/notify/behaviour")
    async def get_behaviour() -> Behaviour:
        """How it behaves now."""
        return messages.behaviour

    @router.put("/notify/behaviour")
    async def put_behaviour(behaviour: Behaviour) -> Behaviour:
        """Tells it how to behave from now on; messages accepted before keep their way."""
        messages.behaviour = behaviour
        return behaviour

    @router.delete("/notify/behaviour", status_code=204)
    async def delete_behaviour() -> Response:
        """Behaves well again."""
        messages.behaviour = Behaviour()
        return Response(status_code=204)

    @router.get("/notify/messages")
    async def get_messages() -> list[Document]:
        """Every message that was accepted, oldest first, whether look-ups show it yet or not."""
        return messages.everything()

    @router.delete("/notify/messages", status_code=204)
    async def delete_messages() -> Response:
        """Forgets every message."""
        messages.clear()
        return Response(status_code=204)

    return router
