"""Whom the pages offer, and what they call whom."""

import re
from datetime import UTC, datetime, timedelta

from services.triage.console.frame import TEMPLATES
from services.triage.console.people import HERE, People

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)


def test_whoever_left_or_works_elsewhere_keeps_their_name_and_is_offered_no_work() -> None:
    def one(account: str, name: str, role: str, ago: timedelta) -> dict[str, object]:
        return {"account": account, "name": name, "roles": [role], "seen_at": (NOW - ago).isoformat()}

    people = People(
        [
            one("a", "Amira Hussain", "manager", HERE - timedelta(seconds=1)),
            one("b", "Bea Orrell", "worker", HERE),
            one("c", "Cal Quill", "receiver", timedelta()),
        ],
        NOW,
    )
    assert (people.workers, people.receivers) == (("Amira Hussain",), ("Cal Quill",))
    assert [people.called(account) for account in ("a", "b", "c", "d")] == [
        "Amira Hussain",
        "Bea Orrell",
        "Cal Quill",
        "d",
    ]


ACCOUNTS = re.compile(
    r"\b\w+\.(?:(?!said_by|answered_by|chaired_by|kept_open_by)\w+_by|by|holder|owner|worker|reviewer|subject)\b"
    r"(?= *(?:\}\}|~| if | or ))"
)
"""What the API tells an account in, shown as it is. What people typed, such as who chaired, is no account."""

TYPED = {"referral.html": 2, "tools.html": 1, "case_tools.html": 1}
"""Where `by` is what somebody typed."""


def test_no_template_shows_an_account_in_place_of_a_name() -> None:
    shown = {
        path.name: len(found)
        for path in sorted(TEMPLATES.glob("*.html"))
        if (found := ACCOUNTS.findall(path.read_text()))
    }
    assert shown == TYPED
