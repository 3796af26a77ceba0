"""`mash watch`: follow referrals through the services."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Annotated

import typer

from cli import journey
from cli.client import Client
from cli.console import explained, fail, out, step_line
from cli.journey import Snapshot
from cli.options import Data
from cli.state import DATA, running, sent
from libs.schemas.reference import parse_reference

POLL_SECONDS = 0.25
PATIENCE_SECONDS = 5.0
"""How long a referral may take from intake's answer to the first service that says how far it is."""


WAITING = "Intake has accepted it, and no other service has heard of it yet."
"""Of a referral that was sent from here: while the event log stands still it is safe, and not to be sent again."""


class Follower:
    """Prints each step of some referrals once."""

    def __init__(self, client: Client, say: Callable[[str], None]) -> None:
        self._client = client
        self._say = say
        self._said: dict[str, set[tuple[str, ...]]] = {}

    def look(self, reference: str) -> Snapshot:
        """Asks how far a referral has come and says what is new. Raises cli.client.Refused."""
        seen = journey.look(self._client, reference)
        received = journey.received_at(seen)
        said = self._said.setdefault(reference, set())
        for step in journey.steps(seen):
            if step.key not in said:
                said.add(step.key)
                self._say(step_line(reference, received, step))
        return seen


@explained
def watch(
    reference: Annotated[
        str | None, typer.Argument(help="A referral's reference; without one, those sent from here.")
    ] = None,
    follow: Annotated[bool, typer.Option(help="Go on until Ctrl-C, or until the referrer was told.")] = True,
    data: Data = DATA,
) -> None:
    """Follow a referral line by line: screened, answers, routed, decided, told."""
    state = running(data)
    chosen = None
    if reference is not None and (chosen := parse_reference(reference)) is None:
        fail("This is no reference: its last character does not fit the others. Please read it again.")
    console = out()
    done: set[str] = set()
    patience = time.monotonic() + (PATIENCE_SECONDS if follow else 0.0)
    with Client(state.urls) as client:
        follower = Follower(client, console.print)
        try:
            while True:
                for each in [chosen] if chosen else sent(data):
                    if each in done:
                        continue
                    seen = follower.look(each)
                    if journey.is_told(seen):
                        done.add(each)
                    elif chosen and journey.received_at(seen) is None and time.monotonic() > patience:
                        if chosen not in sent(data):
                            fail("No service knows a referral of that reference.")
                        if not follow:
                            fail(WAITING)
                        console.print(f"{chosen}  {WAITING}")
                        patience = math.inf
                if not follow or (chosen and chosen in done):
                    return
                time.sleep(POLL_SECONDS)
        except KeyboardInterrupt:
            return
