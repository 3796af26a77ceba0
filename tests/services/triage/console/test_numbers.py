"""The board's numbers are of the hub's days, both of them counted, and say how each thing ended."""

import re
from datetime import date, datetime
from urllib.parse import urlencode

from tests.services.triage.conftest import NEGLECTED
from tests.services.triage.console.conftest import Browser, Office
from tests.services.triage.console.test_pages import words_of

BREACH = """
INSERT INTO breach (case_id, clock, due_at, at, explained_at, why)
VALUES ($1, 'decision', $2::timestamptz, $2, CASE WHEN $3 THEN $2::timestamptz END, $4)
"""
CHALLENGE = """
INSERT INTO challenge (id, case_id, referral_id, decision, agency, channel, stage, raised_by, raised_at, due_at,
                       referrers, fingerprint, outcome, agreed, resolved_at)
SELECT uuidv7(), id, referral_id, 1, $2, 'telephone', 'first', 'staff-sw-1', $3, $3,
       false, '', $4, $5, CASE WHEN $4::text IS NOT NULL THEN $3::timestamptz END
  FROM child_case WHERE id = $1
"""


def between(first: date, last: date) -> str:
    days = {"from": first, "to": last}
    parts = ("day", "month", "year")
    query = {f"{name}-{part}": getattr(on, part) for name, on in days.items() for part in parts}
    return f"/console/numbers?{urlencode(query)}"


async def of_days(browser: Browser, first: date, last: date) -> str:
    await browser.get(between(first, last))
    return words_of(browser)


async def test_the_first_and_the_last_day_count_and_are_the_hubs(office: Office) -> None:
    (child,) = (await office.told(list(NEGLECTED))).child_ids
    for due, explained, why in (
        ("2026-09-30T22:59:59Z", True, "workload"),
        ("2026-09-30T23:00:00Z", True, None),
        ("2026-10-01T22:59:59Z", False, None),
        ("2026-10-01T23:00:00Z", True, "other"),
    ):
        await office.hub.rows(BREACH, child, datetime.fromisoformat(due), explained, why)
    browser = await office.at("staff-mgr-1", "/console/numbers")
    said = await of_days(browser, date(2026, 10, 1), date(2026, 10, 1))
    assert "From 1 October 2026 to 1 October 2026, both counted." in said
    assert "Clocks that ran out: 2" in said
    assert "Tools used: 0" in said
    assert '<form method="get" action="/console/numbers"' in browser.page.text
    assert "For 1 of them nobody has said why yet" in said
    assert "The decision on the case A reason without a kind 1" in said
    assert "The decision on the case Nobody has said why 1" in said
    said = await of_days(browser, date(2026, 9, 30), date(2026, 9, 30))
    assert "There was too much work 1" in said
    assert "nobody has said why yet" not in said
    assert "Clocks that ran out: 4" in await of_days(browser, date(2026, 9, 30), date(2026, 10, 2))


async def test_days_that_are_in_no_order_are_counted_as_nothing_and_stay_in_the_form(office: Office) -> None:
    browser = await office.at("staff-mgr-1", "/console/numbers")
    said = await of_days(browser, date(2026, 10, 2), date(2026, 10, 1))
    assert browser.page.status_code == 422
    assert "The first day must be before the last" in said
    assert "both counted" not in said
    for name, value in (("from", "2"), ("to", "1")):
        (day,) = re.findall(rf'<input[^>]*name="{name}-day"[^>]*>', browser.page.text)
        assert f'value="{value}"' in day
    assert "The date must be today or in the past" in await of_days(
        browser, date(2026, 10, 2), date(2026, 11, 24)
    )
    await browser.get("/console/numbers?from-day=+20&from-month=11+&from-year=2026")
    assert "From 20 November 2026 to 23 November 2026" in words_of(browser), (
        "a space is nothing that is wrong"
    )


async def test_a_challenge_is_counted_by_whose_it_was_and_how_it_ended(office: Office) -> None:
    (child,) = (await office.told(list(NEGLECTED))).child_ids
    now = office.clock.now()
    for ended in (
        ("police", now, "stands", True),
        ("police", now, "withdrawn", False),
        (None, now, None, None),
    ):
        await office.hub.rows(CHALLENGE, child, *ended)
    browser = await office.at("staff-mgr-1", "/console/numbers")
    said = words_of(browser).partition("Challenges: 3")[2]
    for wanted in (
        "Cambridgeshire Constabulary First The decision stands Yes 1",
        "Cambridgeshire Constabulary First It was withdrawn No 1",
        "Colleagues First Open Not settled yet 1",
    ):
        assert wanted in said
