"""`mash policy`: a partnership's thresholds checked, explained, compared and extended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from threading import Timer
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from cli.console import fail, out
from libs.schemas.dictionary import Names
from libs.schemas.document import DocumentError, nearest
from services.triage.derived.functions import DERIVES
from services.triage.policy import Policy, load_policy, read_texts
from services.triage.policy.check import check as check_policy
from services.triage.policy.claims import Claim, Report, Status
from services.triage.policy.comparison import difference_page
from services.triage.policy.difference import Changes, compare, difference
from services.triage.policy.page import as_html, as_markdown, as_text
from services.triage.policy.paper import board_paper, rule_page
from services.triage.policy.solver import GaveUp, available
from services.triage.policy.stored import read_stored

app = typer.Typer(
    help="""The thresholds as policy: prove them, read them, compare two versions, write a rule.

    A policy is a folder with `facts.yaml`, `actions.yaml`, `policy.yaml` and `placement.yaml`.""",
    no_args_is_help=True,
)

PARTNERSHIP = Path("deploy/partnership")
"""The folder that is taken where none is named."""

PATIENCE = 2.0
"""Seconds after which a command that is still at work says at what."""

Folder = Annotated[Path, typer.Argument(help="Folder of the policy's files, or its policy.yaml.")]
Of = Annotated[Path, typer.Option("--policy", help="Folder of the policy's files, or its policy.yaml.")]
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]


class Format(StrEnum):
    """What a page is written as."""

    TEXT = "text"
    MARKDOWN = "markdown"
    HTML = "html"


WRITERS = {Format.TEXT: as_text, Format.MARKDOWN: as_markdown, Format.HTML: as_html}

TONES = {Status.PROVED: "green", Status.REFUTED: "bold red", Status.NOT_TRIED: "yellow"}


def load(path: Path) -> Policy:
    """The policy of a folder, or of a file with the others beside it. Ends with status 1 and every mistake named."""
    try:
        return read(path)
    except DocumentError as error:
        fail("\n".join(error.faults))


def read(path: Path) -> Policy:
    """The policy of a folder, or of a file with the others beside it. Raises DocumentError."""
    return load_policy(texts_of(path), names_beside(path))


def names_beside(path: Path) -> Names:
    """What the dictionary may name that is kept elsewhere: derivations, and the agencies where their file is there."""
    agencies = [file.stem for file in sorted((folder_of(path) / "agencies").glob("*.yaml"))]
    return Names(agencies or None, DERIVES)


def folder_of(path: Path) -> Path:
    """The folder of a policy that is named by its folder or by its `policy.yaml`."""
    return path if path.is_dir() else path.parent


def texts_of(path: Path) -> dict[str, str]:
    """The documents of a folder, or of a `policy.yaml` of any name with the others beside it."""
    texts = read_texts(folder_of(path))
    if path.is_file():
        texts["policy.yaml"] = path.read_text(encoding="utf-8")
    return texts


@contextmanager
def at_work() -> Iterator[Callable[[str], None]]:
    """Gives a function to say what is being done; it is shown where the whole takes longer than patience lasts."""
    status = Console(stderr=True).status("")
    timer = Timer(PATIENCE, status.start)
    timer.daemon = True
    timer.start()
    try:
        yield lambda text: status.update(escape(text))
    finally:
        timer.cancel()
        status.stop()


def prove(policy: Policy, *, solver: bool = True) -> Report:
    """The report of the check, telling at what it works where that takes long."""
    with at_work() as say:
        return check_policy(policy, solver=solver, before=lambda step: say(step.title))


@app.command()
def check(
    folder: Folder = PARTNERSHIP,
    quick: Annotated[bool, typer.Option("--quick", help="Only what needs no solver.")] = False,
    as_json: AsJson = False,
) -> None:
    """Prove that a policy can betray no child and keeps the board's promises. Status 0 only where all of it holds."""
    try:
        report = prove(read(folder), solver=not quick)
    except DocumentError as error:
        if not as_json:
            fail("\n".join(error.faults))
        out().print_json(data={"holds": False, "faults": error.faults})
        raise typer.Exit(1) from None
    if as_json:
        out().print_json(data=report.document())
    else:
        for claim in report.claims:
            for line in _claim_lines(claim):
                out().print(line)
        out().print(_verdict(report))
    if not report.holds:
        raise typer.Exit(1)


def _claim_lines(claim: Claim) -> Iterator[str]:
    tone, word = TONES[claim.status], claim.status.value.replace("_", " ")
    detail = f" [dim]({escape(claim.detail)})[/dim]" if claim.detail else ""
    yield f"[{tone}]{word:<9}[/{tone}] {claim.seconds:7.3f} s  {escape(claim.title)}{detail}"
    for finding in claim.findings:
        yield f"    {escape(str(finding))}"
        if finding.case:
            yield f"        [dim]{escape(finding.case)}[/dim]"


def _verdict(report: Report) -> str:
    name = escape(f"{report.policy} {report.version}")
    seconds = sum(claim.seconds for claim in report.claims)
    if report.holds:
        return f"[green]{name} holds[/green]: {len(report.claims)} claims in {seconds:.2f} s"
    untried = sum(claim.status is Status.NOT_TRIED for claim in report.claims)
    parts = [f"{len(report.refuted)} refuted"] if report.refuted else []
    parts += [f"{untried} not tried"] if untried else []
    return f"[bold red]{name} does not hold[/bold red]: {', '.join(parts)} of {len(report.claims)} claims"


@app.command()
def explain(
    rule: Annotated[
        str | None, typer.Argument(help="One rule in full, by its id.", show_default=False)
    ] = None,
    folder: Of = PARTNERSHIP,
    format: Annotated[Format, typer.Option(help="What to write it as.")] = Format.TEXT,
    proof: Annotated[bool, typer.Option(help="Prove it too, and say in the paper what holds.")] = True,
) -> None:
    """Print the policy, or one rule of it, as a paper that a board can read."""
    policy = load(folder)
    if rule is None:
        page = board_paper(policy, prove(policy) if proof else None)
    else:
        try:
            page = rule_page(policy, rule)
        except KeyError:
            fail(f"no rule `{rule}`{nearest(rule, [one.id for one in policy.rules])}")
    typer.echo(WRITERS[format](page), nl=False)


@app.command()
def diff(
    old: Annotated[Path, typer.Argument(help="Folder of the earlier version, or its policy.yaml.")],
    new: Annotated[Path, typer.Argument(help="Folder of the later version, or its policy.yaml.")],
    over: Annotated[
        Path | None,
        typer.Option(
            help="Stored children, one JSON object a line, to count what would change.", show_default=False
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare two versions over every child that could be: which rules raise, which lower, and the smallest case."""
    before, after = load(old), load(new)
    if not available():
        fail("comparing two versions needs the solver: install the extra `policy`")
    with at_work() as say:
        say("comparing the versions over every child")
        try:
            found = difference(before, after)
        except GaveUp as error:
            fail(str(error))
        say("counting what would change")
        changes = _counted(before, after, over) if over is not None else None
    if as_json:
        document = {**found.document(), "changes": changes.document() if changes is not None else None}
        out().print_json(data=document)
    else:
        page = difference_page(found, changes)
        typer.echo(as_text(page), nl=False)


def _counted(before: Policy, after: Policy, file: Path) -> Changes:
    try:
        with file.open(encoding="utf-8") as lines:
            return compare(before, after, read_stored(lines))
    except OSError:
        fail(f"{file}: cannot be read")
    except ValueError as error:
        fail(f"{file}: {error}")
