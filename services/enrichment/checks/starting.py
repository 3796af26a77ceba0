"""What an agreement permits that starts later is asked on its day, about every child who is not decided about."""

from collections.abc import Callable

from libs.messaging.errors import Permanent
from libs.messaging.ledger import Unit
from libs.messaging.timers import Timer
from services.enrichment.checks.desk import Desk
from services.enrichment.checks.effects import carry_out
from services.enrichment.checks.store import Store

_DECIDED = "SELECT case_id FROM contact WHERE referral_id = $1 AND decided_at IS NOT NULL"


class Starting:
    """Asks what may be asked from today on. `wake` is called when there may be questions to ask."""

    def __init__(self, store: Store, desk: Desk, wake: Callable[[], None]) -> None:
        self._store = store
        self._desk = desk
        self._wake = wake

    async def began(self, unit: Unit, timer: Timer) -> None:
        """The day has come. Of whom a person has decided nothing more is asked for that alone."""
        referrals = await self._store.load(unit.connection, [timer.referral_id])
        referral = referrals.get(timer.referral_id)
        if referral is None:
            raise Permanent("unknown-referral")
        decided = {row["case_id"] for row in await unit.connection.fetch(_DECIDED, referral.id)}
        for child in list(referral.children.values()):
            if child.id not in decided:
                carry_out(unit, referral, self._desk.permitted(referral, child, unit.now))
        await self._store.save(unit.connection, [referral], unit.now)
        unit.committed.append(self._wake)
