"""Spans, kept in SQLite within a bound, and found by trace or by what they are about."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MOST_SPANS = 200_000
"""About 100 MB of file. Beyond it the oldest traces go."""

SUBJECTS = ("mash.referral_id", "mash.reference")
"""Attributes that traces are found by."""


@dataclass(frozen=True, slots=True)
class Span:
    """One span. Times are nanoseconds since 1970, ids lower-case hexadecimal."""

    trace_id: str
    span_id: str
    parent_id: str | None
    name: str
    service: str
    kind: str
    started: int
    ended: int
    error: bool
    attributes: dict[str, Any] = field(default_factory=dict)
    links: tuple[str, ...] = ()
    """Trace ids that it points to."""


@dataclass(frozen=True, slots=True)
class TraceSummary:
    """One line of the list."""

    trace_id: str
    root: str
    service: str
    started: int
    ended: int
    spans: int
    errors: int


class TraceStore:
    """Not thread-safe: one process, one event loop."""

    def __init__(self, data: Path | None, *, most_spans: int = MOST_SPANS) -> None:
        """`data` is the directory of the file; None keeps the spans in memory."""
        if data is not None:
            data.mkdir(parents=True, exist_ok=True)
        self._most = most_spans
        self._rows = sqlite3.connect(":memory:" if data is None else data / "traces.db", isolation_level=None)
        self._rows.executescript(
            """
            PRAGMA journal_mode = WAL;
            PRAGMA synchronous = OFF;
            PRAGMA cache_size = -4096;
            CREATE TABLE IF NOT EXISTS span (
                trace_id TEXT, span_id TEXT, parent_id TEXT, name TEXT, service TEXT, kind TEXT, started INTEGER,
                ended INTEGER, error INTEGER, attributes TEXT, links TEXT, PRIMARY KEY (trace_id, span_id)
            ) WITHOUT ROWID;
            CREATE TABLE IF NOT EXISTS trace (
                trace_id TEXT PRIMARY KEY, root TEXT, service TEXT, started INTEGER, ended INTEGER, spans INTEGER,
                errors INTEGER
            ) WITHOUT ROWID;
            CREATE INDEX IF NOT EXISTS trace_started ON trace (started);
            CREATE TABLE IF NOT EXISTS subject (
                value TEXT, trace_id TEXT, PRIMARY KEY (value, trace_id)
            ) WITHOUT ROWID;
            CREATE INDEX IF NOT EXISTS subject_trace ON subject (trace_id);
            """
        )
        (self._count,) = self._rows.execute("SELECT count(*) FROM span").fetchone()
        self._stale = {trace_id for (trace_id,) in self._rows.execute("SELECT DISTINCT trace_id FROM span")}

    def add(self, spans: Sequence[Span]) -> None:
        """Keeps spans; one that is sent again replaces itself."""
        self._rows.execute("BEGIN")
        self._rows.executemany(
            "INSERT OR REPLACE INTO span VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    *(span.trace_id, span.span_id, span.parent_id, span.name, span.service, span.kind),
                    *(span.started, span.ended, span.error),
                    json.dumps(span.attributes),
                    json.dumps(span.links),
                )
                for span in spans
            ],
        )
        self._rows.executemany("INSERT OR IGNORE INTO subject VALUES (?, ?)", _subjects(spans))
        self._count += len(spans)
        # Many spans come for each time that somebody looks.
        self._stale |= {span.trace_id for span in spans}
        if self._count > self._most:
            self._prune()
        self._rows.execute("COMMIT")

    def traces(self, *, subject: str | None = None, limit: int = 100) -> list[TraceSummary]:
        """The newest traces first; with `subject`, only those about that referral, reference or of that trace id.

        Without one, those that are about no referral are left out unless something failed, and so are reads that
        caused nothing: whoever polls would hide everything else.
        """
        self._rows.execute("BEGIN")
        self._summarise()
        self._rows.execute("COMMIT")
        about_something = "errors > 0 OR trace_id IN (SELECT trace_id FROM subject)"
        chosen, values = f"WHERE NOT (spans = 1 AND root LIKE 'GET %') AND ({about_something})", []
        if subject is not None:
            chosen = "WHERE trace_id = ? OR trace_id IN (SELECT trace_id FROM subject WHERE value = ?)"
            values = [subject, subject]
        rows = self._rows.execute(
            "SELECT trace_id, root, service, started, ended, spans, errors"
            f" FROM trace {chosen} ORDER BY started DESC LIMIT ?",
            (*values, limit),
        )
        return [TraceSummary(*row) for row in rows]

    def spans(self, trace_id: str) -> list[Span]:
        """The spans of a trace by start; empty where it is not known."""
        rows = self._rows.execute(
            "SELECT trace_id, span_id, parent_id, name, service, kind, started, ended, error, attributes, links"
            " FROM span WHERE trace_id = ? ORDER BY started, span_id",
            (trace_id,),
        )
        return [
            Span(
                *(trace, span_id, parent, name, service, kind, started, ended),
                error=bool(error),
                attributes=json.loads(attributes),
                links=tuple(json.loads(links)),
            )
            for trace, span_id, parent, name, service, kind, started, ended, error, attributes, links in rows
        ]

    def linking(self, trace_id: str) -> list[str]:
        """Traces about the same referrals, for a way from one to the other."""
        rows = self._rows.execute(
            "SELECT DISTINCT other.trace_id FROM subject mine JOIN subject other USING (value)"
            " WHERE mine.trace_id = ? AND other.trace_id <> mine.trace_id LIMIT 20",
            (trace_id,),
        )
        return [other for (other,) in rows]

    def clear(self) -> None:
        """Forgets everything."""
        for table in ("span", "trace", "subject"):
            self._rows.execute(f"DELETE FROM {table}")
        self._count = 0
        self._stale.clear()

    def close(self) -> None:
        """Closes the file."""
        self._rows.close()

    def _summarise(self) -> None:
        """Writes the lines of the traces that spans have come for since."""
        for trace_id in self._stale:
            started, ended, count, errors = self._rows.execute(
                "SELECT min(started), max(ended), count(*), sum(error) FROM span WHERE trace_id = ?",
                (trace_id,),
            ).fetchone()
            root, service = self._rows.execute(
                "SELECT name, service FROM span WHERE trace_id = ? ORDER BY parent_id IS NOT NULL, started LIMIT 1",
                (trace_id,),
            ).fetchone()
            self._rows.execute(
                "INSERT OR REPLACE INTO trace VALUES (?, ?, ?, ?, ?, ?, ?)",
                (trace_id, root, service, started, ended, count, errors),
            )
        self._stale.clear()

    def _prune(self) -> None:
        self._summarise()
        (self._count,) = self._rows.execute("SELECT coalesce(sum(spans), 0) FROM trace").fetchone()
        # A tenth more than needed, so that not every batch prunes.
        goal = self._most - self._most // 10
        oldest = self._rows.execute("SELECT trace_id, spans FROM trace ORDER BY started").fetchall()
        for trace_id, spans in oldest:
            if self._count <= goal:
                return
            for table in ("span", "trace", "subject"):
                self._rows.execute(f"DELETE FROM {table} WHERE trace_id = ?", (trace_id,))
            self._count -= spans


def _subjects(spans: Iterable[Span]) -> set[tuple[str, str]]:
    return {
        (str(span.attributes[name]), span.trace_id)
        for span in spans
        for name in SUBJECTS
        if name in span.attributes
    }
