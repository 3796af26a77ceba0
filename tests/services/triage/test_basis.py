"""What the policy is applied to: everything stated, and how many worry once each has spoken."""

from libs.schemas.findings import AgencyState, Fact, FactValue
from services.triage.basis import child_facts, read_facts, write_states
from services.triage.known import Known
from services.triage.policy import ChildFacts, StatedFact
from services.triage.standing import AgencyStanding
from tests.services.triage.shipped import shipped_dictionary

DICTIONARY = shipped_dictionary()
STANDING = {"police": AgencyStanding(AgencyState.RETURNED), "health": AgencyStanding(AgencyState.NO_ANSWER)}


def known(*sources: str) -> Known:
    hungry = Fact(fact="child.hunger", value="persistent", basis="observed")
    return Known([StatedFact(hungry, source) for source in sources], speaks_for="education")


def worried(facts: ChildFacts) -> list[FactValue]:
    return [one.fact.value for one in facts.stated if one.fact.fact == "family.agencies_worried"]


def test_those_who_worry_are_counted_as_each_speaks() -> None:
    assert worried(child_facts(DICTIONARY, known(), STANDING)) == []
    assert worried(child_facts(DICTIONARY, known("referrer"), STANDING)) == [1]
    assert worried(child_facts(DICTIONARY, known("referrer", "education"), STANDING)) == [1]
    assert worried(child_facts(DICTIONARY, known("referrer", "education", "health"), STANDING)) == [2]


def test_a_replay_counts_those_who_worry_as_the_evaluation_did() -> None:
    said = known("referrer", "health")
    facts = child_facts(DICTIONARY, said, STANDING)
    assert read_facts(DICTIONARY, said, write_states(STANDING)) == facts
