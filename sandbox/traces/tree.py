"""The order of a waterfall: every span below the one that caused it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from sandbox.traces.store import Span


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a waterfall; `depth` counts its ancestors that are in the trace."""

    span: Span
    depth: int


def waterfall(spans: Sequence[Span]) -> list[Row]:
    """Each span once, causes before effects, siblings by start.

    A span whose parent never arrived stands at the top, and so does the first of a circle of parents.
    """
    known = {span.span_id for span in spans}
    below: dict[str | None, list[Span]] = defaultdict(list)
    for span in sorted(spans, key=lambda each: (each.started, each.span_id)):
        below[span.parent_id if span.parent_id in known else None].append(span)
    rows: list[Row] = []
    seen: set[str] = set()
    for top in (*below[None], *sorted(spans, key=lambda each: (each.started, each.span_id))):
        pending = [Row(top, 0)]
        while pending:
            row = pending.pop()
            if row.span.span_id in seen:
                continue
            seen.add(row.span.span_id)
            rows.append(row)
            pending.extend(Row(child, row.depth + 1) for child in reversed(below[row.span.span_id]))
    return rows
