"""`mash policy register|adopt|end-shadow|in-force|shadow`: which policy applies from when, by whom and why."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, TypeVar

import asyncpg
import typer
from rich.markup import escape
from rich.table import Table

from cli.console import explained, fail, out
from cli.options import Data
from cli.policy import prove, texts_of
from cli.state import DATA
from cli.triage import triage_connection, triage_dsn
from libs.platform.clock import SystemClock
from libs.schemas.document import DocumentError
from services.triage.policies import store
from services.triage.policies.rulebook import Mode, Rulebook, make_rulebook
from services.triage.policies.shadow import report_of_shadow
from services.triage.policies.store import AHEAD, keep_proof, put_in_force, stored_policies, stored_texts
from services.triage.policy.claims import Report, Status

T = TypeVar("T")

Which = Annotated[
    str,
    typer.Argument(
        metavar="FINGERPRINT|FOLDER",
        help="A registered policy by its fingerprint or the first 8 digits, or a folder with its documents.",
    ),
]
From = Annotated[
    str,
    typer.Option("--from", metavar="INSTANT", help="As 2026-12-01T00:00:00Z, at least a minute ahead."),
]
By = Annotated[str, typer.Option("--by", metavar="NAME", help="Who decided so.")]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why. Kept for ever.")]

UNPROVED = "Not everything can be proved here: the solver is not installed (the extra `policy`)."


@explained
def register(which: Which, data: Data = DATA) -> None:
    """Check a policy and store it with what was proved of it. It is not put in force."""
    with triage_dsn(data) as dsn:
        rulebook = checked(dsn, which)
    out().print(f"{rulebook.fingerprint} is registered (version {escape(rulebook.policy.version)}).")


@explained
def adopt(
    which: Which,
    from_: From,
    by: By,
    reason: Reason,
    shadow: Annotated[
        bool,
        typer.Option("--shadow", help="Evaluate it beside the one in force, and only keep how they differ."),
    ] = False,
    data: Data = DATA,
) -> None:
    """Put a policy in force for what is received from an instant on. Refused where its check fails."""
    from_at = _ahead(from_)
    _said(by, reason)
    with triage_dsn(data) as dsn:
        rulebook = checked(dsn, which)
        mode = Mode.SHADOW if shadow else Mode.LIVE
        connected(dsn, lambda one: _put(one, rulebook.fingerprint, from_at, mode, by, reason))
    how = "runs in the shadow" if shadow else "is in force for what is received"
    out().print(f"{rulebook.fingerprint} {how} from {_written(from_at)} on.")


@explained
def end_shadow(which: Which, from_: From, by: By, reason: Reason, data: Data = DATA) -> None:
    """End a policy's time in the shadow."""
    from_at = _ahead(from_)
    _said(by, reason)
    with triage_dsn(data) as dsn:
        fingerprint = connected(dsn, lambda one: _registered(one, which))
        connected(dsn, lambda one: _put(one, fingerprint, from_at, Mode.ENDED, by, reason))
    out().print(f"{fingerprint} leaves the shadow at {_written(from_at)}.")


@explained
def in_force(data: Data = DATA) -> None:
    """List which policy is in force from when, by whom and why, and what is registered and was never adopted."""

    async def read(connection: asyncpg.Connection) -> Table:
        timeline, now = await store.in_force(connection), SystemClock().now()
        versions = {one.fingerprint: one for one in await stored_policies(connection)}
        current = next(
            (row for row in reversed(timeline.rows) if row.mode is Mode.LIVE and row.from_at <= now), None
        )
        table = Table(box=None)
        for column in ("policy", "version", "how", "from"):
            table.add_column(column, no_wrap=True, min_width=len(column))
        for column in ("by", "why", "proved"):
            table.add_column(column, overflow="fold")
        for row in timeline.rows:
            one = versions.pop(row.fingerprint, None) or await store.stored_policy(
                connection, row.fingerprint
            )
            version, proof = ("", None) if one is None else (one.version, one.proof)
            how = f"{row.mode.value}, now" if row is current else row.mode.value
            cells = (
                row.fingerprint[:12],
                version,
                how,
                _written(row.from_at),
                row.by,
                row.reason,
                _proved(proof),
            )
            table.add_row(*map(escape, cells))
        for one in versions.values():
            table.add_row(
                one.fingerprint[:12], escape(one.version), "registered", "", "", "", _proved(one.proof)
            )
        return table

    with triage_dsn(data) as dsn:
        out().print(connected(dsn, read))


