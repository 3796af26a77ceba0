"""Named places around commits where a test can kill, delay or fail the process."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from libs.messaging.errors import Transient

Action = Literal["kill", "fail", "sleep"]

NAMES = frozenset(
    {
        "intake.after_commit",
        "runner.after_commit",
        "relay.after_read",
        "relay.after_ack",
        "relay.before_cursor",
        "kafka.revoke",
        "postgres.revoke",
        "timers.after_claim",
        "enrichment.after_claim",
        "enrichment.before_ask",
        "enrichment.after_ask",
        "enrichment.before_record",
        "enrichment.after_record",
        "notify.after_send",
    }
)
"""Every failpoint there is."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """What happens at a failpoint: `kill` (SIGKILL of this process), `fail` (Transient), or `sleep`.

    `kill` and `fail` act once, on the hit of that number; `sleep` acts every time, for that many seconds.
    """

    action: Action
    number: float = 1


class Failpoints:
    """Does nothing but where it was told to. Raises ValueError for a name or an action that does not exist."""

    def __init__(self, triggers: Mapping[str, Trigger] | None = None) -> None:
        self._triggers = dict(triggers or {})
        self._hits: dict[str, int] = {}
        unknown = self._triggers.keys() - NAMES
        if unknown:
            raise ValueError(f"no such failpoint: {', '.join(sorted(unknown))}")

    @classmethod
    def parse(cls, text: str | None) -> Failpoints:
        """Reads `relay.after_ack=kill:3,notify.after_send=sleep:2`; the number is 1 where it is missing."""
        triggers: dict[str, Trigger] = {}
        for part in filter(None, (text or "").split(",")):
            name, _, rest = part.strip().partition("=")
            action, _, number = rest.partition(":")
            match action:
                case "kill" | "fail" | "sleep":
                    triggers[name] = Trigger(action, float(number or 1))
                case _:
                    raise ValueError(f"failpoint {name} must be kill, fail or sleep")
        return cls(triggers)

    @classmethod
    def from_env(cls) -> Failpoints:
        """Reads the environment variable MASH_FAILPOINTS; nothing happens where it is not set."""
        return cls.parse(os.environ.get("MASH_FAILPOINTS"))

    async def hit(self, name: str) -> None:
        """Passes the failpoint of that name."""
        if not self._triggers:
            return
        trigger = self._triggers.get(name)
        if trigger is None:
            return
        hits = self._hits[name] = self._hits.get(name, 0) + 1
        if trigger.action == "sleep":
            await asyncio.sleep(trigger.number)
        elif hits == trigger.number:
            if trigger.action == "fail":
                raise Transient("failpoint")
            os.kill(os.getpid(), signal.SIGKILL)


NEVER = Failpoints()
"""Where nothing is to fail."""
