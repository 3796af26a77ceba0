"""The messages that the sandbox's GOV.UK Notify accepted: kept, moved to their end, reported by callback.

Kept in SQLite, so that a restart of the sandbox loses none of them, as Notify would not.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import Field

from libs.schemas.base import Model
from libs.schemas.clock import Clock

Document = dict[str, Any]
PAGE_SIZE = 250
CALLBACK_TRIES = 5
CALLBACK_GAP_SECONDS = 1.0
OPEN_STATUSES = ("created", "sending")


class Send(StrEnum):
    """What Notify does with a request to send."""

    ACCEPT = "accept"
    SLOW = "slow"
    ACCEPT_THEN_TIME_OUT = "accept_then_time_out"
    ACCEPT_THEN_ERROR = "accept_then_error"
    TIME_OUT = "time_out"
    ERROR = "error"
    RATE_LIMITED = "rate_limited"
    DAILY_LIMIT = "daily_limit"


class Ending(StrEnum):
    """The last status of a message, in Notify's words."""

    DELIVERED = "delivered"
    PERMANENT_FAILURE = "permanent-failure"
    TEMPORARY_FAILURE = "temporary-failure"
    TECHNICAL_FAILURE = "technical-failure"
    NEVER = "sending"


class Behaviour(Model):
    """How the sandbox's Notify behaves from now on."""

    send: Send = Send.ACCEPT
    times: int | None = Field(
        None,
        ge=1,
        description="For so many requests; then it accepts. None: until changed.",
    )
    seconds: float = Field(30, ge=0, le=300, description="How long a slow or timed-out request hangs.")
    ending: Ending = Ending.DELIVERED
    delivery_seconds: float = Field(0.3, ge=0, le=3600, description="From acceptance to the last status.")
    lookup_delay_seconds: float = Field(
        0, ge=0, le=3600, description="A look-up shows a message only after this."
    )
    callback: bool = True


