"""`mash send` and `mash token`: act as a partner's system."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from cli.client import Client
from cli.console import explained, out
from cli.options import Data
from cli.state import DATA, remember_sent, running
from cli.stories import StoryError, read_story


@explained
def send(
    file: Annotated[
        str, typer.Argument(help="A story of examples/, or a referral as YAML or JSON; - reads it here.")
    ],
    client: Annotated[
        str | None,
        typer.Option("--from", help="Client of the sandbox's issuer that sends it.", show_default=False),
    ] = None,
    key: Annotated[
        str | None, typer.Option(help="Idempotency-Key: the same one never refers twice.", show_default=False)
    ] = None,
    data: Data = DATA,
) -> None:
    """Send a referral to the running system, as a partner's system does."""
    state = running(data)
    if key is not None and not (key.isascii() and key.isprintable()):
        raise typer.BadParameter("--key takes ASCII characters that can be printed")
    text, name = (sys.stdin.read(), "the input") if file == "-" else (_text(Path(file)), file)
    story = read_story(text, name=name, client=client)
    with Client(state.urls) as hub:
        answer = hub.refer(story.client, story.referral, key)
    remember_sent(data, answer["reference"])
    out().print_json(data=answer)


@explained
def token(
    client: Annotated[str, typer.Argument(help="Client of the sandbox's issuer.")] = "cambridgeshire_police",
    data: Data = DATA,
) -> None:
    """Print an access token of one of the sandbox's clients, to paste into a curl."""
    with Client(running(data).urls) as hub:
        print(hub.token(client))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise StoryError(f"{path}: there is no such file") from None
    except (OSError, UnicodeDecodeError):
        raise StoryError(f"{path} cannot be read as text") from None
