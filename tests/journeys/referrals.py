"""Referrals for journeys, and waiting for what becomes of them."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

from cli import staff
from cli.journey import Snapshot, is_told
from cli.watch import Follower
from tests.journeys.conftest import Running

T = TypeVar("T")
PAUSE = 0.3
"""Seconds between two looks: a look at a referral is a request to each of three services."""
SCHOOL = "st_ives_primary"


def referral(*facts: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A school's referral of one child, with these facts."""
    child = {"given_name": "Robin", "born": {"on": "2017-05-04"}, "facts": list(facts)}
    body = {
        "worry": "What the class teacher saw this week.",
        "referrer": {
            "role": "teacher",
            "source": "2A",
            "contacts": [{"channel": "email", "email": "safeguarding@school.example.org"}],
        },
        "agreements": {"checks": {"answer": "given"}, "early_help": {"answer": "given"}},
        "children": [child],
    }
    return {**body, **changes}


def fact(name: str, value: object) -> dict[str, Any]:
    """A fact that the referrer observed."""
    return {"fact": name, "value": value, "basis": "observed"}


def until(found: Callable[[], T | None], what: str, seconds: float = 30.0) -> T:
    """What `found` gives once it gives something."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        result = found()
        if result is not None:
            return result
        time.sleep(PAUSE)
    raise AssertionError(f"after {seconds:.0f} s still waiting: {what}")


def told(running: Running, reference: str, seconds: float = 60.0) -> Snapshot:
    """Follows a referral, with the sandbox's staff acting on it, until its referrer was told the outcome."""
    follower = Follower(running.client, lambda _: None)

    def look() -> Snapshot | None:
        seen = follower.look(reference)
        staff.act(running.client, seen, {"facts": [], "note": "Read by telephone."})
        return seen if is_told(seen) else None

    return until(look, f"{reference} to be decided and told", seconds)
