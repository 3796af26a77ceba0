"""What staff decide about who a child is holds, is kept with who and why, and can be taken back."""

from uuid import UUID, uuid4

from libs.schemas.commands import PersonAction
from libs.schemas.people import Band, LinkMethod
from tests.services.enrichment.people.conftest import Hub
from tests.services.enrichment.people.people import ELSEWHERE, WREN_NUMBER, at, subject

LINK, UNLINK, MERGE, UNDO = PersonAction.LINK, PersonAction.UNLINK, PersonAction.MERGE, PersonAction.UNDO


async def test_a_link_holds_whatever_is_given_later(hub: Hub) -> None:
    earlier, person = await hub.known()
    one = subject(born=at(2015))
    (doubtful,) = await hub.identify(one)
    _, decided = await hub.decide(one.id, LINK, person_id=person)
    assert decided.done
    assert decided.affected == {earlier, one.id}
    (now,) = await hub.standing(one.id)
    assert (now.person_id, now.band, now.method, now.candidates) == (person, Band.SAME, LinkMethod.STAFF, ())
    (again,) = await hub.identify(one.model_copy(update={"given_name": "Ada", "born": at(1999)}))
    assert (again.person_id, again.method) == (person, LinkMethod.STAFF)
    # Who the child was taken for before leads to the person.
    other, _ = await hub.known(given_name="Zoe", family_name="Orrell", address=ELSEWHERE)
    await hub.decide(other, LINK, person_id=doubtful.person_id)
    assert (await hub.standing(other))[0].person_id == person


async def test_a_link_that_is_taken_back_leaves_everything_as_it_was(hub: Hub) -> None:
    earlier, person = await hub.known()
    one = subject(born=at(2015))
    (before,) = await hub.identify(one)
    command, _ = await hub.decide(one.id, LINK, person_id=person)
    _, undone = await hub.decide(one.id, UNDO, undoes=command)
    assert undone.affected == {earlier, one.id}
    (after,) = await hub.standing(one.id)
    assert (after.person_id, after.band, after.method) == (before.person_id, Band.NONE, LinkMethod.NEW)
    assert [one.person_id for one in after.candidates] == [person]
    (row,) = await hub.rows("SELECT merged_into, profile FROM person WHERE id = $1", before.person_id)
    assert row["merged_into"] is None
    assert b"2015-12-31" in row["profile"]


async def test_not_the_same_is_remembered_and_never_offered_again(hub: Hub) -> None:
    first = subject()
    (known,) = await hub.identify(first)
    person = known.person_id
    one = subject(born=at(2015))
    await hub.identify(one)
    _, decided = await hub.decide(one.id, UNLINK, person_id=person)
    assert decided.affected == {first.id, one.id}
    assert (await hub.standing(one.id))[0].candidates == ()
    (corrected,) = await hub.identify(one.model_copy(update={"born": subject().born}))
    assert corrected.person_id != person
    assert corrected.candidates == ()
    (other_side,) = await hub.identify(first)
    assert other_side.person_id == person
    assert other_side.candidates == ()
    _, again = await hub.decide(one.id, UNLINK, person_id=person)
    assert not again.done


async def test_a_refusal_ends_when_somebody_says_the_opposite(hub: Hub) -> None:
    _, person = await hub.known()
    one = subject(born=at(2015))
    await hub.identify(one)
    await hub.decide(one.id, UNLINK, person_id=person)
    command, _ = await hub.decide(one.id, LINK, person_id=person)
    (row,) = await hub.rows("SELECT until IS NULL AS stands, ended_by FROM person_apart")
    assert (row["stands"], row["ended_by"]) == (False, command)
    await hub.decide(one.id, UNDO, undoes=command)
    assert (await hub.standing(one.id))[0].candidates == ()


async def test_a_refusal_that_is_taken_back_is_offered_again(hub: Hub) -> None:
    _, person = await hub.known()
    one = subject(born=at(2015))
    await hub.identify(one)
    command, _ = await hub.decide(one.id, UNLINK, person_id=person)
    undo, undone = await hub.decide(one.id, UNDO, undoes=command)
    assert undone.done
    assert [each.person_id for each in (await hub.standing(one.id))[0].candidates] == [person]
    await hub.decide(one.id, UNDO, undoes=undo)
    assert (await hub.standing(one.id))[0].candidates == ()


