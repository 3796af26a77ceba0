"""`clocks.yaml` is refused where it could let a time slip."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.schemas.document import DocumentError
from libs.schemas.levels import Rag
from services.triage.clocks.calendar import bank_holidays
from services.triage.clocks.hub import Hub
from services.triage.clocks.loading import load_hub
from services.triage.clocks.rules import UP_TO_THE_DECISION

FILE = Path(__file__).parents[4] / "deploy" / "partnership" / "clocks.yaml"
HUB = load_hub(FILE)

minutes = st.integers(0, 2 * 365 * 24 * 60).map(
    lambda minute: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minute)
)


def change(tmp_path: Path, old: str, new: str) -> Path:
    path = tmp_path / "clocks.yaml"
    text = FILE.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    return path


def test_a_red_target_in_working_time_is_refused(tmp_path: Path) -> None:
    path = change(tmp_path, "minutes: 240, calendar: every_hour", "minutes: 240, calendar: hub_hours")
    path.write_text(path.read_text(encoding="utf-8").replace("red: {unit: elapsed", "red: {unit: working"))
    with pytest.raises(DocumentError, match="red never waits"):
        load_hub(path)


AMBER = "amber: {unit: working, minutes: 480"
GREEN = "green: {unit: working, minutes: 4320, calendar: hub_hours, starts: receipt, measures: "


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (AMBER, AMBER.replace("480", "511"), "amber measures the decision and could end after .* at most 510 working"),
        ("minutes: 240", "minutes: 991", "red measures the first action .* at most 990 elapsed"),
        (GREEN + "partner_returns", GREEN + "screening", "green measures the screening"),
        (AMBER + ", calendar: hub_hours", AMBER + ", calendar: every_hour", "working time counts by `hub_hours`"),
        (GREEN + "partner_returns", GREEN + "partner_retuns", "did you mean `partner_returns`"),
        (AMBER + ", calendar: hub_hours, starts: receipt", AMBER + ", calendar: hub_hours, starts: reciept",
         "did you mean `receipt`"),
    ],
)  # fmt: skip
def test_a_target_that_could_postpone_the_decision_is_refused(
    tmp_path: Path, old: str, new: str, words: str
) -> None:
    with pytest.raises(DocumentError, match=words):
        load_hub(change(tmp_path, old, new))


@settings(max_examples=200, deadline=None)
@given(minutes, st.sampled_from(Rag))
def test_no_target_up_to_the_decision_ends_after_it_is_due(received: datetime, rag: Rag) -> None:
    if HUB.targets[rag].measures in UP_TO_THE_DECISION:
        assert HUB.target(rag, received) <= HUB.decision_due(received)


@settings(max_examples=200, deadline=None)
@given(minutes)
def test_the_longest_targets_that_are_let_through_never_postpone_the_decision(received: datetime) -> None:
    assert received + timedelta(minutes=990) <= HUB.decision_due(received)
    assert HUB.working_time_after(received, timedelta(minutes=510)) <= HUB.decision_due(received)


def test_an_extra_closed_day_moves_the_due_time(tmp_path: Path) -> None:
    hub: Hub = load_hub(change(tmp_path, "extra_closed_days: []", 'extra_closed_days: ["2026-11-24"]'))
    received = datetime(2026, 11, 23, 9, tzinfo=UTC)
    assert hub.decision_due(received) == HUB.decision_due(received) + timedelta(days=1)
    assert hub.fingerprint != HUB.fingerprint


ASSESSMENT = "working_days: 45"
CONFERENCE = "working_days: 15"
SEEN = "minutes: 1440"
INTERVIEW = "minutes: 4320\n    unit: elapsed"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("working_days: 1\n", "working_days: 2\n", "`decision` may be shortened and never lengthened: at most 1 "),
        (CONFERENCE, "working_days: 16", "`conference` may be shortened and never lengthened: at most 15 working"),
        (ASSESSMENT, "working_days: 46", "`assessment` .* at most 45 working days"),
        (SEEN, "minutes: 1441", "`child_seen` .* at most 1440 elapsed minutes"),
        (SEEN + "\n    unit: elapsed", SEEN + "\n    unit: working", "`child_seen` .* never lengthened"),
        (INTERVIEW, "working_days: 3", "`return_interview` .* never lengthened"),
        ("starts: found", "starts: receipt", "`return_interview` runs from found to return_interview"),
        ("working_days: 1\n", "minutes: 991\n    unit: elapsed\n", "`decision` may be shortened"),
        ("  conference:\n", "  conferences:\n", "the clock `conference` is missing"),
        ("amber: {unit: working, minutes: 480", "amber: {unit: working, minuts: 480", "did you mean `minutes`"),
        ("measures: first_action, pauses: no", "measures: first_action, pauses: yes", "red never waits"),
        ("friday: {open", "fryday: {open", "did you mean `friday`"),
        ("timezone: Europe/London", "timezone: Europe/Paris", "keep `Europe/London`"),
    ],
)  # fmt: skip
def test_what_the_law_sets_is_not_lengthened(tmp_path: Path, old: str, new: str, words: str) -> None:
    with pytest.raises(DocumentError, match=words):
        load_hub(change(tmp_path, old, new))


def test_a_shorter_time_is_a_partnerships_own_choice(tmp_path: Path) -> None:
    received = datetime(2026, 11, 23, 9, tzinfo=UTC)
    shorter = load_hub(change(tmp_path, "working_days: 1\n", "minutes: 510\n    unit: working\n"))
    assert shorter.decision_due(received) < HUB.decision_due(received)


def test_a_hub_that_opens_on_fewer_days_than_the_law_counts_is_refused(tmp_path: Path) -> None:
    friday = '  friday: {open: "08:00", close: "16:30"}\n'
    with pytest.raises(
        DocumentError, match="must open on friday: working days of the law run Monday to Friday"
    ):
        load_hub(change(tmp_path, friday, ""))


def test_a_proclaimed_bank_holiday_makes_the_file_another(monkeypatch: pytest.MonkeyPatch) -> None:
    def proclaimed(year: int) -> Mapping[date, str]:
        more = {date(2026, 12, 1): "a holiday for once"} if year == 2026 else {}
        return {**bank_holidays(year), **more}

    monkeypatch.setattr("services.triage.clocks.loading.bank_holidays", proclaimed)
    assert load_hub(FILE).fingerprint != HUB.fingerprint
