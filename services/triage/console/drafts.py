"""Work that was sent after its session had ended: kept for whoever's session it was, until they are back."""

from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

from pydantic import Field

from libs.messaging.codec import Decoded
from libs.messaging.ledger import Ledger
from libs.schemas.base import Model, Payload

KEPT_FOR = timedelta(hours=24)
MOST = 20
"""Drafts that one person may have."""

EVERY_SECONDS = 3600.0

_KEEP = """
INSERT INTO draft (subject, path, at, document) VALUES ($1, $2, $3, $4)
ON CONFLICT (subject, path) DO UPDATE SET at = EXCLUDED.at, document = EXCLUDED.document
"""
_BOUND = """
DELETE FROM draft WHERE subject = $1
   AND path NOT IN (SELECT path FROM draft WHERE subject = $1 ORDER BY at DESC, path LIMIT $2)
"""
_FIND = "SELECT document FROM draft WHERE subject = $1 AND path = $2 AND at > $3"
_DROP = "DELETE FROM draft WHERE subject = $1 AND path = $2"
_PRUNE = "DELETE FROM draft WHERE at <= $1"


class Filled(Model):
    """The fields of a form as they were filled in."""

    fields: dict[str, str] = Field(default_factory=dict)


class RecordedDraft(Payload[Filled, Filled]):
    """A form that was sent too late. One about a child is that child's part."""


class Drafts:
    """Keeps one draft for each person and page."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def keep(self, subject: str, path: str, case_id: UUID | None, fields: Mapping[str, str]) -> None:
        """Keeps what somebody had filled in, in place of an earlier draft of the same page."""
        filled = Filled(fields=dict(fields))
        draft = (
            RecordedDraft(shared=filled)
            if case_id is None
            else RecordedDraft(shared=Filled(), children={case_id: filled})
        )
        (document,) = await self._ledger.codec.encode([draft])
        async with self._ledger.pool.acquire() as connection, connection.transaction():
            await connection.execute(_KEEP, subject, path, self._ledger.clock.now(), document)
            await connection.execute(_BOUND, subject, MOST)

    async def find(self, subject: str, path: str) -> Mapping[str, str] | None:
        """What somebody had filled in on a page, where it is still kept and can be read."""
        since = self._ledger.clock.now() - KEPT_FOR
        document = await self._ledger.pool.fetchval(_FIND, subject, path, since)
        if document is None:
            return None
        (item,) = await self._ledger.codec.decode([(RecordedDraft, document)])
        if not isinstance(item, Decoded):
            return None
        draft = item.payload
        return {
            **draft.shared.fields,
            **{k: v for one in draft.children.values() for k, v in one.fields.items()},
        }

    async def drop(self, subject: str, path: str) -> None:
        """Forgets a draft: it was sent, or is not wanted."""
        await self._ledger.pool.execute(_DROP, subject, path)

    async def prune(self) -> int:
        """Forgets what nobody came back for."""
        done: str = await self._ledger.pool.execute(_PRUNE, self._ledger.clock.now() - KEPT_FOR)
        return int(done.rpartition(" ")[2])
