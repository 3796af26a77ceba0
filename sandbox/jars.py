"""The jars that the embedded Kafka broker runs from: fetched once, checked against their SHA-256 every time.

They come from the machine's own Maven repository if they are there, else from Maven Central, or from the mirror
that `MASH_MAVEN_REPOSITORY` names.

`python -m sandbox.jars fetch` fetches what is missing, `python -m sandbox.jars lock` resolves `jgo.toml` anew into
`jgo.lock.toml`.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

SPECIFICATION = Path(__file__).with_name("jgo.toml")
LOCK = Path(__file__).with_name("jgo.lock.toml")
PARALLEL_DOWNLOADS = 8

Progress = Callable[[str], None]


class UnavailableJars(RuntimeError):
    """Kafka's jars are neither in the cache nor to be fetched. The message is one sentence with the remedy."""


@dataclass(frozen=True)
class Jar:
    """One locked artifact, by its Maven coordinates and the hex SHA-256 of its file."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def filename(self) -> str:
        return f"{self.artifact}-{self.version}.jar"


def locked_jars(lock: Path = LOCK) -> list[Jar]:
    """The jars of the lock file, in class path order. Raises KeyError for an entry without a checksum."""
    entries = tomllib.loads(lock.read_text())["dependencies"]
    return [Jar(each["groupId"], each["artifactId"], each["version"], each["sha256"]) for each in entries]


def cache_directory() -> Path:
    """Where the jars are kept between runs (XDG base directory specification)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mash-triage" / "jars"


def class_path(progress: Progress, cache: Path | None = None, jars: list[Jar] | None = None) -> str:
    """The class path of the verified jars, after fetching those that are missing or damaged.

    Several processes may call it at once: one fetches, the others wait. Raises UnavailableJars.
    """
    jars = locked_jars() if jars is None else jars
    directory = cache or cache_directory()
    missing = [jar for jar in jars if not is_intact(directory / jar.filename, jar)]
    if missing:
        try:
            directory.mkdir(parents=True, exist_ok=True)
            with exclusively(directory / ".lock"):
                missing = [jar for jar in missing if not is_intact(directory / jar.filename, jar)]
                fetch(missing, directory, progress)
        except OSError as error:
            raise UnavailableJars(
                f"Kafka's jars cannot be kept in {directory} ({error.strerror}): set XDG_CACHE_HOME to a folder with "
                "room for 60 MB, set MASH_KAFKA_BOOTSTRAP to a broker of your own, or run with --events postgres."
            ) from error
    return os.pathsep.join(str(directory / jar.filename) for jar in jars)


def is_intact(path: Path, jar: Jar) -> bool:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() == jar.sha256
    except OSError:
        return False


def fetch(jars: list[Jar], directory: Path, progress: Progress) -> None:
    """Fetch jars into the directory; a file appears there only whole and verified. Raises UnavailableJars."""
    staging = Path(tempfile.mkdtemp(prefix=".fetching-", dir=directory))
    try:
        with ThreadPoolExecutor(PARALLEL_DOWNLOADS) as pool:
            downloads = [pool.submit(fetch_one, jar, directory, staging) for jar in jars]
            for done, download in enumerate(as_completed(downloads)):
                try:
                    download.result()
                except UnavailableJars:
                    pool.shutdown(cancel_futures=True)
                    raise
                progress(f"fetching Kafka's jars: {done + 1} of {len(jars)}")
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def fetch_one(jar: Jar, directory: Path, staging: Path) -> None:
    try:
        from jgo.constants import default_maven_repo
        from jgo.maven import MavenContext
    except ImportError as error:
        raise UnavailableJars(
            "Kafka's jars cannot be fetched because `jgo` is not installed: install the `local` extra, or set "
            "MASH_KAFKA_BOOTSTRAP to use a broker of your own."
        ) from error
    # Looked at first, so that jars which Maven has fetched already need no network.
    own = default_maven_repo() / jar.group.replace(".", "/") / jar.artifact / jar.version / jar.filename
    if is_intact(own, jar):
        shutil.copyfile(own, staging / jar.filename)
    else:
        mirror = os.environ.get("MASH_MAVEN_REPOSITORY")
        remotes = {"mirror": mirror} if mirror else None
        context = MavenContext(repo_cache=staging / "repository", local_repos=[], remote_repos=remotes)
        try:
            found = context.project(jar.group, jar.artifact).at_version(jar.version).artifact().resolve()
        except Exception as error:  # jgo raises whatever requests, DNS or the file system raised
            raise UnavailableJars(
                f"Kafka's jars cannot be fetched ({type(error).__name__} at {jar.filename}): set "
                "MASH_MAVEN_REPOSITORY to a repository within reach, set MASH_KAFKA_BOOTSTRAP to a broker of your "
                "own, or run with --events postgres."
            ) from error
        if not is_intact(found, jar):
            raise UnavailableJars(
                f"{jar.filename} is not the file that jgo.lock.toml names (its SHA-256 differs): do not use this "
                "Maven repository, or run with --events postgres."
            )
        shutil.move(found, staging / jar.filename)
    (staging / jar.filename).replace(directory / jar.filename)


@contextlib.contextmanager
def exclusively(path: Path) -> Iterator[None]:
    """Hold the file's lock; the system releases it when the holder dies."""
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def lock(specification: Path = SPECIFICATION, target: Path = LOCK) -> None:
    """Resolve the specification into the lock file: versions and checksums, no addresses."""
    from jgo.env import EnvironmentBuilder, EnvironmentSpec
    from jgo.maven import MavenContext

    with tempfile.TemporaryDirectory() as scratch:
        builder = EnvironmentBuilder(context=MavenContext(), cache_dir=Path(scratch))
        builder.resolve_lockfile(EnvironmentSpec.load(specification)).save(target)


if __name__ == "__main__":
    if sys.argv[1:] == ["lock"]:
        lock()
    elif sys.argv[1:] == ["fetch"]:
        try:
            class_path(lambda message: print(message, end="\r" if sys.stdout.isatty() else "\n", flush=True))
        except UnavailableJars as unavailable:
            sys.exit(str(unavailable))
    else:
        sys.exit("usage: python -m sandbox.jars fetch|lock")
