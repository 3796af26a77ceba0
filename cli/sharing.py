"""`mash sharing`: the data-sharing agreement as English, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from cli.console import fail, out
from cli.policy import PARTNERSHIP, WRITERS, Format
from libs.platform.clock import SystemClock
from libs.schemas.dictionary import load_dictionary
from libs.schemas.document import DocumentError, Node, nearest, read_document
from services.enrichment.sharing.agreement import Agreement, load_agreement
from services.enrichment.sharing.check import Kind, Surroundings, fields_used
from services.enrichment.sharing.check import check as check_agreement
from services.enrichment.sharing.decision import ENGLAND
from services.enrichment.sharing.english import Section
from services.enrichment.sharing.english import explain as explain_agreement
from services.triage.policy.page import Grid, Heading, Page, Paragraph

app = typer.Typer(
    help="""The data-sharing agreement: who may be asked for what, printed in English and checked.

    It is `sharing.yaml` in a partnership's folder.""",
    no_args_is_help=True,
)

TONES = {Kind.GAP: "bold red", Kind.EXPIRY: "bold red", Kind.OVERLAP: "yellow", Kind.UNUSED: "yellow"}

Folder = Annotated[Path, typer.Argument(help="The partnership's folder.", exists=True, file_okay=False)]
On = Annotated[
    datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The day to look at; today by itself.")
]


@app.command()
def explain(
    folder: Folder = PARTNERSHIP,
    agency: Annotated[str | None, typer.Option(help="Only one agency's part.", show_default=False)] = None,
    on: On = None,
    format: Annotated[Format, typer.Option(help="What to write it as.")] = Format.TEXT,
) -> None:
    """Print the agreement in English, for those who sign it: what each agency may be asked, when, and why."""
    agreement, agencies = _load(folder)
    if agency is not None and agency not in agreement.agencies:
        fail(f"no agreement with `{agency}`{nearest(agency, list(agreement.agencies))}")
    names = {name: node["name"].text() for name, node in agencies.items() if "name" in node}
    page = _page(agreement.about, explain_agreement(agreement, names, _day(on), agency))
    typer.echo(WRITERS[format](page), nl=False)


@app.command()
def check(
    folder: Folder = PARTNERSHIP,
    days: Annotated[
        int, typer.Option(min=0, help="An agreement that ends within so many days is told.")
    ] = 90,
    on: On = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Find gaps, expiries, overlaps, and what is listed and never used. Status 0 only where there is nothing."""
    agreement, agencies = _load(folder)
    try:
        dictionary = load_dictionary(folder / "facts.yaml")
    except DocumentError as error:
        fail("\n".join(error.faults))
    uses = {name: used for name, fields in agencies.items() if (used := _used(fields)) is not None}
    around = Surroundings(dictionary, frozenset(agencies), uses)
    found = check_agreement(agreement, around, _day(on), timedelta(days=days))
    if as_json:
        findings = [{"kind": one.kind, "agency": one.agency, "text": one.text} for one in found]
        out().print_json(data={"holds": not found, "findings": findings})
    else:
        for one in found:
            who = f"{one.agency}: " if one.agency else ""
            out().print(f"[{TONES[one.kind]}]{one.kind:<8}[/{TONES[one.kind]}] {escape(who + one.text)}")
        lines, signed = len(agreement.lines), len(agreement.signed)
        verdict = f"{lines} lines of {signed} agreements, {len(found)} to put right"
        out().print(f"[bold red]{verdict}[/bold red]" if found else f"[green]{verdict}[/green]")
    if found:
        raise typer.Exit(1)


def _day(on: datetime | None) -> date:
    return (SystemClock().now().astimezone(ENGLAND) if on is None else on).date()


def _load(folder: Path) -> tuple[Agreement, dict[str, dict[str, Node]]]:
    """The agreement, and the agencies' files as far as they name the agency. Ends with status 1 on any mistake."""
    try:
        agencies = _agencies(folder)
        leads = [name for name, fields in agencies.items() if "lead" in fields]
        return load_agreement(folder / "sharing.yaml", leads), agencies
    except DocumentError as error:
        fail("\n".join(error.faults))


def _agencies(folder: Path) -> dict[str, dict[str, Node]]:
    files = sorted((folder / "agencies").glob("*.yaml"))
    return {path.stem: read_document(path).fields() for path in files}


def _used(fields: dict[str, Node]) -> frozenset[str] | None:
    """What an agency is told of a question, where its file says how it is asked; None where that is not in the file."""
    dialect = fields["dialect"].fields() if "dialect" in fields else {}
    return fields_used(_scalars(dialect["ask"])) if "ask" in dialect else None


def _scalars(node: Node) -> Iterator[str]:
    if isinstance(node.value, str):
        yield node.value
    else:
        for member in node.value.values() if isinstance(node.value, dict) else node.value:
            yield from _scalars(member)


def _page(title: str, sections: tuple[Section, ...]) -> Page:
    blocks: list[Heading | Paragraph | Grid] = [Heading(1, title.rstrip("."))]
    for section in sections:
        blocks.append(Heading(2, section.heading))
        blocks += [Paragraph(text) for text in section.paragraphs]
        if section.rows:
            blocks.append(Grid("What may be asked", section.columns, section.rows))
    return Page(tuple(blocks))
