"""Keeps the index findable: after the secret or the names changed, every person's keys are made anew."""

from libs.messaging.ledger import Ledger
from services.enrichment.people.index import Index


async def rekey(ledger: Ledger, index: Index) -> int:
    """Makes keys anew, some hundred persons to a transaction, until none is left; gives how many persons it was.

    A person whose turn has not come is not found meanwhile. Raises Transient where the database is away.
    """
    total = 0
    while True:
        async with ledger.unit() as unit:
            done = await index.rekey(unit.connection, unit.now)
        total += done
        if not done:
            return total
