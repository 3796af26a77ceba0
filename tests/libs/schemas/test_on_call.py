"""The list of who is on call has somebody for every minute, or is refused with the place of each mistake."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.schemas.document import DocumentError
from libs.schemas.on_call import DAYS, load_on_call

SHIPPED = Path("deploy/partnership/on_call.yaml")
LIST = load_on_call(SHIPPED)
NIGHT = '  - {days: [friday], from: "16:30"'
"""How the line of Friday's night begins."""


def faults(tmp_path: Path, before: str, after: str) -> list[str]:
    text = SHIPPED.read_text()
    assert before in text
    path = tmp_path / "on_call.yaml"
    path.write_text(text.replace(before, after, 1))
    with pytest.raises(DocumentError) as refused:
        load_on_call(path)
    return refused.value.faults


@given(st.sampled_from(range(len(DAYS))), st.integers(0, 24 * 60 - 1), st.booleans())
def test_somebody_is_called_at_every_minute(weekday: int, minute: int, closed: bool) -> None:
    listed = LIST.at(weekday, minute, closed=closed)
    assert listed
    assert set(listed) <= set(LIST.contacts)


@pytest.mark.parametrize(
    ("weekday", "time", "closed", "first"),
    [
        ("thursday", "07:59", False, "emergency_duty_worker"),
        ("thursday", "08:00", False, "duty_worker"),
        ("thursday", "17:29", False, "duty_worker"),
        ("thursday", "17:30", False, "emergency_duty_worker"),
        ("friday", "16:30", False, "emergency_duty_worker"),
        ("thursday", "10:00", True, "emergency_duty_worker"),
    ],
)
def test_who_is_called_changes_with_the_minute_and_where_the_hub_is_closed(
    weekday: str, time: str, closed: bool, first: str
) -> None:
    hours, minutes = map(int, time.split(":"))
    assert LIST.at(DAYS.index(weekday), 60 * hours + minutes, closed=closed)[0] == first


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (NIGHT, f"#{NIGHT}", "on friday nobody is called from 16:30 to 24:00"),
        (
            'from: "08:00", to: "16:30"',
            'from: "08:10", to: "16:30"',
            "on friday nobody is called from 08:00 to 08:10",
        ),
        (
            'from: "08:00", to: "16:30"',
            'from: "07:50", to: "16:30"',
            "on friday somebody else is called from 07:50 already",
        ),
        (", bank_holiday]", "]", "on bank_holiday nobody is called from 00:00 to 24:00"),
        ("saturday", "saterday", "unknown day `saterday`; did you mean `saturday`?"),
        (
            "call: [duty_worker, ",
            "call: [duty_werker, ",
            "unknown contact `duty_werker`; did you mean `duty_worker`?",
        ),
        (
            "[duty_worker, duty_mailbox, duty_manager",
            "[duty_worker, duty_worker, duty_manager",
            "`duty_worker` stands twice",
        ),
        (
            'from: "16:30", to: "24:00"',
            'from: "16:30", to: "08:00"',
            "must be later than `from`; a night is two lines, one to 24:00",
        ),
        ('from: "16:30"', 'from: "4pm"', "expected a time as HH:MM, or 24:00 for the end of the day"),
        ("07700 900201", "01632 960101", "expected the number of a mobile telephone"),
        ("duty.team@example.org", "duty.team", "expected an e-mail address"),
        (
            'sms: "07700 900201"',
            'sms: "07700 900201", email: a@example.org',
            "give either `sms` or `email`; two ways are two contacts",
        ),
        (
            "call: [emergency_duty_worker, emergency_duty_manager, assistant_director]",
            "call: []",
            ": nobody is called",
        ),
        ("red: 10}", "red: 0}", "expected a whole number of at least 1"),
        ("immediate_danger: 3, ", "", "the key `immediate_danger` is missing"),
        ("again_after_minutes: 15", "again_after_minute: 15", "did you mean `again_after_minutes`?"),
    ],
)
def test_a_mistake_is_refused_at_its_place(tmp_path: Path, before: str, after: str, expected: str) -> None:
    found = faults(tmp_path, before, after)
    assert any(expected in fault for fault in found), found
    assert all(fault.startswith("on_call.yaml:") for fault in found)
