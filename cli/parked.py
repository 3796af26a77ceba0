"""`mash parked`: messages that could not be processed, and what people do about them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.markup import escape

from cli.client import Client, Refused
from cli.console import explained, fail, out
from cli.options import Data
from cli.state import DATA, running
from libs.schemas.events import Service

app = typer.Typer(
    help="Messages that could not be processed: list, show, retry, discard.", no_args_is_help=True
)

Id = Annotated[UUID, typer.Argument(help="The message's event id, as `mash parked list` shows it.")]
Of = Annotated[
    Service | None,
    typer.Option("--service", help="Only this service; without it, all are asked.", show_default=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]


@app.command(name="list")
@explained
def list_(service: Of = None, as_json: AsJson = False, data: Data = DATA) -> None:
    """List open parked messages: ids, codes and times, never what is in them."""
    found: list[dict[str, Any]] = []
    silent: list[str] = []
    with Client(running(data).urls) as client:
        for each in [service] if service else Service:
            try:
                found += _open(client, each)
            except Refused as refused:
                # When something is wrong is when this is asked: what the others hold is told all the same.
                silent.append(str(refused))
    if as_json:
        out().print_json(data=found)
    elif found:
        for line in _lines(found):
            out().print(escape(line))
    elif not silent:
        out().print("Nothing is parked.")
    if silent:
        fail("\n".join(silent))


@app.command()
@explained
def show(event_id: Id, service: Of = None, data: Data = DATA) -> None:
    """Read a parked message with its content and history. That you read it is kept."""
    with Client(running(data).urls) as client:
        out().print_json(data=client.parked(_holders(client, event_id, service)[0], f"/{event_id}"))


@app.command()
@explained
def retry(event_id: Id, service: Of = None, data: Data = DATA) -> None:
    """Try a message again, then those of the same referral that wait behind it; at every service that holds it."""
    stopped = []
    with Client(running(data).urls) as client:
        for holder in _holders(client, event_id, service):
            result = client.parked(holder, f"/{event_id}/retry", post=True)
            out().print(f"{holder}: {_processed(result)}.")
            if result["stopped_by"]:
                stopped.append(f"{holder} by {result['stopped_by']}")
    if stopped:
        fail(f"Stopped again: {', '.join(stopped)}")


@app.command()
@explained
def discard(
    event_id: Id,
    reason: Annotated[str, typer.Option(help="Why it is given up. Kept with the message.", prompt=True)],
    service: Of = None,
    data: Data = DATA,
) -> None:
    """Give a message up for good, with a reason; those that wait behind it go on.

    Where several services hold it, each is given up by itself: say which.
    """
    with Client(running(data).urls) as client:
        holders = _holders(client, event_id, service)
        if len(holders) > 1:
            fail(f"{', '.join(holders)} each hold it: give it up at one of them with --service.")
        result = client.parked(holders[0], f"/{event_id}/discard", json={"reason": reason})
    out().print(f"{holders[0]}: given up, and {_processed(result)} that waited behind it.")
    if result["stopped_by"]:
        fail(f"Stopped again: {holders[0]} by {result['stopped_by']}")


def _lines(found: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """A column for each thing, as wide as it must be: a table would cut ids to the width of a terminal or of 80, and
    the other commands take them whole.
    """
    rows: list[tuple[str, ...]] = [
        ("service", "event id", "referral", "type", "state", "why", "tries", "since")
    ]
    for item in found:
        kind = item["type"].removeprefix("uk.mash.").removesuffix(".v1")
        what = (item["consumer"], item["event_id"], item["referral_id"], kind, item["state"], item["code"])
        rows.append((*what, str(item["attempts"]), item["parked_at"]))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _open(client: Client, service: Service) -> Iterator[dict[str, Any]]:
    after: int | None = 0
    while after is not None:
        page = client.parked(service.value, f"?after={after}")
        yield from page["items"]
        after = page["next_after"]


def _holders(client: Client, event_id: UUID, service: Service | None) -> list[str]:
    """The services that hold the message. Raises Refused where none does."""
    if service is not None:
        return [service.value]
    found = [
        each.value
        for each in Service
        if any(item["event_id"] == str(event_id) for item in _open(client, each))
    ]
    if not found:
        raise Refused("no service has an open parked message of that id")
    return found


def _processed(result: dict[str, Any]) -> str:
    return f"{result['processed']} {'message' if result['processed'] == 1 else 'messages'} processed"
