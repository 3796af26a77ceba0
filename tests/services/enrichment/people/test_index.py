"""Whoever is surely known is linked; everybody else becomes a person, with those whom a person of staff must judge."""

import asyncio
from uuid import uuid4

from libs.messaging.codec import PlainCodec
from libs.messaging.ledger import Ledger
from libs.platform.clock import SystemClock
from libs.schemas.events import Service
from libs.schemas.people import Band, LinkMethod
from libs.schemas.person import Address, Date
from services.enrichment.people.index import Index
from services.enrichment.people.subject import Particulars
from services.enrichment.people.upkeep import rekey
from tests.services.enrichment.people.conftest import Hub
from tests.services.enrichment.people.people import (
    ELSEWHERE,
    FINCH_NUMBER,
    NAMES,
    RULES,
    WREN_NUMBER,
    WREN_UPN,
    at,
    subject,
)


async def test_a_child_who_is_not_known_becomes_a_person(hub: Hub) -> None:
    (found,) = await hub.identify(subject())
    assert (found.band, found.method, found.candidates) == (Band.NONE, LinkMethod.NEW, ())
    assert found.rules == RULES.version


async def test_a_child_who_is_surely_known_is_linked_and_the_link_is_explained(hub: Hub) -> None:
    _, person = await hub.known()
    (found,) = await hub.identify(subject(family_name="Kestral"))
    assert (found.person_id, found.band, found.method) == (person, Band.SAME, LinkMethod.SCORE)
    assert found.candidates == ()
    assert found.because is not None
    assert {line.field: str(line.likeness) for line in found.because.comparisons}["family_name"] == "close"


async def test_an_identifier_links_when_nothing_else_is_known(hub: Hub) -> None:
    _, person = await hub.known(nhs_number=WREN_NUMBER)
    nobody = dict.fromkeys(("given_name", "family_name", "born", "sex", "address"))
    (found,) = await hub.identify(subject(**nobody, nhs_number=WREN_NUMBER))
    assert (found.person_id, found.method) == (person, LinkMethod.IDENTIFIER)


async def test_a_doubtful_match_is_left_to_a_person(hub: Hub) -> None:
    _, person = await hub.known()
    (found,) = await hub.identify(subject(born=at(2015)))
    assert (found.band, found.method) == (Band.NONE, LinkMethod.NEW)
    assert found.person_id != person
    assert [(one.person_id, one.band) for one in found.candidates] == [(person, Band.LIKELY)]


async def test_what_a_later_referral_tells_is_known_from_then_on(hub: Hub) -> None:
    _, person = await hub.known(nhs_number=WREN_NUMBER)
    await hub.identify(subject(nhs_number=WREN_NUMBER, address=ELSEWHERE))
    moved = subject(address=ELSEWHERE)
    (found,) = await hub.identify(moved)
    assert (found.person_id, found.method) == (person, LinkMethod.SCORE)
    assert len((await hub.taken_for(person))[person]) == 3


async def test_contradicting_numbers_are_never_linked(hub: Hub) -> None:
    _, person = await hub.known(nhs_number=WREN_NUMBER)
    (found,) = await hub.identify(subject(nhs_number=FINCH_NUMBER))
    assert found.person_id != person
    assert [one.band for one in found.candidates] == [Band.LIKELY]


async def test_two_of_one_referral_are_two_people_even_where_everything_agrees(hub: Hub) -> None:
    referral = uuid4()
    first, second = subject(referral_id=referral), subject(referral_id=referral)
    one, other = await hub.identify(first, second)
    assert one.person_id != other.person_id
    assert {candidate.person_id for found in (one, other) for candidate in found.candidates} <= {
        one.person_id,
        other.person_id,
    }
    # Nor is one who is added to the list later.
    (third,) = await hub.identify(subject(referral_id=referral))
    assert third.person_id not in (one.person_id, other.person_id)
    (named,) = await hub.identify(subject(referral_id=referral, source="police", nhs_number=None))
    assert named.band is Band.NONE
    assert len(named.candidates) == 3


async def test_a_child_who_is_added_to_a_list_is_another_than_those_on_it(hub: Hub) -> None:
    referral = uuid4()
    (one,) = await hub.identify(subject(referral_id=referral))
    (added,) = await hub.identify(subject(referral_id=referral))
    assert added.person_id != one.person_id
    assert [candidate.person_id for candidate in added.candidates] == [one.person_id]


async def test_an_agency_may_name_a_child_whom_the_referrer_named(hub: Hub) -> None:
    referral = uuid4()
    (one,) = await hub.identify(subject(referral_id=referral))
    (named,) = await hub.identify(subject(referral_id=referral, source="police"))
    assert named.person_id == one.person_id


