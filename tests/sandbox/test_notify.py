"""The sandbox's GOV.UK Notify, asked by Notify's own Python client."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from fastapi import FastAPI
from notifications_python_client.errors import HTTP503Error, HTTPError
from notifications_python_client.notifications import NotificationsAPIClient

from libs.platform.clock import SystemClock
from sandbox.issuer import CLIENTS
from sandbox.messages import Behaviour, Ending, Messages, Send
from sandbox.notify import NotifyApi, load_templates, notify_router
from tests.sandbox.serving import NO_TLS, serve

WORDING = Path("deploy/partnership/wording.yaml")
KEY = yaml.load(CLIENTS.read_text(), yaml.CSafeLoader)["notify"]["api_key"]
TEMPLATES = yaml.load(WORDING.read_text(), yaml.CSafeLoader)["templates"]
RECEIPT_EMAIL = TEMPLATES["receipt"]["email"]["id"]
RECEIPT_SMS = TEMPLATES["receipt"]["sms"]["id"]
WORDS = {"reference": "K7TM-P2RW-Q", "telephone": "01632 960100"}


@dataclass
class AdjustableClock:
    ahead: timedelta = timedelta()

    def now(self) -> datetime:
        return SystemClock().now() + self.ahead


@dataclass
class Sandbox:
    url: str
    messages: Messages
    clock: AdjustableClock
    receipts: list[dict[str, Any]]
    refuse_receipts: list[bool] = field(default_factory=list)

    def client(self, timeout: float = 5) -> Any:
        """Notify's own client, which is not typed."""
        untyped: Any = NotificationsAPIClient
        return untyped(KEY, base_url=self.url, timeout=timeout)

    async def email(self, reference: str | None = None, timeout: float = 5, **changes: Any) -> dict[str, Any]:
        wanted = {
            "email_address": "referrer@example.org",
            "template_id": RECEIPT_EMAIL,
            "personalisation": WORDS,
            "reference": reference,
        }
        client = self.client(timeout)
        return await asyncio.to_thread(lambda: client.send_email_notification(**{**wanted, **changes}))


@pytest.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[Sandbox]:
    receipts: list[dict[str, Any]] = []
    refuse: list[bool] = []

    async def post(receipt: dict[str, Any]) -> bool:
        receipts.append(receipt)
        return not (refuse and refuse.pop())

    clock = AdjustableClock()
    messages = Messages(tmp_path, clock=clock, post=post, behaviour=Behaviour(delivery_seconds=0.02))
    app = FastAPI()
    app.include_router(notify_router(NotifyApi(messages, load_templates(WORDING), api_key=KEY, clock=clock)))
    async with serve(app) as url:
        yield Sandbox(url, messages, clock, receipts, refuse)
    await messages.stop()


def errors(refused: HTTPError) -> list[dict[str, str]]:
    assert isinstance(refused.message, list)
    return refused.message


async def until(condition: Any) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.01)


async def test_an_email_is_accepted_filled_in_and_found_by_its_reference(
    sandbox: Sandbox,
) -> None:
    reference = str(uuid.uuid4())
    sent = await sandbox.email(reference)
    assert sent["content"]["subject"] == "We have received your referral K7TM-P2RW-Q"
    assert "01632 960100" in sent["content"]["body"]
    assert "((" not in sent["content"]["body"]
    found = await asyncio.to_thread(lambda: sandbox.client().get_all_notifications(reference=reference))
    assert [message["id"] for message in found["notifications"]] == [sent["id"]]
    await until(lambda: sandbox.receipts)
    message = await asyncio.to_thread(lambda: sandbox.client().get_notification_by_id(sent["id"]))
    assert message["status"] == "delivered"
    assert message["completed_at"] is not None


async def test_a_text_message_goes_to_a_uk_mobile_only(sandbox: Sandbox) -> None:
    def send(number: str) -> dict[str, Any]:
        client = sandbox.client()
        return dict(client.send_sms_notification(number, RECEIPT_SMS, WORDS, reference="r"))

    sent = await asyncio.to_thread(send, "07700 900123")
    assert sent["content"]["body"].startswith("Sandbox Safeguarding Hub: We have your referral K7TM-P2RW-Q")
    with pytest.raises(HTTPError) as refused:
        await asyncio.to_thread(send, "01632 960123")
    assert refused.value.status_code == 400


async def test_a_reference_is_not_unique(sandbox: Sandbox) -> None:
    first, second = await sandbox.email("same"), await sandbox.email("same")
    found = await asyncio.to_thread(lambda: sandbox.client().get_all_notifications(reference="same"))
    assert [message["id"] for message in found["notifications"]] == [
        second["id"],
        first["id"],
    ]


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        (
            {"personalisation": {"reference": "K"}},
            "BadRequestError",
            "Missing personalisation: telephone",
        ),
        ({"template_id": str(uuid.uuid4())}, "BadRequestError", "Template not found"),
        ({"template_id": "x"}, "ValidationError", "template_id is not a valid UUID"),
        (
            {"template_id": RECEIPT_SMS},
            "BadRequestError",
            "sms template is not suitable for email notification",
        ),
        (
            {"email_address": "nobody"},
            "ValidationError",
            "email_address Not a valid email address",
        ),
    ],
)
async def test_a_bad_request_is_refused_in_notifys_words(
    sandbox: Sandbox, changes: dict[str, Any], error: str, message: str
) -> None:
    with pytest.raises(HTTPError) as refused:
        await sandbox.email(**changes)
    assert refused.value.status_code == 400
    assert errors(refused.value) == [{"error": error, "message": message}]
    assert sandbox.messages.everything() == []


