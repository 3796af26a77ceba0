"""`mash policy backtest`: what a policy would say of the children that are known, and what it would change."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any
from uuid import UUID

import asyncpg
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from cli.adoption import connected, rulebook_of
from cli.console import explained, fail, out
from cli.options import Data
from cli.policy import load
from cli.state import DATA
from cli.triage import triage_dsn
from libs.messaging.codec import PlainCodec
from libs.platform.clock import SystemClock
from libs.platform.database import connect
from libs.schemas.events import Service
from libs.schemas.levels import Level, Rag
from services.triage.policies.backtest import (
    Backtest,
    Counts,
    Lines,
    lines_of,
    parts_of,
    parts_of_cases,
    settle,
    stored_subjects,
)
from services.triage.policies.store import in_force
from services.triage.policy import Policy, load_policy
from services.triage.policy.changes import MEASURES, guarded

Part = tuple[Any, Any]

FEW_RULES = 12
"""So many rules that fire for nobody are named."""


@dataclass(frozen=True, slots=True)
class Job:
    """What each worker process needs: documents, not what was made of them."""

    policy: Mapping[str, str]
    against: Mapping[str, str] | None
    file: Path | None
    dsn: str | None


class Worker:
    """One process's share of the work."""

    current: Worker

    def __init__(self, job: Job) -> None:
        self.job = job
        policy = load_policy(job.policy)
        against = load_policy(job.against) if job.against is not None else None
        self.backtest = Backtest(policy, against)
        self.dictionary = policy.dictionary
        self.lines = Lines(policy)
        self.codec = PlainCodec()
        self.runner = asyncio.Runner()
        self.connection: asyncpg.Connection | None = None
        settle()

    @classmethod
    def begin(cls, job: Job) -> None:
        """Makes this process a worker."""
        cls.current = cls(job)

    @classmethod
    def work(cls, part: Part) -> Counts:
        """Counts a part."""
        return cls.current.count(part)

    def count(self, part: Part) -> Counts:
        """Counts a piece of the file or of the stored cases."""
        read = Counts()
        if self.job.file is not None:
            counts = self.backtest.count(self.lines.subjects(lines_of(self.job.file, *part), read, part[0]))
        else:
            counts = self.backtest.count(self.runner.run(self._stored(part, read)))
        counts.merge(read)
        return counts

    async def _stored(self, part: tuple[UUID, UUID], counts: Counts) -> Sequence[Any]:
        if self.connection is None:
            self.connection = await connect(self.job.dsn or "", service=Service.TRIAGE)
        return await stored_subjects(self.connection, self.codec, self.dictionary, part, counts)


