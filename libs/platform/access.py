"""Who read or changed what: written before anything is shown, from the token alone, in every service."""

from datetime import datetime
from uuid import UUID

import asyncpg

from libs.platform.auth import Principal
from libs.platform.problems import current_trace_id

_NOTE = """
INSERT INTO access (at, subject, client_id, action, referral_id, case_id, trace_id)
VALUES ($1, $2, $3, $4, $5, $6, $7)
"""


async def note(
    connection: asyncpg.Connection | asyncpg.Pool,
    at: datetime,
    caller: Principal,
    action: str,
    case_id: UUID | None = None,
    *,
    referral_id: UUID | None = None,
) -> None:
    """Records one act of a caller. Never changed afterwards."""
    await connection.execute(
        _NOTE, at, caller.subject, caller.client_id, action, referral_id, case_id, current_trace_id()
    )
