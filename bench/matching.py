"""How well and how fast people are found: `python -m bench.matching` prints JSON.

A generated population (sandbox/population.py) is put into the index on a real PostgreSQL; then people are written down
with errors (sandbox/slips.py) and looked up. Some of the population are kept out of the index, twins and same-named
cousins of those who are in it above all: a link of theirs is always wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import asyncpg

from libs.messaging.codec import PlainCodec
from libs.platform.database import create_pool, role_dsn
from libs.platform.migrations import migrate
from libs.platform.provision import prepare
from libs.schemas.base import Nothing
from libs.schemas.events import Service
from libs.schemas.people import Band, LinkMethod
from sandbox.population import Human, Population
from sandbox.postgres import EmbeddedPostgres
from sandbox.slips import RATES, Scribe, Sighting
from services.enrichment.people.choice import Choice
from services.enrichment.people.index import Index
from services.enrichment.people.keys import Keys
from services.enrichment.people.names import load_names
from services.enrichment.people.rules import load_rules
from services.enrichment.people.store import PeopleStore
from services.enrichment.people.subject import KeptProfile, Subject, profile_of

PARTNERSHIP = Path("deploy/partnership")
SECRET = "for measurements only, of no meaning"
SIZE = 105_000
"""So many that a hundred thousand are in the index, and the rest are kept out of it."""
SEED = 20_260_601
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
CHUNK = 5_000
LAST = UUID(int=(1 << 122) - 1)
"""The id of whoever comes last among the persons of one name."""


@dataclass
class Tally:
    """What became of looking up several people."""

    people: int = 0
    known: int = 0
    right: int = 0
    wrong: int = 0
    offered: int = 0
    asked: int = 0
    seconds: list[float] = field(default_factory=list)

    def figures(self) -> dict[str, object]:
        """The counts with their shares."""
        links = self.right + self.wrong
        return {
            "people": self.people,
            "known": self.known,
            "linked_rightly": self.right,
            "linked_wrongly": self.wrong,
            "precision_of_links": round(self.right / links, 5) if links else None,
            "true_person_linked_or_offered": round(self.offered / self.known, 4) if self.known else None,
            "left_to_a_person": round(self.asked / self.people, 3) if self.people else None,
        }

    def __add__(self, other: Tally) -> Tally:
        return Tally(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))


class World:
    """A population, of whom most are in an index."""

    def __init__(self, size: int, seed: int) -> None:
        self.names = load_names(PARTNERSHIP / "names.yaml")
        self.rules = load_rules(PARTNERSHIP / "matching.yaml")
        self.chance = Random(seed)
        self.population = Population(size, seed)
        self.scribe = Scribe(self.population, self.names, seed + 1)
        self.keys = Keys(SECRET, self.names)
        self.index = Index(PlainCodec(), self.rules, self.names, SECRET)
        self.kept_out = self._kept_out()
        self.inside = [human for human in self.population.people if human.number not in self.kept_out]

    def _kept_out(self) -> frozenset[int]:
        """One in three pairs of twins and of namesakes lacks one of the two, and one in thirty of the others."""
        out: set[int] = set()
        for human in self.population.people:
            paired = human.twin if human.twin is not None else human.namesake
            share = 0.033 if paired is None else 0.33
            if paired not in out and self.chance.random() < share:
                out.add(human.number)
        return frozenset(out)

    async def load(self, connection: asyncpg.Connection) -> dict[str, object]:
        """Puts everybody who is in the index into its tables, as if each had come in a referral of their own."""
        store = PeopleStore(PlainCodec(), self.keys, self.names)
        begun, keys = time.perf_counter(), 0
        for start in range(0, len(self.inside), CHUNK):
            people, links, hashes, given = [], [], [], []
            for human in self.inside[start : start + CHUNK]:
                subject, beside = self.scribe.record(human, self._seen_with(human))
                prepared = store.prepared(profile_of(subject, self.keys.companions(beside)))
                person = person_id(human)
                (sealed,) = await PlainCodec().encode(
                    [KeptProfile(shared=Nothing(), children={person: prepared.profile})]
                )
                people.append((person, sealed, self.keys.fingerprint, NOW, NOW))
                hashes += [(key.digest, person) for key in prepared.keys]
                given.append((subject.id, subject.referral_id, subject.adult, subject.source, sealed, NOW))
                links.append(
                    (subject.id, person, Band.NONE.value, LinkMethod.NEW.value, self.rules.version, NOW)
                )
            keys += len(hashes)
            for table, columns, rows in (
                ("person", "id profile keyed created_at changed_at", people),
                ("person_key", "key person_id", hashes),
                ("person_subject", "id referral_id adult source profile given_at", given),
                ("person_link", "subject_id person_id band method rules since", links),
            ):
                await connection.copy_records_to_table(table, columns=columns.split(), records=rows)
        await connection.execute("ANALYZE")
        return {
            "people_in_the_index": len(self.inside),
            "keys_per_person": round(keys / len(self.inside), 1),
            "seconds_to_load": round(time.perf_counter() - begun, 1),
        }

    def _seen_with(self, human: Human) -> list[Human]:
        members = self.population.households[human.household]
        return [
            self.population.people[other]
            for other in members
            if other != human.number and self.chance.random() < 0.7
        ]

    def sightings(self, of: Sequence[Human], count: int, error: str | None = None) -> list[Sighting]:
        """So many people of these, as referrers give them; fewer where an error can happen to few."""
        found: list[Sighting] = []
        for _ in range(40 * count):
            sighting = self.scribe.sighting(self.chance.choice(of), error)
            if sighting is not None:
                found.append(sighting)
            if len(found) == count:
                break
        return found

    def groups(self, mixed: int, each: int) -> dict[str, list[Sighting]]:
        """Whom to look up: as they come, by each kind of error, and those who are easily mistaken."""
        people = self.population.people
        children = [human for human in people if not human.adult]
        known = [human for human in children if human.number not in self.kept_out]

        def some(attribute: str, *, inside: bool) -> list[Human]:
            return [
                human
                for human in people
                if getattr(human, attribute) is not None and (human.number not in self.kept_out) is inside
            ]

        strangers = [
            human
            for human in children
            if human.number in self.kept_out and human.twin is human.namesake is None
        ]
        found = {
            "as they come": self.sightings([*children, *children, *people], mixed),
            "twins": self.sightings(some("twin", inside=True), 3 * each),
            "twins of those known": self.sightings(some("twin", inside=False), 3 * each),
            "same-named cousins": self.sightings(some("namesake", inside=True), 3 * each),
            "same-named cousins of those known": self.sightings(some("namesake", inside=False), 3 * each),
            "strangers": self.sightings(strangers, each),
        }
        return found | {f"error: {error}": self.sightings(known, each, error) for error in RATES}

    async def look_up(self, connection: asyncpg.Connection, sightings: Iterable[Sighting]) -> Tally:
        """Looks people up, and counts."""
        tally = Tally()
        for sighting in sightings:
            begun = time.perf_counter()
            choice = await self.index.search(connection, sighting.subject, sighting.household)
            tally.seconds.append(time.perf_counter() - begun)
            self._count(tally, sighting.human, choice)
        return tally

    def _count(self, tally: Tally, human: Human, choice: Choice) -> None:
        true, known = person_id(human), human.number not in self.kept_out
        tally.people += 1
        tally.known += known
        if choice.linked is not None:
            rightly = known and choice.linked.person_id == true
            tally.right += rightly
            tally.wrong += not rightly
            tally.offered += rightly
        else:
            tally.asked += bool(choice.offered)
            tally.offered += any(candidate.person_id == true for candidate in choice.offered)

    async def identify(self, connection: asyncpg.Connection, sightings: Iterable[Sighting]) -> list[float]:
        """Seconds to identify each family as a whole and keep it; everything is taken back afterwards."""
        seconds = []
        for sighting in sightings:
            transaction = connection.transaction()
            await transaction.start()
            family: list[Subject] = [sighting.subject, *sighting.household]
            begun = time.perf_counter()
            await self.index.identify(connection, family, NOW)
            seconds.append(time.perf_counter() - begun)
            await transaction.rollback()
        return seconds

    async def crowded(self, connection: asyncpg.Connection, size: int) -> Tally:
        """Looks up one of many adults of the same name of whom nothing else is known, beside one with an address.

        Everything is taken back afterwards.
        """
        store = PeopleStore(PlainCodec(), self.keys, self.names)
        at_home = _namesake(self.inside[0])
        people = {UUID(int=(1 << 120) + number): _namesake() for number in range(size)} | {LAST: at_home}
        prepared = {person: store.prepared(profile_of(one)) for person, one in people.items()}
        tally = Tally()
        transaction = connection.transaction()
        await transaction.start()
        await store.add_persons(connection, prepared, NOW)
        for one in [_namesake(), at_home] * 50:
            begun = time.perf_counter()
            choice = await self.index.search(connection, one)
            tally.seconds.append(time.perf_counter() - begun)
            tally.people += 1
            if one is at_home:
                tally.known += 1
                tally.offered += [each.person_id for each in choice.offered[:1]] == [LAST]
        await transaction.rollback()
        return tally


def _namesake(like: Human | None = None) -> Subject:
    """An adult of a common name; who lives at somebody's address where that is given."""
    address = None if like is None else like.home.address()
    return Subject(
        id=UUID(int=1 << 121),
        referral_id=UUID(int=1 << 121),
        adult=True,
        source="referrer",
        given_name="Sarah",
        family_name="Smith",
        address=address,
    )


