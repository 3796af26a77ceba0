"""Whatever an agency sends, what comes of it is a reply: nothing held only where the agency said so."""

import json
from collections.abc import Mapping
from datetime import date
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.platform.clock import SystemClock
from libs.schemas.dictionary import load_dictionary
from libs.schemas.findings import AgencyState
from services.enrichment.asking.agency import Unreliable
from services.enrichment.asking.question import Question, Subject
from services.enrichment.dialects.agency import DialectAgency
from services.enrichment.dialects.expressions import Dates
from services.enrichment.dialects.files import load_dialects
from services.enrichment.dialects.reading import person_found, state_of
from services.enrichment.dialects.terms import Dialect
from services.enrichment.partnership import load_agencies
from tests.services.enrichment.conftest import PARTNERSHIP
from tests.services.enrichment.dialects.conftest import ITEMS, MIA

QUESTION = Question(
    question_id="q",
    purpose="p",
    basis="b",
    items=ITEMS,
    child=Subject.model_validate(MIA | {"upn": "T874200026001"}),
)

DICTIONARY = load_dictionary(PARTNERSHIP / "facts.yaml")
TERMS = load_agencies(PARTNERSHIP / "agencies")["education"]
DIALECT = load_dialects(PARTNERSHIP / "agencies", {"education": TERMS}, DICTIONARY)["education"]

PLACE = {"location": "/agencies/education/api/checks/1", "retry-after": "0"}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=15,
)
WORDS = (
    "outcome",
    "learner",
    "attendance",
    "exclusions",
    "welfare",
    "support",
    "note",
    "censusDate",
    "rollFrom",
)
LIKE_AN_ANSWER = st.fixed_dictionaries(
    {"outcome": st.sampled_from(["FOUND", "NO_TRACE", "OUT_OF_AREA", "REFUSED", "MAYBE", None, 1])},
    optional={word: JSON for word in WORDS if word != "outcome"}
    | {"learner": st.just({"legalSurname": "Farthing-Test", "legalForename": "Mia"}) | JSON},
)
BODIES = (
    st.binary(max_size=200)
    | JSON.map(lambda value: json.dumps(value).encode())
    | LIKE_AN_ANSWER.map(lambda value: json.dumps(value).encode())
)


@settings(max_examples=200, deadline=None)
@given(
    body=BODIES,
    status=st.sampled_from([200, 200, 200, 202, 204, 301, 400, 404, 410, 429, 500]),
    media=st.sampled_from(["application/json", "application/json; charset=utf-8", "text/html", ""]),
)
async def test_whatever_comes_back_is_a_reply_and_nothing_held_is_what_the_agency_said(
    body: bytes, status: int, media: str
) -> None:
    class Sent(httpx.AsyncByteStream):
        def __init__(self, content: bytes) -> None:
            self._content = content

        async def __aiter__(self) -> Any:
            yield self._content

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            return httpx.Response(202, headers=PLACE, stream=Sent(b""))
        return httpx.Response(status, headers={"content-type": media}, stream=Sent(body))

    client = httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://agency.example.org")
    agency = DialectAgency(TERMS, DIALECT, client, "key", DICTIONARY, SystemClock())
    reply = await agency.ask(QUESTION, trace=None)
    await agency.close()
    if reply.state is AgencyState.NOTHING_HELD:
        said = json.loads(body)
        # It said so, or it found the learner and has nothing of what was asked.
        assert said["outcome"] in ("NO_TRACE", "FOUND")
    assert reply.state is not AgencyState.PENDING


def who(dialects: Mapping[str, Dialect], name: str) -> Any:
    return dialects[name].ask.who


PERSON = {
    "family_name": "Farthing-Test",
    "given_name": "Mia",
    "born": {"on": "2018-05-04"},
    "nhs_number": "9990001006",
}


def candidate(**fields: Any) -> dict[str, Any]:
    person = {
        "personId": 1,
        "match": "NUMBER",
        "surname": "Farthing-Test",
        "forename": "Mia",
        "dateOfBirth": "2018-05-04",
    }
    return person | fields


@pytest.mark.parametrize(
    ("people", "reason"),
    [
        ([candidate(match="PARTIAL")], "not_certain"),
        ([candidate(), candidate(personId=2)], "not_certain"),
        ([candidate(dateOfBirth="2018-05-05")], "about_someone_else"),
        ([candidate(nhsNumber="9990041008")], "about_someone_else"),
        ([candidate(surname="Plover", forename="Lark", dateOfBirth=None)], "about_someone_else"),
        (["Mia"], "contract"),
        ([candidate(dateOfBirth=20180504)], "contract"),
    ],
)
def test_nobody_but_the_child_is_the_child(
    dialects: Mapping[str, Dialect], people: list[Any], reason: str
) -> None:
    with pytest.raises(Unreliable) as refused:
        person_found(who(dialects, "social_care"), {"people": people}, PERSON, Dates())
    assert refused.value.reason == reason


def test_a_certain_candidate_beside_an_uncertain_one_is_the_child(dialects: Mapping[str, Dialect]) -> None:
    people = [candidate(personId=2, match="PARTIAL"), candidate(nhsNumber="999 000 1006")]
    found = person_found(who(dialects, "social_care"), {"people": people}, PERSON, Dates())
    assert found is not None
    assert found["personId"] == 1
    assert person_found(who(dialects, "social_care"), {"people": []}, PERSON, Dates()) is None


@pytest.mark.parametrize("word", ["complete", "", "MAYBE", 1, None, True, ["COMPLETE"], {"COMPLETE": 1}])
def test_a_word_that_is_on_no_list_is_no_state(dialects: Mapping[str, Dialect], word: Any) -> None:
    states = dialects["police"].ask.states
    assert states is not None
    with pytest.raises(Unreliable) as refused:
        state_of(states, {"searchStatus": word})
    assert refused.value.reason == "unknown_state"


@given(
    st.dates(min_value=date(1900, 1, 1), max_value=date(2199, 12, 31)),
    st.sampled_from(["%Y-%m-%d", "%d/%m/%Y"]),
)
def test_a_day_is_read_as_it_was_written(day: date, form: str) -> None:
    assert Dates(form).read(Dates(form).write(day)) == day


@pytest.mark.parametrize(
    "said", ["31/02/2026", "yesterday", 20260101, True, ["2026-01-01"], "9" * 50, "01/01/0001", "9999-12-31"]
)
def test_what_is_no_day_is_refused(said: Any) -> None:
    with pytest.raises(Unreliable):
        Dates("%d/%m/%Y").read(said)
