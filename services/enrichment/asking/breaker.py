"""When an agency counts as not answering: it is then left alone, and tried with one question from time to time.

A circuit breaker (Nygard, Release It!, "Circuit Breaker") as pure state: whoever has it says what came of an attempt
and when.
"""

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from services.enrichment.asking.agency import Reply


@dataclass(frozen=True, slots=True)
class BreakerTerms:
    """It opens after `in_a_row` failures, or when `failed_percent` of the `of_last` attempts failed.

    `wait` is how long it then stays open before one question tries the agency; each failed try doubles it up to
    `longest_wait`.
    """

    in_a_row: int = 5
    of_last: int = 20
    failed_percent: int = 60
    wait: timedelta = timedelta(seconds=15)
    longest_wait: timedelta = timedelta(minutes=2)


@dataclass(slots=True)
class Breaker:
    """One agency's. Closed while `try_at` is None; else nobody but one try after `try_at` is sent to the agency.

    `since` is when the first of the failures happened that have not been followed by an answer. `trying` is when a
    question was sent to try the agency, while it is out.
    """

    terms: BreakerTerms
    since: datetime | None = None
    try_at: datetime | None = None
    tries: int = 0
    trying: datetime | None = None
    in_a_row: int = 0
    last: deque[bool] = field(default_factory=deque)

    @property
    def is_open(self) -> bool:
        """Whether the agency counts as not answering."""
        return self.try_at is not None

    def may_try(self, now: datetime) -> bool:
        """Whether a question may be sent: any while it is closed, one where a try is due."""
        return self.try_at is None or self.try_at <= now

    def answered(self) -> bool:
        """The agency answered. Whether that closes it."""
        was_open = self.is_open
        self.since = self.try_at = None
        self.tries = self.in_a_row = 0
        self.trying = None
        if was_open:
            self.last.clear()
        self._remember(failed=False)
        return was_open

    def failed(self, now: datetime, sent: datetime) -> bool:
        """A question that was sent then was not answered. Whether that opens it. A failed try lengthens the wait."""
        self.since = self.since or now
        self.in_a_row += 1
        self._remember(failed=True)
        if self.is_open:
            # A question that was out before it opened says nothing new when it fails as well.
            if self.trying is not None and sent >= self.trying:
                self.tries += 1
                self.trying, self.try_at = None, now + self._wait()
            return False
        if self.in_a_row < self.terms.in_a_row and not self._mostly_failed():
            return False
        self.try_at = now + self._wait()
        return True

    def tried(self, now: datetime, until: datetime) -> None:
        """A question is sent to try the agency; nobody else tries until then."""
        if self.is_open:
            self.trying, self.try_at = now, until

    def not_tried(self, now: datetime) -> bool:
        """There was nothing to try the agency with: whoever has something may. Whether a turn is given back."""
        if self.trying is None or not self.is_open:
            return False
        self.trying, self.try_at = None, now
        return True

    def _wait(self) -> timedelta:
        return min(self.terms.longest_wait, self.terms.wait * (1 << min(self.tries, 16)))

    def _remember(self, *, failed: bool) -> None:
        self.last.append(failed)
        while len(self.last) > self.terms.of_last:
            self.last.popleft()

    def _mostly_failed(self) -> bool:
        enough = len(self.last) == self.terms.of_last
        return enough and sum(self.last) * 100 >= self.terms.failed_percent * self.terms.of_last


NOBODY_ANSWERED = frozenset(
    (
        "adapter_failed",
        "broken_off",
        "cannot_connect",
        "no_token",
        "not_authorised",
        "timeout",
        "too_slow",
        "http_401",
        "http_403",
        "http_408",
    )
)
"""Reasons that speak of the agency and not of the question. An answer that cannot be relied on is still an answer, and
an agency that asks to wait (429) is there.
"""


def is_failure(reply: Reply) -> bool:
    """Whether a reply says that the agency does not answer."""
    return reply.reason in NOBODY_ANSWERED or (reply.reason or "").startswith("http_5")
