"""A case is found by what a caller can say, among those that the reader may see, and nothing that was said is kept."""

from datetime import date
from typing import Any

import asyncpg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.messaging.event import Event
from libs.platform.auth import Principal
from libs.schemas.person import Address, Date
from libs.schemas.referral import Adult, ReferredChild
from libs.spelling import words
from services.triage.restricted.rights import visible
from services.triage.search.index import SearchIndex, forget
from services.triage.search.keys import SHORTEST_START, Keys, Matched
from services.triage.search.search import SearchBody, search_statement
from tests.services.triage.conftest import HubWorld, Story, stated
from tests.services.triage.furnishing import INDEX, SEARCH_SECRET
from tests.services.triage.restricted.test_leaks import STAFF
from tests.services.triage.staff import Person

HUNGRY = stated("child.hunger", "persistent")
ZOE = {
    "given_name": "Zoë-Marie",
    "family_name": "O'Tańczuk",
    "also_known_as": ("Zuzu Fernsby",),
    "born": Date(on=date(2018, 2, 3)),
    "nhs_number": "9990000026",
    "upn": "Z999000000001",
    "address": Address(lines=("1 Made Up Row",), postcode="PE1 1AA"),
}
MOTHER = {"roles": ["carer"], "given_name": "Ingrid", "family_name": "Quellmalz"}


def about(story: Story, child: dict[str, Any] = ZOE, **body: Any) -> Event:
    event = story.received([HUNGRY], **body)
    payload = event.payload
    [first] = story.child_ids[:1]
    named = ReferredChild(**child, facts=(HUNGRY,))
    return story.event(
        event.type, payload.model_copy(update={"children": {**payload.children, first: named}})
    )


async def found(person: Person, **asked: str) -> dict[str, list[str]]:
    answer = await person.post("/v1/search", asked)
    assert answer.status_code == 200, answer.text
    return {item["case_id"]: item["matched"] for item in answer.json()["items"]}


@pytest.fixture
async def zoe(hub: HubWorld) -> Story:
    story, other = Story(), Story()
    await hub.take(about(story, adults=[MOTHER]), other.received([HUNGRY]))
    return story


ASKED: list[tuple[dict[str, str], list[str] | None]] = [
    ({"nhs_number": "9990000026"}, ["nhs_number"]),
    ({"upn": "Z999000000001"}, ["upn"]),
    ({"date_of_birth": "2018-02-03"}, ["date_of_birth"]),
    ({"postcode": "pe11aa"}, ["postcode"]),
    ({"name": "zoe marie otanczuk"}, ["name"]),
    ({"name": "Otan"}, ["name_begins"]),
    ({"name": "Tanchuk Zoey"}, None),
    ({"name": "Zouey"}, ["name_sounds"]),
    ({"name": "Fernsby"}, ["name"]),
    ({"name": "Ingrid Quellmalz"}, ["name"]),
    (
        {"name": "Zoe", "date_of_birth": "2018-02-03", "postcode": "PE1 1AA"},
        ["date_of_birth", "postcode", "name"],
    ),
    ({"name": "Zoe", "date_of_birth": "2018-02-04"}, None),
    ({"name": "Zoe Bramblewick"}, None),
    ({"nhs_number": "9990000034"}, None),
]


async def test_all_that_is_asked_for_must_hold_and_the_answer_says_by_what(
    zoe: Story, worker: Person
) -> None:
    for asked, matched in ASKED:
        expected = {} if matched is None else {str(zoe.child_ids[0]): matched}
        assert await found(worker, **asked) == expected, asked


async def test_a_reference_finds_every_child_of_its_referral_however_it_is_written(
    hub: HubWorld, worker: Person
) -> None:
    story = Story(children=2)
    await hub.take(story.received([HUNGRY], [HUNGRY]))
    spoken = story.reference.replace("-", " ").lower()
    assert set(await found(worker, reference=spoken)) == {str(one) for one in story.child_ids}
    assert set((await found(worker, reference=spoken)).popitem()[1]) == {"reference"}
    assert await found(worker, reference=Story().reference) == {}