def person_id(human: Human) -> UUID:
    """The id that a synthetic person has in the index."""
    return UUID(int=human.number + 1)


def quantiles(seconds: Iterable[float]) -> dict[str, float]:
    """Median and 99th percentile in milliseconds."""
    ordered = sorted(seconds)
    return {
        name: round(1000 * ordered[min(int(share * len(ordered)), len(ordered) - 1)], 2)
        for name, share in (("p50", 0.5), ("p99", 0.99))
    }


async def measure(
    dsn: str, size: int, *, mixed: int, each: int, same_name: int = 2000, seed: int = SEED
) -> dict[str, Any]:
    """All figures, on the empty index of a migrated database. `dsn`: the administrator's."""
    world = World(size, seed)
    # The collector would walk the whole population in the middle of a look-up.
    gc.freeze()
    pool = await create_pool(role_dsn(dsn, Service.ENRICHMENT), service=Service.ENRICHMENT, size=2)
    try:
        async with pool.acquire() as connection:
            admin = await asyncpg.connect(dsn, server_settings={"search_path": Service.ENRICHMENT.value})
            try:
                loaded = await world.load(admin)
            finally:
                await admin.close()
            groups = world.groups(mixed, each)
            await world.look_up(connection, groups["as they come"][:50])
            found = {name: await world.look_up(connection, group) for name, group in groups.items()}
            crowd = await world.crowded(connection, same_name)
            families = await world.identify(connection, groups["as they come"][: max(each, 50)])
    finally:
        await pool.close()
    everything = sum(found.values(), Tally())
    mistaken = ("twins", "twins of those known", "same-named cousins", "same-named cousins of those known")
    return {
        **loaded,
        "as_they_come": found["as they come"].figures(),
        "everybody": everything.figures(),
        "twins_linked_wrongly": sum(found[name].wrong for name in mistaken[:2]),
        "cousins_linked_wrongly": sum(found[name].wrong for name in mistaken[2:]),
        "lookup_ms": quantiles(everything.seconds),
        "identify_a_family_ms": quantiles(families),
        "among_adults_of_one_name": {
            "adults": same_name,
            "lookup_ms": quantiles(crowd.seconds),
            "who_lives_there_offered_first": crowd.offered / crowd.known,
        },
        "groups": {name: tally.figures() for name, tally in found.items() if name != "as they come"},
        "wanted": {
            "precision_of_links_at_least": 0.999,
            "true_person_linked_or_offered_at_least": 0.98,
            "lookup_ms_p99_under": 20,
            "twins_and_cousins_linked_wrongly": 0,
        },
    }


async def _run(size: int, mixed: int, each: int) -> dict[str, Any]:
    with (
        tempfile.TemporaryDirectory(prefix="mash-bench-") as folder,
        EmbeddedPostgres(Path(folder) / "postgres") as server,
    ):
        dsn = server.dsn()
        await prepare(dsn, "postgres")
        await migrate(dsn, Service.ENRICHMENT, transport="postgres")
        return await measure(dsn, size, mixed=mixed, each=each)


def main() -> None:
    """Measures, and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=SIZE)
    parser.add_argument("--mixed", type=int, default=3000, help="how many are looked up as they come")
    parser.add_argument("--each", type=int, default=150, help="how many of each kind of error")
    options = parser.parse_args()
    print(json.dumps(asyncio.run(_run(options.people, options.mixed, options.each)), indent=2))


if __name__ == "__main__":
    main()
