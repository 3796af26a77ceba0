"""Sends stories, lets the sandbox's staff act on them, and follows each until its referrer was told."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from cli import journey, staff
from cli.client import Client
from cli.journey import Snapshot
from cli.state import remember_sent
from cli.stories import Story
from cli.watch import Follower

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
POLL_SECONDS = 0.2


@dataclass(slots=True)
class Sent:
    """A story on its way."""

    story: Story
    reference: str
    """Empty until it is sent."""
    seen: Snapshot
    tell: Callable[[], str] | None = field(default=None, repr=False)
    """Sends it, and gives its reference, where it waits for another story."""
    after: Sent | None = field(default=None, repr=False)

    @property
    def finished(self) -> bool:
        return journey.is_told(self.seen)

    @property
    def missing(self) -> str:
        """What it still waits for, in words."""
        if not self.reference:
            return f"not sent before {self.story.after} is through"
        if self.seen.triage is None:
            return "not screened"
        if not journey.is_routed(self.seen):
            return "not routed"
        if not journey.is_decided(self.seen):
            return "not decided"
        return "the referrer was not told"

    @property
    def undelivered(self) -> list[str]:
        """The kinds of notices that failed."""
        return journey.undelivered(self.seen)

    @property
    def destinations(self) -> tuple[str, ...]:
        """Where each child was routed, in the order of the children."""
        return tuple(str(child["destination"]) for child in (self.seen.triage or {}).get("children", ()))


def send(client: Client, stories: Sequence[Story], data: Path, say: Callable[[str], None]) -> list[Sent]:
    """Sends the stories one after the other; one that comes after another is sent by `follow`, when that is through.

    Raises cli.client.Refused.
    """

    def tell(story: Story) -> str:
        answer = client.refer(story.client, story.referral)
        reference = str(answer["reference"])
        remember_sent(data, reference)
        say(f"[cyan]{reference}[/cyan]    sent    {story.title}")
        return reference

    found: dict[str, Sent] = {}
    for story in sorted(stories, key=lambda one: bool(one.after)):
        earlier = found.get(story.after)
        reference = tell(story) if earlier is None else ""
        found[story.name] = Sent(story, reference, Snapshot(), partial(tell, story), earlier)
    return [found[story.name] for story in stories]


def follow(
    client: Client,
    sent: Sequence[Sent],
    follower: Follower,
    *,
    seconds: float,
    pause: float = POLL_SECONDS,
    meanwhile: Callable[[], None] = lambda: None,
) -> list[Sent]:
    """Follows them until all are told or the time is up; gives those that are not.

    `pause`: seconds between two rounds. `meanwhile` is called in every round. Raises cli.client.Refused.
    """
    deadline = time.monotonic() + seconds
    while (waiting := [each for each in sent if not each.finished]) and time.monotonic() < deadline:
        for each in waiting:
            if not each.reference:
                if each.tell is None or each.after is None or not each.after.finished:
                    continue
                each.reference = each.tell()
            each.seen = follower.look(each.reference)
            staff.act(client, each.seen, each.story.reading, same_person=each.story.same_person)
        meanwhile()
        time.sleep(pause)
    return waiting