async def test_two_referrals_of_one_batch_about_one_new_child_are_one_person(hub: Hub) -> None:
    one, other = await hub.identify(subject(), subject(family_name="Kestral"))
    assert one.person_id == other.person_id
    assert {one.method, other.method} == {LinkMethod.NEW, LinkMethod.SCORE}


async def test_the_order_of_a_batch_changes_nothing(hub: Hub) -> None:
    subjects = [subject(), subject(given_name="Wern"), subject(family_name="Kestral"), subject(born=at(2015))]
    async with hub.pool.acquire() as connection:
        results = []
        for order in (subjects, subjects[::-1]):
            transaction = connection.transaction()
            await transaction.start()
            found = await hub.index.identify(connection, order, hub.now)
            together = [
                (
                    found[one.id].person_id == found[other.id].person_id,
                    found[one.id].method,
                    len(found[one.id].candidates),
                )
                for one in subjects
                for other in subjects
            ]
            results.append(together)
            await transaction.rollback()
    assert results[0] == results[1]


async def test_two_referrals_at_once_about_one_new_child_make_one_person(hub: Hub) -> None:
    found = await asyncio.gather(*(hub.identify(subject(nhs_number=WREN_NUMBER)) for _ in range(6)))
    assert len({one.person_id for (one,) in found}) == 1
    assert len(await hub.rows("SELECT FROM person")) == 1
    assert sorted(str(one.method) for (one,) in found) == ["identifier"] * 5 + ["new"]
    (person,) = {one.person_id for (one,) in found}
    assert len((await hub.taken_for(person))[person]) == 6


async def test_links_at_once_to_one_person_all_count(hub: Hub) -> None:
    """The two share no key with each other, so only the person's own lock keeps both."""
    nobody = dict.fromkeys(("given_name", "family_name", "born", "sex"))
    _, person = await hub.known(nhs_number=WREN_NUMBER, upn=WREN_UPN)
    birch, cedar = Address(lines=("1 Birch Lane",)), Address(lines=("2 Cedar Lane",))
    async with hub.pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        first = subject(**nobody, address=birch, nhs_number=WREN_NUMBER)
        await hub.index.identify(connection, [first], hub.now)
        second = asyncio.create_task(hub.identify(subject(**nobody, address=cedar, upn=WREN_UPN)))
        await asyncio.wait([second], timeout=0.3)
        assert not second.done()
        await transaction.commit()
    (found,) = await second
    assert found.person_id == person
    (row,) = await hub.rows("SELECT profile FROM person WHERE id = $1", person)
    assert b"Birch" in row["profile"]
    assert b"Cedar" in row["profile"]


async def test_the_same_again_changes_nothing(hub: Hub) -> None:
    one = subject()
    (first,) = await hub.identify(one)
    (again,) = await hub.identify(one)
    assert again.person_id == first.person_id
    assert len(await hub.rows("SELECT FROM person_link")) == 1


async def test_a_correction_links_where_what_was_given_first_did_not(hub: Hub) -> None:
    _, person = await hub.known()
    one = subject(given_name="Wern")
    (doubtful,) = await hub.identify(one)
    (sure,) = await hub.identify(one.model_copy(update={"given_name": "Wren"}))
    assert (doubtful.person_id == person, sure.person_id == person) == (False, True)
    assert (await hub.taken_for(doubtful.person_id)) == {}
    (row,) = await hub.rows("SELECT merged_into FROM person WHERE id = $1", doubtful.person_id)
    assert row["merged_into"] == person


async def test_a_correction_parts_whom_a_rule_had_linked(hub: Hub) -> None:
    child, person = await hub.known(nhs_number=WREN_NUMBER)
    one = subject(nhs_number=WREN_NUMBER)
    await hub.identify(one)
    (parted,) = await hub.identify(one.model_copy(update={"nhs_number": FINCH_NUMBER}))
    assert parted.person_id != person
    assert await hub.taken_for(person) == {person: {child}}
    history = await hub.rows(
        "SELECT person_id, until IS NULL AS stands FROM person_link WHERE subject_id = $1 ORDER BY id", one.id
    )
    assert [(row["person_id"], row["stands"]) for row in history] == [
        (person, False),
        (parted.person_id, True),
    ]
    # What the subject said before no longer finds the person.
    (row,) = await hub.rows("SELECT profile FROM person WHERE id = $1", person)
    assert FINCH_NUMBER.encode() not in row["profile"]


