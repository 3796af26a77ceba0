"""Delivery receipts as GOV.UK Notify posts them, and what operations may see of a referral's notices."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from libs.messaging.errors import Refused
from libs.messaging.ledger import Ledger
from libs.platform.auth import Authenticator
from libs.platform.clock import ManualClock
from libs.platform.parked_api import parked_router
from libs.platform.restricted import RIGHT
from libs.platform.service import create_app
from libs.platform.telemetry import Telemetry
from sandbox.issuer import Issuer, load_clients, load_key
from services.notify.journeys import Journeys, journeys_router
from services.notify.receipts import Receipts, receipts_router
from services.notify.settings import NotifySettings
from services.notify.wording import Wording
from tests.services.notify.conftest import (
    CALLBACK_TOKEN,
    KEY,
    Couriers,
    GovUk,
    Story,
    emitted,
    feed,
    metric,
    put_behind,
    reach,
    states,
)

ISSUER = "https://issuer.example.org"


@pytest.fixture
def issuer(scratch: Path, clock: ManualClock) -> Issuer:
    return Issuer(load_key(scratch / "issuer"), load_clients(), issuer=ISSUER, audience="mash", clock=clock)


@pytest.fixture
async def api(
    ledger: Ledger, clock: ManualClock, telemetry: Telemetry, issuer: Issuer
) -> AsyncIterator[httpx.AsyncClient]:
    settings = NotifySettings(
        environment="test",
        database_url="postgresql://unused",
        events="postgres",
        issuer=ISSUER,
        jwks_url=f"{ISSUER}/jwks.json",
        cursor_secret="x" * 32,
        notify_api_key=KEY,
        notify_callback_token=CALLBACK_TOKEN,
    )
    keys = httpx.MockTransport(lambda _: httpx.Response(200, json=issuer.jwks()))
    async with httpx.AsyncClient(transport=keys) as http:
        app = create_app(
            "Notify",
            settings,
            telemetry,
            [receipts_router(settings.notify_callback_token), journeys_router(), parked_router(Refused)],
            authenticator=Authenticator(settings.jwks_url, ISSUER, "mash", http, clock),
        )
        app.state.receipts = Receipts(ledger, telemetry.meter)
        app.state.journeys = Journeys(ledger)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://notify") as client:
            yield client


@pytest.fixture
async def sent(ledger: Ledger, wording: Wording, couriers: Couriers) -> Story:
    """A referral whose receipt is on its way."""
    story = Story()
    await feed(ledger, wording, story.received())
    await couriers.start()
    await reach(ledger, "sent")
    return story


async def report(
    api: httpx.AsyncClient, govuk: GovUk, status: str, *, token: str = CALLBACK_TOKEN, **changes: Any
) -> httpx.Response:
    message = govuk.sent()[0]
    body = {
        "id": message["id"],
        "reference": message["reference"],
        "to": "referrer@example.org",
        "status": status,
        "created_at": message["created_at"],
        "completed_at": "2026-11-23T09:00:01.123456Z",
        "sent_at": message["sent_at"],
        "notification_type": "email",
        "template_id": message["template"]["id"],
        "template_version": 1,
        "something_new": {"at": "Notify"},
        **changes,
    }
    return await api.post("/v1/notify/callback", json=body, headers={"Authorization": f"Bearer {token}"})


async def test_a_receipt_ends_its_notice_once(
    api: httpx.AsyncClient, ledger: Ledger, govuk: GovUk, sent: Story, telemetry: Telemetry
) -> None:
    for _ in range(3):
        assert (await report(api, govuk, "delivered")).status_code == 204
    assert await states(ledger) == ["delivered"]
    assert metric(telemetry, "mash_notices_ended_total") == 1
    assert metric(telemetry, "mash_notices_duplicates_total") == 0
    # A second message under the notice's reference: it went out twice, and nobody will ask for it any more.
    assert (await report(api, govuk, "delivered", id=str(uuid.uuid4()))).status_code == 204
    assert metric(telemetry, "mash_notices_duplicates_total") == 1
    # What was said before the end and comes after it contradicts nothing.
    assert (await report(api, govuk, "sending")).status_code == 204
    assert metric(telemetry, "mash_notices_contradictions_total") == 0
    assert [kind for kind, _ in await emitted(ledger)] == ["uk.mash.notice.delivered.v1"]
    # More may stand in a receipt than is read of it, and the description says so.
    document = (await api.get("/openapi.json")).json()
    assert document["components"]["schemas"]["Receipt"]["additionalProperties"] is True


async def test_a_failure_is_told_once_and_a_later_contradiction_is_kept(
    api: httpx.AsyncClient, ledger: Ledger, govuk: GovUk, sent: Story, telemetry: Telemetry
) -> None:
    for status in ("temporary-failure", "temporary-failure", "delivered"):
        assert (await report(api, govuk, status)).status_code == 204
    assert await states(ledger) == ["failed"]
    told = [(kind, shared["reason"]) for kind, shared in await emitted(ledger)]
    assert told == [("uk.mash.notice.failed.v1", "temporary_failure")]
    kept = await ledger.pool.fetch("SELECT status, contradicts FROM receipt ORDER BY arrived_at, status")
    assert dict(map(tuple, kept)) == {"created": False, "temporary-failure": False, "delivered": True}
    assert metric(telemetry, "mash_notices_receipts_total") == 3
    assert metric(telemetry, "mash_notices_contradictions_total") == 1


async def test_a_receipt_that_overtakes_the_answer_to_the_request_is_not_lost(
    api: httpx.AsyncClient, ledger: Ledger, wording: Wording, govuk: GovUk, couriers: Couriers
) -> None:
    govuk.behave(send="accept_then_time_out", times=1, seconds=0.4)
    await feed(ledger, wording, Story().received())
    await couriers.start()
    while not govuk.sent():
        await reach(ledger, "unsure")
    assert (await report(api, govuk, "delivered")).status_code == 204
    assert await states(ledger) == ["delivered"]
    await couriers.stack.aclose()
    assert await states(ledger) == ["delivered"]
    assert len(await emitted(ledger)) == 1


@pytest.mark.parametrize("token", ["", "wrong", CALLBACK_TOKEN[:-1]])
async def test_a_receipt_without_the_callbacks_token_is_refused(
    api: httpx.AsyncClient, ledger: Ledger, govuk: GovUk, sent: Story, token: str
) -> None:
    assert (await report(api, govuk, "delivered", token=token)).status_code == 401
    assert await states(ledger) == ["sent"]


async def test_where_no_callback_is_registered_nothing_is_taken_even_with_an_empty_token(
    telemetry: Telemetry,
) -> None:
    settings = NotifySettings.model_construct()
    app = create_app("Notify", settings, telemetry, [receipts_router(None)])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://notify") as api:
        for token in ("", CALLBACK_TOKEN):
            answer = await api.post(
                "/v1/notify/callback", json={}, headers={"Authorization": f"Bearer {token}"}
            )
            assert answer.status_code == 401


async def test_a_receipt_that_is_not_ours_changes_nothing_and_a_bad_one_is_explained_without_its_values(
    api: httpx.AsyncClient, ledger: Ledger, govuk: GovUk, sent: Story
) -> None:
    for reference in (None, "another system's", str(uuid.uuid4())):
        assert (await report(api, govuk, "delivered", reference=reference)).status_code == 204
    bad = await report(api, govuk, "Referrer@Example.org", id="Zebedee")
    assert bad.status_code == 422
    assert bad.headers["content-type"] == "application/problem+json"
    assert {error["pointer"] for error in bad.json()["errors"]} == {"/id", "/status"}
    assert "Zebedee" not in bad.text
    assert "Example" not in bad.text
    assert await states(ledger) == ["sent"]


async def test_operations_see_codes_and_times_of_a_journey_and_no_address(
    api: httpx.AsyncClient,
    ledger: Ledger,
    wording: Wording,
    govuk: GovUk,
    issuer: Issuer,
    clock: ManualClock,
    sent: Story,
) -> None:
    await report(api, govuk, "delivered")
    await feed(ledger, wording, sent.decided(sent.children[1]))
    headers = {"Authorization": f"Bearer {issuer.token('operations')}"}
    by_reference = await api.get(f"/v1/journeys/{sent.reference}", headers=headers)
    acts = await ledger.pool.fetch("SELECT subject, action, referral_id FROM access")
    assert [tuple(act) for act in acts] == [("operations", "journey.read", sent.id)]
    first, second = by_reference.json()["notices"]
    assert (first["kind"], first["state"], first["child"], first["messages"]) == (
        "receipt",
        "delivered",
        None,
        1,
    )
    assert (second["kind"], second["child"], second["decision"]) == ("outcome", 2, 1)
    assert "example.org" not in by_reference.text
    for name in ("K7TM-P2RW-Q", "nonsense", str(sent.id)):
        refused = await api.get(f"/v1/journeys/{name}", headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (404, "referral-not-found")
    staff = {"Authorization": f"Bearer {issuer.token('staff-mgr-1')}"}
    assert (await api.get(f"/v1/journeys/{sent.reference}", headers=staff)).status_code == 403
    assert (await api.get(f"/v1/journeys/{sent.reference}")).status_code == 401
    await feed(ledger, wording, sent.restricted(sent.children[1]))
    [receipt] = (await api.get(f"/v1/journeys/{sent.reference}", headers=headers)).json()["notices"]
    assert receipt["kind"] == "receipt", "nothing of a child who is restricted"
    await put_behind(ledger, wording, sent.restricted(*sent.children))
    hidden = await api.get(f"/v1/journeys/{sent.reference}", headers=headers)
    assert (hidden.status_code, hidden.json()["code"]) == (404, "referral-not-found")
    trusted = issuer.token("operations", scopes=("operations:read", RIGHT))
    headers_of_trusted = {"Authorization": f"Bearer {trusted}"}
    seen = await api.get(f"/v1/journeys/{sent.reference}", headers=headers_of_trusted)
    assert len(seen.json()["notices"]) == 2
    await feed(ledger, wording, sent.restricted(*sent.children, restricted=False))
    await feed(ledger, wording, sent.restricted(sent.id))
    assert (await api.get(f"/v1/journeys/{sent.reference}", headers=headers)).status_code == 404
    await feed(ledger, wording, sent.restricted(*sent.children, restricted=False))
    assert (await api.get(f"/v1/journeys/{sent.reference}", headers=headers)).status_code == 200


async def test_the_late_answer_of_a_slow_courier_does_not_undo_what_another_recorded(
    ledger: Ledger, wording: Wording, govuk: GovUk, couriers: Couriers, clock: ManualClock
) -> None:
    govuk.behave(send="accept_then_time_out", times=1, seconds=2, ending="sending")
    await feed(ledger, wording, Story().received())
    slow = await couriers.start(timeout=1)
    while not govuk.sent():
        await reach(ledger, "unsure")
    slow.stop()
    clock.advance(timedelta(seconds=61))
    await couriers.start()
    await reach(ledger, "sent")
    # Ends when the slow courier's request has timed out, which leaves that one unsure.
    await couriers.stack.aclose()
    assert await states(ledger) == ["sent"]
    assert len(govuk.sent()) == 1
