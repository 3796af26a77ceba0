"""Who has how much work, and the thresholds in English."""

import re
from datetime import timedelta

from tests.services.triage.conftest import NEGLECTED, stated
from tests.services.triage.console.conftest import Office, case_path
from tests.services.triage.console.test_pages import words_of


async def test_what_nobody_has_stands_before_what_each_worker_has(office: Office) -> None:
    await office.told([stated("household.strangulation_or_weapon", True)])
    mine = await office.told(list(NEGLECTED))
    manager = await office.at("staff-mgr-1", case_path(mine))
    await manager.submit({"action": "mine"}, case_path(mine))
    office.clock.advance(timedelta(hours=5))
    await manager.sign_in("staff-mgr-1", "/console/workload")
    rows = re.findall(r'<tr>\s*(<th scope="row".*?)</tr>', manager.page.text, re.DOTALL)
    assert [re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", row)).strip() for row in rows] == [
        "Nobody 1 1 1 Today, 14:00",
        "Morgan Sandbox, manager 1 0 0 Tomorrow, 08:30",
    ]
    assert '<a class="govuk-link" href="/console/queue?mine=nobody">Nobody</a>' in rows[0]
    await manager.get("/console/queue?mine=nobody")
    assert mine.reference not in manager.page.text


async def test_the_rules_in_force_stand_by_what_they_are_about(office: Office) -> None:
    browser = await office.at("staff-sw-1", "/console/policy")
    assert "No policy is in force here yet" in browser.page.text
    await office.hub.policies.start(office.hub.ledger)
    await browser.get("/console/policy")
    said = words_of(browser)
    policy = office.hub.policies.rulebooks.directory.policy
    assert re.search(rf"Version {policy.version}, from \d+ \w+ \d{{4}}. No whole proof is stored.", said)
    about = re.findall(r"<h2[^>]*>([^<]+)", browser.page.text)
    assert len(about) == len({rule.domain for rule in policy.rules})
    first = said.partition(about[0])[2].partition(about[1])[0]
    assert "at least section 47, red. Level 4, child protection (section 47) Red Waits for no check" in first
    assert "Obliged: police now, strategy discussion, emergency duty team Working Together" in first
    assert said.count("Waits for no check") == sum(rule.immediate for rule in policy.rules)
