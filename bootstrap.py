"""Builds or refreshes `.venv` from a hash-locked list of packages: `python3 bootstrap.py run|dev`.

`browser` sees to the browser of the tests.

Needs nothing but Python; stays readable for older ones, so that they can say what is missing. Packages come from
wherever pip is set up to take them. uv installs them because it takes one second where pip takes thirty; where uv
does not run, pip does.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

OLDEST = (3, 11)
ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
LOCKS = {"run": ROOT / "requirements.lock", "dev": ROOT / "requirements-dev.lock"}
STAMP = VENV / "installed"


def main(want):
    if sys.version_info < OLDEST:
        sys.exit(
            "MASH Triage needs Python {}.{} or later, and {} is {}.{}. Install one, or name it: make PYTHON=/path/to/"
            "python3".format(*OLDEST, sys.executable, *sys.version_info[:2])
        )
    if is_current(want):
        return
    started = time.monotonic()
    if not works(PYTHON) or was_moved():
        make_environment()
    lock = LOCKS[want]
    count = lock.read_text().count("==")
    say(f"installing {count} packages from {lock.name}")
    STAMP.unlink(missing_ok=True)
    uv = uv_binary(lock)
    if uv is None or not install_with_uv(uv, lock):
        install_with_pip(lock)
    STAMP.write_text(f"{fingerprint(want)}\n{ROOT}\n")
    say(f"environment ready after {time.monotonic() - started:.0f} s")


def ensure_browser():
    """Debian's Chromium for the tests of the pages, installed where this user may."""
    if has_browser():
        return
    if shutil.which("apt-get") and hasattr(os, "geteuid") and os.geteuid() == 0:
        say("installing Debian's chromium for the tests of the pages")
        quiet = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
        run(["apt-get", "update", "-qq"], quiet)
        run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"], quiet)
    if not has_browser():
        say(
            "There is no Chromium, so the tests of the pages are left out (in CI they fail). "
            "Install it: sudo apt-get install chromium"
        )


def has_browser():
    """Whether there is one, or somebody has named one."""
    return bool(
        os.environ.get("MASH_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    )


def is_current(want):
    """Whether what is installed covers the wanted list; the developers' list holds the other one."""
    if not works(PYTHON) or not STAMP.exists():
        return False
    return not was_moved() and STAMP.read_text().splitlines()[0] in {fingerprint(want), fingerprint("dev")}


def was_moved():
    """Whether the environment was built elsewhere: its commands name that place."""
    return STAMP.exists() and STAMP.read_text().splitlines()[1:] != [str(ROOT)]


def fingerprint(name):
    """Changes with the lock and with the project's own metadata."""
    digest = hashlib.sha256(LOCKS[name].read_bytes())
    digest.update((ROOT / "pyproject.toml").read_bytes())
    return f"{name} {digest.hexdigest()}"


def works(python):
    if not python.exists():
        return False
    return subprocess.run([str(python), "-c", ""], check=False, capture_output=True).returncode == 0


def make_environment():
    say("making .venv with Python {}.{}.{}".format(*sys.version_info[:3]))
    done = run([sys.executable, "-m", "venv", "--clear", str(VENV)])
    if done.returncode != 0:
        shutil.rmtree(VENV, ignore_errors=True)
        sys.exit(
            done.stdout.strip()
            + "\nPython could not make a virtual environment. On Debian and Ubuntu: apt install python3-venv."
        )


def uv_binary(lock):
    """uv at its locked version and hash, or None where there is none for this system."""
    binary = VENV / "bin" / "uv"
    if works_as_command(binary):
        return binary
    if not works_as_command(VENV / "bin" / "pip"):
        run([str(PYTHON), "-m", "ensurepip"])
    own = VENV / "uv.txt"
    own.write_text(locked("uv", lock))
    done = run([str(PYTHON), "-m", "pip", "install", "-q", "--require-hashes", "-r", str(own)])
    own.unlink()
    return binary if done.returncode == 0 and works_as_command(binary) else None


def works_as_command(binary):
    return binary.exists() and run([str(binary), "--version"]).returncode == 0


def locked(name, lock):
    """The lines of one package in a lock file."""
    lines = []
    for line in lock.read_text().splitlines():
        if line.startswith(name + "==") or (lines and line.startswith(" ")):
            lines.append(line)
        elif lines:
            break
    return "\n".join(lines) + "\n"


def install_with_uv(uv, lock):
    environment = dict(os.environ, VIRTUAL_ENV=str(VENV))
    for theirs, ours in (("PIP_INDEX_URL", "UV_DEFAULT_INDEX"), ("PIP_CERT", "SSL_CERT_FILE")):
        if theirs in os.environ:
            environment.setdefault(ours, os.environ[theirs])
    command = [str(uv), "pip", "install", "-q", "--python", str(PYTHON)]
    # Compiled once here: where Python may not write what it compiled, every process start would do it again.
    done = run([*command, "--compile-bytecode", "--require-hashes", "-r", str(lock)], environment)
    if done.returncode == 0:
        done = run([*command, "--no-deps", "--no-build-isolation", "-e", str(ROOT)], environment)
    if done.returncode != 0:
        say("uv could not install them, pip tries: " + done.stdout.strip()[-300:])
    return done.returncode == 0


def install_with_pip(lock):
    command = [str(PYTHON), "-m", "pip", "install", "-q"]
    for arguments in (
        ["--require-hashes", "-r", str(lock)],
        ["--no-deps", "--no-build-isolation", "-e", str(ROOT)],
    ):
        done = run(command + arguments)
        if done.returncode != 0:
            sys.exit("The packages could not be installed:\n" + done.stdout.strip())


def run(command, environment=None):
    """Run to the end, with a sign of life every few seconds."""
    finished = threading.Event()

    def tick():
        waited = 0
        while not finished.wait(4):
            waited += 4
            say(f"  … {waited} s")

    ticker = threading.Thread(target=tick, daemon=True)
    ticker.start()
    try:
        return subprocess.run(
            command, check=False, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
    finally:
        finished.set()
        ticker.join()


def say(message):
    print(message, flush=True)


if __name__ == "__main__":
    wanted = sys.argv[1] if len(sys.argv) > 1 else "dev"
    ensure_browser() if wanted == "browser" else main(wanted)