@explained
def shadow(which: Which, data: Data = DATA) -> None:
    """Report how a policy in the shadow compares with what was in force, small numbers not shown."""

    async def read(connection: asyncpg.Connection) -> dict[str, dict[str, str]]:
        return await report_of_shadow(connection, await _registered(connection, which))

    with triage_dsn(data) as dsn:
        report = connected(dsn, read)
    if not report:
        fail("Nothing was evaluated by it in the shadow yet.")
    for title, counts in report.items():
        table = Table(title, "children", box=None)
        for name, count in counts.items():
            table.add_row(name, count)
        out().print(table)


def connected(dsn: str, work: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
    async def run() -> T:
        async with triage_connection(dsn) as connection:
            return await work(connection)

    return asyncio.run(run())


def checked(dsn: str, which: str) -> Rulebook:
    """The policy, registered with its check's result. Ends with status 1 where the check refutes something."""
    rulebook = rulebook_of(dsn, which)
    report = prove(rulebook.policy)
    if report.refuted:
        _tell(report)
        fail(f"The check refutes {len(report.refuted)} of {len(report.claims)} claims: nothing was changed.")
    untried = [claim for claim in report.claims if claim.status is Status.NOT_TRIED]
    if untried:
        out().print(f"[yellow]{UNPROVED}[/yellow]")

    async def keep(connection: asyncpg.Connection) -> None:
        now = SystemClock().now()
        await store.register(connection, rulebook, now)
        await keep_proof(connection, rulebook.fingerprint, report.document(), now)

    connected(dsn, keep)
    return rulebook


def rulebook_of(dsn: str, which: str) -> Rulebook:
    held = _of_folder(which)
    if held is not None:
        return held
    found = connected(dsn, lambda one: _registered(one, which))
    texts = connected(dsn, lambda one: stored_texts(one, [found]))[found]
    try:
        return make_rulebook(texts, found)
    except DocumentError as error:
        fail("\n".join(error.faults))


async def _registered(connection: asyncpg.Connection, which: str) -> str:
    """The fingerprint of the registered policy that a folder holds, or whose own begins so."""
    registered = [one.fingerprint for one in await stored_policies(connection)]
    held = _of_folder(which)
    if held is not None:
        if held.fingerprint not in registered:
            fail("What stands in the folder is not registered: it has changed since, or never was.")
        return held.fingerprint
    if not re.fullmatch("[0-9a-f]{8,64}", which):
        fail("Name a folder, or a registered policy by at least 8 digits of its fingerprint.")
    found = [fingerprint for fingerprint in registered if fingerprint.startswith(which)]
    if len(found) != 1:
        fail("More than one registered policy begins so." if found else "No registered policy begins so.")
    return found[0]


def _of_folder(which: str) -> Rulebook | None:
    """The policy that stands in a folder, if there is one of that name."""
    try:
        return make_rulebook(texts_of(Path(which))) if Path(which).exists() else None
    except DocumentError as error:
        fail("\n".join(error.faults))


async def _put(
    connection: asyncpg.Connection, fingerprint: str, from_at: datetime, mode: Mode, by: str, reason: str
) -> None:
    try:
        await put_in_force(connection, fingerprint, from_at, mode, by, reason, SystemClock().now())
    except ValueError:
        fail("The check took too long for that --from: name a later instant.")


def _ahead(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        fail("--from takes an instant, as 2026-12-01T00:00:00Z.")
    if instant.tzinfo is None:
        fail("--from takes an instant with its offset, as 2026-12-01T00:00:00Z.")
    now = SystemClock().now()
    if instant < now + AHEAD:
        fail(f"--from must be at least a minute ahead, so that every process knows; it is {_written(now)}.")
    return instant.astimezone(UTC)


def _said(by: str, reason: str) -> None:
    if not by.strip() or not reason.strip():
        fail("--by and --reason must say something.")


def _tell(report: Report) -> None:
    for claim in report.refuted:
        out().print(f"[bold red]refuted[/bold red] {escape(claim.title)}")
        for finding in claim.findings:
            out().print(f"    {escape(str(finding))}")
            if finding.case:
                out().print(f"        [dim]{escape(finding.case)}[/dim]")


def _written(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}"


def _proved(proof: object) -> str:
    if not isinstance(proof, dict):
        return "not checked"
    return "yes" if proof.get("holds") else "in part"