async def test_an_estimated_birth_is_found_by_a_date_in_its_years_and_a_spelt_name_stands_first(
    hub: HubWorld, worker: Person
) -> None:
    spelt, sounds = Story(), Story()
    guess = Date(earliest=date(2017, 6, 1), latest=date(2018, 5, 31))
    await hub.take(about(spelt, {"given_name": "Katherine", "born": guess}))
    await hub.take(about(sounds, {"given_name": "Catherine", "born": guess}))
    answer = await found(worker, name="Katherine", date_of_birth="2018-01-01")
    assert list(answer) == [str(spelt.child_ids[0]), str(sounds.child_ids[0])]
    assert answer[str(spelt.child_ids[0])] == ["year_of_birth", "name"]
    assert await found(worker, name="Katherine", date_of_birth="2019-01-01") == {}


async def test_whoever_is_corrected_found_or_added_is_found_by_the_new_name_and_the_old(
    hub: HubWorld, zoe: Story, worker: Person
) -> None:
    path = f"/v1/cases/{zoe.child_ids[0]}/people"
    body = {
        "children": [{"case_id": str(zoe.child_ids[0]), "child": {"given_name": "Xanthippe"}}],
        "adults": [{"given_name": "Balthasar", "roles": ["carer"]}],
        "reason": "The school says so.",
    }
    assert (await worker.post(path, body)).status_code == 201
    await hub.take(zoe.found(ReferredChild(given_name="Yngwie")))
    for name, child in (("Xanthippe", 0), ("Balthasar", 0), ("Zoe", 0), ("Yngwie", 1)):
        assert list(await found(worker, name=name)) == [str(zoe.child_ids[child])], name
    assert set(await found(worker, name="Ingrid")) == {str(one) for one in zoe.child_ids}, "of the same home"


async def test_a_restricted_case_is_found_by_nothing_without_the_right(
    zoe: Story, worker: Person, manager: Person, trusted: Person
) -> None:
    await manager.put(f"/v1/cases/{zoe.child_ids[0]}/restriction", STAFF)
    ways = (
        {"reference": zoe.reference},
        {"nhs_number": "9990000026"},
        {"name": "Zoe"},
        {"postcode": "PE1 1AA"},
    )
    for asked in ways:
        assert await found(worker, **asked) == {}
        assert list(await found(trusted, **asked)) == [str(zoe.child_ids[0])]


REFUSED: list[tuple[dict[str, str], str]] = [
    ({}, ""),
    ({"name": "?!"}, "/name"),
    ({"name": "a b c d e f g"}, "/name"),
    ({"nhs_number": "999"}, "/nhs_number"),
    ({"reference": "K7TM-P2RW-X"}, "/reference"),
    ({"date_of_birth": "2018-02-30"}, "/date_of_birth"),
]


async def test_what_cannot_be_looked_for_is_refused_without_repeating_it(worker: Person) -> None:
    for asked, pointer in REFUSED:
        refused = await worker.post("/v1/search", asked)
        assert refused.status_code == 422
        assert [one["pointer"] for one in refused.json()["errors"]] == [pointer]
        assert all(value not in refused.text for value in asked.values())


async def test_nothing_readable_is_kept_of_a_name_or_of_a_search(
    hub: HubWorld, zoe: Story, worker: Person
) -> None:
    await worker.post("/v1/search", {"name": "Zoe", "nhs_number": "9990000026"})
    kept = str(await hub.rows("SELECT encode(digest, 'escape') FROM search_key"))
    kept += str(await hub.rows("SELECT access::text FROM access"))
    for said in ("zo", "tanczuk", "9990000026", "2018", "PE1"):
        assert said not in kept.lower()
    rows = await hub.rows("SELECT subject, case_id FROM access WHERE action = 'search'")
    assert [tuple(row) for row in rows] == [(worker.id, None)]
    lengths = await hub.rows("SELECT DISTINCT length(digest) FROM search_key")
    assert [row[0] for row in lengths] == [16]


async def test_what_is_erased_is_found_no_more_and_does_not_come_back(
    hub: HubWorld, zoe: Story, worker: Person
) -> None:
    async with hub.ledger.pool.acquire() as connection:
        await forget(connection, zoe.child_ids)
    assert await found(worker, name="Zoe") == {}
    assert await INDEX.sweep(hub.ledger) == 0
    assert await found(worker, name="Zoe") == {}


