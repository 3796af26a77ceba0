"""Enrichment is killed at every place while questions are out: none is forgotten, and each agency sees one.

The process is the service as it is shipped, with its API; what it knew dies with it. Only the first life is told of the
referral: whatever the last one completes was found in the database.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from libs.messaging.codec import PlainCodec
from libs.messaging.failpoints import NAMES
from libs.messaging.ledger import Ledger
from libs.platform.clock import SystemClock
from libs.platform.database import create_pool, role_dsn
from libs.schemas.events import CHECK_RETURNED, CHECKS_COMPLETED, Service
from sandbox.agencies import AGENCIES
from sandbox.issuer import Issuer
from sandbox.settings import AGENCY_KEY
from tests.faults.system import PLACES
from tests.sandbox.serving import NO_TLS
from tests.services.enrichment.conftest import STRANGER, Case, Sandbox, until
from tests.services.enrichment.crash import Lives
from tests.services.enrichment.pulled.conftest import token_issuer

MARAC = "marac"
ASKED = set(AGENCIES) - {"housing", MARAC}
"""Whom this partnership asks over HTTP."""

BEFORE_ASKING = ("runner.after_commit", "enrichment.after_claim", "enrichment.before_ask")
WHILE_ASKING = ("enrichment.after_ask", "enrichment.before_record", "enrichment.after_record")
AT_THE_DEADLINE = ("timers.after_claim",)
WHILE_STOPPING = ("postgres.revoke",)

OPEN = "SELECT count(*) FROM agency_check WHERE answered_at IS NULL AND agency = ANY ($1::text[])"
TOLD = "SELECT type, count(*) FROM outbox WHERE type = ANY ($1::text[]) GROUP BY type"
OVERDUE = (
    "UPDATE child SET due_at = $2 WHERE id = $1",
    "UPDATE agency_check SET due_at = $2 WHERE child_id = $1",
    "UPDATE timer SET due_at = $2, claim_at = $2 WHERE subject = $1",
)


@dataclass
class Killed:
    """A hub whose enrichment a test kills, with MARAC's computer and everything that is left after each death."""

    lives: Lives
    sandbox: Sandbox
    tokens: Issuer
    pool: asyncpg.Pool
    intake: Ledger
    triage: Ledger

    async def referred(self, case: Case) -> None:
        """A referral is received and screened; nothing of it is told again."""
        received, screened = case.received(), case.screened()
        for ledger, event in ((self.intake, received), (self.triage, screened)):
            async with ledger.unit([case.id]) as unit:
                unit.emit(event.type, case.id, event.payload, trace=None)

    async def dies_at(self, name: str) -> None:
        """A life that ends at this failpoint."""
        self.lives.begin(name)
        await self.lives.died()

    async def seen(self) -> dict[str, list[dict[str, Any]]]:
        """What each agency that is asked has seen."""
        return {agency: await self.sandbox.asked(agency) for agency in sorted(ASKED)}

    async def answered(self) -> int:
        """How many questions have an answer on record."""
        count: int = await self.pool.fetchval(
            "SELECT count(*) FROM agency_check WHERE answered_at IS NOT NULL"
        )
        return count

    async def all_answered(self, agencies: set[str]) -> bool:
        return bool(await self.pool.fetchval(OPEN, sorted(agencies)) == 0)

    async def told(self) -> dict[str, int]:
        """How many answers and completions were told."""
        kinds = {CHECK_RETURNED.name: "returned", CHECKS_COMPLETED.name: "completed"}
        return {kinds[row["type"]]: row["count"] for row in await self.pool.fetch(TOLD, list(kinds))}

    async def marac(self, method: str, path: str, body: dict[str, Any]) -> httpx.Response:
        """MARAC's computer calls the hub."""
        headers = {"Authorization": f"Bearer {self.tokens.token(MARAC)}"}
        async with httpx.AsyncClient(base_url=self.lives.url, verify=NO_TLS) as http:
            return await http.request(method, path, json=body, headers=headers)


@pytest.fixture
async def killed(hub_database: str, sandbox: Sandbox, tmp_path: Path) -> AsyncIterator[Killed]:
    dsn = hub_database
    pools = {
        service: await create_pool(role_dsn(dsn, service), service=service, size=2)
        for service in (Service.INTAKE, Service.TRIAGE, Service.ENRICHMENT)
    }
    intake, triage = (
        Ledger(pools[service], service, partnership="p", codec=PlainCodec(), clock=SystemClock())
        for service in (Service.INTAKE, Service.TRIAGE)
    )
    async with token_issuer() as tokens:
        environment = {
            "MASH_ENVIRONMENT": "test",
            "MASH_DATABASE_URL": role_dsn(dsn, Service.ENRICHMENT),
            "MASH_EVENTS": "postgres",
            "MASH_ISSUER": tokens.name,
            "MASH_JWKS_URL": f"{tokens.name}/jwks.json",
            "MASH_CURSOR_SECRET": "s" * 32,
            "MASH_PEOPLE_SECRET": "p" * 32,
            "MASH_AGENCIES_URL": sandbox.url,
            "MASH_AGENCY_KEY": AGENCY_KEY,
            "MASH_ASK_LEASE_SECONDS": "1",
        }
        lives = Lives(environment, tmp_path / "log")
        yield Killed(lives, sandbox, tokens, pools[Service.ENRICHMENT], intake, triage)
        lives.kill()
    for pool in pools.values():
        await pool.close()


