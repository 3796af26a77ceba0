"""How long a back-test of many children takes. Prints JSON.

python -m bench.backtest [--children 1000000] [--stored 0] [--keep FILE]

Synthetic children, each with some facts of the shipped dictionary from the sources that may state them, and each
agency's answer, in a file with a JSON object in each line; `--stored` puts so many into a database of its own as triage
keeps them. What is measured is the command as people run it, from its start to its end, comparing the shipped policy
with a copy of it that has another default.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from libs.platform.database import connect, role_dsn
from libs.platform.migrations import migrate
from libs.platform.provision import prepare
from libs.schemas.dictionary import DERIVED, REFERRER, STAFF, Definition, Dictionary, Kind
from libs.schemas.events import Service
from sandbox.postgres import EmbeddedPostgres
from services.triage.policy import load_policy, read_texts

PARTNERSHIP = Path("deploy/partnership")
ANSWERS = (
    "nothing_held",
    "returned",
    "returned",
    "nothing_held",
    "no_answer",
    "not_requested",
    "unavailable",
)
MOST_FACTS = 9
AGENCIES = tuple(f"school_{number}" for number in range(60))
WARDS = tuple(f"Ward {number}" for number in range(22))
BEGINNING = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
WANTED_SECONDS = 60


class Children:
    """Synthetic children under a dictionary, the same for the same seed."""

    def __init__(self, dictionary: Dictionary, seed: int) -> None:
        self._random = random.Random(seed)
        self._definitions = list(dictionary.definitions.values())
        self._agencies = dictionary.agencies

    def child(self) -> dict[str, Any]:
        """One child, as a line of the file."""
        some = self._random.sample(self._definitions, self._random.randint(1, MOST_FACTS))
        facts = [
            {"fact": one.name, "value": self._value(one), "source": self._random.choice(sorted(one.sources))}
            for one in some
        ]
        facts.append({"fact": "child.age", "value": self._random.randint(0, 17), "source": DERIVED})
        return {
            "facts": facts,
            "answers": {agency: self._random.choice(ANSWERS) for agency in self._agencies},
            "attributes": {"agency": self._random.choice(AGENCIES), "ward": self._random.choice(WARDS)},
        }

    def _value(self, one: Definition) -> Any:
        if one.kind is Kind.YES_NO:
            return self._random.random() < 0.5
        if one.kind is Kind.SCALE:
            return self._random.choice(one.steps)
        return self._random.randint(0, min(one.maximum, 20))


def write_file(path: Path, children: Children, count: int) -> None:
    """The file of facts."""
    with path.open("w", encoding="utf-8") as file:
        for _ in range(count):
            file.write(json.dumps(children.child(), separators=(",", ":")) + "\n")


def write_policy(folder: Path) -> None:
    """The shipped policy with another default, so that there is something to compare."""
    texts = read_texts(PARTNERSHIP)
    document = yaml.load(texts["policy.yaml"], yaml.BaseLoader)  # noqa: S506 - reads texts alone
    document.update(version="trial", default={"level": "early_help", "rag": "green"})
    texts["policy.yaml"] = yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")


def run(policy: Path, *arguments: str, **environment: str) -> dict[str, Any]:
    """The command, with the seconds that it took and what it counted."""
    begun = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", "policy", "backtest", str(policy), "--json", *arguments],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **environment},
    )
    seconds = time.perf_counter() - begun
    report = json.loads(done.stdout)
    return {
        "children": report["children"],
        "seconds": round(seconds, 1),
        "a_second": round(report["children"] / seconds),
        "could_rise": report["could_rise"],
        "changed": report["changes"]["changed"],
    }


async def store(dsn: str, children: Children, count: int) -> None:
    """Cases as triage keeps them: what the referrer said, what each agency answered, and an evaluation."""
    await prepare(dsn, "postgres")
    await migrate(dsn, Service.TRIAGE, transport="postgres")
    connection = await connect(role_dsn(dsn, Service.TRIAGE), service=Service.TRIAGE)
    try:
        for start in range(0, count, 5000):
            tables = _rows(children, start, min(5000, count - start))
            for name, (columns, rows) in tables.items():
                await connection.copy_records_to_table(name, records=rows, columns=columns)
    finally:
        await connection.close()
    admin = await connect(dsn, service=Service.TRIAGE)
    try:
        await admin.execute("VACUUM ANALYZE child_case, referral, evaluation, evidence")
    finally:
        await admin.close()


def _rows(
    children: Children, start: int, count: int
) -> dict[str, tuple[tuple[str, ...], list[tuple[Any, ...]]]]:
    referral, case, evidence, evaluation = [], [], [], []
    for number in range(start, start + count):
        at, key = BEGINNING + timedelta(seconds=number), uuid.UUID(int=(number << 64) + 1)
        child, referral_id = children.child(), uuid.uuid4()
        agency = child["attributes"]["agency"]
        home = {
            "children": {str(key): {"address": {"postcode": f"PE{number % 40} {number % 9}AA"}}},
            "shared": {},
        }
        referral.append((referral_id, f"R{number}", agency, at, json.dumps(home).encode()))
        case.append(_case(key, referral_id, number, at))
        pieces = list(_evidence(key, child))
        for place, (kind, source, document) in enumerate(pieces, 1):
            evidence.append((key, place, uuid.uuid4(), kind, source, at, json.dumps(document).encode()))
        states = json.dumps([child["answers"]])
        evaluation.append(
            (key, 1, key, at, "completed", "", "universal", "green", "universal", b"{}", len(pieces), states)
        )
    return {
        "referral": (("id", "reference", "agency", "received_at", "document"), referral),
        "child_case": (_CASE, case),
        "evidence": (("case_id", "number", "event_id", "kind", "source", "at", "document"), evidence),
        "evaluation": (_EVALUATION, evaluation),
    }


_CASE = (
    *("id", "referral_id", "child_number", "received_at", "due_at", "team", "stub", "stage", "level", "rag"),
    *("could_rise_to", "immediate_danger", "unread", "unrouted", "at_risk", "stopped", "evidence", "answers"),
    *("evaluation", "decision", "announced_level", "announced_rag", "actions"),
)
_EVALUATION = (
    *(
        "case_id",
        "number",
        "event_id",
        "at",
        "trigger",
        "policy",
        "level",
        "rag",
        "could_rise_to",
        "document",
    ),
    *("evidence", "states"),
)


def _case(key: uuid.UUID, referral_id: uuid.UUID, number: int, at: datetime) -> tuple[Any, ...]:
    head = (key, referral_id, 1, at, at, "duty", False, "decided", "universal", "green")
    return (*head, "universal", False, False, False, False, False, 2, 1, 1, 1, "universal", "green", [])


def _evidence(key: uuid.UUID, child: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    said: dict[str, list[dict[str, Any]]] = {REFERRER: [], DERIVED: [], STAFF: []}
    for fact in child["facts"]:
        said.setdefault(fact["source"], []).append(
            {"fact": fact["fact"], "value": fact["value"], "basis": "record"}
        )
    stated = {"facts": said.pop(REFERRER), "derived": said.pop(DERIVED)}
    yield "received", REFERRER, {"shared": {}, "children": {str(key): stated}}
    read = said.pop(STAFF)
    if read:
        reading = {"facts": read, "read_by": "staff", "read_at": BEGINNING.isoformat()}
        yield "reading", STAFF, {"shared": {}, "children": {str(key): reading}}
    about = {"reference": "MASH-0000-0000", "at": BEGINNING.isoformat()}
    for agency, state in child["answers"].items():
        answer = {"agency": agency, "question_id": "q", "state": state, "facts": said.get(agency, [])}
        yield "answer", agency, {"shared": about, "children": {str(key): answer}}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--children", type=int, default=1_000_000)
    parser.add_argument("--stored", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="write the file here and keep it")
    chosen = parser.parse_args()
    dictionary = load_policy(read_texts(PARTNERSHIP)).dictionary
    found: dict[str, Any] = {
        "benchmark": "backtest",
        "cores": os.cpu_count(),
        "wanted_seconds": WANTED_SECONDS,
    }
    with tempfile.TemporaryDirectory(prefix="mash-bench-") as scratch:
        folder = Path(scratch)
        policy = folder / "policy"
        policy.mkdir()
        write_policy(policy)
        if chosen.children:
            file = chosen.keep or folder / "facts.jsonl"
            write_file(file, Children(dictionary, 1), chosen.children)
            found["file"] = run(policy, "--file", str(file), "--against", str(PARTNERSHIP))
        if chosen.stored:
            with EmbeddedPostgres(folder / "postgres", settings={"fsync": "off"}) as server:
                asyncio.run(store(server.dsn(), Children(dictionary, 2), chosen.stored))
                address = role_dsn(server.dsn(), Service.TRIAGE)
                found["stored"] = run(policy, "--against", str(PARTNERSHIP), MASH_DATABASE_URL=address)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
