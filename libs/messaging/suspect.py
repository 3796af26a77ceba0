"""Tells a message that is too much for the surroundings from surroundings that fail."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from libs.messaging.limits import Limits
from libs.messaging.message import Message

OUT_OF_TIME = "out-of-time"
"""The code of a message that is parked because its transaction outlasts the database's limits."""


class Suspect:
    """The message that stood alone when the surroundings failed, each time after long, and how often in a row."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._id: UUID | None = None
        self._count = 0

    @property
    def stands(self) -> bool:
        """Whether it failed so often that another referral's message should be tried, to see whose fault it is."""
        return self._count >= self._limits.overlong_tries

    def failed(self, message: Message, seconds: float) -> None:
        """The surroundings failed so long after this message was begun, alone."""
        if seconds < self._limits.overlong:
            return
        self._count = self._count + 1 if message.id == self._id else 1
        self._id = message.id

    def among(self, messages: Sequence[Message]) -> Message | None:
        """The suspect, where it is one of these and has failed often enough."""
        return next((each for each in messages if self.stands and each.id == self._id), None)

    def passed(self, messages: Sequence[Message]) -> None:
        """These are done with."""
        if any(each.id == self._id for each in messages):
            self._id, self._count = None, 0
