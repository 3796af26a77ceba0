"""What a process has cost so far, and the JSON in which a benchmark prints its result."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from sandbox.processes import descendants

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and of all that it has started, ended or not (proc(5) stat)."""
    return sum(_own_cpu_seconds(each) for each in (pid, *descendants(pid)))


def _own_cpu_seconds(pid: int) -> float:
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        return sum(int(ticks) for ticks in fields[11:15]) / TICKS
    return 0.0


def busy_seconds() -> float:
    """Processor time that the whole machine has spent on anything, for telling a quiet run from a disturbed one."""
    user, nice, system, _, _, irq, soft, steal, *_ = map(int, Path("/proc/stat").read_text().split()[1:11])
    return (user + nice + system + irq + soft + steal) / TICKS


def show(result: Mapping[str, object]) -> None:
    """Prints a result."""
    json.dump(result, sys.stdout, indent=2)
    print()
