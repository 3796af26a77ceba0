"""An agency's reply is read as what it says, and never as "nothing held" where it cannot be relied on."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.schemas.dictionary import Dictionary
from libs.schemas.findings import NOT_UNDERSTOOD, PARTLY_UNDERSTOOD, SETTLED, AgencyState
from libs.schemas.person import Date
from services.enrichment.agency import Reply
from services.enrichment.question import Question, Subject
from services.enrichment.replies import LONGEST_RETRY_AFTER, read_reply

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
QUESTION = Question(
    purpose="to protect",
    basis="section 47",
    items=("safety",),
    question_id="q1",
    child=Subject(
        given_name="Wren", family_name="Kestrel-Test", born=Date(on="2015-02-11"), nhs_number="9990041008"
    ),
)
HUNGER = {"fact": "child.hunger", "value": "persistent", "basis": "record"}


@pytest.fixture(scope="module")
def read(dictionary: Dictionary) -> Any:
    def read(
        body: Any, *, status: int = 200, kind: str = "application/json", retry_after: str | None = None
    ) -> Reply:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return read_reply(status, kind, retry_after, raw, question=QUESTION, dictionary=dictionary, now=NOW)

    return read


def said(state: str = "nothing_held", **fields: Any) -> dict[str, Any]:
    return {"question_id": "q1", "state": state, "child": {"nhs_number": "9990041008"}, **fields}


@pytest.mark.parametrize("state", ["nothing_held", "outside_coverage", "declined"])
def test_an_answer_without_facts_is_what_it_says(read: Any, state: str) -> None:
    assert read(said(state)).state == state


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (said("pending"), "unknown_state"),
        (said("not_requested"), "unknown_state"),
        (said("no_answer"), "unknown_state"),
        (said("unavailable"), "unknown_state"),
        (said("perhaps"), "unknown_state"),
        (said("returned"), "empty_answer"),
        (said("nothing_held", facts=[HUNGER]), "contradictory"),
        (said("declined", facts=[HUNGER]), "contradictory"),
        ({**said(), "question_id": "q2"}, "other_question"),
        ({**said(), "child": {"nhs_number": "9990041016"}}, "about_someone_else"),
        ({**said(), "child": {"born": "2015-02-12"}}, "about_someone_else"),
        (said(as_of="2026-11-25"), "future_date"),
        (said(coverage_to="2030-01-01"), "future_date"),
        (said("returned", facts=[{**HUNGER, "on": "2027-01-01"}]), "future_date"),
        (said(coverage_from="2026-01-02", coverage_to="2026-01-01"), "contract"),
        (said(as_of="yesterday"), "contract"),
        (said("returned", facts=[HUNGER] * 201), "contract"),
        (b'{"question_id": "q1", "state": "returned", "state": "nothing_held"}', "contract"),
        ([], "contract"),
        (b"null", "contract"),
        (b"[" * 100_000, "not_json"),
        (b"", "not_json"),
        (b'{"question_id": "q1", "state": "nothing', "not_json"),
        (b"\xff\xfe", "not_utf8"),
        (b'{"question_id": "q1", "state": "nothing_held", "narrative": "\\ud800"}', "contract"),
        (b'{"question_id": "q1", "state": "nothing_held", "narrative": "\\u0000"}', "contract"),
        (b'"' + b"x" * 5_000_001 + b'"', "too_large"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_relied_on_is_unavailable_with_its_reason(read: Any, body: Any, reason: str) -> None:
    reply = read(body)
    assert (reply.state, reply.reason) == (AgencyState.UNAVAILABLE, reason)
    assert (reply.facts, reply.narrative) == ((), None)


def test_a_number_written_with_spaces_is_the_same_number(read: Any) -> None:
    assert read({**said(), "child": {"nhs_number": "999 004 1008"}}).state == "nothing_held"


def test_a_statement_about_a_known_fact_is_passed_on_and_others_are_counted(read: Any) -> None:
    reply = read(
        said(
            "returned",
            facts=[
                HUNGER,
                {**HUNGER, "fact": "child.hat"},
                {**HUNGER, "value": "huge"},
                {**HUNGER, "value": "Mrs Example says that he is hungry"},
                {**HUNGER, "value": ["huge"]},
                {"fact": "child.hunger", "value": "none"},
                {"value": 3},
                {**HUNGER, "fact": ["child.hunger"]},
                {**HUNGER, "basis": "a basis that is not known yet"},
            ],
            narrative="More in words.",
        )
    )
    assert (reply.state, reply.reason, reply.narrative) == (
        "returned",
        PARTLY_UNDERSTOOD,
        "More in words.",
    )
    unread = NOT_UNDERSTOOD
    assert [fact.value for fact in reply.facts] == [
        "persistent",
        "huge",
        unread,
        unread,
        unread,
        "persistent",
    ]
    assert {fact.fact for fact in reply.facts} == {"child.hunger"}
    assert reply.dropped == {"unknown_fact": 1, "unknown_value": 2, "contract": 4}


def test_a_value_that_the_dictionary_does_not_know_is_passed_on_as_it_is(
    read: Any, dictionary: Dictionary
) -> None:
    violence = {"fact": "household.domestic_abuse", "value": "severe", "basis": "record"}
    (fact,) = read(said("returned", facts=[violence])).facts
    assert (fact.fact, fact.value) == ("household.domestic_abuse", "severe")
    assert dictionary.definitions[fact.fact].bounds(fact.value) is None


def test_an_agencys_own_words_for_declining_are_not_passed_on(read: Any) -> None:
    reply = read(said("declined", reason="Ask Mrs Example about Wren"))
    assert reply.reason == "agency_declined"


def test_accepted_is_not_an_answer_and_names_its_wait(read: Any) -> None:
    reply = read(b"", status=202, kind="", retry_after="7")
    assert (reply.state, reply.reason, reply.retry_after) == (AgencyState.NO_ANSWER, "accepted", 7.0)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0),
        ("0", 0.0),
        ("9" * 400, LONGEST_RETRY_AFTER),
        ("Mon, 23 Nov 2026 09:00:30 GMT", 30.0),
        ("Mon, 23 Nov 2026 08:00:00 GMT", 0.0),
        ("Mon, 23 Nov 2099 08:00:00 GMT", LONGEST_RETRY_AFTER),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
    ],
)
def test_retry_after_is_honoured_within_bounds(read: Any, header: str, seconds: float | None) -> None:
    assert read(b"", status=503, retry_after=header).retry_after == seconds


@given(
    status=st.integers(200, 599),
    kind=st.sampled_from(["application/json", "text/html", "", "application/fhir+json; charset=utf-8"]),
    body=st.binary(max_size=200)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=20),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(["question_id", "state", "child", "facts", "as_of", "narrative", "x"]),
                inner,
                max_size=6,
            )
        ),
        max_leaves=12,
    ).map(lambda value: json.dumps(value).encode()),
)
def test_no_reply_crashes_the_reader_and_only_a_clean_one_settles(
    read: Any, status: int, kind: str, body: bytes
) -> None:
    reply = read(body, status=status, kind=kind)
    if reply.state in SETTLED:
        assert (status, json.loads(body)["question_id"]) == (200, "q1")
    else:
        assert reply.reason
