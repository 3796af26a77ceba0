"""An agency may ask to be left alone for a while, within bounds."""

from datetime import UTC, datetime

import pytest

from services.enrichment.asking.replies import LONGEST_RETRY_AFTER, seconds_to_wait

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0),
        ("0", 0.0),
        ("9" * 400, LONGEST_RETRY_AFTER),
        ("Mon, 23 Nov 2026 09:00:30 GMT", 30.0),
        ("Mon, 23 Nov 2026 08:00:00 GMT", 0.0),
        ("Mon, 23 Nov 2099 08:00:00 GMT", LONGEST_RETRY_AFTER),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        (None, None),
    ],
)
def test_retry_after_is_honoured_within_bounds(header: str | None, seconds: float | None) -> None:
    assert seconds_to_wait(header, NOW) == seconds
