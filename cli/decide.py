"""`mash policy decide`: what the thresholds answer for a referral that somebody wrote down."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, NoReturn
from zoneinfo import ZoneInfo

import typer
from pydantic import TypeAdapter, ValidationError
from rich.console import Console
from rich.markup import escape

from cli.console import TONES, out
from cli.policy import PARTNERSHIP, Of, texts_of
from libs.platform.clock import SystemClock
from libs.schemas.base import Instant
from libs.schemas.document import DocumentError
from libs.schemas.evaluation import Evidence, FiredRule
from libs.schemas.findings import Between, FactValue
from libs.schemas.levels import Destination
from services.triage.clocks.loading import load_hub
from services.triage.decide.answer import Due, Repeat, Weighed, WeighedChild
from services.triage.decide.file import read_picture
from services.triage.decide.picture import picture_schema
from services.triage.decide.weighing import weigh
from services.triage.policies.rulebook import Rulebooks, make_rulebook
from services.triage.tasks.loading import load_task_terms
from services.triage.thresholds import Thresholds, load_teams

REFUSED = 2
"""Exit status where a file has mistakes: nothing was decided."""

PLACES = {
    Destination.UNIVERSAL_ADVICE: "advice about services open to every family",
    Destination.EARLY_HELP: "early help",
    Destination.MASG: "the Multi-Agency Support Group (MASG)",
    Destination.SECTION_17: "children's social care, section 17",
    Destination.SECTION_47: "children's social care, section 47",
    Destination.UNBORN_BABY_PANEL: "the unborn baby panel",
    Destination.ACCESS_TO_SUPPORT: "the Access to Support panel",
    Destination.ASSISTANT_DIRECTOR: "the Assistant Director",
    Destination.ALLOCATED_WORKER: "the child's allocated worker",
    Destination.OTHER_AUTHORITY: "the home authority",
}
"""What staff call each destination."""

REPEATS = {Repeat.DUPLICATE: "duplicate", Repeat.RE_REFERRAL: "re-referral"}

_INSTANT: TypeAdapter[datetime] = TypeAdapter(Instant)


def decide(
    file: Annotated[
        Path | None,
        typer.Argument(help="A referral or one child's facts, as YAML or JSON.", show_default=False),
    ] = None,
    at: Annotated[
        str | None, typer.Option(help="What time it is, such as `2026-11-25T09:00:00Z`; unless given, now.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The whole answer as one JSON object.")] = False,
    schema: Annotated[
        bool,
        typer.Option(
            "--schema", help="Print the JSON Schema of the file (`input`) and the answer (`output`)."
        ),
    ] = False,
    of: Of = PARTNERSHIP,
) -> None:
    """Answer for each child of a referral: level, destination, urgency, why, and what is missing.

    It stores and tells nothing. A file with mistakes decides nothing: each is named, and the status is 2.
    """
    if schema:
        typer.echo(json.dumps({"input": picture_schema(), "output": Weighed.model_json_schema()}, indent=2))
        return
    if file is None:
        raise typer.BadParameter("name a file, or ask for the `--schema`")
    now = _instant(at)
    try:
        thresholds = _thresholds(of)
        dictionary = thresholds.rulebook(now).dictionary
        picture = read_picture(_text(file), file.name, dictionary)
    except DocumentError as error:
        _refuse(error.faults)
    weighed = weigh(picture, thresholds, now)
    if as_json:
        typer.echo(weighed.model_dump_json(indent=2))
        return
    console = out()
    for line in _lines(weighed, thresholds.clocks.zone):
        console.print(line)


def _thresholds(of: Path) -> Thresholds:
    folder = of if of.is_dir() else of.parent
    rulebooks = Rulebooks(make_rulebook(texts_of(of)))
    hub, teams = load_hub(folder / "clocks.yaml"), load_teams(folder / "teams.yaml")
    return Thresholds(rulebooks, hub, teams, load_task_terms(folder / "tasks.yaml", hub.zone))


def _instant(text: str | None) -> datetime:
    if text is None:
        return SystemClock().now()
    try:
        return _INSTANT.validate_python(text)
    except ValidationError:
        raise typer.BadParameter(
            f"`{text}` is no time with its offset, such as 2026-11-25T09:00:00Z"
        ) from None


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError:
        raise DocumentError([f"{file.name}: cannot be read"]) from None
    except UnicodeDecodeError:
        raise DocumentError([f"{file.name}: is no text in UTF-8"]) from None


def _refuse(faults: Iterable[str]) -> NoReturn:
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    for fault in faults:
        console.print(f"[red]{escape(fault)}[/red]")
    console.print("Nothing was decided.")
    raise typer.Exit(REFUSED)


def _lines(weighed: Weighed, zone: ZoneInfo) -> Iterator[str]:
    """The answer as lines of console markup."""
    yield f"Policy {escape(weighed.policy)} {escape(weighed.version)}, {weighed.fingerprint[:12]}"
    if weighed.sign_off == "none":
        yield "[yellow]No board has adopted this policy.[/yellow]"
    yield f"Received {_when(weighed.received_at, zone)}"
    yield f"Decision due {_due(weighed.times.decision, zone)}"
    yield f"Urgency asks for action by {_due(weighed.times.urgency, zone)}"
    if weighed.times.reading is not None:
        yield f"The words are to be read by {_due(weighed.times.reading, zone)}"
    for child in weighed.children:
        yield ""
        yield from _child(child, zone)
    yield ""
    if weighed.siblings_differ:
        yield "The children are answered differently: whoever decides gives one reason."
    highest = max(child.level for child in weighed.children)
    if weighed.level_asked is not None and weighed.level_asked < highest:
        yield f"The referrer asked for {_words(weighed.level_asked)}, which lowers nothing."
    yield from _duties(weighed)
    for chase in weighed.chase:
        about = ", ".join(str(number) for number in chase.children)
        yield (
            f"Chase {escape(chase.agency)} ({_words(chase.state)}) about child {about}: "
            f"could rise to {_words(chase.could_rise_to)}"
        )
    yield "A named person decides."


def _child(child: WeighedChild, zone: ZoneInfo) -> Iterator[str]:
    tone = TONES.get(child.rag.value, "bold")
    yield f"[bold]{escape(child.name)}[/bold]: {_words(child.level)}, [{tone}]{child.rag.value}[/{tone}]"
    where = PLACES[child.destination] + (f", {_words(child.panel)}" if child.panel else "")
    listed = f"; on the list of {', '.join(PLACES[one] for one in child.listed)}" if child.listed else ""
    yield f"  to {where}{listed}"
    yield f"     {escape(child.placed_because)}"
    if child.withheld:
        yield "     Not recommended before a person has read the words."
    if child.immediate_danger:
        yield "  [bold red]Danger now: it waits for nothing.[/bold red]"
    if child.home_authority:
        yield f"  lives in {escape(child.home_authority)}"
    if child.repeat is not Repeat.FIRST:
        since = ", ".join(f"{one.on} {one.reference or ''}".strip() for one in child.earlier)
        yield f"  {REPEATS[child.repeat]} of {since}"
    for action in child.actions:
        due = f" by {_when(action.due_at, zone)}" if action.due_at else ""
        yield f"  must: {escape(action.label)}{due}"
    obliged = {action.id for action in child.actions}
    for step in child.next_steps:
        if step.id not in obliged:
            yield f"  next: {escape(step.label)}"
    for rule in child.rules:
        yield from _rule(rule)
    yield from _rises(child)


def _rule(rule: FiredRule) -> Iterator[str]:
    yield f"  because {rule.rule} {escape(rule.title)} ({escape(rule.citation)})"
    for one in rule.evidence:
        yield f"     {escape(_evidence(one))}"
    for assumed in rule.assumed:
        yield f"     {assumed}: not known, and taken as met"


def _evidence(one: Evidence) -> str:
    seen = f", {one.on}" if one.on else ""
    return f"{one.label}: {_value(one.value)} ({one.source}, {_words(one.basis)}, {_words(one.period)}{seen})"


def _rises(child: WeighedChild) -> Iterator[str]:
    if child.could_rise_to > child.level or child.rag_could_rise_to > child.rag:
        yield f"  could rise to {_words(child.could_rise_to)}, {child.rag_could_rise_to.value}"
    waited = set(child.waiting_on)
    for one in child.could_rise:
        awaited = sorted(waited & set(one.agencies))
        higher = one.level > child.level or one.rag > child.rag
        if higher and (awaited or one.questions):
            hangs = ", ".join((*awaited, *one.questions))
            rules = ", ".join(rule.id for rule in one.rules)
            yield f"     {_words(one.level)}, {one.rag.value}: hangs on {escape(hangs)} ({rules})"
    for question in child.questions:
        yield f"  ask: {escape(question.why)} ({', '.join(question.facts)})"
    unasked = sorted(agency for agency, state in child.agencies.items() if state == "not_requested")
    if unasked:
        yield f"  not asked: {', '.join(unasked)}"


def _duties(weighed: Weighed) -> Iterator[str]:
    duties = weighed.duties
    if duties.why_not is not None:
        yield f"The referrer cannot be told ({_words(duties.why_not)}); the record says why."
        return
    yield f"The referrer gets a receipt at once and is told {duties.told} once a person has decided."
    if duties.ask_for_a_way:
        yield "Nobody wrote how the referrer can be told safely: ask."


def _due(due: Due, zone: ZoneInfo) -> str:
    return _when(due.at, zone) + (" [bold red](over)[/bold red]" if due.over else "")


def _when(at: datetime, zone: ZoneInfo) -> str:
    return at.astimezone(zone).strftime("%a %d %b %Y %H:%M")


def _words(code: str) -> str:
    return str(code).replace("_", " ")


def _value(value: FactValue) -> str:
    if isinstance(value, Between):
        return f"{value.at_least} to {value.at_most}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return _words(str(value))
