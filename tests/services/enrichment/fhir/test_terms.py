"""What an agency's file says of a FHIR server is checked against the dictionary before anybody is asked."""

from pathlib import Path

import pytest

from libs.schemas.dictionary import Dictionary
from libs.schemas.document import DocumentError, parse_document, read_document
from services.enrichment.fhir import load_fhir
from services.enrichment.fhir.terms import Code, Resource
from tests.services.enrichment.fhir.conftest import PARTNERSHIP, TRUST

FILE = """
base: /fhir
systems: {own: https://codes.example.org}
nhs_number: https://numbers.example.org
certain_percent: 95
coverage: https://coverage.example.org
outcomes: {own|none: outside_coverage}
items:
  health: [Condition, Observation]
codes:
  Condition:
    own|A: {fact: child.self_harm, value: single_episode}
  Observation:
    own|B: {fact: child.development_delay, values: {own|C: slipped}}
    own|D: {fact: family.services_needed_together, number: yes}
without_fact: [own|E]
"""


def test_a_file_says_what_each_code_states(dictionary: Dictionary) -> None:
    terms = load_fhir(parse_document(FILE, "own.yaml"), dictionary)
    condition = terms.meanings[Resource.CONDITION][Code("https://codes.example.org", "A")]
    assert (condition.fact, condition.value) == ("child.self_harm", "single_episode")
    assert terms.items == {"health": (Resource.CONDITION, Resource.OBSERVATION)}
    assert terms.without_fact == {Code("https://codes.example.org", "E")}
    assert terms.certain == 0.95


@pytest.mark.parametrize(
    ("right", "wrong", "fault"),
    [
        ("base: /fhir", "base: fhir", "own.yaml:2:7: expected a path that starts with `/`"),
        ("percent: 95", "percent: 101", "own.yaml:5:18: expected at most 100"),
        ("nhs_number:", "nhs_numer:", "unknown key `nhs_numer`; did you mean `nhs_number`?"),
        ("own|none:", "onw|none:", "own.yaml:7:12: unknown system `onw`; did you mean `own`?"),
        ("own|none:", "none:", "own.yaml:7:12: expected `system|code`"),
        (": outside_coverage", ": outside_covrage", "did you mean `outside_coverage`?"),
        (
            "[Condition,",
            "[Conditon,",
            "own.yaml:9:12: unknown resource `Conditon`; did you mean `Condition`?",
        ),
        (
            "  Condition:",
            "  Conditions:",
            "own.yaml:11:3: unknown resource `Conditions`; did you mean `Condition`?",
        ),
        ("fact: child.self_harm", "fact: child.selfharm", "did you mean `child.self_harm`?"),
        ("value: single_episode", "value: single_episod", "did you mean `single_episode`?"),
        ("value: single_episode", "number: yes", "only an Observation has a value of its own"),
        (", value: single_episode", "", "expected one of `value`, `values` and `number`"),
        ("own|C: slipped", "own|C: slippd", "own.yaml:14:60: unknown step `slippd`; did you mean `slipped`?"),
        ("number: yes", "number: no", "expected `yes`, for a fact that is counted"),
        (
            "family.services_needed_together, number: yes",
            "child.young_carer, value: maybe",
            "expected yes or no",
        ),
        ("together, number: yes", "together, value: 21", "must be a whole number from 0 to 20"),
        ("[own|E]", "[own]", "own.yaml:16:16: expected `system|code`"),
    ],
)
def test_a_mistake_is_refused_with_its_place(
    dictionary: Dictionary, right: str, wrong: str, fault: str
) -> None:
    assert right in FILE
    with pytest.raises(DocumentError) as refused:
        load_fhir(parse_document(FILE.replace(right, wrong), "own.yaml"), dictionary)
    assert any(fault in one for one in refused.value.faults), refused.value.faults


def test_all_mistakes_of_a_file_come_at_once(dictionary: Dictionary) -> None:
    wrong = FILE.replace("child.self_harm", "child.selfharm").replace("own|C: slipped", "own|C: slippd")
    with pytest.raises(DocumentError) as refused:
        load_fhir(parse_document(wrong.replace("percent: 95", "percent: 0"), "own.yaml"), dictionary)
    assert len(refused.value.faults) == 3


def test_the_partnerships_file_gives_every_granted_item_a_resource(dictionary: Dictionary) -> None:
    file = read_document(Path(PARTNERSHIP / "agencies" / "health.yaml")).fields()
    terms = load_fhir(file["dialect"], dictionary)
    assert set(terms.meanings) == set(Resource)
    for resource, meanings in terms.meanings.items():
        assert any(resource in resources for resources in terms.items.values())
        for code, meaning in meanings.items():
            assert code.system == TRUST
            assert "health" in dictionary.definitions[meaning.fact].sources, meaning.fact
            assert code not in terms.without_fact
