"""How the commands talk: plain lines, colours where there is a terminal, one way for every failure."""

from __future__ import annotations

import errno
from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import NoReturn, ParamSpec, TypeVar

import typer
from rich.console import Console
from rich.markup import escape

from cli.client import Refused
from cli.journey import Step
from cli.state import NothingRuns, Occupied
from cli.stories import StoryError
from sandbox.jars import UnavailableJars
from sandbox.processes import StartError
from sandbox.stack import BusyPort

P = ParamSpec("P")
R = TypeVar("R")

TONES = {
    "red": "bold red",
    "amber": "yellow",
    "green": "green",
    "blue": "blue",
    "delivered": "green",
    "failed": "bold red",
    "decided": "bold",
    "unavailable": "yellow",
    "no_answer": "yellow",
}


BAD_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM})
"""What an operator mends on the machine."""


def out() -> Console:
    """Where results go. Lines are never wrapped, so that they can be searched."""
    return Console(highlight=False, soft_wrap=True)


def fail(message: str) -> NoReturn:
    """Says why, on the error stream, and ends with status 1."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"[red]{escape(message)}[/red]")
    raise typer.Exit(1)


def explained(command: Callable[P, R]) -> Callable[P, R]:
    """Turns the failures that a person can do something about into one sentence."""

    @wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except (Refused, NothingRuns, Occupied, StoryError, BusyPort, StartError, UnavailableJars) as error:
            fail(str(error))
        except OSError as error:
            if error.errno not in BAD_DISK:
                raise
            fail(f"{error.filename or 'The data'} cannot be written: {error.strerror}")

    return wrapped


def step_line(reference: str, received: datetime | None, step: Step) -> str:
    """One step of a journey as a line of console markup: reference, seconds since receipt, what happened."""
    seconds = (step.at - received).total_seconds() if received is not None else 0.0
    tone = TONES.get(step.tone)
    text = escape(step.text)
    shown = f"[{tone}]{text}[/{tone}]" if tone else text
    return f"[cyan]{reference}[/cyan] {seconds:7.2f} s  {step.what:<9} {shown}"
