"""An answer that has changed in any one place is never read as one that knows nobody."""

import copy
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.platform.clock import SystemClock
from libs.schemas.dictionary import load_dictionary
from libs.schemas.findings import AgencyState
from services.enrichment.asking.agency import Reply
from services.enrichment.asking.question import Question, Subject
from services.enrichment.dialects.agency import DialectAgency
from services.enrichment.dialects.files import load_dialects
from services.enrichment.partnership import load_agencies
from tests.services.enrichment.conftest import PARTNERSHIP
from tests.services.enrichment.dialects.conftest import ITEMS

DICTIONARY = load_dictionary(PARTNERSHIP / "facts.yaml")
TERMS = load_agencies(PARTNERSHIP / "agencies")
DIALECTS = load_dialects(PARTNERSHIP / "agencies", TERMS, DICTIONARY)
QUESTION = Question(
    question_id="q",
    purpose="p",
    basis="b",
    items=ITEMS,
    child=Subject.model_validate({"given_name": "Mia", "family_name": "Farthing-Test"}),
)
WHO = {"surname": "Farthing-Test", "forename": "Mia", "dateOfBirth": None}
NOMINAL = {"nominalId": "CB1", "surname": "Farthing-Test", "forenames": "Mia", "dob": None}
ANSWERS: Mapping[str, Mapping[str, Any]] = {
    "police": {
        "search": {"searchStatus": "COMPLETE", "nominals": [NOMINAL | {"matchGrade": "A"}], "links": {}},
        "involvements": {
            "nominal": NOMINAL,
            "counters": {"DA6M": 2},
            "involvements": [{"class": "DA3", "on": "16/10/2025", "grading": "R", "live": True, "log": "Words."}],
            "links": {"next": None},
        },
        "warnings": {"nominal": NOMINAL, "warnings": [{"marker": "WPN", "on": "01/10/2025", "grading": "B"}]},
        "associates": {"nominal": NOMINAL, "associates": [], "links": {}},
    },
    "social_care": {
        "search": {
            "status": "OK",
            "people": [{"personId": 1, "match": "NUMBER", **WHO}],
            "extract": {"takenOn": "2025-11-25", "from": "2009-04-01", "to": "2025-11-25"},
        },
        "episodes": {
            "personId": 1,
            "episodes": [{"referredOn": "2024-03-01", "factors": ["3B"], "closedOn": None, "summary": "Words."}],
            "next": None,
        },
        "plans": {"personId": 1, "plans": [{"type": "CP", "opened": "2024-05-01", "closed": None}]},
        "worker": {"personId": 1, "worker": {"name": "Sam Carter-Test", "team": "North", "since": None}},
        "family": {"personId": 1, "relations": [], "next": None},
    },
    "early_help": {
        "query": {
            "found": "yes",
            "child": {"familyName": "Farthing-Test", "givenName": "Mia"},
            "assessment": {"status": "complete", "completedOn": "2025-03-01"},
            "reviews": [{"on": "2025-06-01", "distance": "worse"}],
            "services": 2,
            "summary": "Words.",
        }
    },
    "education": {
        "checks": {
            "outcome": "FOUND",
            "learner": {"legalSurname": "Farthing-Test", "legalForename": "Mia"},
            "attendance": {"percent": 78, "status": "ON_ROLL"},
            "welfare": [{"code": "W04", "on": "2025-11-01", "voice": "PUPIL", "open": True}],
            "note": "Words.",
        }
    },
}  # fmt: skip
NOBODY_KNOWN = {
    "police": {"searchStatus": "COMPLETE", "nominals": [], "links": {}},
    "social_care": {"status": "OK", "people": []},
    "early_help": {"found": "no"},
    "education": {"outcome": "NO_TRACE"},
}
SEARCHES = {name: next(iter(answers)) for name, answers in ANSWERS.items()}
TEXTS = ("", "a", "/", "//", "http://[", "../..", "/agencies/police/\x01", "\ud800", "\0", "9" * 400)
DAYS = ("2190-01-01", "31/12/2190", "0001-01-01")
OTHERS: tuple[Any, ...] = (-1, 10**30, 1e308, True, None, {}, [], [None], [[]], [{}], {"a": {}})
ODD = st.sampled_from((*TEXTS, *DAYS, *OTHERS))