@explained
def backtest(
    folder: Annotated[Path, typer.Argument(help="Folder of the policy's files, or its policy.yaml.")],
    file: Annotated[
        Path | None,
        typer.Option(
            help="Facts, a JSON object in each line; without it, what is stored.", show_default=False
        ),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="FINGERPRINT|FOLDER",
            help="What it is compared with; for what is stored, the policy in force unless told otherwise.",
            show_default=False,
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes; all cores unless told otherwise.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    data: Data = DATA,
) -> None:
    """Apply a policy to every stored child, or to a file, and count what it says and what it would change.

    Counts of fewer than five children are not shown. Nothing is written.
    """
    policy = load(folder)
    if file is not None and not file.is_file():
        fail(f"{file} is no file.")
    begun = perf_counter()
    with _database(data, needed=file is None or (against is not None and not Path(against).exists())) as dsn:
        other = _against(dsn, against, stored=file is None)
        job = Job(dict(policy.texts), dict(other.texts) if other is not None else None, file, dsn)
        parts: Sequence[Part] = parts_of(file) if file is not None else connected(dsn or "", parts_of_cases)
        counts = _run(job, parts, workers or os.cpu_count() or 1)
    if not counts.children and not counts.unreadable:
        fail("There is nothing to apply it to.")
    report = _report(policy, other, counts)
    if as_json:
        out().print_json(data=report)
    else:
        _print(report, perf_counter() - begun)
    if counts.unreadable and file is not None:
        fail(f"{counts.unreadable} lines could not be read; the first {counts.first_unreadable}.")


@contextmanager
def _database(data: Path, *, needed: bool) -> Iterator[str | None]:
    if not needed:
        yield None
        return
    with triage_dsn(data) as dsn:
        yield dsn


def _against(dsn: str | None, which: str | None, *, stored: bool) -> Policy | None:
    if which is not None and Path(which).exists():
        return load(Path(which))
    if dsn is None or (which is None and not stored):
        return None
    if which is None:
        which = connected(dsn, _live)
    return rulebook_of(dsn, which).policy if which is not None else None


async def _live(connection: asyncpg.Connection) -> str | None:
    return (await in_force(connection)).live(SystemClock().now())


def _run(job: Job, parts: Sequence[Part], workers: int) -> Counts:
    total = Counts()
    share = TextColumn("{task.percentage:.0f} %")
    columns = (TextColumn("{task.description}"), BarColumn(), share, TimeRemainingColumn())
    spawn = multiprocessing.get_context("spawn")
    with (
        Progress(*columns, console=Console(stderr=True), transient=True) as progress,
        ProcessPoolExecutor(min(workers, len(parts)) or 1, spawn, Worker.begin, (job,)) as pool,
    ):
        task = progress.add_task("children", total=len(parts))
        for done in as_completed([pool.submit(Worker.work, part) for part in parts]):
            total.merge(done.result())
            progress.update(task, advance=1, description=f"{total.children:,} children")
    return total


def _report(policy: Policy, against: Policy | None, counts: Counts) -> dict[str, Any]:
    """What may be shown, as JSON's types: small numbers are hidden."""
    children = counts.children
    return {
        "policy": {"fingerprint": policy.fingerprint, "version": policy.version},
        "against": {"fingerprint": against.fingerprint, "version": against.version} if against else None,
        "children": children,
        "left_out": counts.unreadable,
        "levels": guarded({level.value: sum(counts.outcomes[level, rag] for rag in Rag) for level in Level}),
        "urgencies": guarded({rag.value: sum(counts.outcomes[level, rag] for level in Level) for rag in Rag}),
        "could_rise": {
            "level": _share(counts.level_could_rise, children),
            "urgency": _share(counts.urgency_could_rise, children),
        },
        "rules": guarded({rule.id: counts.rules[rule.id] for rule in policy.rules}),
        "unknown_facts": dict(counts.unknown_facts.most_common()),
        "changes": counts.changes.changes().document() if counts.changes is not None else None,
    }


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "0 %"


def _print(report: Mapping[str, Any], seconds: float) -> None:
    console = out()
    children = report["children"]
    console.print(f"{children:,} children in {seconds:.1f} s ({children / seconds:,.0f} a second)")
    if report["left_out"]:
        console.print(f"{report['left_out']} could not be read and are left out")
    for title, key in (("level", "levels"), ("urgency", "urgencies")):
        _table((title, "children"), report[key].items())
    rise = report["could_rise"]
    console.print(f"could still rise: the level of {rise['level']}, the urgency of {rise['urgency']}\n")
    if report["unknown_facts"]:
        _table(("fact that the policy does not know", "times"), report["unknown_facts"].items())
    silent = [rule for rule, count in report["rules"].items() if count == "0"]
    if silent:
        more = f" and {len(silent) - FEW_RULES} more (--json has all)" if len(silent) > FEW_RULES else ""
        console.print(f"{len(silent)} rules fire for nobody: {', '.join(silent[:FEW_RULES])}{more}\n")
    changes = report["changes"]
    if changes is None:
        return
    split = f"{changes['unchanged']} unchanged, {changes['changed']} changed"
    console.print(f"compared with version {report['against']['version']}: {split}", markup=False)
    _table(("what changes", "children"), changes["measures"].items())
    _table(
        ("from", "to", "children"),
        ((move["old"], move["new"], move["children"]) for move in changes["moves"]),
    )
    for attribute, values in changes["groups"].items():
        _table(
            (attribute, "children", *MEASURES), ((name, *counts.values()) for name, counts in values.items())
        )


def _table(columns: Sequence[str], rows: Any) -> None:
    table = Table(*columns, box=None)
    for row in rows:
        table.add_row(*(str(cell).replace("_", " ") for cell in row))
    if table.row_count:
        out().print(table)
        out().print()
