"""A page of headings, paragraphs, lists and tables, written as plain text, Markdown or HTML.

The HTML needs nothing from anywhere: no script, no font, no style sheet, no image.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from textwrap import fill

WIDTH = 100
"""Columns of plain text."""


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading; the page's title is depth 1."""

    depth: int
    text: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Running text; `strong` is what begins it in bold."""

    text: str
    strong: str = ""


@dataclass(frozen=True, slots=True)
class Points:
    """A list. An item may be a text with a list of its own."""

    items: Sequence["str | tuple[str, Points]"]


@dataclass(frozen=True, slots=True)
class Grid:
    """A table with a caption, a heading for each column, and rows whose first cell names the row."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


Block = Heading | Paragraph | Points | Grid


@dataclass(frozen=True, slots=True)
class Page:
    """A page in the order in which it is read. Its first block is its title."""

    blocks: tuple[Block, ...]

    @property
    def title(self) -> str:
        """The text of the first heading."""
        return next(block.text for block in self.blocks if isinstance(block, Heading))


def as_text(page: Page) -> str:
    """The page for a terminal."""
    return "\n".join(line for block in page.blocks for line in _text(block)).strip() + "\n"


def _text(block: Block) -> Iterator[str]:
    if isinstance(block, Heading):
        yield from ("", block.text)
        if block.depth < 3:
            yield ("=" if block.depth == 1 else "-") * len(block.text)
    elif isinstance(block, Paragraph):
        yield fill(f"{block.strong} {block.text}".strip(), WIDTH)
    elif isinstance(block, Points):
        for depth, item in _items(block):
            indent = "  " * depth
            yield fill(item, WIDTH, initial_indent=f"{indent}  - ", subsequent_indent=f"{indent}    ")
    else:
        yield f"{block.caption}:"
        yield from _text_grid(block)


def _text_grid(grid: Grid) -> Iterator[str]:
    """A table in columns where it fits the width, else row by row with each cell under its column's name."""
    table = (grid.columns, *grid.rows)
    widths = [max(len(row[place]) for row in table) for place in range(len(grid.columns))]
    if sum(widths) + 2 * len(widths) <= WIDTH + 20:
        for row in table:
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            yield "  " + "  ".join(cells).rstrip()
        return
    for row in grid.rows:
        yield fill(row[0], WIDTH, initial_indent="  ", subsequent_indent="    ")
        for column, cell in zip(grid.columns[1:], row[1:], strict=True):
            yield fill(f"{column}: {cell}", WIDTH, initial_indent="    ", subsequent_indent="      ")


def _items(points: Points, depth: int = 0) -> Iterator[tuple[int, str]]:
    """Every item with how deep it stands."""
    for item in points.items:
        text, under = item if isinstance(item, tuple) else (item, None)
        yield depth, text
        if under is not None:
            yield from _items(under, depth + 1)


def as_markdown(page: Page) -> str:
    """The page as Markdown."""
    return "\n".join(line for block in page.blocks for line in _markdown(block)).strip() + "\n"


_MARKDOWN_SIGNS = re.compile(r"([\\`*_\[\]<>|#])")


def _plain(text: str) -> str:
    return _MARKDOWN_SIGNS.sub(r"\\\1", text)


def _markdown(block: Block) -> Iterator[str]:
    yield ""
    if isinstance(block, Heading):
        yield f"{'#' * block.depth} {_plain(block.text)}"
    elif isinstance(block, Paragraph):
        strong = f"**{_plain(block.strong)}** " if block.strong else ""
        yield (strong + _plain(block.text)).strip()
    elif isinstance(block, Points):
        yield from (f"{'  ' * depth}- {_plain(item)}" for depth, item in _items(block))
    else:
        yield f"{_plain(block.caption)}:"
        yield ""
        yield "| " + " | ".join(map(_plain, block.columns)) + " |"
        yield "| " + " | ".join("---" for _ in block.columns) + " |"
        yield from ("| " + " | ".join(map(_plain, row)) + " |" for row in block.rows)


STYLE = """\
body { font: 1.1rem/1.5 Arial, sans-serif; color: #0b0c0c; background: #fff; max-width: 46rem; margin: 0 auto; \
padding: 1rem; overflow-wrap: anywhere; }
h1, h2, h3 { line-height: 1.2; margin: 2rem 0 .5rem; }
h3 { font-size: 1.1rem; }
a { color: #1d70b8; }
a:focus { outline: 3px solid #fd0; outline-offset: 0; }
table { border-collapse: collapse; margin: 1rem 0; width: 100%; }
caption { text-align: left; font-weight: bold; }
th, td { text-align: left; vertical-align: top; padding: .4rem .8rem .4rem 0; border-bottom: 1px solid #b1b4b6; }
@media print { body { max-width: none; } nav { display: none; } h2, h3 { break-after: avoid; } }
"""
"""The look of a page by itself, printed too."""


def as_html(page: Page) -> str:
    """The page as a document of its own, with a contents list."""
    return (
        f'<!doctype html>\n<html lang="en-GB">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(page.title)}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n"
        f"<main>\n{as_fragment(page)}</main>\n</body>\n</html>\n"
    )


def as_fragment(page: Page) -> str:
    """The page's HTML from its title on, with a contents list, to stand inside another page."""
    anchors = _anchors(page)
    contents = [
        f'<li><a href="#{anchor}">{escape(block.text)}</a></li>\n'
        for block, anchor in zip(page.blocks, anchors, strict=True)
        if isinstance(block, Heading) and block.depth == 2
    ]
    nav = (
        '<nav aria-labelledby="contents">\n<h2 id="contents">Contents</h2>\n'
        f"<ul>\n{''.join(contents)}</ul>\n</nav>\n"
    )
    first_section = next(
        (place for place, block in enumerate(page.blocks) if isinstance(block, Heading) and block.depth == 2),
        len(page.blocks),
    )
    parts = [_html(block, anchor) for block, anchor in zip(page.blocks, anchors, strict=True)]
    if len(contents) > 1:
        parts.insert(first_section, nav)
    return "".join(parts)


def _anchors(page: Page) -> list[str]:
    """For each block the id that links lead to: a heading's words, with a number where they stand twice."""
    given: dict[str, int] = {"contents": 1}
    anchors = []
    for block in page.blocks:
        if not isinstance(block, Heading):
            anchors.append("")
            continue
        name = re.sub(r"[^a-z0-9]+", "-", block.text.lower()).strip("-") or "section"
        given[name] = given.get(name, 0) + 1
        anchors.append(name if given[name] == 1 else f"{name}-{given[name]}")
    return anchors


def _html(block: Block, anchor: str) -> str:
    if isinstance(block, Heading):
        return f'<h{block.depth} id="{anchor}">{escape(block.text)}</h{block.depth}>\n'
    if isinstance(block, Paragraph):
        strong = f"<strong>{escape(block.strong)}</strong> " if block.strong else ""
        return f"<p>{strong}{escape(block.text)}".rstrip() + "</p>\n"
    if isinstance(block, Points):
        return _html_list(block)
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in block.columns)
    rows = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in row[1:])
        + "</tr>\n"
        for row in block.rows
    )
    return f"<table>\n<caption>{escape(block.caption)}</caption>\n<tr>{head}</tr>\n{rows}</table>\n"


def _html_list(points: Points) -> str:
    items = []
    for item in points.items:
        text, under = item if isinstance(item, tuple) else (item, None)
        items.append(f"<li>{escape(text)}{_html_list(under) if under is not None else ''}</li>\n")
    return f"<ul>\n{''.join(items)}</ul>\n"
