"""What operations and a partner's developer type, against the running system."""

import asyncio
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import yaml
from typer.testing import CliRunner, Result

from cli.client import MANAGER, OPERATIONS
from cli.main import app
from cli.state import RunState, sent, write_state
from libs.schemas.events import Service
from libs.schemas.levels import Destination
from tests.databases import execute
from tests.journeys.canaries import CANARIES, poison
from tests.journeys.conftest import Running
from tests.journeys.referrals import SCHOOL, fact, referral, told, until

pytestmark = pytest.mark.timeout(180)

READERS = ("enrichment", "triage", "notify")
"""Who reads what intake tells."""


@pytest.fixture
def data(running: Running, tmp_path: Path) -> Path:
    """The folder of a system that runs, as the commands find it."""
    write_state(tmp_path, RunState(os.getpid(), "kafka", running.urls))
    return tmp_path


def mash(data: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--data", str(data)])


@pytest.fixture
def parked(running: Running) -> Iterator[str]:
    """The id of a message that nobody can read, and that is given up afterwards."""
    found = asyncio.run(poison(running))
    until(lambda: all(found in open_at(running, one) for one in READERS) or None, f"{found} to be parked")
    yield found
    for service in READERS:
        if found in open_at(running, service):
            running.client.parked(service, f"/{found}/discard", json={"reason": "it was a test's"})


def open_at(running: Running, service: str) -> set[str]:
    return {item["event_id"] for item in running.client.parked(service)["items"]}


def rows(result: Result, event_id: str) -> list[str]:
    return [line.split()[0] for line in result.output.splitlines() if event_id in line]


def test_a_parked_message_is_listed_for_each_service_that_cannot_read_it(data: Path, parked: str) -> None:
    assert sorted(rows(mash(data, "parked", "list"), parked)) == sorted(READERS)
    assert rows(mash(data, "parked", "list", "--service", "triage"), parked) == ["triage"]
    (item,) = [
        one
        for one in json.loads(mash(data, "parked", "list", "--service", "notify", "--json").stdout)
        if one["event_id"] == parked
    ]
    assert (item["consumer"], item["state"]) == ("notify", "failed")
    assert mash(data, "parked", "list", "--service", "intake").output == "Nothing is parked.\n"


def test_what_is_in_a_parked_message_is_shown_to_whoever_asks_for_it(data: Path, parked: str) -> None:
    shown = json.loads(mash(data, "parked", "show", parked, "--service", "triage").stdout)
    assert (shown["message"]["consumer"], shown["message"]["event_id"]) == ("triage", parked)
    assert CANARIES["worry"] in shown["text"]
    assert CANARIES["worry"] not in mash(data, "parked", "list").output


def test_a_message_is_tried_again_wherever_it_is_parked_and_the_command_fails_where_it_stops_again(
    running: Running, data: Path, parked: str
) -> None:
    result = mash(data, "parked", "retry", parked)
    assert result.exit_code == 1
    assert result.output.splitlines() == [
        *(f"{one}: 0 messages processed." for one in READERS),
        f"Stopped again: {', '.join(f'{one} by contract' for one in READERS)}",
    ]
    alone = mash(data, "parked", "retry", parked, "--service", "triage")
    assert alone.output == "triage: 0 messages processed.\nStopped again: triage by contract\n"
    assert all(parked in open_at(running, one) for one in READERS)


def test_a_message_is_given_up_at_one_service_at_a_time_with_a_reason(
    running: Running, data: Path, parked: str
) -> None:
    command = ("parked", "discard", parked, "--reason", "It was never sent.")
    refused = mash(data, *command)
    assert (refused.exit_code, refused.output.split(" each ")[0]) == (1, ", ".join(READERS))
    assert sorted(rows(mash(data, "parked", "list"), parked)) == sorted(READERS)
    for service in READERS[1:]:
        assert mash(data, *command, "--service", service).output.startswith(f"{service}: given up, ")
    assert mash(data, *command).output.startswith(f"{READERS[0]}: given up, ")
    record = running.client.parked("triage", f"/{parked}")
    assert [(one["reason"], one["by"]) for one in record["actions"] if one["action"] == "discarded"] == [
        ("It was never sent.", OPERATIONS)
    ]
    assert rows(mash(data, "parked", "list"), parked) == []
    again = mash(data, "parked", "retry", parked)
    assert again.exit_code == 1
    assert "no service has an open parked message of that id" in again.output


def test_a_file_is_referred_once_under_one_key_and_watched_until_the_referrer_was_told(
    running: Running, data: Path
) -> None:
    file, key = data / "referral.yaml", uuid4().hex
    file.write_text(yaml.safe_dump(referral(fact("child.hunger", "persistent"))))
    answers = [mash(data, "send", str(file), "--from", SCHOOL, "--key", key) for _ in range(2)]
    (reference,) = {json.loads(answer.stdout)["reference"] for answer in answers}
    assert set(sent(data)) == {reference}
    told(running, reference)
    for arguments in ((reference,), ("--no-follow",)):
        seen = mash(data, "watch", *arguments)
        lines = [line.split() for line in seen.output.splitlines()]
        assert (seen.exit_code, {line[0] for line in lines}) == (0, {reference})
        steps = [line[3] for line in lines]
        assert [steps.count(one) for one in ("screened", "answer", "routed", "decided")] == [1, 6, 1, 1]
        assert "outcome of child 1 delivered by email" in seen.output


def test_a_running_system_carries_a_referral_for_each_route_and_says_who_signed(data: Path) -> None:
    result = mash(data, "smoke", "--json")
    found = json.loads(result.stdout)
    assert (result.exit_code, found["passed"]) == (0, True)
    assert {one["route"] for one in found["routes"]} == {*Destination}
    assert all(one["passed"] and one["reference"] for one in found["routes"])
    signed = {one["route"]: one["signed_by"] for one in found["routes"]}
    assert (signed["csc_section_47"], signed["universal_advice"]) == ([MANAGER], [])


HOUSING = "examples/agencies/housing.yaml"


def test_an_agencys_file_is_tried_out_on_its_description_and_on_its_running_interface(
    running: Running, tmp_path: Path
) -> None:
    """The guide's housing service."""
    at = running.stack.url("sandbox")
    described = check(HOUSING, f"{at}/openapi.json")
    assert (described.exit_code, "reply" in json.loads(described.stdout)) == (0, False)
    child = tmp_path / "child.yaml"
    child.write_text("given_name: Wren\nfamily_name: Marsh-Test\nborn: {on: 2015-02-11}\n")
    for more, state in ((), "returned"), (("--child", str(child)), "nothing_held"):
        asked = check(HOUSING, at, *more)
        assert (asked.exit_code, json.loads(asked.stdout)["reply"]["state"]) == (0, state), asked.output
    lines = CliRunner().invoke(app, [*AGENCY, HOUSING, "--against", at]).output.splitlines()
    (said,) = [line for line in lines if line.startswith("It said: ")]
    assert said == "It said: returned; 4 facts, 0 plans, 1 people; not understood: 0."
    (born,) = [line.split(maxsplit=2) for line in lines if " ask.who.born " in line]
    assert (born[0], born[2]) == ("mapped", "matchedPerson.birthDate: a text")


AGENCY = ["agency", "check", "--dictionary", "deploy/partnership/facts.yaml"]


def check(file: str, against: str, *more: str) -> Result:
    return CliRunner().invoke(app, [*AGENCY, file, "--against", against, *more, "--json"])


def test_every_evaluation_follows_anew_from_what_is_stored(
    running: Running, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MASH_DATABASE_URL", running.stack.dsn(Service.TRIAGE))
    reference = running.client.refer(SCHOOL, referral(fact("child.hunger", "persistent")))["reference"]
    seen = told(running, str(reference))
    assert seen.triage is not None
    case_id = seen.triage["children"][0]["child_id"]
    one = mash(data, "case", "replay", case_id)
    assert one.exit_code == 0
    assert f"{case_id} evaluation 1: as stored\n" in one.output
    every = mash(data, "case", "replay", "--all")
    assert (every.exit_code, re.search(r"\d+ evaluations: .*\d+ same", every.output) is not None) == (0, True)
    asyncio.run(rate(running, case_id, "red"))
    forged = mash(data, "case", "replay", case_id)
    asyncio.run(rate(running, case_id, "green"))
    assert forged.exit_code == 1
    said = f'{case_id} evaluation 1: differs\n  evaluation.rag: stored "red", follows "green"\n'
    assert said in forged.output


async def rate(running: Running, case_id: str, rag: str) -> None:
    """Changes what stands of the first evaluation."""
    statement = f"UPDATE triage.evaluation SET rag = '{rag}' WHERE case_id = '{case_id}' AND number = 1"
    await execute(running.stack.admin_dsn, statement)
