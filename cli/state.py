"""Where the running system is: written by `mash up`, read by every other command."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from sandbox.processes import StartError, alive

DATA = Path(".mash")
"""Where the local system keeps its data unless it is told otherwise."""


class NothingRuns(Exception):
    """No local system runs on this data directory. The message says how to start one."""


class Occupied(Exception):
    """Another command works on this data directory. The message says which process, where that is known."""


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


@contextmanager
def alone_on(data: Path) -> Iterator[None]:
    """Keeps everybody else from starting, moving or removing what lies in a directory, which is made if need be.

    The operating system lets go of it when this process ends, however it ends. Raises Occupied, or StartError where
    there can be no such directory.
    """
    try:
        data.mkdir(parents=True, exist_ok=True)
        held = os.open(data, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise StartError(f"{data} cannot be the folder of the data: {error.strerror}") from None
    try:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            state = read_state(data)
            whose = f" (process {state.pid})" if state is not None and state.alive else ""
            raise Occupied(
                f"A system runs on {data} already{whose}: stop it first, or choose another --data."
            ) from None
        yield
    finally:
        os.close(held)


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