async def test_cases_from_before_get_their_keys_and_all_get_new_ones_with_a_new_secret(
    hub: HubWorld, zoe: Story, worker: Person
) -> None:
    await hub.take(zoe.found(ReferredChild(given_name="Yngwie")))
    body = {
        "children": [{"case_id": str(zoe.child_ids[0]), "child": {"given_name": "Xanthippe"}}],
        "reason": "r",
    }
    await worker.post(f"/v1/cases/{zoe.child_ids[0]}/people", body)
    before = sorted(tuple(row) for row in await hub.rows("SELECT digest, case_id FROM search_key"))
    other = SearchIndex(Keys("o" * 32))
    assert await other.sweep(hub.ledger) == 3
    assert await found(worker, name="Zoe") == {}
    assert await other.sweep(hub.ledger) == 0
    assert await SearchIndex(Keys(SEARCH_SECRET)).sweep(hub.ledger) == 3
    assert sorted(tuple(row) for row in await hub.rows("SELECT digest, case_id FROM search_key")) == before


NAMES = st.text(alphabet="abcdefghijklmnopqrstuvwxyzéłßñ' -", min_size=1, max_size=20)


@given(given=NAMES, family=NAMES, length=st.integers(3, 20))
@settings(max_examples=80, deadline=None)
def test_a_name_is_found_by_itself_by_any_order_of_its_words_and_by_its_beginnings(
    given: str, family: str, length: int
) -> None:
    keys = Keys(SEARCH_SECRET)
    held = keys.of_case(ReferredChild(given_name=given.strip() or "x", family_name=family.strip() or "x"), ())
    for term in keys.name(f"{family} {given}"):
        assert Matched.NAME in {kind for digest, kind in term.keys.items() if digest in held}
    for word in words(given):
        for term in keys.name(word[:length]):
            kinds = {kind for digest, kind in term.keys.items() if digest in held}
            assert kinds or (length < len(word) and len(word[:length]) < SHORTEST_START)


def test_the_keys_of_two_secrets_have_nothing_in_common() -> None:
    child, adult = ReferredChild(**ZOE), Adult(**MOTHER)
    one, other = (Keys(secret * 32).of_case(child, (adult,)) for secret in "ab")
    assert one
    assert not one & other


async def test_a_search_reads_the_keys_and_not_the_cases(hub: HubWorld, hub_database: str) -> None:
    """At 40,000 cases, of which one in forty has the name."""
    keys = Keys(SEARCH_SECRET)
    [term] = keys.name("Smith")
    spelt = next(digest for digest, kind in term.keys.items() if kind is Matched.NAME)
    await hub.ledger.pool.execute(
        "INSERT INTO child_case (id, referral_id, child_number, received_at, due_at, team, stub, stage, level, rag,"
        " could_rise_to, immediate_danger, unread, unrouted, at_risk, stopped, evidence, answers, evaluation, decision,"
        " announced_level, announced_rag, actions) SELECT gen_random_uuid(), gen_random_uuid(), 1, $1, $1, 'duty',"
        " false, 'checks', 'targeted', 'green', 'targeted', false, false, false, false, false, 1, 0, 1, 0, 'targeted',"
        " 'green', '{}' FROM generate_series(1, 40000)",
        hub.clock.now(),
    )
    await hub.ledger.pool.execute(
        "INSERT INTO search_key SELECT sha256(id::text::bytea), id FROM child_case UNION ALL"
        " SELECT $1, id FROM (SELECT id, row_number() OVER () AS n FROM child_case) AS c WHERE n % 40 = 0",
        spelt,
    )
    connection = await asyncpg.connect(hub_database)
    await connection.execute("SET search_path TO triage")
    await connection.execute("VACUUM ANALYZE search_key, child_case")
    body = SearchBody(name="Smith")
    for caller in (Principal("a", "a"), Principal("b", "b", scopes=frozenset(("restricted:read",)))):
        statement, parameters = search_statement(body, [term, keys.born(date(2018, 1, 1))], visible(caller))
        plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {statement}", *parameters))
        assert "search_key_pkey" in plan, plan
        assert "Seq Scan" not in plan, plan
    await connection.close()
