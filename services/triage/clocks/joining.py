"""A second report of one event keeps the first report's clock: a duplicate buys nobody time."""

from datetime import datetime

import asyncpg

from libs.schemas.history import SameEvent
from services.triage.case import File
from services.triage.clocks.dues import join, part
from services.triage.clocks.hub import Hub

# Where the first report is decided already, the second is news of its own, with its own clock.
_FIRST = """
SELECT min(coalesce(clock_from, received_at)) FROM child_case
 WHERE id = ANY ($1) AND id <> $2 AND decision = 0 AND NOT stub
"""


async def keep_first_clock(connection: asyncpg.Connection, hub: Hub, file: File) -> bool:
    """Counts a case's clock from the first report of the same event, or from its own again where a person said that
    it was another event. True: the decision is due at another time than before.
    """
    linked = file.known.linked
    if linked is None or not linked.history.duplicates:
        return False
    before = file.case.due_at
    same = [one.case_id for one in linked.history.duplicates if one.decided == SameEvent.SAME]
    if same:
        since: datetime | None = await connection.fetchval(_FIRST, same, file.case.id)
        moved = since is not None and join(hub, file.case, since)
    else:
        moved = part(hub, file.case)
    file.case.changed |= moved
    return moved and before != file.case.due_at
