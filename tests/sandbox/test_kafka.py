from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import UnknownTopicOrPartitionError

from sandbox.jars import Jar, UnavailableJars, cache_directory, class_path, locked_jars
from sandbox.kafka import create_topics, java, java_version
from sandbox.processes import StartError, free_port


async def test_topics_may_be_created_again_but_never_by_a_slip_of_the_pen(
    kafka: str, topic: Callable[..., Awaitable[str]]
) -> None:
    name = await topic("twice", partitions=3)
    await create_topics(kafka, [name])
    consumer = AIOKafkaConsumer(name, bootstrap_servers=kafka)
    await consumer.start()
    assert consumer.partitions_for_topic(name) == {0, 1, 2}
    await consumer.stop()
    producer = AIOKafkaProducer(bootstrap_servers=kafka, request_timeout_ms=1500)
    await producer.start()
    with pytest.raises(UnknownTopicOrPartitionError):
        await producer.send_and_wait(f"{name}-mistyped", b"lost")
    await producer.stop()


async def test_a_topic_that_the_broker_refuses_is_named(kafka: str) -> None:
    with pytest.raises(StartError, match="not a name"):
        await create_topics(kafka, ["not a name"])


@pytest.fixture
def genuine(kafka: str) -> tuple[Jar, bytes]:
    """The smallest locked jar and its bytes, which starting the broker has put into the cache."""
    jar = min(locked_jars(), key=lambda each: (cache_directory() / each.filename).stat().st_size)
    return jar, (cache_directory() / jar.filename).read_bytes()


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a Maven repository served on loopback; the machine's own repository is out of sight."""
    root = tmp_path / "mirror"
    root.mkdir()
    monkeypatch.setenv("M2_REPO", str(tmp_path / "empty"))
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(root))) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("MASH_MAVEN_REPOSITORY", f"http://127.0.0.1:{server.server_port}")
        yield root
        server.shutdown()
        thread.join()


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


def publish(mirror: Path, jar: Jar, content: bytes) -> None:
    folder = mirror / jar.group.replace(".", "/") / jar.artifact / jar.version
    folder.mkdir(parents=True, exist_ok=True)
    (folder / jar.filename).write_bytes(content)
    (folder / f"{jar.filename}.sha1").write_text(hashlib.sha1(content, usedforsecurity=False).hexdigest())


def test_a_damaged_jar_is_fetched_again(genuine: tuple[Jar, bytes], mirror: Path, tmp_path: Path) -> None:
    jar, content = genuine
    publish(mirror, jar, content)
    cached = tmp_path / "cache" / jar.filename
    cached.parent.mkdir()
    cached.write_bytes(content[:-1])
    said: list[str] = []
    assert class_path(said.append, cached.parent, [jar]) == str(cached)
    assert cached.read_bytes() == content
    assert said == ["fetching Kafka's jars: 1 of 1"]


def test_a_jar_that_is_not_the_locked_one_is_never_run(
    genuine: tuple[Jar, bytes], mirror: Path, tmp_path: Path
) -> None:
    jar, content = genuine
    publish(mirror, jar, content + b"tampered")
    with pytest.raises(UnavailableJars, match="its SHA-256 differs"):
        class_path(lambda _: None, tmp_path / "cache", [jar])
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [".lock"]


def test_jars_out_of_reach_are_reported_with_the_remedy(
    genuine: tuple[Jar, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("M2_REPO", str(tmp_path / "empty"))
    monkeypatch.setenv("MASH_MAVEN_REPOSITORY", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(UnavailableJars, match=r"--events postgres\.$") as raised:
        class_path(lambda _: None, tmp_path / "cache", [genuine[0]])
    assert "\n" not in str(raised.value)


def test_jars_that_cannot_be_kept_are_reported_with_the_remedy(
    genuine: tuple[Jar, bytes], tmp_path: Path
) -> None:
    (tmp_path / "cache").touch()
    with pytest.raises(UnavailableJars, match=r"XDG_CACHE_HOME.*--events postgres\.$") as raised:
        class_path(lambda _: None, tmp_path / "cache", [genuine[0]])
    assert "\n" not in str(raised.value)


def test_the_lock_names_every_jar_by_checksum_and_no_address() -> None:
    text = Path("sandbox/jgo.lock.toml").read_text()
    assert "//" not in text
    jars = locked_jars()
    assert Jar("org.apache.kafka", "kafka_2.13", "4.3.1", jars[0].sha256) in jars
    assert any(jar.artifact == "slf4j-simple" for jar in jars)
    assert len({jar.filename for jar in jars}) == len(jars)


def test_a_java_runtime_is_found_and_is_new_enough() -> None:
    assert java_version(java()) >= 17
    assert java_version(Path("/no/such/java")) == 0
