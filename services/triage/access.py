"""What operations read and write by, and who read or changed what in triage."""

from typing import Annotated

from fastapi import Depends, Request

from libs.messaging.ledger import Ledger
from libs.platform.access import note

__all__ = ["Books", "note"]


async def _ledger(request: Request) -> Ledger:
    ledger: Ledger = request.app.state.office.ledger
    return ledger


Books = Annotated[Ledger, Depends(_ledger)]
"""The service's ledger, as a dependency of operations."""
