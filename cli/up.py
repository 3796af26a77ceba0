"""`mash up`: the whole system on this machine, with sample referrals on their way through it."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from cli import samples
from cli.adoption import checked
from cli.client import Client, Refused
from cli.console import explained, fail, out
from cli.options import Data
from cli.state import DATA, RunState, alone_on, clear_state, write_state
from cli.stories import example_stories
from cli.watch import Follower
from libs.schemas.events import Service
from sandbox.processes import Process
from sandbox.stack import PARTNERSHIP, PORTS, Events, Plan, Stack

SAMPLE_SECONDS = 90.0
RESTARTS = 3
"""A service that dies more often than this is not started again."""


@explained
def up(
    events: Annotated[
        Events | None,
        typer.Option(
            help="What carries events; without it Kafka, or PostgreSQL where Kafka cannot be had.",
            show_default=False,
        ),
    ] = None,
    data: Data = DATA,
    port: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=NUMBER",
            help=f"Another port for one part ({', '.join(f'{name} {number}' for name, number in PORTS.items())}).",
            show_default=False,
        ),
    ] = None,
    any_ports: Annotated[bool, typer.Option("--any-ports", help="Take whatever ports are free.")] = False,
    instances: Annotated[int, typer.Option(min=1, max=4, help="Processes of each service.")] = 1,
    with_samples: Annotated[
        bool, typer.Option("--samples/--no-samples", help="Send the stories of examples/.")
    ] = True,
    once: Annotated[
        bool, typer.Option("--once", help="Stop when the samples are through; status 1 if one is not.")
    ] = False,
) -> None:
    """Start everything here, send the sample referrals, and keep running until Ctrl-C.

    PostgreSQL and Apache Kafka run as child processes, or are used where MASH_DATABASE_URL and
    MASH_KAFKA_BOOTSTRAP name servers that run already. MASH_PARTNERSHIP_DIR names another partnership's files, and
    MASH_PARTNERSHIP what its events call it. Data stay for the next start; `mash reset` removes them.
    """
    plan = Plan(
        data.absolute(),
        events=events,
        ports=_ports(port or [], any_ports),
        instances=instances,
        database_url=os.environ.get("MASH_DATABASE_URL") or None,
        kafka_bootstrap=os.environ.get("MASH_KAFKA_BOOTSTRAP") or None,
        partnership=_partnership(os.environ.get("MASH_PARTNERSHIP_DIR")),
        named=os.environ.get("MASH_PARTNERSHIP") or None,
    )
    with alone_on(data):
        code = _up(plan, data, with_samples=with_samples, once=once)
    raise typer.Exit(code)


def _up(plan: Plan, data: Path, *, with_samples: bool, once: bool) -> int:
    console = out()
    begun = time.monotonic()
    stack = Stack(plan, lambda message: _progress(console, begun, message))
    signal.signal(signal.SIGTERM, _interrupt)
    code = 0
    try:
        asyncio.run(stack.start())
        urls = {name: stack.url(name) for name in ("sandbox", *(service.value for service in Service))}
        write_state(data, RunState(os.getpid(), stack.events, urls))
        _progress(console, begun, f"ready, events on {stack.events}")
        code = _run(stack, urls, data, console, with_samples=with_samples, once=once)
    except KeyboardInterrupt:
        # What was to be shown `once` was not.
        code = 1 if once else 0
    finally:
        # A second one would leave the rest to the guard, and the state file behind.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        console.print("[dim]stopping…[/dim]")
        stack.stop()
        clear_state(data)
    console.print(
        f"Stopped. The data stay in {escape(str(data))}; `mash reset{escape(_where(data))}` removes them."
    )
    if plan.database_url or plan.kafka_bootstrap:
        console.print("What your own servers hold stays there, and only you remove it.")
    return code


def _run(
    stack: Stack, urls: dict[str, str], data: Path, console: Console, *, with_samples: bool, once: bool
) -> int:
    guard = _Guard(stack, console)
    through = True
    if with_samples:
        with Client(urls) as client:
            through = _samples(client, data, console, guard)
    if once:
        return 0 if through else 1
    console.print("\n[dim]proving the thresholds…[/dim]")
    checked(stack.dsn(Service.TRIAGE), str(stack.partnership))
    _invite(urls, data, console)
    while True:
        guard.look()
        time.sleep(0.5)


def _samples(client: Client, data: Path, console: Console, guard: _Guard) -> bool:
    """Whether every story was told to its end."""
    console.print("\n[bold]Sample referrals[/bold] (their times count from the moment intake took them)")
    try:
        sent = samples.send(client, example_stories(samples.EXAMPLES), data, console.print)
        console.print()
        follower = Follower(client, console.print)
        late = samples.follow(client, sent, follower, seconds=SAMPLE_SECONDS, meanwhile=guard.look)
    except Refused as refused:
        console.print(f"[red]{escape(str(refused))}[/red]")
        return False
    console.print()
    if late:
        for each in late:
            console.print(f"[red]{each.reference} is not through: {each.missing}[/red] (`mash parked list`)")
    else:
        console.print(
            f"[green]All {len(sent)} are decided, and their referrers told as far as that is safe.[/green]"
        )
    return not late


def _where(data: Path) -> str:
    """What another terminal, which has neither this one's arguments nor its variables, adds to a command."""
    return "" if data == DATA else f" --data {shlex.quote(str(data.absolute()))}"


