"""Every disclosure is on record, each way: what, to whom, why and by whose word; names of fields and no value."""

import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta

import asyncpg
import pytest

from libs.messaging.codec import PlainCodec
from libs.platform.database import create_pool, role_dsn
from libs.schemas.events import Service
from libs.schemas.findings import AgencyState, Basis, Fact
from libs.schemas.levels import Level
from services.enrichment.asking.agency import Reply
from services.enrichment.asking.question import question_for
from services.enrichment.sharing.disclosures import Direction, Disclosures, Filters, answered, asked
from services.enrichment.sharing.permission import Circumstances, Mode
from tests.services.enrichment.sharing.conftest import Caller
from tests.services.enrichment.sharing.making import (
    AGREEMENT,
    CHILD,
    FAMILY,
    IN_FORCE,
    circumstances,
    emergency,
    order,
    with_lines,
)

NEWEST = 2**63 - 1


@dataclass
class Record:
    """The record on a real database."""

    pool: asyncpg.Pool
    disclosures: Disclosures
    referral_id: uuid.UUID

    async def ask(self, given: Circumstances, agency: str = "police", child: uuid.UUID = CHILD) -> None:
        """Records that an agency was asked what it may be asked."""
        permission = AGREEMENT.decide(agency, given)
        question = question_for(FAMILY, CHILD, permission, uuid.uuid5(child, agency))
        assert question is not None
        left = asked(agency, self.referral_id, child, question, permission, given.at)
        await self.disclosures.record(self.pool, [left])


@pytest.fixture
async def record(hub_database: str) -> AsyncIterator[Record]:
    pool = await create_pool(role_dsn(hub_database, Service.ENRICHMENT), service=Service.ENRICHMENT)
    yield Record(pool, Disclosures(PlainCodec()), uuid.uuid4())
    await pool.close()


async def test_what_left_is_recorded_with_purpose_basis_and_who_approved(record: Record) -> None:
    by_order = emergency("marac", reason="The baby is with a man who is not known.")
    await record.ask(circumstances(Level.EARLY_HELP, "refused", orders=(by_order,)), "marac")
    (found,) = await record.disclosures.page(record.pool, Filters(), NEWEST, 10, restricted=True)
    assert (found.row["direction"], found.row["agency"], found.row["audience"]) == ("out", "marac", "team")
    assert found.row["emergency"] is True
    assert "adults" in found.row["items"]
    assert {"names", "born", "address", "adults", "suspect"} <= set(found.row["fields"])
    assert found.said is not None
    assert {item.basis for item in found.said.rests_on} == {by_order.basis}
    assert [(one.by, one.approver, one.reason) for one in found.said.orders] == [
        ("Sam Sandbox", "Morgan Sandbox", by_order.reason)
    ]


async def test_items_are_told_by_what_they_rest_on_and_how_much_of_them_was_asked(record: Record) -> None:
    lines = [
        replace(line, mode=Mode.EXISTENCE) if line.item == "adults" else line
        for line in AGREEMENT.lines
        if line.item != "help" or line.ground.name == "significant_harm"
    ]
    given = circumstances(Level.EARLY_HELP, "given", orders=(order(items=frozenset({"help"})),))
    permission = with_lines(lines).decide("police", given)
    question = question_for(FAMILY, CHILD, permission, uuid.uuid4())
    assert question is not None
    own, ordered = asked("police", record.referral_id, CHILD, question, permission, IN_FORCE).said.rests_on
    assert (ordered.items, ordered.purpose, ordered.order_id) == (("help",), order().purpose, order().id)
    assert (own.ground, own.existence_only, own.order_id) == ("with_agreement", ("adults",), None)
    assert "safety" in own.items


async def test_only_the_fields_that_the_question_bears_are_named(record: Record) -> None:
    permission = AGREEMENT.decide("education", circumstances(Level.SECTION_47))
    question = question_for(FAMILY, CHILD, permission, uuid.uuid4())
    assert question is not None
    plain = question.model_copy(update={"child": question.child.model_copy(update={"school": None})})
    left = asked("education", record.referral_id, CHILD, plain, permission, IN_FORCE)
    assert left.fields == ("born", "names", "upn")


async def test_the_same_question_sent_again_discloses_nothing_more(record: Record) -> None:
    given = circumstances(Level.SECTION_47)
    for hours in range(3):
        await record.ask(replace(given, at=IN_FORCE + timedelta(hours=hours)))
    assert [row["at"] for row in await record.pool.fetch("SELECT at FROM disclosure")] == [IN_FORCE]
    await record.ask(circumstances(Level.SECTION_17))
    assert await record.pool.fetchval("SELECT count(*) FROM disclosure") == 2


