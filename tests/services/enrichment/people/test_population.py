"""On a small population the matching holds what the benchmark shows of a large one."""

from stdnum.gb import nhs, upn

from bench.matching import World, measure
from sandbox.population import Population


def test_the_same_seed_makes_the_same_people_and_nobody_who_exists() -> None:
    one, other = Population(800, 7), Population(800, 7)
    assert one.people == other.people
    assert Population(800, 8).people != one.people
    for human in one.people:
        assert human.nhs_number.startswith("999")
        assert nhs.is_valid(human.nhs_number)
        assert human.home.postcode.startswith("Q")
        if human.upn is not None:
            assert upn.is_valid(human.upn)
            assert human.upn[4] == "0"
    assert len({human.nhs_number for human in one.people}) == 800


def test_a_population_has_twins_namesakes_and_every_error() -> None:
    world = World(3000, 11)
    people = world.population.people
    twins = [human for human in people if human.twin is not None]
    assert twins
    assert all(
        (people[human.twin].born, people[human.twin].home) == (human.born, human.home)
        and people[human.twin].given != human.given
        for human in twins
        if human.twin is not None
    )
    namesakes = [human for human in people if human.namesake is not None]
    assert namesakes
    assert all(
        people[human.namesake].given == human.given for human in namesakes if human.namesake is not None
    )
    assert {name for name, group in world.groups(5, 2).items() if not group} == set()


async def test_people_are_found_and_nobody_is_taken_for_another(hub_database: str) -> None:
    found = await measure(hub_database, 2500, mixed=120, each=12, same_name=600)
    wanted = found["wanted"]
    assert found["everybody"]["precision_of_links"] >= wanted["precision_of_links_at_least"]
    assert (
        found["everybody"]["true_person_linked_or_offered"]
        >= wanted["true_person_linked_or_offered_at_least"]
    )
    assert found["twins_linked_wrongly"] == found["cousins_linked_wrongly"] == 0
    assert found["as_they_come"]["linked_rightly"] > 60
    assert found["among_adults_of_one_name"]["who_lives_there_offered_first"] == 1
    assert found["lookup_ms"]["p50"] < wanted["lookup_ms_p99_under"]