async def test_an_automatic_link_can_be_taken_apart_and_put_together_again(hub: Hub) -> None:
    earlier, person = await hub.known(nhs_number=WREN_NUMBER)
    one = subject(nhs_number=WREN_NUMBER, address=ELSEWHERE)
    await hub.identify(one)
    command, decided = await hub.decide(one.id, UNLINK, person_id=person)
    assert decided.affected == {earlier, one.id}
    (parted,) = await hub.standing(one.id)
    assert parted.person_id != person
    assert parted.candidates == ()
    assert await hub.taken_for(person, parted.person_id) == {person: {earlier}, parted.person_id: {one.id}}
    (row,) = await hub.rows("SELECT profile FROM person WHERE id = $1", person)
    assert b"Larch" not in row["profile"]
    _, undone = await hub.decide(one.id, UNDO, undoes=command)
    assert undone.affected == {earlier, one.id}
    (back,) = await hub.standing(one.id)
    assert (back.person_id, back.method) == (person, LinkMethod.IDENTIFIER)
    (row,) = await hub.rows("SELECT profile FROM person WHERE id = $1", person)
    assert b"Larch" in row["profile"]


async def test_a_merge_moves_everybody_and_is_found_by_either_record(hub: Hub) -> None:
    one, person = await hub.known()
    two, other = await hub.known(family_name="Fletcher", address=ELSEWHERE)
    third, stranger = await hub.known(given_name="Ada", family_name="Orrell", born=at(1999))
    await hub.decide(two, UNLINK, person_id=stranger)
    command, merged = await hub.decide(one, MERGE, person_id=person, other_id=other)
    assert merged.affected == {one, two}
    assert await hub.taken_for(person, other) == {person: {one, two}}
    (found,) = await hub.identify(subject(family_name="Fletcher", address=ELSEWHERE))
    assert (found.person_id, found.band) == (person, Band.SAME)
    # Who was said to be somebody else than the merged person is not the one who stands for it either.
    _, refused = await hub.decide(third, UNLINK, person_id=person)
    assert not refused.done
    _, undone = await hub.decide(one, UNDO, undoes=command)
    assert {one, two} <= undone.affected
    assert (await hub.taken_for(person, other))[other] == {two}


async def test_what_was_decided_later_is_not_taken_back(hub: Hub) -> None:
    _, person = await hub.known()
    _, another = await hub.known(family_name="Fletcher", address=ELSEWHERE)
    one = subject(born=at(2015))
    await hub.identify(one)
    first, _ = await hub.decide(one.id, LINK, person_id=person)
    await hub.decide(one.id, LINK, person_id=another)
    _, undone = await hub.decide(one.id, UNDO, undoes=first)
    assert (await hub.standing(one.id))[0].person_id == another
    assert undone.affected <= {
        one.id,
        *(await hub.taken_for(person))[person],
        *(await hub.taken_for(another))[another],
    }


async def test_every_decision_is_kept_with_who_why_and_when_and_acts_once(hub: Hub) -> None:
    child, person = await hub.known()
    one = subject(born=at(2015))
    await hub.identify(one)
    command, first = await hub.decide(one.id, LINK, person_id=person)
    _, again = await hub.decide(one.id, LINK, person_id=person, command_id=command)
    assert (first.done, again.done) == (True, False)
    await hub.decide(child, UNLINK, person_id=person)
    await hub.decide(uuid4(), LINK, person_id=person)
    rows = await hub.rows("SELECT action, done, decision FROM person_decision ORDER BY at")
    assert [(row["action"], row["done"]) for row in rows] == [
        ("link", True),
        ("unlink", True),
        ("link", False),
    ]
    assert all(b"s.worker" in row["decision"] and b"birth certificate" in row["decision"] for row in rows)
    assert [
        row["method"]
        for row in await hub.rows("SELECT method FROM person_link WHERE subject_id = $1 ORDER BY id", one.id)
    ] == [
        "new",
        "staff",
    ]


async def test_a_person_known_by_one_child_alone_has_nobody_to_part_from(hub: Hub) -> None:
    child, person = await hub.known()
    _, decided = await hub.decide(child, UNLINK, person_id=person)
    assert not decided.done
    assert (await hub.standing(child))[0].person_id == person


async def test_a_command_that_names_nobody_or_nothing_changes_nothing(hub: Hub) -> None:
    child, person = await hub.known()
    commands: list[tuple[PersonAction, dict[str, UUID]]] = [
        (PersonAction.SAME_EVENT, {"case_id": uuid4()}),
        (UNDO, {"undoes": uuid4()}),
        (LINK, {"person_id": uuid4()}),
        (LINK, {}),
        (MERGE, {"person_id": person, "other_id": person}),
    ]
    for action, fields in commands:
        _, decided = await hub.decide(child, action, **fields)
        assert not decided.done
        assert decided.affected == frozenset()
