import asyncio
import errno
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import httpx
import pytest
import typer
from typer.testing import CliRunner

from cli import up, watch
from cli.client import Client, Refused
from cli.console import explained, out
from cli.main import app
from cli.state import (
    DATA,
    RunState,
    alone_on,
    clear_state,
    read_state,
    remember_sent,
    running,
    sent,
    write_state,
)
from libs.messaging.tables import create_sql
from libs.schemas.events import Service
from sandbox.processes import free_port
from sandbox.stack import Plan, Stack
from tests.databases import execute

URLS = {
    name: f"http://127.0.0.1:1/{name}" for name in ("sandbox", "intake", "enrichment", "triage", "notify")
}


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    """What `mash up` does with signals would be every later test's, and every child's of theirs."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.output


@pytest.mark.parametrize(
    "command",
    [
        "up",
        "send",
        "watch",
        "smoke",
        "token",
        "migrate",
        "rebase",
        "reset",
        "parked",
        "parked retry",
        "policy",
    ],
)
def test_every_command_explains_itself(command: str) -> None:
    code, output = run(*command.split(), "--help")
    assert code == 0
    assert "Usage" in output


@pytest.mark.parametrize("command", ["send -", "watch", "smoke", "token", "parked list"])
def test_without_a_running_system_each_command_says_how_to_start_one(command: str, tmp_path: Path) -> None:
    code, output = run(*command.split(), "--data", str(tmp_path))
    assert code == 1
    assert "mash up" in output


def test_another_partnerships_folder_that_is_not_there_starts_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MASH_PARTNERSHIP_DIR", str(tmp_path / "elsewhere"))
    code, output = run("up", "--data", str(tmp_path / "data"))
    assert code == 1
    assert "MASH_PARTNERSHIP_DIR: there is no folder" in output
    assert not (tmp_path / "data").exists()


def test_the_state_file_is_the_owners_alone_and_holds_addresses_only(tmp_path: Path) -> None:
    write_state(tmp_path, RunState(os.getpid(), "kafka", URLS))
    assert stat.S_IMODE((tmp_path / "run.json").stat().st_mode) == 0o600
    assert running(tmp_path).urls == URLS
    assert set(json.loads((tmp_path / "run.json").read_text())) == {"pid", "events", "urls"}
    clear_state(tmp_path)
    assert read_state(tmp_path) is None


def test_a_system_whose_process_died_does_not_run(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    write_state(tmp_path, RunState(ended.pid, "kafka", URLS))
    assert run("token", "--data", str(tmp_path))[0] == 1


def test_reset_refuses_while_the_system_runs_and_leaves_what_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    (tmp_path / "mine.txt").write_text("x")
    with alone_on(tmp_path):
        code, output = run("reset", "--data", str(tmp_path))
    assert code == 1
    assert "stop it first" in output
    assert (tmp_path / "postgres").exists()

    assert run("reset", "--data", str(tmp_path))[0] == 0
    assert not (tmp_path / "postgres").exists()
    assert (tmp_path / "mine.txt").exists()


@pytest.mark.parametrize("command", ["up --any-ports", "migrate", "reset"])
def test_a_folder_is_one_commands_from_before_the_system_is_ready(command: str, tmp_path: Path) -> None:
    with alone_on(tmp_path):
        write_state(tmp_path, RunState(os.getpid(), "kafka", URLS))
        code, output = run(*command.split(), "--data", str(tmp_path))
        assert code == 1
        assert f"(process {os.getpid()}): stop it first" in output
        assert read_state(tmp_path) is not None
    with alone_on(tmp_path):
        pass


def test_data_that_cannot_be_written_end_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, output = run("up", "--any-ports", "--data", str(tmp_path / "file"))
    assert code == 1
    assert "cannot be the folder of the data" in output


@pytest.mark.parametrize("problem", [errno.ENOSPC, errno.EACCES, errno.EROFS])
def test_a_disk_that_an_operator_must_mend_ends_in_a_sentence(
    problem: int, capsys: pytest.CaptureFixture[str]
) -> None:
    def write() -> None:
        raise OSError(problem, os.strerror(problem), "kept.json")

    with pytest.raises(typer.Exit):
        explained(write)()
    assert capsys.readouterr().err == f"kept.json cannot be written: {os.strerror(problem)}\n"


def test_another_failure_of_the_system_stays_what_it_is() -> None:
    def write() -> None:
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        explained(write)()


@pytest.mark.parametrize("port", ["intake", "nobody=1", "intake=x", "intake=99999"])
def test_a_port_that_makes_no_sense_is_refused(port: str, tmp_path: Path) -> None:
    code, output = run("up", "--port", port, "--data", str(tmp_path))
    assert code == 2
    assert "NAME=NUMBER" in output


def test_a_port_that_two_parts_are_to_have_is_reported_by_name(tmp_path: Path) -> None:
    port = free_port()
    chosen = ("--any-ports", "--port", f"intake={port}", "--port", f"triage={port}")
    code, output = run("up", *chosen, "--data", str(tmp_path))
    assert code == 1
    assert f"port {port} is named for intake and for triage" in output


@pytest.mark.parametrize("command", ["migrate", "rebase"])
@pytest.mark.parametrize("address", ["postgresql://me:secret@127.0.0.1:1/hub", "me:secret"])
def test_a_database_that_cannot_be_used_ends_in_a_sentence(
    command: str, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MASH_DATABASE_URL", address)
    code, output = run(command)
    assert code == 1
    assert "MASH_DATABASE_URL cannot be used" in output
    assert "secret" not in output


def test_an_address_that_is_none_ends_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASH_DATABASE_URL", "me:secret")
    code, output = run("policy", "in-force")
    assert code == 1
    assert "cannot be reached" in output


def test_what_was_sent_is_remembered_for_watch(tmp_path: Path) -> None:
    assert sent(tmp_path) == []
    for reference in ("K7TM-P2RW-9", "F5WB-AHE6-9"):
        remember_sent(tmp_path, reference)
    assert sent(tmp_path) == ["K7TM-P2RW-9", "F5WB-AHE6-9"]


def test_a_refusal_says_where_and_what_would_be_right() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/token"):
            return httpx.Response(200, json={"access_token": "t", "expires_in": 3600})
        problem = {
            "title": "The body is not as it must be",
            "errors": [{"pointer": "/worry", "detail": "is needed"}],
        }
        return httpx.Response(422, json=problem)

    with Client(URLS, transport=httpx.MockTransport(answer)) as client, pytest.raises(Refused) as refused:
        client.refer("st_ives_primary", {})
    assert str(refused.value) == "intake answered 422: The body is not as it must be; /worry: is needed"
    assert refused.value.status == 422


def test_a_key_that_no_header_can_carry_is_refused(tmp_path: Path) -> None:
    write_state(tmp_path, RunState(os.getpid(), "kafka", URLS))
    for key in ("schlüssel", "a\nb"):
        code, output = run("send", "-", "--key", key, "--data", str(tmp_path))
        assert code == 2
        assert "ASCII" in output


def test_a_service_that_is_away_is_named() -> None:
    with Client(URLS) as client, pytest.raises(Refused, match="sandbox does not answer"):
        client.token("st_ives_primary")


def test_rebase_refuses_while_the_system_runs_and_where_there_is_no_database(tmp_path: Path) -> None:
    code, output = run("rebase", "--data", str(tmp_path))
    assert code == 1
    assert "no database" in output
    (tmp_path / "postgres").mkdir()
    with alone_on(tmp_path):
        code, output = run("rebase", "--data", str(tmp_path))
    assert code == 1
    assert "stop it first" in output


def test_a_restored_database_is_rebased_only_while_nobody_uses_it(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MASH_DATABASE_URL", database)
    code, output = run("rebase")
    assert code == 1
    assert "mash migrate" in output
    for service in Service:
        asyncio.run(
            execute(database, f"CREATE SCHEMA {service}; SET search_path = {service}; {create_sql()}")
        )
    asyncio.run(
        execute(
            database,
            "INSERT INTO triage.outbox (xid, event_id, type, topic, source, referral_id, sequence, time, payload)"
            " VALUES ('9000000000', gen_random_uuid(), 't', 't', 's', gen_random_uuid(), 1, '2026-03-02Z', '')",
        )
    )
    code, output = asyncio.run(while_read(database))
    assert code == 1
    assert "stop every service" in output
    code, output = run("rebase")
    assert code == 0
    assert "triage: 1 event rebased" in output


async def while_read(database: str) -> tuple[int, str]:
    connection = await asyncpg.connect(database)
    try:
        async with connection.transaction():
            await connection.execute("SELECT FROM triage.outbox")
            return await asyncio.to_thread(run, "rebase")
    finally:
        await connection.close()


def test_a_single_look_at_a_referral_that_nobody_knows_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Client, "journey", lambda *_: None)
    write_state(tmp_path, RunState(os.getpid(), "kafka", URLS))
    code, output = run("watch", "K7TM-P2RW-C", "--no-follow", "--data", str(tmp_path))
    assert code == 1
    assert "No service knows a referral" in output


def test_a_mistyped_reference_is_not_looked_for(tmp_path: Path) -> None:
    write_state(tmp_path, RunState(os.getpid(), "kafka", URLS))
    code, output = run("watch", "K7TM-P2RW-9", "--data", str(tmp_path))
    assert code == 1
    assert output.startswith("This is no reference")


def test_a_referral_of_ours_that_intake_alone_knows_is_not_called_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Client, "journey", lambda *_: None)
    write_state(tmp_path, RunState(os.getpid(), "kafka", URLS))
    remember_sent(tmp_path, "K7TM-P2RW-C")
    code, output = run("watch", "K7TM-P2RW-C", "--no-follow", "--data", str(tmp_path))
    assert code == 1
    assert "Intake has accepted it" in output

    monkeypatch.setattr(watch, "PATIENCE_SECONDS", 0.0)
    looks = iter([None] * 6)

    def look(*_: object) -> None:
        try:
            next(looks)
        except StopIteration:
            raise KeyboardInterrupt from None

    monkeypatch.setattr(Client, "journey", look)
    code, output = run("watch", "K7TM-P2RW-C", "--data", str(tmp_path))
    assert code == 0
    assert output.count("Intake has accepted it") == 1


def test_a_second_request_to_end_does_not_cut_the_stopping_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted(Stack):
        async def start(self) -> None:
            raise KeyboardInterrupt

        def stop(self) -> None:
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGINT)
            stopped.append(self)

    stopped: list[Stack] = []
    monkeypatch.setattr(up, "Stack", Interrupted)
    codes = [up._up(Plan(tmp_path), tmp_path, with_samples=True, once=once) for once in (False, True)]
    assert len(stopped) == 2
    assert codes == [0, 1], "what was to be shown once was not"


def test_what_is_to_be_pasted_names_the_folder_that_is_not_the_usual_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    up._invite(URLS, tmp_path / "a folder", out())
    shown = capsys.readouterr().out
    assert f"token st_ives_primary --data '{tmp_path}/a folder')" in shown
    in_another_terminal = shown.partition("In another terminal: ")[2]
    for command in ("send FILE", "watch", "smoke"):
        assert f" {command} --data '{tmp_path}/a folder'`" in in_another_terminal
    up._invite(URLS, DATA, out())
    assert "--data" not in capsys.readouterr().out


@pytest.mark.parametrize("folder", ["a folder", None])
def test_who_stops_is_told_how_to_remove_the_data_of_that_folder_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: str | None
) -> None:
    async def interrupted(self: Stack) -> None:
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Stack, "start", interrupted)
    data = DATA if folder is None else tmp_path / folder
    up._up(Plan(data), data, with_samples=False, once=False)
    said = " ".join(capsys.readouterr().out.split())
    assert ("`mash reset` removes" in said) is (folder is None)
    assert (f"`mash reset --data '{data}'` removes" in said) is (folder is not None)


def test_samples_that_a_service_did_not_answer_are_not_through(tmp_path: Path) -> None:
    with Client(URLS) as client:
        assert not up._samples(client, tmp_path, out(), up._Guard(Stack(Plan(tmp_path)), out()))
