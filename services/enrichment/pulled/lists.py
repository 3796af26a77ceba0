"""Reads a MARAC's weekly list as CSV, row by row: what is in order is taken, the rest refused by row and column."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from hashlib import sha256

from pydantic import Field, ValidationError
from stdnum.gb import nhs

from libs.schemas.base import EARLIEST, IsoDate, Line, Model
from libs.schemas.findings import Basis, Fact

MOST_BYTES = 500_000
MOST_ROWS = 5_000
MOST_REPORTED = 200
OLDEST = timedelta(days=366)
COLUMNS = ("role", "family_name", "given_name", "born", "nhs_number")
NEEDED = frozenset(COLUMNS) - {"nhs_number"}
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A cell that a spreadsheet would run begins so (OWASP, CSV injection). No name does."""

LISTED = "household.domestic_abuse"
"""The fact that a listing states: cases are heard where the risk of serious harm is high (SafeLives)."""


class Role(StrEnum):
    """As whom the list names somebody."""

    VICTIM = "victim"
    CHILD = "child"
    THOUGHT_TO_HARM = "thought_to_harm"


class Entry(Model):
    """Somebody on a list."""

    role: Role
    family_name: Line
    given_name: Line
    born: IsoDate
    nhs_number: str | None = None


class Refusal(Model):
    """One place of a file that was refused: never what stood there."""

    row: int = Field(description="Counts the file's rows from 1; the header is row 1.")
    column: str | None = Field(
        None, description="The column's name; absent where the row as a whole is wrong."
    )
    code: str
    detail: str = Field(description="What would be right.")


class BadFile(Exception):
    """The file as a whole cannot be taken; `code` and `detail` say why."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True)
class ReadList:
    """What a file says: the entries in order by row, and what was refused."""

    entries: tuple[tuple[int, Entry], ...]
    refused: tuple[Refusal, ...]
    rows: int

    def digest(self, on: date) -> bytes:
        """Equal for lists of one day that name the same people, whatever their order."""
        lines = sorted(entry.model_dump_json() for _, entry in self.entries)
        return sha256("\n".join([on.isoformat(), *lines]).encode()).digest()


def listed_fact(on: date) -> Fact:
    """What a list of that day says of the home of whom it names."""
    return Fact(fact=LISTED, value="high_risk", basis=Basis.RECORD, on=on)


def check_day(on: date, today: date) -> None:
    """Raises BadFile for a day that no list of these weeks has."""
    if not today - OLDEST <= on <= today + timedelta(days=1):
        raise BadFile("list-date", "the list's date must be within the last year and not in the future")


def read_list(content: bytes, today: date) -> ReadList:
    """Reads a file. Raises BadFile where it cannot be read as a whole."""
    if len(content) > MOST_BYTES:
        raise BadFile("too-large", f"send at most {MOST_BYTES} bytes")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadFile("not-utf8", "save the file as CSV UTF-8") from None
    if "\x00" in text:
        raise BadFile("not-text", "send a CSV file, not a spreadsheet")
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error:
        raise BadFile("not-csv", "put each cell with a comma or a line break into double quotes") from None
    if not rows or not any(cell.strip() for cell in rows[0]):
        raise BadFile("no-header", f"begin with the columns {', '.join(COLUMNS)}")
    if len(rows) - 1 > MOST_ROWS:
        raise BadFile("too-many-rows", f"send at most {MOST_ROWS} rows")
    header = _header(rows[0])
    entries: list[tuple[int, Entry]] = []
    refused: list[Refusal] = []
    filled = [(number, row) for number, row in enumerate(rows[1:], start=2) if any(map(str.strip, row))]
    for number, row in filled:
        found = _entry(number, header, row, today)
        if isinstance(found, Entry):
            entries.append((number, found))
        else:
            refused += found
    return ReadList(tuple(entries), tuple(refused[:MOST_REPORTED]), len(filled))


def _header(row: Sequence[str]) -> tuple[str, ...]:
    header = tuple(cell.strip().lower() for cell in row)
    if len(set(header)) != len(header):
        raise BadFile("header-twice", "name each column once")
    if not set(header) <= set(COLUMNS):
        raise BadFile("header-unknown", f"use only the columns {', '.join(COLUMNS)}")
    missing = sorted(NEEDED - set(header))
    if missing:
        raise BadFile("header-missing", f"add the columns {', '.join(missing)}")
    return header


_RIGHT = {
    "role": f"must be one of: {', '.join(Role)}",
    "family_name": "must be a name of up to 200 characters",
    "given_name": "must be a name of up to 200 characters",
    "born": "must be a date as YYYY-MM-DD that is not in the future",
    "nhs_number": "must be ten digits with a right check digit, or empty",
}


def _entry(number: int, header: Sequence[str], row: Sequence[str], today: date) -> Entry | list[Refusal]:
    if len(row) != len(header):
        return [Refusal(row=number, code="cells", detail=f"must have {len(header)} cells, as the header has")]
    cells = {name: cell.strip() for name, cell in zip(header, row, strict=True)}
    refused = [
        Refusal(row=number, column=name, code="formula", detail="must not begin as a formula does")
        for name, cell in zip(header, row, strict=True)
        if cell.startswith(FORMULA)
    ]
    if refused:
        return refused
    number_given = cells.pop("nhs_number", "")
    wrong: set[str] = set()
    if number_given and not nhs.is_valid(number_given):
        wrong.add("nhs_number")
    entry: Entry | None = None
    try:
        entry = Entry.model_validate(
            {**cells, "nhs_number": nhs.compact(number_given) if number_given else None}
        )
    except ValidationError as error:
        wrong |= {str(item["loc"][0]) for item in error.errors(include_input=False)}
    if entry is not None and not EARLIEST <= entry.born <= today:
        wrong.add("born")
    if entry is None or wrong:
        return [
            Refusal(row=number, column=name, code="invalid", detail=_RIGHT[name])
            for name in COLUMNS
            if name in wrong
        ]
    return entry
