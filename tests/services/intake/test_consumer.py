"""What intake learns of other services' events beside the status that it projects from them."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from libs.messaging.consumer import Parked
from libs.messaging.event import Event
from libs.messaging.ledger import Ledger
from libs.platform.auth import Principal
from libs.platform.restricted import RIGHT, withheld
from libs.schemas.events import INTAKE_RESUMED, INTAKE_STOPPED, RECEIVED
from services.intake.consumer import StatusProjection
from tests.services.intake.conftest import START, Caller
from tests.services.intake.test_status import accepted, tell


async def put_behind(ledger: Ledger, event: Event) -> None:
    """The event has to wait behind a message that stopped its referral."""
    behind = Parked(event.id, event.referral_id, event.type.name, False, "behind", event, START)
    async with ledger.unit({event.referral_id}) as unit:
        await StatusProjection().stopped(unit, [behind])


async def test_what_a_parked_message_tells_of_a_restricted_child_needs_the_right(
    school: Caller, ledger: Ledger
) -> None:
    told = await accepted(school, ledger)
    request: Any = SimpleNamespace(app=SimpleNamespace(state=SimpleNamespace(pool=ledger.pool)))
    keeper = Principal("keeper", "keeper", scopes=frozenset({"parked:manage"}))
    trusted = replace(keeper, scopes=keeper.scopes | {RIGHT})
    for restricted in (True, False):
        await tell(ledger, told.restricted(not restricted), told.restricted(restricted))
        assert await withheld(request, keeper, told.referral_id) is restricted
        assert await withheld(request, trusted, told.referral_id) is False
        assert (await school.status(told.reference)).status_code == 200, "whoever referred knows of it"
    await put_behind(ledger, told.restricted(True))
    assert await withheld(request, keeper, told.referral_id), "also where its restriction waits behind it"


async def test_a_referral_that_stops_here_is_told_to_triage_once_and_again_when_it_moves(
    school: Caller, ledger: Ledger
) -> None:
    told = await accepted(school, ledger)
    stop, behind = told.screened(), told.routed()
    async with ledger.unit({told.referral_id}) as unit:
        first = Parked(stop.id, told.referral_id, stop.type.name, True, "contract", stop, START)
        then = Parked(behind.id, told.referral_id, behind.type.name, False, "behind", behind, START)
        await StatusProjection().stopped(unit, [first, then])
    async with ledger.unit({told.referral_id}) as unit:
        await StatusProjection().resumed(unit, told.referral_id)
    emitted = await ledger.pool.fetch(
        "SELECT type, payload FROM outbox WHERE type <> $1 ORDER BY id", RECEIVED.name
    )
    assert [row["type"] for row in emitted] == [INTAKE_STOPPED.name, INTAKE_RESUMED.name]
    assert str(stop.id).encode() in emitted[0]["payload"]