def test_every_failpoint_there_is_kills_here_or_in_the_suite_for_faults() -> None:
    here = {*BEFORE_ASKING, *WHILE_STOPPING, *WHILE_ASKING, *AT_THE_DEADLINE}
    assert here | PLACES == NAMES
    assert here >= {name for name in NAMES if name.startswith("enrichment.")}


@pytest.mark.timeout(120)
async def test_whatever_dies_no_question_is_forgotten_and_no_agency_sees_one_as_two(killed: Killed) -> None:
    case = Case(children=(STRANGER,))
    await killed.referred(case)
    for name in BEFORE_ASKING:
        await killed.dies_at(name)
        assert not any((await killed.seen()).values()), f"nothing has left at {name}"
        assert await killed.pool.fetchval("SELECT count(*) FROM agency_check") == len(ASKED) + 1
    await put_on_the_table_and_submitted(killed)
    for name in WHILE_ASKING:
        before = await killed.answered()
        await killed.dies_at(name)
        assert any((await killed.seen()).values()), f"an agency has the question at {name}"
        kept = await killed.answered() - before
        assert kept > 0 if name == "enrichment.after_record" else kept == 0
    killed.lives.begin()
    await until(lambda: killed.all_answered(ASKED), 20)
    killed.lives.kill()
    await the_deadline_passes(killed, case)
    await marac_answers(killed, case)
    for agency, questions in (await killed.seen()).items():
        assert [one["idempotency_keys"] for one in questions] == [[one["question_id"]] for one in questions]
        assert len(questions) == 1, agency
        assert questions[0]["requests"] > 1, f"{agency} was never asked again: nothing is shown"
    assert await killed.pool.fetchval("SELECT count(*) FROM work") == 1


async def put_on_the_table_and_submitted(killed: Killed) -> None:
    """MARAC's question lies on its table and education works on its own while the process is told to stop, and dies."""
    for agency in ASKED - {"education"}:
        await killed.sandbox.tell(agency, "slow", seconds=60)
    await killed.sandbox.tell("education", "slow", step="poll", seconds=60)
    await killed.dies_at("enrichment.after_ask")
    assert await killed.pool.fetchval("SELECT count(*) FROM work") == 1

    async def both_have_it() -> bool:
        on_the_table = await killed.pool.fetchval("SELECT reason FROM agency_check WHERE agency = $1", MARAC)
        submitted = await killed.sandbox.asked("education")
        return on_the_table == "accepted" and any("poll" in one["steps"] for one in submitted)

    for name in WHILE_STOPPING:
        killed.lives.begin(name)
        await until(both_have_it, 20)
        killed.lives.stop()
        await killed.lives.died()
    for agency in ASKED:
        (await killed.sandbox.http.delete(f"/agencies/{agency}/behaviour")).raise_for_status()


async def the_deadline_passes(killed: Killed, case: Case) -> None:
    """MARAC has not answered: that is told at the deadline, though the process dies that was about to."""
    past = SystemClock().now() - timedelta(seconds=1)
    for overdue in OVERDUE:
        await killed.pool.execute(overdue, case.child, past)
    for name in AT_THE_DEADLINE:
        await killed.dies_at(name)
        assert "completed" not in await killed.told()
    killed.lives.begin()

    async def completed() -> bool:
        return "completed" in await killed.told()

    await until(completed, 20)
    killed.lives.kill()
    assert await killed.told() == {"returned": len(ASKED) + 1, "completed": 1}


async def marac_answers(killed: Killed, case: Case) -> None:
    """MARAC sends its answer until it is taken: it counts once, whether or not the hub had it already."""
    claimed: dict[str, Any] = {}
    for name in ("enrichment.before_record", "enrichment.after_record", ""):
        killed.lives.begin(name)
        await killed.lives.ready()
        if not claimed:
            claimed = (await killed.marac("POST", "/v1/work/claims", {"most": 5})).json()
        (item,) = claimed["items"]
        path = f"/v1/work/{item['question_id']}/answer"
        body = {"claim_id": claimed["claim_id"], "state": "nothing_held"}
        if name:
            with pytest.raises(httpx.HTTPError):
                await killed.marac("PUT", path, body)
            await killed.lives.died()
        else:
            assert (await killed.marac("PUT", path, body)).status_code == 200
        answered = await killed.all_answered({MARAC})
        assert answered == (name != "enrichment.before_record")
    # The silence at the deadline, and the answer once.
    assert await killed.told() == {"returned": len(ASKED) + 2, "completed": 1}