def stamp(moment: datetime) -> str:
    """A time as Notify writes it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Messages:
    """Accepted messages. One process, one event loop; SQLite's calls here take well under a millisecond."""

    def __init__(
        self,
        data: Path | None,
        *,
        clock: Clock,
        post: Callable[[Document], Awaitable[bool]] | None,
        behaviour: Behaviour | None = None,
    ) -> None:
        """`post` delivers one receipt to the service's callback and says whether it was taken; None: no callback.

        `data` is the directory of the file; None keeps messages in memory.
        """
        self.behaviour = behaviour or Behaviour()
        self._clock = clock
        self._post = post
        self._tasks: set[asyncio.Task[None]] = set()
        if data is not None:
            data.mkdir(parents=True, exist_ok=True)
        self._rows = sqlite3.connect(":memory:" if data is None else data / "notify.db", isolation_level=None)
        self._rows.execute("PRAGMA journal_mode = WAL")
        self._rows.execute("PRAGMA synchronous = OFF")
        self._rows.execute(
            "CREATE TABLE IF NOT EXISTS message (n INTEGER PRIMARY KEY, id TEXT UNIQUE, reference TEXT,"
            " type TEXT, status TEXT, visible_at REAL, ending TEXT, ends_at REAL, callback INTEGER, document TEXT)"
        )
        self._rows.execute("CREATE INDEX IF NOT EXISTS message_reference ON message (reference)")

    def resume(self) -> None:
        """Goes on with messages that were under way when the sandbox stopped."""
        marks = ", ".join("?" for _ in OPEN_STATUSES)
        for (message_id,) in self._rows.execute(
            f"SELECT id FROM message WHERE status IN ({marks})", OPEN_STATUSES
        ):
            self._follow(message_id)

    async def stop(self) -> None:
        """Leaves what is under way to the next start."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._rows.close()

    def take_send(self) -> Behaviour:
        """The behaviour for the next request to send; counts it."""
        now = self.behaviour
        if now.times is not None:
            left = now.times - 1
            update = {"times": left} if left else {"times": None, "send": Send.ACCEPT}
            self.behaviour = now.model_copy(update=update)
        return now

    def accept(self, document: Document) -> Document:
        """Keeps a message and starts it on its way. Gives the document with its id and times filled in."""
        now = self._clock.now()
        kept = {
            **document,
            "id": str(uuid.uuid4()),
            "created_at": stamp(now),
            "status": "created",
        }
        behaviour = self.behaviour
        self._rows.execute(
            "INSERT INTO message (id, reference, type, status, visible_at, ending, ends_at, callback, document)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                kept["id"],
                kept["reference"],
                kept["type"],
                kept["status"],
                (now + timedelta(seconds=behaviour.lookup_delay_seconds)).timestamp(),
                behaviour.ending,
                (now + timedelta(seconds=behaviour.delivery_seconds)).timestamp(),
                behaviour.callback,
                json.dumps(kept),
            ),
        )
        self._follow(kept["id"])
        return kept

    def look_up(self, message_id: str) -> Document | None:
        """A message by its id, unless look-ups do not show it yet."""
        row = self._rows.execute(
            "SELECT document FROM message WHERE id = ? AND visible_at <= ?",
            (message_id, self._clock.now().timestamp()),
        ).fetchone()
        return None if row is None else json.loads(row[0])

    def page(
        self,
        *,
        reference: str | None,
        status: list[str],
        kind: str | None,
        older_than: str | None,
    ) -> list[Document]:
        """Messages that look-ups show, newest first, at most one page of Notify's."""
        wanted = ["visible_at <= ?"]
        values: list[Any] = [self._clock.now().timestamp()]
        if reference is not None:
            wanted.append("reference = ?")
            values.append(reference)
        if kind is not None:
            wanted.append("type = ?")
            values.append(kind)
        if status:
            wanted.append(f"status IN ({', '.join('?' for _ in status)})")
            values.extend(status)
        if older_than is not None:
            wanted.append("n < (SELECT n FROM message WHERE id = ?)")
            values.append(older_than)
        statement = (
            f"SELECT document FROM message WHERE {' AND '.join(wanted)} ORDER BY n DESC LIMIT {PAGE_SIZE}"
        )
        return [json.loads(document) for (document,) in self._rows.execute(statement, values)]

    def everything(self) -> list[Document]:
        """Every message that was accepted, oldest first, shown by look-ups or not."""
        return [
            json.loads(document)
            for (document,) in self._rows.execute("SELECT document FROM message ORDER BY n")
        ]

    def clear(self) -> None:
        """Forgets every message."""
        for task in self._tasks:
            task.cancel()
        self._rows.execute("DELETE FROM message")

    def _follow(self, message_id: str) -> None:
        task = asyncio.create_task(self._to_the_end(message_id))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _to_the_end(self, message_id: str) -> None:
        ending, ends_at, callback = self._rows.execute(
            "SELECT ending, ends_at, callback FROM message WHERE id = ?", (message_id,)
        ).fetchone()
        self._move(message_id, "sending", sent_at=stamp(self._clock.now()))
        if ending == Ending.NEVER:
            return
        await asyncio.sleep(max(0.0, ends_at - self._clock.now().timestamp()))
        document = self._move(message_id, ending, completed_at=stamp(self._clock.now()))
        if callback and self._post is not None:
            await self._report(document)

    def _move(self, message_id: str, status: str, **times: str) -> Document:
        (text,) = self._rows.execute("SELECT document FROM message WHERE id = ?", (message_id,)).fetchone()
        document: Document = {**json.loads(text), "status": status, **times}
        self._rows.execute(
            "UPDATE message SET status = ?, document = ? WHERE id = ?",
            (status, json.dumps(document), message_id),
        )
        return document

    async def _report(self, document: Document) -> None:
        receipt = {
            "id": document["id"],
            "reference": document["reference"],
            "to": document["email_address"] or document["phone_number"],
            "status": document["status"],
            "created_at": document["created_at"],
            "completed_at": document["completed_at"],
            "sent_at": document["sent_at"],
            "notification_type": document["type"],
            "template_id": document["template"]["id"],
            "template_version": document["template"]["version"],
        }
        assert self._post is not None
        for _ in range(CALLBACK_TRIES):
            with contextlib.suppress(OSError):
                if await self._post(receipt):
                    return
            await asyncio.sleep(CALLBACK_GAP_SECONDS)
