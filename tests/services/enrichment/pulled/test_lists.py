"""The weekly list: read row by row, told for the children whom it concerns, replaced by the next one."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import httpx
import pytest

from libs.messaging.codec import PlainCodec
from libs.schemas.findings import EXISTENCE_ONLY
from libs.schemas.person import Date
from services.enrichment.asking.question import Question, Subject
from services.enrichment.pulled.listing import Listing
from services.enrichment.pulled.lists import MOST_BYTES, MOST_ROWS, BadFile, read_list
from services.enrichment.pulled.work import Item, WorkTable
from tests.services.enrichment.conftest import FINCH, WREN, Case
from tests.services.enrichment.pulled.conftest import Browser, Fetching

TODAY = date(2026, 11, 25)
ZERO = UUID(int=0)
HEADER = "role,family_name,given_name,born,nhs_number\n"
GOOD = HEADER + 'child,Kestrel-Test,Wren,2015-02-11,\nvictim,"Sedge, Test",Ada,1990-04-01,999 004 1008\n'


def test_a_row_that_is_wrong_is_refused_by_column_without_its_value_and_the_others_are_taken() -> None:
    rows = [
        "child,Kestrel-Test,Wren,2015-02-11,",
        "uncle,Zyxwren,A,2015-02-11,",
        "child,,A,2015-02-11,",
        "child,Zyxwren,A,11/02/2015,9990041009",
        "child,Zyxwren,A,2027-01-01,",
        "child,=Zyxwren(),A,2015-02-11,",
        "child,Zyxwren",
        "",
        'victim,"Zyx\nwren",Ada,1990-04-01,',
    ]
    read = read_list((HEADER + "\n".join(rows)).encode(), TODAY)
    assert [number for number, _ in read.entries] == [2, 10]
    assert [(one.row, one.column, one.code) for one in read.refused] == [
        (3, "role", "invalid"),
        (4, "family_name", "invalid"),
        (5, "born", "invalid"),
        (5, "nhs_number", "invalid"),
        (6, "born", "invalid"),
        (7, "family_name", "formula"),
        (8, None, "cells"),
    ]
    assert read.rows == 8
    assert "Zyxwren" not in str(read.refused)


BAD: list[tuple[bytes, str]] = [
    (b"", "no-header"),
    (b"\n", "no-header"),
    ("role,family_name,given_name,born\nchild,Ké".encode("latin-1"), "not-utf8"),
    (b"PK\x03\x04\x00", "not-text"),
    ((HEADER + 'child,"Kestrel').encode(), "not-csv"),
    (b"role,family_name,given_name,born,born\n", "header-twice"),
    (b"role,family_name,given_name,born,Zyxwren\n", "header-unknown"),
    (b"role,family_name,given_name\n", "header-missing"),
    ((HEADER + "child,a,b,2015-02-11,\n" * (MOST_ROWS + 1)).encode(), "too-many-rows"),
    (b"x" * (MOST_BYTES + 1), "too-large"),
]


@pytest.mark.parametrize(("content", "code"), BAD, ids=[code for _, code in BAD])
def test_a_file_that_cannot_be_read_as_a_whole_says_why(content: bytes, code: str) -> None:
    with pytest.raises(BadFile) as refused:
        read_list(content, TODAY)
    assert refused.value.code == code
    assert "Zyxwren" not in refused.value.detail


def today() -> date:
    return datetime.now(UTC).date()  # noqa: TID251 - the service under test reads the real clock


async def send(
    fetching: Fetching, text: str, on: date | None = None, client: str = "marac"
) -> httpx.Response:
    return await fetching.http.post(
        "/v1/lists",
        params={"date": str(on or today())},
        content=text.encode(),
        headers={**fetching.headers(client), "Content-Type": "text/csv; charset=utf-8"},
    )


async def test_who_is_on_the_list_is_told_for_a_child_in_hand_and_the_own_answer_is_still_awaited(
    fetching: Fetching,
) -> None:
    case, past, erased = Case(children=(WREN, FINCH)), Case(), Case()
    await fetching.ask(erased, case, past)
    for change, child in (
        ("put_at = put_at - interval '121 days'", past.child),
        ("question = '', put_at = put_at - interval '1 hour'", erased.child),
    ):
        await fetching.instance.ledger.pool.execute(f"UPDATE work SET {change} WHERE child_id = $1", child)
    report = await send(fetching, GOOD)
    assert report.status_code == 200, report.text
    assert report.json() == {
        "list_date": str(today()),
        "rows": 2,
        "accepted": 2,
        "refused": [],
        "unchanged": False,
    }
    wren, finch = case.child_ids
    (told,) = await fetching.marac_answers(wren)
    assert [(fact.fact, fact.value, fact.on) for fact in told.facts] == [
        ("household.domestic_abuse", "high_risk", today())
    ]
    assert (told.state, told.reason, told.as_of) == ("returned", "held_back", today())
    assert await fetching.marac_answers(finch) == []
    for child in (past.child, erased.child):
        assert await fetching.marac_answers(child) == []
    claimed = await fetching.claim(most=4)
    assert len(claimed["items"]) == 3
    closed = "SELECT child_id FROM work WHERE closed_at IS NOT NULL"
    assert await fetching.instance.ledger.pool.fetchval(closed) == erased.child, "nobody meets it again"
    for place in range(3):
        assert (await fetching.answer(claimed, {"state": "nothing_held"}, place=place)).status_code == 200
    assert [each.state for each in await fetching.marac_answers(wren)] == ["returned", "nothing_held"]
    # Beside the agency's own answer a list holds nothing back but what that did.
    for place, reason in enumerate((None, EXISTENCE_ONLY), start=1):
        await fetching.instance.ledger.pool.execute(
            "UPDATE agency_check SET late = true, reason = $1 WHERE child_id = $2", reason, wren
        )
        assert (await send(fetching, GOOD.replace("Ada", "Eve" * place))).status_code == 200
        told = (await fetching.marac_answers(wren))[-1]
        assert (told.state, told.reason, told.late) == ("returned", reason, True)


def test_everybody_whom_a_question_names_is_found_by_name_and_birth_or_by_number() -> None:
    listing = Listing(SimpleNamespace(codec=PlainCodec()), "secret")  # type: ignore[arg-type]
    asked = Question(question_id="q", purpose="p", basis="b", items=("listing",), child=Subject())
    born = Date(on=date(2015, 2, 11))
    zoe = Subject(given_name="Zoë", family_name="Kestrel-Test", born=born, nhs_number="9990041008")
    known = set(listing.keys_of(asked.model_copy(update={"child": zoe})))
    nobody = Subject(given_name="Zoë", family_name="Sedge", born=born)
    for who in (
        Subject(given_name="ZOE ANN", family_name="KESTREL TEST", born=born),
        Subject(given_name="A", family_name="B", also_known_as=("zoe o'kestrel-test",), born=born),
        Subject(nhs_number="999 004 1008"),
    ):
        for place in ({"child": who}, {"mother": who}, {"adults": (nobody, who)}):
            assert known & set(listing.keys_of(asked.model_copy(update=place))), place
            elsewhere = asked.model_copy(update={**place, "items": ("attendance",)})
            assert listing.keys_of(elsewhere) == (), "no list answers it"
    assert not known & set(listing.keys_of(asked.model_copy(update={"child": nobody})))


async def test_a_question_that_is_put_later_finds_the_list(fetching: Fetching) -> None:
    assert (await send(fetching, GOOD)).status_code == 200
    case = Case()
    await fetching.ask(case)
    await fetching.until_accepted(case.child)
    (told,) = await fetching.marac_answers(case.child)
    assert told.facts


async def test_where_only_existence_may_be_asked_a_list_says_no_more(
    fetching: Fetching, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = Case()
    await fetching.ask(case)
    find = WorkTable.find

    async def found(*given: Any, **named: Any) -> Item | None:
        item = await find(*given, **named)
        assert item is not None
        assert item.question is not None
        existence = frozenset(item.question.items)
        return replace(item, question=item.question.model_copy(update={"existence_only": existence}))

    monkeypatch.setattr(WorkTable, "find", found)
    assert (await send(fetching, GOOD)).status_code == 200
    (told,) = await fetching.marac_answers(case.child)
    assert (told.state, told.reason, told.facts) == ("returned", EXISTENCE_ONLY, ())


async def test_the_same_list_again_changes_nothing_and_a_later_one_supersedes(fetching: Fetching) -> None:
    case = Case()
    await fetching.ask(case)
    pool = fetching.instance.ledger.pool
    yesterday = today() - timedelta(days=1)
    first, *rest = GOOD.splitlines(keepends=True)
    now = fetching.instance.ledger.clock.now()
    await pool.execute("INSERT INTO list VALUES ($1, 'probation', $2, $3, '', '', 1, 0)", ZERO, today(), now)
    await pool.execute("INSERT INTO list_entry VALUES ($1, 2, '{}', '')", ZERO)
    for text, unchanged in ((GOOD, False), (GOOD, True), (first + "".join(reversed(rest)), True)):
        assert (await send(fetching, text, yesterday)).json()["unchanged"] is unchanged
    assert len(await fetching.marac_answers(case.child)) == 1
    assert await pool.fetchval("SELECT count(*) FROM list WHERE agency = 'marac'") == 1
    assert (await send(fetching, first + rest[1])).status_code == 200
    assert await pool.fetchval("SELECT count(*) FROM list_entry") == 2, "and the other agency's"
    # A file of which nothing could be read takes nobody off the list.
    broken = (await send(fetching, first + rest[1].replace("-", "/"))).json()
    assert (broken["accepted"], broken["unchanged"], len(broken["refused"])) == (0, True, 1)
    assert await pool.fetchval("SELECT count(*) FROM list_entry") == 2
    older = await send(fetching, GOOD, yesterday)
    assert (older.status_code, older.json()["code"]) == (409, "list-older")
    later = Case()
    await fetching.ask(later)
    await fetching.until_accepted(later.child)
    assert await fetching.marac_answers(later.child) == []
    assert (await fetching.instance.checks.listing.reconcile()) == 0


async def test_lists_are_kept_sealed_and_found_by_hashes_alone(fetching: Fetching) -> None:
    await fetching.ask(Case())
    await send(fetching, GOOD)
    rows = await fetching.instance.ledger.pool.fetch(
        "SELECT (to_jsonb(l) - 'entry')::text FROM list_entry AS l"
        " UNION ALL SELECT (to_jsonb(w) - 'question')::text FROM work AS w"
        " UNION ALL SELECT to_jsonb(l)::text FROM list AS l"
    )
    assert len(rows) == 4
    for row in rows:
        assert not [
            word for word in ("kestrel", "wren", "sedge", "2015", "9990041008") if word in row[0].lower()
        ]


async def test_who_may_not_send_lists_sends_none(fetching: Fetching) -> None:
    refused = await send(fetching, GOOD, client="marac-second")
    assert (refused.status_code, refused.json()["code"]) == (403, "scope-missing")
    token = fetching.tokens.token("police-lead", scopes=("lists:write",))
    other = await fetching.http.post(
        "/v1/lists",
        params={"date": str(today())},
        content=GOOD,
        headers={"Authorization": f"Bearer {token}", "Content-Type": "text/csv"},
    )
    assert (other.status_code, other.json()["code"]) == (403, "no-lists")
    for on, media, status in (
        (str(today() + timedelta(days=3)), "text/csv", 422),
        ("2015-01-01", "text/csv", 422),
        ("soon", "text/csv", 422),
        (str(today()), "application/json", 415),
    ):
        wrong = await fetching.http.post(
            "/v1/lists",
            params={"date": on},
            content=GOOD,
            headers={**fetching.headers(), "Content-Type": media},
        )
        assert wrong.status_code == status


async def test_a_list_is_sent_on_a_page_and_the_report_names_rows_and_columns_only(
    fetching: Fetching, browser: Browser
) -> None:
    await browser.sign_in("marac-worker", "/questions/lists")
    bad = {"file": ("list.csv", (GOOD + "child,Zyxwren,A,soon,\n").encode(), "text/csv")}
    day = {"date-day": str(today().day), "date-month": str(today().month), "date-year": str(today().year)}
    missing = await browser.submit({**day, "date-month": "13"}, "/lists", files=bad)
    assert (missing.status_code, "Enter the day of the list" in missing.text) == (422, True)
    page = await browser.submit(day, "/lists", files=bad)
    assert "2 of 3 rows were taken" in page.text
    assert "must be a date as YYYY-MM-DD" in page.text
    assert "Zyxwren" not in page.text
    again = await browser.get("/questions/lists")
    assert again.status_code == 200
    latin = {"file": ("list.csv", GOOD.encode() + b"\xe9", "text/csv")}
    unread = await browser.submit(day, "/lists", files=latin)
    assert (unread.status_code, "save the file as CSV UTF-8" in unread.text) == (422, True)
    assert await fetching.instance.ledger.pool.fetchval("SELECT count(*) FROM list") == 1
