"""An agency that is down, from its own failure to the pages of staff and the status of the referrer."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import asyncpg
import httpx
import pytest

from cli.client import SOCIAL_WORKER
from tests.journeys.conftest import Running
from tests.journeys.referrals import SCHOOL, fact, referral, told, until

pytestmark = pytest.mark.timeout(180)


@contextmanager
def silenced(running: Running, agency: str) -> Iterator[None]:
    """Meanwhile an agency fails whoever asks it. Afterwards nobody waits until it is tried again."""
    behaviour = f"{running.stack.url('sandbox')}/agencies/{agency}/behaviour"

    async def taken_up_again() -> None:
        connection = await asyncpg.connect(running.stack.admin_dsn)
        try:
            await connection.execute("DELETE FROM enrichment.agency_standing WHERE agency = $1", agency)
        finally:
            await connection.close()

    httpx.put(behaviour, json={"behaviour": "fail", "status": 503}).raise_for_status()
    try:
        yield
    finally:
        httpx.delete(behaviour)
        asyncio.run(taken_up_again())


def test_an_agency_that_answers_nobody_is_told_as_that_to_staff_and_as_out_of_reach_to_the_referrer(
    running: Running,
) -> None:
    client, triage = running.client, running.stack.url("triage")
    headers = {"Authorization": f"Bearer {client.token(SOCIAL_WORKER)}"}

    def child(number: int) -> dict[str, Any]:
        names = {"given_name": "Robin", "family_name": f"Avocet-Test-{'abcdefg'[number]}"}
        return {**names, "born": {"on": "2016-02-03"}, "facts": [fact("child.hunger", "persistent")]}

    def stands() -> str | None:
        agencies = httpx.get(f"{running.stack.url('enrichment')}/v1/agencies", headers=headers).json()
        (words,) = [one["words"] for one in agencies if one["agency"] == "police"]
        return words if "not answering" in words else None

    with silenced(running, "police"):
        client.refer(SCHOOL, referral(children=[child(number) for number in range(6)]))
        words = until(stands, "police to count as not answering")
        assert re.search(r"not answering since \d\d:\d\d; [1-9]\d* child(ren)? waiting", words)
        reference = client.refer(SCHOOL, referral(children=[child(6)]))["reference"]
        told(running, reference)
        status = client.status(SCHOOL, reference)
        known = client.journey("triage", reference)
        assert known is not None
        case = httpx.get(f"{triage}/v1/cases/{known['children'][0]['child_id']}", headers=headers).json()

    said = "Could not be reached, or its answer could not be used (not answering)."
    (shown,) = [one for one in case["evidence"]["agencies"] if one["agency"] == "police"]
    (silence,) = [one for one in case["explanation"]["silences"] if one["agency"] == "police"]
    assert (shown["state"], shown["reason"], silence["words"]) == ("unavailable", "not_answering", said)
    assert shown["words"].startswith(said)
    checks = status["children"][0]["checks"]
    assert (checks["stage"], checks["unreachable"], checks["silent"], checks["awaited"]) == ("over", 1, 0, 0)
    assert "delivered" in {one["state"] for one in status["notices"]}
    for text in (str(status), str(client.journey("notify", reference))):
        assert not re.search("police|not.answering|unavailable", text)