def _invite(urls: dict[str, str], data: Path, console: Console) -> None:
    mash = Path(sys.argv[0])
    shown = shlex.quote(os.path.relpath(mash) if mash.exists() else "mash")
    where = _where(data)
    console.print("\n[bold]Look around[/bold]")
    for service in Service:
        console.print(f"  {service.value:<11} {urls[service.value]}/docs")
    console.print(f"  {'console':<11} {urls[Service.TRIAGE.value]}/")
    console.print(f"  {'thresholds':<11} {urls[Service.TRIAGE.value]}/policy")
    console.print(f"  {'sandbox':<11} {urls['sandbox']}/")
    console.print(f"  {'traces':<11} {urls['sandbox']}/traces")
    console.print("\n[bold]Refer somebody yourself[/bold]")
    body = (
        '{"worry": "She comes to school hungry.", "referrer": {"role": "teacher", "source": "2A"},'
        ' "children": [{"given_name": "Robin", "facts": [{"fact": "child.hunger", "value": "persistent",'
        ' "basis": "observed"}]}]}'
    )
    console.print(
        f"  curl -s {urls['intake']}/v1/referrals -H 'Content-Type: application/json' \\\n"
        f'    -H "Authorization: Bearer $({shown} token st_ives_primary{where})"'
        ' -H "Idempotency-Key: $(date +%s%N)" \\\n'
        f"    -d '{body}'",
        markup=False,
    )
    commands = ", ".join(f"`{escape(f'{shown} {name}{where}')}`" for name in ("send FILE", "watch", "smoke"))
    console.print(f"\nRunning until Ctrl-C. In another terminal: {commands}.")


class _Guard:
    """Tells of every child process that ended, and starts a service or the sandbox again a few times."""

    def __init__(self, stack: Stack, console: Console) -> None:
        self._stack = stack
        self._console = console
        self._restarts: dict[str, int] = {}

    def look(self) -> None:
        """Raises typer.Exit where the system cannot go on."""
        stack = self._stack
        for (service, instance), process in list(stack.services.items()):
            if not process.running:
                self._ended(process)
                stack.start_service(service, instance)
        if stack.sandbox is not None and not stack.sandbox.running:
            self._ended(stack.sandbox)
            stack.start_sandbox()
        for server in (stack.postgres, stack.kafka):
            if server is not None and not server.running:
                self._tell(server.process)
                raise typer.Exit(1)

    def _ended(self, process: Process) -> None:
        self._tell(process)
        self._restarts[process.name] = self._restarts.get(process.name, 0) + 1
        if self._restarts[process.name] > RESTARTS:
            self._console.print(f"[red]{process.name} ended {RESTARTS + 1} times: giving up.[/red]")
            raise typer.Exit(1)
        self._console.print(f"[dim]starting {process.name} again[/dim]")

    def _tell(self, process: Process) -> None:
        self._console.print(
            f"[red]{process.name} ended with status {process.exit_code}. The end of {escape(str(process.log))}:[/red]"
        )
        self._console.print(process.log_tail(), markup=False)


def _progress(console: Console, begun: float, message: str) -> None:
    console.print(f"[dim]{time.monotonic() - begun:6.1f} s[/dim]  {escape(message)}")


def _ports(chosen: Sequence[str], any_ports: bool) -> dict[str, int]:
    """The ports by name. Raises typer.BadParameter."""
    ports = dict.fromkeys(PORTS, 0) if any_ports else dict(PORTS)
    for each in chosen:
        name, _, number = each.partition("=")
        if name not in PORTS or not number.isdigit() or not 0 <= int(number) <= 65535:
            names = ", ".join(PORTS)
            raise typer.BadParameter(
                f"--port takes NAME=NUMBER with a NAME of {names} and a NUMBER from 0 to 65535"
            )
        ports[name] = int(number)
    return ports


def _partnership(chosen: str | None) -> Path:
    folder = Path(chosen).absolute() if chosen else PARTNERSHIP
    if not folder.is_dir():
        fail(f"MASH_PARTNERSHIP_DIR: there is no folder {folder}")
    return folder


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt
