"""`mash agency`: tries out the file that connects an agency."""

from __future__ import annotations

import asyncio
import json
import os
from collections import Counter
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import httpx
import typer
from rich.markup import escape

from cli.console import fail, out
from cli.documents import parse
from libs.platform.clock import SystemClock
from libs.platform.http import http_client
from libs.schemas.dictionary import Dictionary, load_dictionary
from libs.schemas.document import DocumentError, read_document, validated
from libs.schemas.findings import AgencyState
from sandbox.settings import AGENCY_KEY
from services.enrichment.asking.agency import Reply
from services.enrichment.asking.question import Question, Subject
from services.enrichment.dialects.agency import DialectAgency
from services.enrichment.dialects.comparison import compare
from services.enrichment.dialects.loading import items_of, load_dialect
from services.enrichment.dialects.report import Finding, Line
from services.enrichment.dialects.terms import Dialect
from services.enrichment.dialects.trial import tried
from services.enrichment.partnership import AgencyTerms, Kind, agency_file, agency_terms

app = typer.Typer(
    help="""The agencies that are asked: try out the file that connects one.

    `docs/connect-an-agency.md` says how such a file is written.""",
    no_args_is_help=True,
)

LOCAL = frozenset(("localhost", "127.0.0.1", "::1"))
"""Where the sandbox runs."""

SYNTHETIC = {
    "given_name": "Wren",
    "family_name": "Kestrel-Test",
    "born": {"on": "2015-02-11"},
    "nhs_number": "9990041008",
    "upn": "T874200026001",
}
"""Nobody: the number is of the range that is kept for tests."""

TONES = {
    Finding.MAPPED: "green",
    Finding.MISSING: "bold red",
    Finding.CODES: "bold red",
    Finding.NOT_DESCRIBED: "yellow",
    Finding.RECORDED: "yellow",
    Finding.UNUSED: "dim",
}


@app.callback()
def agency() -> None:
    """Keeps `check` a command of its own."""


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="The agency's file.", exists=True, dir_okay=False)],
    against: Annotated[
        str,
        typer.Option(help="Address of a running interface, or an OpenAPI document: a file or an address."),
    ],
    dictionary: Annotated[
        Path | None,
        typer.Option(help="The dictionary; by itself the one beside the agencies.", show_default=False),
    ] = None,
    child: Annotated[
        Path | None,
        typer.Option(
            help="A synthetic child to ask about, as YAML.", exists=True, dir_okay=False, show_default=False
        ),
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Write the report as JSON.")] = False,
) -> None:
    """Try an agency's file: field by field, what is mapped, what is not there, and what nothing reads.

    An OpenAPI document is compared without calling anybody. A running interface is asked once about a synthetic child;
    types and names are shown, never values. Ends with status 1 where the file asks for what is not there.
    """
    beside = file.absolute().parent.parent / "facts.yaml"
    if dictionary is None and not beside.is_file():
        fail(f"{beside}: there is no such file; --dictionary names the partnership's facts.yaml")
    try:
        facts = load_dictionary(dictionary or beside)
        fields = agency_file(file)
        terms = agency_terms(file.stem, fields)
        if terms.kind is not Kind.REST:
            fail(
                f"{file.name}: an agency of kind `{terms.kind.value}` has no interface that its file describes"
            )
        dialect = load_dialect(fields["dialect"], facts)
        subject = _subject(child)
    except DocumentError as error:
        fail("\n".join(error.faults))
    document = _openapi(against)
    if document is not None:
        lines, reply = compare(dialect, document), None
    else:
        lines, reply = _try(terms, dialect, facts, against, subject)
    if json_:
        _write_json(lines, reply)
    else:
        _write(lines, reply)
    silent = reply is not None and reply.state is AgencyState.UNAVAILABLE
    if silent or any(line.faulty for line in lines):
        raise typer.Exit(1)


def _openapi(against: str) -> Mapping[str, Any] | None:
    """The OpenAPI document that stands there; None where it is the address of an interface."""
    if not against.startswith(("http://", "https://")):
        path = Path(against)
        if not path.is_file():
            fail(f"{against}: neither an address nor a file")
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            fail(f"{against}: cannot be read as text")
    else:
        try:
            answer = httpx.get(against, follow_redirects=True, timeout=10)
        except httpx.HTTPError:
            return None
        text = answer.text
    try:
        document = parse(text)
    except ValueError:
        document = None
    if isinstance(document, dict) and str(document.get("openapi", "")).startswith("3"):
        return document
    if not against.startswith("http"):
        fail(f"{against}: no OpenAPI 3 document")
    return None


def _subject(child: Path | None) -> Subject:
    """Whom to ask about. Raises DocumentError, which repeats nothing of what stands in the file."""
    if child is None:
        return Subject.model_validate(SYNTHETIC)
    return validated(read_document(child), partial(Subject.model_validate, extra="forbid"))


def _secret(variable: str, url: str) -> str:
    """The agency's secret; that of the sandbox where none is set, which nobody but this machine is ever sent."""
    secret = os.environ.get(variable)
    if secret:
        return secret
    if httpx.URL(url).host not in LOCAL:
        fail(f"{variable} is not set: another machine is not sent the sandbox's key")
    return AGENCY_KEY


def _try(
    terms: AgencyTerms, dialect: Dialect, facts: Dictionary, url: str, subject: Subject
) -> tuple[list[Line], Reply]:
    secret = _secret(dialect.authentication.secret, url)
    documents: dict[str, Any] = {}

    async def ask() -> Reply:
        client = http_client(url, peer=terms.id)
        agency = DialectAgency(terms, dialect, client, secret, facts, SystemClock(), _keep(documents))
        question = Question(
            question_id=str(uuid4()),
            purpose="to try the interface out with nobody's data",
            basis="none: the child does not exist",
            items=tuple(sorted(items_of(dialect))),
            child=subject,
        )
        try:
            return await agency.ask(question, trace=None)
        finally:
            await agency.close()

    reply = asyncio.run(ask())
    return list(tried(dialect, documents)), reply


def _keep(documents: dict[str, Any]) -> Any:
    def observe(seen: Mapping[str, Any]) -> None:
        documents.clear()
        documents.update(seen)

    return observe


def _write(lines: list[Line], reply: Reply | None) -> None:
    console = out()
    for line in lines:
        tone = TONES[line.finding]
        console.print(
            f"[{tone}]{line.finding.value:<14}[/{tone}] {escape(line.place):<34} {escape(line.says)}"
        )
    if reply is not None:
        reason = "" if reply.reason is None else f" ({reply.reason})"
        console.print(
            f"It said: [bold]{reply.state.value}{reason}[/bold]; {len(reply.facts)} facts, {len(reply.plans)} plans, "
            f"{len(reply.people)} people; not understood: {sum(reply.dropped.values())}."
        )
    counts = Counter(line.finding.value for line in lines)
    console.print(", ".join(f"{number} {name}" for name, number in counts.items()) or "nothing to compare")


def _write_json(lines: list[Line], reply: Reply | None) -> None:
    report: dict[str, Any] = {
        "lines": [{"finding": one.finding.value, "place": one.place, "says": one.says} for one in lines]
    }
    if reply is not None:
        report["reply"] = {
            "state": reply.state.value,
            "reason": reply.reason,
            "facts": sorted({fact.fact for fact in reply.facts}),
            "not_understood": dict(reply.dropped),
        }
    typer.echo(json.dumps(report, indent=2))
