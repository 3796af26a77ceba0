"""Starts child processes that cannot outlive the process which asked for them.

Run by path with `python -I -S`, standard library only, so that it costs some ten milliseconds and few
megabytes. Two commands:

`watch FD`
    reads lines `PID SIGNAL GRACE` from the pipe FD. The pipe ends when the parent and every launcher are gone,
    however the parent died, SIGKILL included. Then each process still alive gets its signal, and SIGKILL after
    GRACE seconds.
`launch FD SIGNAL GRACE USER -- COMMAND…`
    leads a session of its own, registers itself on the pipe FD, becomes USER (`-`: stays who it is) and turns
    into COMMAND. It registers before the pipe can end, so no child escapes the watch.

`PR_SET_PDEATHSIG` is not used because it fires when the *thread* that started a child ends.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time

PR_SET_SECUREBITS = 28
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
SECBIT_NO_SETUID_FIXUP = 4
CAP_DAC_READ_SEARCH = 2
LINUX_CAPABILITY_VERSION_3 = 0x20080522


class Registered:
    """A process on watch. A pidfd, where the system has them, keeps a reused process id from being signalled."""

    def __init__(self, pid: int, stop_signal: int, grace: float) -> None:
        self.pid = pid
        self.stop_signal = stop_signal
        self.grace = grace
        self.fd: int | None = None
        if sys.platform == "linux":
            try:
                self.fd = os.pidfd_open(pid)
            except ProcessLookupError:
                self.pid = 0
            except OSError:
                self.fd = None

    def alive(self) -> bool:
        if self.pid == 0:
            return False
        try:
            self.send(0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return not self.is_zombie()

    def is_zombie(self) -> bool:
        try:
            with open(f"/proc/{self.pid}/stat", "rb") as stat:  # noqa: PTH123 - pathlib costs ten milliseconds
                return stat.read().rpartition(b")")[2].split()[0] == b"Z"
        except (OSError, IndexError):
            return False

    def send(self, number: int) -> None:
        if sys.platform == "linux" and self.fd is not None:
            signal.pidfd_send_signal(self.fd, number)
        else:
            os.kill(self.pid, number)

    def kill_group(self) -> None:
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass

    def forget(self) -> None:
        if self.fd is not None:
            os.close(self.fd)
            self.fd = None


def watch(pipe: int) -> None:
    """Read registrations until the pipe ends, then stop every registered process that is still alive."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    registered: list[Registered] = []
    with os.fdopen(pipe, "rb", buffering=0) as lines:
        pending = b""
        while chunk := lines.read(4096):
            *complete, pending = (pending + chunk).split(b"\n")
            for process in [each for each in registered if not each.alive()]:
                process.forget()
                registered.remove(process)
            for line in complete:
                pid, stop_signal, grace = line.split()
                registered.append(Registered(int(pid), int(stop_signal), float(grace)))
    stop_all([process for process in registered if process.alive()])


def stop_all(processes: list[Registered]) -> None:
    for process in processes:
        try:
            process.send(process.stop_signal)
        except ProcessLookupError:
            continue
    started = time.monotonic()
    while processes:
        waited = time.monotonic() - started
        for process in [each for each in processes if not each.alive()]:
            processes.remove(process)
        for process in [each for each in processes if waited > each.grace]:
            process.kill_group()
            processes.remove(process)
        time.sleep(0.02)


def launch(pipe: int, stop_signal: str, grace: str, user: str, command: list[str]) -> None:
    """Turn this process into `command`, registered on the pipe. Does not return."""
    os.setsid()
    os.write(pipe, f"{os.getpid()} {stop_signal} {grace}\n".encode())
    os.close(pipe)
    try:
        if user != "-":
            become(user)
        os.execvpe(command[0], command, os.environ)
    except OSError as error:
        print(f"{command[0]} did not start: {error.strerror}", file=sys.stderr, flush=True)
        os._exit(127)


def become(user: str) -> None:
    """Give up root for `user`, keeping only the right to read and traverse what root could.

    Servers that refuse to run as root still have to reach their binaries and data below folders that only root
    may enter, such as a checkout in root's home. Where the system grants no such right, the user must be able to
    enter those folders.
    """
    import pwd

    entry = pwd.getpwnam(user)
    keeps = sys.platform == "linux" and keep_reading_rights()
    os.setgroups([])
    os.setresgid(entry.pw_gid, entry.pw_gid, entry.pw_gid)
    os.setresuid(entry.pw_uid, entry.pw_uid, entry.pw_uid)
    if keeps:
        raise_ambient_right()


def keep_reading_rights() -> bool:
    """Ask the kernel not to clear capabilities on the change of user. True if it agreed."""
    return bool(
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0) == 0
    )


def raise_ambient_right() -> None:
    """Reduce the capabilities to reading and traversing, and hand that one on to the command."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(LINUX_CAPABILITY_VERSION_3, 0)
    mask = 1 << CAP_DAC_READ_SEARCH
    data = (ctypes.c_uint32 * 6)(mask, mask, mask, 0, 0, 0)
    if libc.capset(header, data) == 0:
        libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_READ_SEARCH, 0, 0)
        return
    nothing = (ctypes.c_uint32 * 6)()
    if libc.capset(header, nothing) != 0:
        raise OSError(ctypes.get_errno(), "root's capabilities could not be given up")


if __name__ == "__main__":
    if sys.argv[1] == "watch":
        watch(int(sys.argv[2]))
    else:
        launch(int(sys.argv[2]), sys.argv[3], sys.argv[4], sys.argv[5], sys.argv[7:])
