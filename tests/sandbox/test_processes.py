from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sandbox.processes import Processes, alive, descendants, free_port, is_free

PARENT = """
import sys, time
from pathlib import Path
from sandbox.processes import Processes
processes = Processes()
children = [
    processes.start("sleep", ["sleep", "300"]),
    processes.start("stubborn", [sys.executable, "-c",
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(300)"],
        log=Path(sys.argv[1]), grace=0.3),
]
while "up" not in Path(sys.argv[1]).read_text():
    time.sleep(0.01)
print(*(child.pid for child in children), flush=True)
time.sleep(300)
"""


def gone_within(seconds: float, pids: list[int]) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not any(alive(pid) for pid in pids):
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_no_child_outlives_its_parent_however_that_died(end: signal.Signals, tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path / "log")], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(pids) == 2
        assert all(alive(pid) for pid in pids)
        parent.send_signal(end)
        parent.wait()
        assert gone_within(5, pids)


def test_stopping_waits_for_the_grace_time_and_then_kills(tmp_path: Path) -> None:
    code = "import signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(99)"
    with Processes() as processes:
        child = processes.start("stubborn", [sys.executable, "-c", code], log=tmp_path / "log", grace=0.2)
        while "up" not in child.log_tail():
            time.sleep(0.01)
        assert child.stop() == -signal.SIGKILL


def test_killing_a_child_kills_what_it_started() -> None:
    with Processes() as processes:
        child = processes.start("family", ["sh", "-c", "setsid sleep 300 & sleep 300"])
        while len(descendants(child.pid)) < 2:
            time.sleep(0.01)
        family = descendants(child.pid)
        child.kill()
        assert not any(alive(pid) for pid in family)


def test_the_end_of_a_log_is_of_this_start_and_of_none_before_it(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("ended yesterday\n")
    with Processes() as processes:
        child = processes.start("speaker", ["sh", "-c", "echo today"], log=log)
        child.wait(10)
    assert child.log_tail() == "today"


def test_a_command_that_does_not_exist_says_so_in_its_log(tmp_path: Path) -> None:
    with Processes() as processes:
        child = processes.start("nothing", ["/no/such/command"], log=tmp_path / "log")
        assert child.wait(5) == 127
        assert "/no/such/command did not start: No such file or directory" in child.log_tail()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")
def test_another_user_reads_below_roots_own_folders_and_writes_nothing_there(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    (private / "note").write_text("read me")
    script = f"id -u; cat {private}/note; touch {private}/mine || echo refused"
    with Processes() as processes:
        child = processes.start("reader", ["sh", "-c", script], user="nobody", log=tmp_path / "log")
        assert child.wait(5) == 0
    said = child.log_tail()
    assert "read me" in said
    assert "refused" in said
    assert said.splitlines()[0] != "0"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a port cannot be kept for a server to come")
def test_a_free_port_is_given_to_nobody_else_and_a_server_can_have_it() -> None:
    port = free_port()
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", port))
    for _ in range(2):
        with socket.create_server(("127.0.0.1", port)), socket.create_connection(("127.0.0.1", port)):
            assert not is_free(port)


def test_a_free_port_lies_outside_the_range_of_outgoing_connections() -> None:
    port = free_port()
    assert is_free(port)
    ephemeral = Path("/proc/sys/net/ipv4/ip_local_port_range")
    if ephemeral.exists():
        low, _ = ephemeral.read_text().split()
        assert port < int(low)
