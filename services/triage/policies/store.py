"""Policies as they are stored: by fingerprint, with what was proved of them and from when each is in force.

A process reads what is in force at most twice a minute, and whoever puts a policy in force names an instant that is
at least a minute ahead: every process has it when the instant comes.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg
import structlog
from opentelemetry import metrics

from libs.messaging.ledger import Ledger, Unit
from libs.schemas.document import DocumentError
from libs.schemas.evaluation import Outcome
from services.triage.case import File, NewEvaluation
from services.triage.policies.rulebook import (
    BEGINNING,
    InForce,
    Mode,
    Rulebook,
    Rulebooks,
    Timeline,
    make_rulebook,
)

AHEAD = timedelta(minutes=1)
"""How far ahead a policy is put in force at the least."""

READ_EVERY = timedelta(seconds=30)
"""How old what a process knows of the policies in force may be when it evaluates."""

SYSTEM = "system"
"""Who put the first policy in force: the service, by being started with it."""

_REGISTER = """
INSERT INTO policy (fingerprint, id, version, texts, registered_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (fingerprint) DO NOTHING
"""
_PROVED = "UPDATE policy SET proof = $2, proved_at = $3 WHERE fingerprint = $1"
_PUT_IN_FORCE = """
INSERT INTO policy_in_force (fingerprint, from_at, mode, by, reason, written_at)
VALUES ($1, $2, $3, $4, $5, $6) RETURNING number
"""
_IN_FORCE = (
    "SELECT number, fingerprint, from_at, mode, by, reason, written_at FROM policy_in_force ORDER BY number"
)
_STORED = "SELECT fingerprint, id, version, registered_at, proof, proved_at FROM policy"

_log = structlog.get_logger(__name__)

Connection: TypeAlias = asyncpg.Connection | asyncpg.Pool
Watch: TypeAlias = Callable[[datetime, Sequence[tuple[UUID, NewEvaluation]]], None]


@dataclass(frozen=True, slots=True)
class StoredPolicy:
    """A registered version without its texts."""

    fingerprint: str
    id: str
    version: str
    registered_at: datetime
    proof: Mapping[str, Any] | None
    """The last check's result, where one was stored."""
    proved_at: datetime | None


class UnreadablePolicy(Exception):
    """The policy in force is of a form that this release cannot read. The text is one sentence for the operator."""


async def register(connection: Connection, rulebook: Rulebook, now: datetime) -> None:
    """Stores a version's texts under its fingerprint; once stored they are never changed."""
    policy = rulebook.policy
    texts = json.dumps(dict(policy.texts), ensure_ascii=False)
    await connection.execute(_REGISTER, policy.fingerprint, policy.id, policy.version, texts, now)


async def keep_proof(
    connection: Connection, fingerprint: str, proof: Mapping[str, Any], now: datetime
) -> None:
    """Stores what a check found out about a version, in place of what an earlier one did."""
    await connection.execute(_PROVED, fingerprint, json.dumps(proof, ensure_ascii=False), now)


async def put_in_force(
    connection: Connection,
    fingerprint: str,
    from_at: datetime,
    mode: Mode,
    by: str,
    reason: str,
    now: datetime,
) -> None:
    """Adds a row to what is in force. Raises ValueError where the instant is not at least a minute ahead."""
    if from_at < now + AHEAD:
        raise ValueError("from_at")
    await connection.execute(_PUT_IN_FORCE, fingerprint, from_at, mode.value, by, reason, now)


async def stored_policies(connection: Connection) -> list[StoredPolicy]:
    """Every registered version, the latest first."""
    rows = await connection.fetch(f"{_STORED} ORDER BY registered_at DESC, fingerprint")
    return [_stored(row) for row in rows]


async def stored_policy(connection: Connection, fingerprint: str) -> StoredPolicy | None:
    """One registered version."""
    row = await connection.fetchrow(f"{_STORED} WHERE fingerprint = $1", fingerprint)
    return None if row is None else _stored(row)


async def stored_texts(connection: Connection, fingerprints: Iterable[str]) -> dict[str, dict[str, str]]:
    """The documents of registered versions: by fingerprint, then by file name."""
    wanted = list(fingerprints)
    rows = await connection.fetch(
        "SELECT fingerprint, texts FROM policy WHERE fingerprint = ANY ($1)", wanted
    )
    return {row[0]: json.loads(row[1]) for row in rows}


async def in_force(connection: Connection) -> Timeline:
    """What is in force from when."""
    rows = await connection.fetch(_IN_FORCE)
    return Timeline(InForce(**{**dict(row), "mode": Mode(row["mode"])}) for row in rows)


def _stored(row: asyncpg.Record) -> StoredPolicy:
    proof = None if row["proof"] is None else json.loads(row["proof"])
    return StoredPolicy(**{**dict(row), "proof": proof})


def _could_rise(outcome: Outcome) -> str:
    if outcome.could_rise_to is not outcome.level:
        return "level"
    return "no" if outcome.rag_could_rise_to is outcome.rag else "urgency"


class Policies:
    """What this process knows of the policies in force, and where it gets a version that it lacks."""

    def __init__(self, rulebooks: Rulebooks, watch: Watch | None = None) -> None:
        """`watch` is told of evaluations once they are committed."""
        self.rulebooks = rulebooks
        self._watch = watch
        self._read_at: datetime | None = None
        self._unreadable: set[str] = set()
        self._evaluations = metrics.get_meter("services.triage").create_counter(
            "evaluations", "{evaluation}", "Evaluations, by whether the outcome could still rise."
        )

    async def start(self, ledger: Ledger) -> None:
        """Registers the policy of the partnership's directory. The first one ever is in force from the beginning;
        a later one waits until somebody adopts it, and the log says so.

        Raises UnreadablePolicy.
        """
        own = self.rulebooks.directory
        async with ledger.unit(locks=["policies"]) as unit:
            await register(unit.connection, own, unit.now)
            timeline = await in_force(unit.connection)
            if timeline.live(unit.now) is None:
                first = (own.fingerprint, BEGINNING, Mode.LIVE.value, SYSTEM, "the first policy", unit.now)
                await unit.connection.execute(_PUT_IN_FORCE, *first)
            await self._read(unit.connection, unit.now)
            now = unit.now
        live = self.rulebooks.timeline.live(now)
        if live is not None and self.rulebooks.get(live) is None:
            raise UnreadablePolicy(
                f"The policy in force, {live[:12]}, cannot be read by this release: start the release that it was "
                "adopted with, or adopt another one with that release first"
            )
        if live != own.fingerprint:
            _log.warning(
                "the directory's policy is registered and not in force: `mash policy adopt` puts it in force",
                policy=own.fingerprint,
                version=own.policy.version,
            )
        else:
            _log.info(
                "the directory's policy is in force", policy=own.fingerprint, version=own.policy.version
            )

    async def fresh(self, connection: Connection, now: datetime) -> None:
        """Reads what is in force where what is known of it is too old to evaluate by."""
        if self._read_at is None or not timedelta(0) <= now - self._read_at < READ_EVERY:
            await self._read(connection, now)

    def evaluated(self, unit: Unit, files: Iterable[File]) -> None:
        """Counts the evaluations of these files, and passes them on, once the unit has committed."""
        made = [(file.case.id, one) for file in files for one in file.new_evaluations]
        if made:
            unit.committed.append(partial(self._committed, unit.now, made))

    def _committed(self, at: datetime, made: Sequence[tuple[UUID, NewEvaluation]]) -> None:
        for could, count in Counter(_could_rise(one.evaluation.outcome) for _, one in made).items():
            self._evaluations.add(count, {"could_rise": could})
        if self._watch is not None:
            self._watch(at, made)

    async def load(self, connection: Connection, fingerprint: str) -> Rulebook | None:
        """A version by its fingerprint, out of the database if need be.

        None where it was never registered, or is of a form that this release cannot read.
        """
        if self.rulebooks.get(fingerprint) is None:
            await self._load(connection, [fingerprint])
        return self.rulebooks.get(fingerprint)

    async def _read(self, connection: Connection, now: datetime) -> None:
        timeline = await in_force(connection)
        await self._load(connection, {row.fingerprint for row in timeline.rows})
        self.rulebooks.timeline = timeline
        self._read_at = now

    async def _load(self, connection: Connection, fingerprints: Iterable[str]) -> None:
        lacking = [
            each for each in fingerprints if self.rulebooks.get(each) is None and each not in self._unreadable
        ]
        if not lacking:
            return
        for fingerprint, texts in (await stored_texts(connection, lacking)).items():
            try:
                self.rulebooks.add(make_rulebook(texts, stored_as=fingerprint))
            except DocumentError:
                _log.error("a stored policy cannot be read by this release", policy=fingerprint)
                self._unreadable.add(fingerprint)
