"""Whoever looks after parked messages sees whole ids, and acts on the service that they mean."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.client import Client, Refused
from cli.main import app
from cli.state import RunState, write_state

EVENT = "019c0000-0000-7000-8000-000000000001"
REFERRAL = "019c0000-0000-7000-8000-000000000002"


class Services:
    """What each service has parked; `None` where it does not answer. Keeps what was asked beyond lists."""

    def __init__(self, **parked: list[dict[str, Any]] | None) -> None:
        self._parked = parked
        self.asked: list[tuple[str, str]] = []

    def __call__(self, service: str, path: str = "", **_: Any) -> dict[str, Any]:
        held = self._parked.get(service, [])
        if held is None:
            raise Refused(f"{service} does not answer (ConnectError)")
        if path.startswith("?"):
            return {"items": held, "next_after": None}
        self.asked.append((service, path))
        return {"processed": 0, "stopped_by": None}


def item(service: str) -> dict[str, Any]:
    return {
        "consumer": service,
        "event_id": EVENT,
        "referral_id": REFERRAL,
        "type": "uk.mash.referral.received.v1",
        "state": "failed",
        "code": "contract",
        "attempts": 1,
        "parked_at": "2026-11-27T09:45:38.426861Z",
    }


@pytest.fixture
def services(monkeypatch: pytest.MonkeyPatch) -> Any:
    def install(**parked: list[dict[str, Any]] | None) -> Services:
        found = Services(**parked)
        monkeypatch.setattr(Client, "parked", lambda _, *args, **kwargs: found(*args, **kwargs))
        return found

    return install


def run(data: Path, *arguments: str) -> tuple[int, str]:
    write_state(data, RunState(os.getpid(), "kafka", {}))
    result = CliRunner(env={"COLUMNS": "80"}).invoke(app, ["parked", *arguments, "--data", str(data)])
    return result.exit_code, result.output


def test_a_narrow_terminal_cuts_nothing_that_another_command_takes(services: Any, tmp_path: Path) -> None:
    services(triage=[item("triage")])
    code, output = run(tmp_path, "list")
    assert code == 0
    heading, row = output.splitlines()
    assert EVENT in row.split()
    assert REFERRAL in row.split()
    assert heading.index("event id") == row.index(EVENT)


def test_what_others_hold_is_listed_while_a_service_is_away(services: Any, tmp_path: Path) -> None:
    services(triage=[item("triage")], notify=None)
    code, output = run(tmp_path, "list")
    assert code == 1
    assert EVENT in output
    assert "notify does not answer" in output


REASON = ("--reason", "carried over by hand")


@pytest.mark.parametrize(
    ("command", "holders"), [(["show"], ["enrichment"]), (["retry"], ["enrichment", "triage"])]
)
def test_a_message_that_several_services_parked_is_read_in_one_and_tried_again_in_each(
    command: list[str], holders: list[str], services: Any, tmp_path: Path
) -> None:
    known = services(enrichment=[item("enrichment")], triage=[item("triage")])
    assert run(tmp_path, *command, EVENT)[0] == 0
    assert [service for service, _ in known.asked] == holders
    known.asked.clear()
    assert run(tmp_path, *command, EVENT, "--service", "triage")[0] == 0
    assert [service for service, _ in known.asked] == ["triage"]


def test_a_message_that_several_services_parked_is_given_up_in_the_one_that_was_named(
    services: Any, tmp_path: Path
) -> None:
    known = services(enrichment=[item("enrichment")], triage=[item("triage")])
    code, output = run(tmp_path, "discard", EVENT, *REASON)
    assert code == 1
    assert output.startswith("enrichment, triage each hold it")
    assert "--service" in output
    assert known.asked == []
    assert run(tmp_path, "discard", EVENT, *REASON, "--service", "triage")[0] == 0
    assert [service for service, _ in known.asked] == ["triage"]


def test_a_message_that_was_given_up_is_said_to_be(services: Any, tmp_path: Path) -> None:
    services(triage=[item("triage")])
    code, output = run(tmp_path, "discard", EVENT, *REASON)
    assert (code, output) == (0, "triage: given up, and 0 messages processed that waited behind it.\n")


def test_what_is_parked_is_told_to_programs_as_the_services_tell_it(services: Any, tmp_path: Path) -> None:
    services(triage=[item("triage")])
    code, output = run(tmp_path, "list", "--json")
    assert code == 0
    assert json.loads(output) == [item("triage")]
