"""Tools that were used, as they stand on record."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg
from pydantic import Field

from libs.messaging.codec import Codec, Decoded
from libs.schemas.base import Identifier, Instant, IsoDate, Line, Model, Nothing, Payload, Text
from services.triage.tools.catalogue import Answers, Catalogue, Tool, could_be_graver

SELECT = (
    "SELECT id, case_id, tool, on_day, result, recorded_by, recorded_at, fingerprint, document FROM tool_used"
)


class ToolUse(Model):
    """What was written beside the codes of a tool's use."""

    by: Line
    answers: Answers | None = None
    note: Text | None = None


class RecordedToolUse(Payload[Nothing, ToolUse]):
    """A tool's use as it stands on record."""


class ToolView(Model):
    """A tool that was used."""

    id: UUID
    tool: Identifier
    label: str
    on: IsoDate
    by: Line | None = Field(
        description="The person who used it, with their role. Absent where it was erased."
    )
    result: Identifier | None = Field(description="Null where it came to none.")
    answers: Answers | None = None
    could_be_graver: bool = Field(description="Whether what was left open could make the result graver.")
    note: Text | None = None
    recorded_by: Line
    recorded_at: Instant


class ToolOffered(Model):
    """A tool that can be recorded."""

    tool: Identifier
    label: str
    results: tuple[Identifier, ...] = Field(
        description="What it may come to, from the mildest to the gravest."
    )
    questions: int | None = Field(description="How many questions it asks, where their answers are counted.")


class ToolsUsed(Model):
    """The tools that were used about a child, the earliest first, and those that the partnership has."""

    items: tuple[ToolView, ...]
    offered: tuple[ToolOffered, ...]


async def tools_of(
    connection: asyncpg.Connection, codec: Codec, catalogue: Catalogue, case_id: UUID
) -> tuple[ToolView, ...]:
    """The tools that were used about a child, the earliest first."""
    rows = await connection.fetch(f"{SELECT} WHERE case_id = $1 ORDER BY on_day, id", case_id)
    return tuple(await views_of(codec, catalogue, rows))


async def views_of(codec: Codec, catalogue: Catalogue, rows: Sequence[Any]) -> list[ToolView]:
    """What these rows tell of."""
    read = await codec.decode([(RecordedToolUse, row["document"]) for row in rows])
    views = []
    for row, item in zip(rows, read, strict=True):
        use = item.payload.children.get(row["case_id"]) if isinstance(item, Decoded) else None
        answers = None if use is None else use.answers
        tool: Tool | None = catalogue.tools.get(row["tool"])
        views.append(
            ToolView(
                id=row["id"],
                tool=row["tool"],
                label=label_of(catalogue, row["tool"]),
                on=row["on_day"],
                by=None if use is None else use.by,
                result=row["result"],
                answers=answers,
                could_be_graver=could_be_graver(tool, row["result"], answers),
                note=None if use is None else use.note,
                recorded_by=row["recorded_by"],
                recorded_at=row["recorded_at"],
            )
        )
    return views


def label_of(catalogue: Catalogue, name: str) -> str:
    """What a tool is called; its name where the partnership has it no more."""
    tool = catalogue.tools.get(name)
    return name if tool is None else tool.label