async def test_what_came_is_recorded_by_name_with_the_purpose_of_the_question(record: Record) -> None:
    await record.ask(circumstances(Level.SECTION_47))
    reply = Reply(
        AgencyState.RETURNED,
        facts=(Fact(fact="household.adult_risk", value=True, basis=Basis.RECORD),),
        narrative="He was seen with Qvkestrel.",
    )
    question_id = uuid.uuid5(CHILD, "police")
    came = answered("police", record.referral_id, CHILD, question_id, ["adults"], reply, IN_FORCE)
    assert (came.direction, came.fields) == (Direction.IN, ("household.adult_risk", "narrative"))
    await record.disclosures.record(record.pool, [came])
    incoming, outgoing = await record.disclosures.page(record.pool, Filters(), NEWEST, 10, restricted=True)
    assert incoming.said == outgoing.said
    row = await record.pool.fetchval(
        "SELECT (to_jsonb(d) - 'said')::text FROM disclosure d WHERE direction = 'in'"
    )
    assert "Qvkestrel" not in row


async def test_no_value_stands_in_the_record(record: Record) -> None:
    await record.ask(circumstances(Level.SECTION_47, orders=(emergency(),)))
    await record.ask(circumstances(Level.SECTION_47), "education")
    rows = await record.pool.fetch(
        "SELECT to_jsonb(d)::text, convert_from(said, 'UTF8') FROM disclosure AS d"
    )
    text = " ".join(value for row in rows for value in row)
    for value in ("Childfirst", "Childlast", "9990041008", "X100000000001", "Childhome", "PE1", "2019-03-04"):
        assert value not in text
    assert "Sam Sandbox" not in " ".join(row[0] for row in rows)


async def test_the_governance_lead_reads_it_in_pages_and_reading_is_recorded(
    record: Record, api: Caller
) -> None:
    others = [uuid.uuid4() for _ in range(3)]
    for number, child in enumerate(others):
        given = circumstances(Level.SECTION_47)
        await record.ask(replace(given, at=given.at + timedelta(minutes=number)), child=child)
    seen: list[str] = []
    query: dict[str, str] = {"limit": "2", "agency": "police"}
    while True:
        page = (await api.get("/v1/disclosures", "governance", **query)).json()
        seen += [item["case_id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert seen == [str(child) for child in reversed(others)]
    one = await api.get("/v1/disclosures", "governance", case_id=str(others[1]))
    (item,) = one.json()["items"]
    assert (item["direction"], item["to"], item["emergency"]) == ("out", "team", False)
    assert "section 47" in item["rests_on"][0]["basis"]
    acts = await record.pool.fetch("SELECT subject, action, case_id FROM access ORDER BY id")
    assert [tuple(act) for act in acts] == [("governance", "disclosures.read", None)] * 2 + [
        ("governance", "disclosures.read", others[1])
    ]


async def test_it_is_found_by_time_and_by_emergency(record: Record, api: Caller) -> None:
    await record.ask(circumstances(Level.SECTION_47))
    later = IN_FORCE + timedelta(days=1)
    await record.ask(
        circumstances(Level.UNIVERSAL, at=later, orders=(emergency(at=later),)), "police", uuid.uuid4()
    )
    for query, found in (
        ({}, 2),
        ({"emergency": "true"}, 0),
        ({"since": later.isoformat()}, 1),
        ({"before": later.isoformat()}, 1),
        ({"referral_id": str(record.referral_id)}, 2),
        ({"referral_id": str(uuid.uuid4())}, 0),
    ):
        page = await api.get("/v1/disclosures", "governance", **query)
        assert len(page.json()["items"]) == found, query


async def test_nobody_else_reads_it(api: Caller) -> None:
    for client in ("st_ives_primary", "staff-sw-1", "operations"):
        refused = await api.get("/v1/disclosures", client)
        assert (refused.status_code, refused.json()["code"]) == (403, "scope-missing")
    assert (await api.get("/v1/disclosures", None)).status_code == 401


async def test_a_cursor_of_another_list_is_refused(record: Record, api: Caller) -> None:
    for _ in range(2):
        await record.ask(circumstances(Level.SECTION_47), child=uuid.uuid4())
    page = await api.get("/v1/disclosures", "governance", limit="1")
    moved = {"cursor": page.json()["next_cursor"], "agency": "health"}
    refused = await api.get("/v1/disclosures", "governance", **moved)
    assert (refused.status_code, refused.json()["code"]) == (400, "cursor-invalid")
