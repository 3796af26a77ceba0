"""Lists and agendas for a spreadsheet: columns that stay, cells in words, and none that is taken as a formula."""

import csv
import io
from collections.abc import Iterable, Mapping

from services.triage.panels.children import ChildView
from services.triage.panels.lists import ListView
from services.triage.panels.views import Agenda, AgendaItem
from services.triage.vocabulary import DESTINATIONS, LEVELS, RATINGS, STAGES, worded

_CHILD = ("reference", "child", "name", "born", "expected", "stage")
_DASH = ("dash_yes", "dash_no", "dash_unknown")
_LIST = (*_CHILD, "urgency", "level", "destination", "received", *_DASH)
_AGENDA = (
    *_CHILD,
    "level",
    "destination",
    "seen_as",
    "outcome",
    "note",
    "corrected_because",
    "review_on",
    "settled_at",
    *_DASH,
)
_UNSAFE = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a spreadsheet would take as a formula, in either width (OWASP, CSV Injection)."""


def list_as_csv(view: ListView) -> str:
    """A list, one child in a row; the last row says so where children are left off."""
    rows: list[tuple[object, ...]] = [
        (
            one.reference,
            one.child_number,
            *_who(one.child),
            _worded(STAGES, one.stage),
            _worded(RATINGS, one.rag),
            _worded(LEVELS, one.decided_level),
            _worded(DESTINATIONS, one.decided_to),
            one.received_at.isoformat(),
            *_dash(one.child),
        )
        for one in view.items
    ]
    if view.more:
        rows.append((f"There are more than these {len(rows)}: those received last are left off.",))
    return _table(_LIST, rows)


def agenda_as_csv(agenda: Agenda) -> str:
    """An agenda, one child in a row: those on it, and after them those at whom the panel looks again."""
    items = (("The panel is told" if one.listed else "For the panel", one) for one in agenda.items)
    reviews = (("The panel looks again", one) for one in agenda.reviews)
    return _table(_AGENDA, (_agenda_row(seen_as, one) for seen_as, one in (*items, *reviews)))


def _agenda_row(seen_as: str, one: AgendaItem) -> tuple[object, ...]:
    return (
        one.reference,
        one.child_number,
        *_who(one.child),
        _worded(STAGES, one.stage),
        _worded(LEVELS, one.decided_level),
        _worded(DESTINATIONS, one.decided_to),
        seen_as,
        one.outcome_words or _worded({}, one.outcome),
        one.note,
        one.reason,
        one.review_on,
        None if one.settled_at is None else one.settled_at.isoformat(),
        *_dash(one.child),
    )


def _table(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    text = io.StringIO()
    written = csv.writer(text)
    written.writerow(columns)
    written.writerows(map(_cells, rows))
    return text.getvalue()


def _worded(words: Mapping[str, str], code: object) -> str | None:
    if code is None:
        return None
    text = worded(words, code)
    return text[:1].upper() + text[1:]


def _who(child: ChildView) -> tuple[object, ...]:
    return child.name, _day(child.born), _day(child.expected)


def _dash(child: ChildView) -> tuple[object, ...]:
    dash = child.dash
    return ("unknown",) * 3 if dash is None else (dash.yes, dash.no, dash.unknown)


def _day(value: object) -> str | None:
    on = getattr(value, "on", None)
    if on is not None:
        return str(on)
    earliest, latest = getattr(value, "earliest", None), getattr(value, "latest", None)
    return f"{earliest} to {latest}" if earliest is not None else None


def _cells(values: Iterable[object]) -> list[str]:
    texts = ["" if value is None else str(value) for value in values]
    # Blanks, tabs and ends of lines before a formula do not keep a spreadsheet from taking it.
    return [f"'{text}" if text.lstrip().startswith(_UNSAFE) else text for text in texts]