class Sent(httpx.AsyncByteStream):
    """A body on its way."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._body


async def ask(name: str, answers: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Reply:
    """What comes of it where an agency sends these documents, each at the path that ends with its name."""

    def answer(request: httpx.Request) -> httpx.Response:
        last = request.url.path.rpartition("/")[2]
        said = {"access_token": "t", "expires_in": 300} if last == "token" else answers.get(last, {})
        kind = {"content-type": "application/json", **(headers or {})}
        return httpx.Response(200, headers=kind, stream=Sent(json.dumps(said).encode()))

    client = httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://agency.example.org")
    agency = DialectAgency(TERMS[name], DIALECTS[name], client, "key", DICTIONARY, SystemClock())
    try:
        return await agency.ask(QUESTION, trace=None)
    finally:
        await agency.close()


def places(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place of a document where something can stand instead."""
    members = document.items() if isinstance(document, dict) else enumerate(document)
    for key, value in members:
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from places(value, (*path, key))


def changed(answers: Mapping[str, Any], path: tuple[Any, ...], value: Any, *, gone: bool = False) -> Any:
    found = copy.deepcopy(dict(answers))
    inner: Any = found
    for key in path[:-1]:
        inner = inner[key]
    if gone:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return found


def says_nobody(name: str, answers: Mapping[str, Any]) -> bool:
    """Whether the agency itself says that it knows nobody: a word of its own, or an empty list of candidates."""
    search = answers.get(SEARCHES[name])
    return isinstance(search, dict) and any(search.get(list_) == [] for list_ in ("nominals", "people"))


@pytest.mark.parametrize("name", ANSWERS)
async def test_the_answers_that_are_changed_here_are_understood_as_they_stand(name: str) -> None:
    reply = await ask(name, ANSWERS[name])
    assert (reply.state, reply.reason) == (AgencyState.RETURNED, None)
    assert reply.facts
    assert reply.narrative == "Words."
    assert (await ask(name, {SEARCHES[name]: NOBODY_KNOWN[name]})).state is AgencyState.NOTHING_HELD


@pytest.mark.parametrize("name", ANSWERS)
async def test_what_is_missing_in_any_one_place_is_never_nothing_held(name: str) -> None:
    for path in places(ANSWERS[name]):
        answers = changed(ANSWERS[name], path, None, gone=True)
        if not says_nobody(name, answers):
            assert (await ask(name, answers)).state is not AgencyState.NOTHING_HELD, path


@pytest.mark.parametrize("name", ANSWERS)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
async def test_whatever_stands_in_any_place_is_a_reply_that_can_be_kept_and_never_nothing_held(
    name: str, data: st.DataObject
) -> None:
    path = data.draw(st.sampled_from(list(places(ANSWERS[name]))))
    answers = changed(ANSWERS[name], path, data.draw(ODD))
    reply = await ask(name, answers)
    if not says_nobody(name, answers):
        assert reply.state is not AgencyState.NOTHING_HELD
    for part in (*reply.facts, *reply.plans, *reply.people, *filter(None, (reply.worker, reply.dash))):
        part.model_dump_json()
    (reply.narrative or "").encode()


@pytest.mark.parametrize("section", ["involvements", "warnings", "associates"])
async def test_a_list_under_another_name_is_no_empty_list(section: str) -> None:
    renamed = {key + "2" if key == section else key: one for key, one in ANSWERS["police"][section].items()}
    reply = await ask("police", {**ANSWERS["police"], section: renamed})
    assert (reply.state, reply.reason) == (AgencyState.UNAVAILABLE, "contract")


async def test_whom_an_agency_knows_without_holding_anything_is_nothing_held_only_where_it_shows_so() -> None:
    learner = ANSWERS["education"]["checks"]["learner"]
    shown = {"outcome": "FOUND", "learner": learner, "welfare": [], "exclusions": []}
    assert (await ask("education", {"checks": shown})).state is AgencyState.NOTHING_HELD
    silent = await ask("education", {"checks": {"outcome": "FOUND", "learner": learner}})
    assert (silent.state, silent.reason) == (AgencyState.UNAVAILABLE, "empty_answer")


@pytest.mark.parametrize("name", ["education", "early_help"])
async def test_whom_an_agency_says_that_it_found_and_leaves_out_is_never_nothing_held(name: str) -> None:
    each = DIALECTS[name].ask.who
    assert each is not None
    place = (SEARCHES[name], each.each.text)
    left_out = await ask(name, changed(ANSWERS[name], place, []))
    assert (left_out.state, left_out.reason) == (AgencyState.UNAVAILABLE, "empty_answer")


@pytest.mark.parametrize(
    "place", ["http://[", "//elsewhere.example.org/x", "/agencies/education/\x01", "\ufeff"]
)
async def test_a_place_that_is_no_address_of_the_agency_is_not_followed(place: str) -> None:
    search = dict(ANSWERS["police"]["search"]) | {"links": {"next": place}}
    reply = await ask("police", {**ANSWERS["police"], "search": search})
    assert reply.state is AgencyState.UNAVAILABLE