async def test_a_wrong_key_a_wrong_service_and_a_wrong_clock_are_refused(
    sandbox: Sandbox,
) -> None:
    other_secret = KEY[:-1] + ("b" if KEY[-1] != "b" else "c")
    other_service = KEY.replace("11111111", "99999999")
    for key in (other_secret, other_service):
        untyped: Any = NotificationsAPIClient
        client = untyped(key, base_url=sandbox.url)
        with pytest.raises(HTTPError) as refused:
            await asyncio.to_thread(client.get_all_notifications)
        assert refused.value.status_code == 403
    sandbox.clock.ahead = timedelta(seconds=40)
    with pytest.raises(HTTPError) as refused:
        await sandbox.email()
    assert errors(refused.value)[0]["error"] == "AuthError"
    async with httpx.AsyncClient(base_url=sandbox.url, verify=NO_TLS) as http:
        assert (await http.get("/v2/notifications")).status_code == 401


@pytest.mark.parametrize(
    ("send", "error"),
    [(Send.RATE_LIMITED, "RateLimitError"), (Send.DAILY_LIMIT, "TooManyRequestsError")],
)
async def test_the_two_limits_are_told_apart(sandbox: Sandbox, send: Send, error: str) -> None:
    sandbox.messages.behaviour = Behaviour(send=send, times=1)
    with pytest.raises(HTTPError) as refused:
        await sandbox.email()
    assert (refused.value.status_code, errors(refused.value)[0]["error"]) == (
        429,
        error,
    )
    assert await sandbox.email()


async def test_an_accepted_message_whose_answer_was_lost_shows_in_look_ups_only_after_a_delay(
    sandbox: Sandbox,
) -> None:
    sandbox.messages.behaviour = Behaviour(
        send=Send.ACCEPT_THEN_TIME_OUT, times=1, seconds=2, lookup_delay_seconds=60
    )
    with pytest.raises(HTTP503Error):
        await sandbox.email("lost", timeout=0.3)
    assert len(sandbox.messages.everything()) == 1
    client = sandbox.client()

    def found() -> list[Any]:
        return list(client.get_all_notifications(reference="lost")["notifications"])

    assert await asyncio.to_thread(found) == []
    assert sandbox.messages.page(reference="lost", status=[], kind=None, older_than=None) == []
    sandbox.clock.ahead = timedelta(seconds=61)
    assert len(sandbox.messages.page(reference="lost", status=[], kind=None, older_than=None)) == 1


async def test_a_failed_delivery_is_reported_to_the_callback_until_it_is_taken(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandbox.messages.CALLBACK_GAP_SECONDS", 0.01)
    sandbox.messages.behaviour = Behaviour(ending=Ending.PERMANENT_FAILURE, delivery_seconds=0.01)
    sandbox.refuse_receipts.append(True)
    sent = await sandbox.email("told")
    await until(lambda: len(sandbox.receipts) == 2)
    receipt = sandbox.receipts[1]
    assert receipt["id"] == sent["id"]
    assert receipt["reference"] == "told"
    assert receipt["to"] == "referrer@example.org"
    assert receipt["status"] == "permanent-failure"
    assert receipt["template_id"] == RECEIPT_EMAIL
    assert set(receipt) == {
        *("id", "reference", "to", "status", "created_at", "completed_at", "sent_at"),
        *("notification_type", "template_id", "template_version"),
    }


async def test_a_restart_forgets_no_message_and_goes_on_with_its_delivery(
    tmp_path: Path,
) -> None:
    receipts: list[dict[str, Any]] = []

    async def post(receipt: dict[str, Any]) -> bool:
        receipts.append(receipt)
        return True

    document = {
        "reference": "r",
        "type": "email",
        "email_address": "a@example.org",
        "phone_number": None,
        "template": {"id": "t", "version": 1},
    }
    before = Messages(
        tmp_path,
        clock=AdjustableClock(),
        post=post,
        behaviour=Behaviour(delivery_seconds=0.2),
    )
    accepted = before.accept(document)
    await asyncio.sleep(0)
    await before.stop()
    assert receipts == []
    after = Messages(tmp_path, clock=AdjustableClock(), post=post)
    after.resume()
    await until(lambda: receipts)
    assert receipts[0]["id"] == accepted["id"]
    await after.stop()


async def test_behaviour_and_messages_are_steered_over_http(sandbox: Sandbox) -> None:
    async with httpx.AsyncClient(base_url=sandbox.url, verify=NO_TLS) as http:
        told = await http.put("/notify/behaviour", json={"send": "error", "times": 2})
        assert told.status_code == 200
        for _ in range(2):
            with pytest.raises(HTTPError):
                await sandbox.email()
        await sandbox.email("third")
        assert [m["reference"] for m in (await http.get("/notify/messages")).json()] == ["third"]
        assert (await http.delete("/notify/messages")).status_code == 204
        assert (await http.get("/notify/messages")).json() == []
        assert (await http.put("/notify/behaviour", json={"send": "explode"})).status_code == 422