async def test_the_household_knows_who_moved(hub: Hub) -> None:
    def home(address: Address) -> tuple[list[object], object]:
        referral = uuid4()
        child = subject(referral_id=referral, household="h", address=address)
        mother = subject(
            referral_id=referral, household="h", address=address, adult=True, given_name="Robyn",
            born=Date(on="1990-03-04"), nhs_number=None,
        )  # fmt: skip
        return [child, mother], child

    people, _ = home(Address(lines=("12 Alder Road",), postcode="QX1 1AA"))
    before = await hub.identify(*people)  # type: ignore[arg-type]
    people, _ = home(ELSEWHERE)
    after = await hub.identify(*people)  # type: ignore[arg-type]
    assert [one.person_id for one in after] == [one.person_id for one in before]
    assert all(one.method is LinkMethod.SCORE for one in after)


async def test_the_unborn_are_known_again_and_a_birth_is_left_to_a_person(hub: Hub) -> None:
    mother = Particulars(given_name="Robyn", family_name="Quill", born=Date(on="1999-01-05"))
    expected = {"given_name": None, "born": None, "sex": None, "family_name": "Quill", "mother": mother}
    _, person = await hub.known(**expected, expected=Date(on="2026-09-01"))
    (again,) = await hub.identify(subject(**expected, expected=Date(on="2026-09-08")))
    assert (again.person_id, again.band) == (person, Band.SAME)
    (born,) = await hub.identify(
        subject(given_name="Ivy", family_name="Quill", born=Date(on="2026-08-28"), mother=mother)
    )
    assert born.person_id != person
    assert [(one.person_id, one.band) for one in born.candidates] == [(person, Band.LIKELY)]


async def test_no_column_holds_anything_about_a_person(hub: Hub) -> None:
    await hub.known(nhs_number=WREN_NUMBER, also_known_as=("Birdie",))
    columns = await hub.rows(
        "SELECT table_name, column_name FROM information_schema.columns"
        " WHERE table_schema = 'enrichment' AND table_name LIKE 'person%'"
        " AND column_name NOT IN ('profile', 'decision')"
    )
    for table, column in columns:
        text = str(await hub.rows(f"SELECT {column}::text FROM {table}"))
        for value in ("Wren", "wren", "Kestrel", "Birdie", WREN_NUMBER, "2015", "Alder", "QX1"):
            assert value not in text, f"{table}.{column}"


async def test_who_cannot_be_read_any_more_is_nobodys_candidate(hub: Hub) -> None:
    """As when the key that seals a record is gone."""
    _, person = await hub.known()
    async with hub.pool.acquire() as connection:
        await connection.execute("UPDATE person SET profile = $1", b"sealed for ever")
    (found,) = await hub.identify(subject())
    assert found.person_id != person
    assert found.candidates == ()


async def test_somebody_is_looked_for_without_being_kept(hub: Hub) -> None:
    _, person = await hub.known()
    async with hub.pool.acquire() as connection:
        choice = await hub.index.search(connection, subject(born=at(2015)))
    assert [candidate.person_id for candidate in choice.offered] == [person]
    assert len(await hub.rows("SELECT FROM person_subject")) == 1


async def test_keys_are_made_anew_under_another_secret(hub: Hub) -> None:
    _, person = await hub.known()
    hub.index = Index(PlainCodec(), RULES, NAMES, "another secret of enough letters")
    ledger = Ledger(
        hub.pool, Service.ENRICHMENT, partnership="peterborough", codec=PlainCodec(), clock=SystemClock()
    )
    assert [await rekey(ledger, hub.index) for _ in range(2)] == [1, 0]
    (found,) = await hub.identify(subject())
    assert found.person_id == person


async def test_few_round_trips_whatever_the_batch(hub: Hub) -> None:
    counts = []
    async with hub.pool.acquire() as connection:
        for size, family in ((1, "Orrell"), (1, "Quill"), (20, "Sedge")):
            several = [subject(given_name=f"Child{number}", family_name=family) for number in range(size)]
            statements: list[str] = []
            with connection.query_logger(lambda query, log=statements: log.append(query.query)):
                await hub.index.identify(connection, several, hub.now)
                # The log is told of a statement a turn later.
                await asyncio.sleep(0)
            counts.append(len(statements))
    assert counts[1:] == [6, 6]


async def test_a_transaction_that_fails_leaves_nobody(hub: Hub) -> None:
    async with hub.pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await hub.index.identify(connection, [subject()], hub.now)
        await transaction.rollback()
    assert await hub.rows("SELECT FROM person") == []
