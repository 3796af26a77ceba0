"""Where the running system is: written by `mash up`, read by every other command."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from sandbox.processes import alive

DATA = Path(".mash")
"""Where the local system keeps its data unless it is told otherwise."""


class NothingRuns(Exception):
    """No local system runs on this data directory. The message says how to start one."""


@dataclass(frozen=True, slots=True)
class RunState:
    """A running local system. Addresses only: no secret stands here."""

    pid: int
    """The process that started the system and stops it."""
    events: str
    urls: Mapping[str, str]
    """By name: sandbox, intake, enrichment, triage, notify."""

    @property
    def alive(self) -> bool:
        return alive(self.pid)


def write_state(data: Path, state: RunState) -> None:
    """Leaves word of a running system, readable by this user only."""
    data.mkdir(parents=True, exist_ok=True)
    unfinished = data / f"run.json.{os.getpid()}"
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(asdict(state), file, indent=2)
    unfinished.replace(data / "run.json")


def read_state(data: Path) -> RunState | None:
    """The system that was started last on this data directory and not stopped since, dead or alive."""
    try:
        return RunState(**json.loads((data / "run.json").read_text()))
    except (OSError, ValueError, TypeError):
        return None


def clear_state(data: Path) -> None:
    """Says that the system has stopped."""
    (data / "run.json").unlink(missing_ok=True)


def running(data: Path) -> RunState:
    """The running system. Raises NothingRuns."""
    state = read_state(data)
    if state is None or not state.alive:
        raise NothingRuns(
            f"Nothing runs on {data}: start the system with `mash up`, or name its folder with --data."
        )
    return state


def remember_sent(data: Path, reference: str) -> None:
    """Adds a reference to those that were sent from here, for `mash watch`."""
    with (data / "sent").open("a") as file:
        file.write(reference + "\n")


def sent(data: Path, most: int = 20) -> list[str]:
    """The references that were sent from here, the latest `most`."""
    try:
        return (data / "sent").read_text().split()[-most:]
    except OSError:
        return []
