"""`mash case`: what was evaluated of a child, derived anew from what is stored."""

from __future__ import annotations

import asyncio
import getpass
import json
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Annotated
from uuid import UUID

import asyncpg
import typer

from cli.console import explained, fail, out
from cli.options import Data
from cli.state import DATA
from cli.triage import triage_connection, triage_dsn
from libs.messaging.codec import PlainCodec
from libs.platform.access import note
from libs.platform.auth import Principal
from libs.platform.clock import SystemClock
from services.triage.policies.replay import FAILED, Difference, Replay, Replayed, Result, all_cases

app = typer.Typer(help="One child's case: replay what was evaluated.", no_args_is_help=True)

CLIENT = "mash"
SAYS = {
    Result.SAME: "as stored",
    Result.DIFFERS: "differs",
    Result.ERASED: "erased: there is nothing to derive it from",
    Result.BEFORE: "made by a release that did not keep what it rested on",
    Result.NO_POLICY: "the policy that it names is not stored, or cannot be read by this release",
    Result.UNREADABLE: "a stored document is missing or not what it should be",
}


@app.callback()
def case() -> None:
    """Keeps `replay` a command of its own."""


@app.command()
@explained
def replay(
    case_id: Annotated[UUID | None, typer.Argument(help="The case.", show_default=False)] = None,
    every: Annotated[bool, typer.Option("--all", help="Every case.")] = False,
    limit: Annotated[
        int | None, typer.Option(min=1, help="With --all: no more than so many cases.", show_default=False)
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="For programs: a line for each evaluation.")
    ] = False,
    data: Data = DATA,
) -> None:
    """Derive every stored evaluation anew from the stored facts under the stored policy, and compare.

    Prints what differs and ends with status 1 where something does. That you did so is kept with the case.
    """
    if (case_id is None) is not every:
        raise typer.BadParameter("name one case, or --all")
    with triage_dsn(data) as dsn:
        tally = asyncio.run(_replay(dsn, case_id, limit, as_json=as_json))
    if not tally:
        fail("There is no such case." if case_id else "There is no case.")
    if not as_json:
        counts = ", ".join(
            f"{count} {result.value.replace('_', ' ')}" for result, count in sorted(tally.items())
        )
        out().print(f"{sum(tally.values())} evaluations: {counts}")
    if FAILED & tally.keys():
        raise typer.Exit(1)


async def _replay(dsn: str, case_id: UUID | None, limit: int | None, *, as_json: bool) -> Counter[Result]:
    tally: Counter[Result] = Counter()
    replaying = Replay(PlainCodec())
    async with triage_connection(dsn) as connection:
        caller = Principal(subject=f"{CLIENT}/{getpass.getuser()}", client_id=CLIENT)
        await note(connection, SystemClock().now(), caller, "case.replay", case_id)
        async for page in _pages(connection, case_id, limit):
            for one in await replaying.cases(connection, page):
                tally[one.result] += 1
                _print(one, as_json=as_json, each=case_id is not None)
    return tally


async def _pages(
    connection: asyncpg.Connection, case_id: UUID | None, limit: int | None
) -> AsyncIterator[list[UUID]]:
    if case_id is not None:
        yield [case_id]
        return
    async for page in all_cases(connection, limit):
        yield page


def _print(one: Replayed, *, as_json: bool, each: bool) -> None:
    if as_json:
        typer.echo(json.dumps(asdict(one), default=str, ensure_ascii=False))
        return
    if one.result is Result.SAME and not each:
        return
    console = out()
    console.print(f"{one.case_id} evaluation {one.number}: {SAYS[one.result]}", markup=False)
    for difference in one.differences:
        console.print(f"  {difference.place}: {_shown(difference)}", markup=False)


def _shown(difference: Difference) -> str:
    stored, derived = difference.stored, difference.derived
    if derived is None:
        return "is stored and does not follow"
    if stored is None:
        return "follows and is not stored"
    return (
        f"stored {json.dumps(stored, ensure_ascii=False)}, follows {json.dumps(derived, ensure_ascii=False)}"
    )
