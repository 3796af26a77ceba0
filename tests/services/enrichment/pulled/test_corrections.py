"""What an agency corrects counts wherever its first answer counted."""

import uuid
from typing import Any

import pytest

from services.enrichment.asking.recorder import Recorded
from tests.services.enrichment.checks.test_orders import ordered
from tests.services.enrichment.conftest import FINCH, WREN, Case, until
from tests.services.enrichment.pulled.conftest import Fetching
from tests.services.enrichment.pulled.test_work import HIGH_RISK, RETURNED

AT_HOME = ({**WREN, "household": "home"}, {**FINCH, "household": "home"})
LESS = {"state": "returned", "facts": [{**HIGH_RISK, "value": "minor_incident"}]}


async def correct(fetching: Fetching, claimed: dict[str, Any], answer: dict[str, Any] | None) -> None:
    body: dict[str, Any] = {"kind": "retracted", "reason": "wrong_person"}
    if answer is not None:
        body = {"kind": "corrected", "reason": "mistake", "answer": answer}
    path = f"/v1/work/{claimed['items'][0]['question_id']}/corrections"
    keyed = {**fetching.headers(), "Idempotency-Key": uuid.uuid4().hex}
    told = await fetching.http.post(path, json=body, headers=keyed)
    assert told.status_code == 201, told.text


async def corrections(fetching: Fetching, child_id: uuid.UUID) -> list[Any]:
    return [
        payload.children[child_id]
        for kind, payload in await fetching.instance.told()
        if kind.name.endswith("check-corrected.v1") and child_id in payload.children
    ]


async def until_corrected(fetching: Fetching, child_id: uuid.UUID, times: int = 1) -> list[Any]:
    async def so_often() -> bool:
        return len(await corrections(fetching, child_id)) >= times

    await until(so_often)
    return await corrections(fetching, child_id)


async def test_the_brother_who_shares_an_answer_about_the_home_hears_that_it_was_corrected(
    fetching: Fetching,
) -> None:
    case = Case(children=AT_HOME)
    await fetching.ask(case)
    claimed = await fetching.claim(most=2)
    claimed["items"].sort(key=lambda item: item["question"]["child"]["given_name"], reverse=True)
    assert (await fetching.answer(claimed, RETURNED)).status_code == 200
    sister, brother = case.child_ids

    async def shared() -> bool:
        return any(answer.state == "returned" for answer in await fetching.marac_answers(brother))

    await until(shared)
    await correct(fetching, claimed, LESS)
    await correct(fetching, claimed, None)
    await correct(fetching, claimed, LESS)
    for child in (sister, brother):
        told = await corrections(fetching, child)
        assert [(one.kind, one.answer and one.answer.state) for one in told] == [
            ("corrected", "returned"),
            ("retracted", None),
            ("corrected", "returned"),
        ]
    hers, his = [await corrections(fetching, child) for child in (sister, brother)]
    assert [fact.value for fact in hers[0].answer.facts] == ["minor_incident"]
    assert his[0].answer.facts == ()
    assert his[0].question_id != hers[0].question_id
    acts = await fetching.instance.ledger.pool.fetch(
        "SELECT subject FROM access WHERE action = 'work.corrected' AND case_id = $1", sister
    )
    assert [act["subject"] for act in acts] == ["marac"] * 3


async def answered_and_used_again(fetching: Fetching) -> tuple[Case, Case, dict[str, Any]]:
    """An answer of MARAC's to one referral that a second about the same child uses again."""
    first, second = Case(), Case()
    await fetching.ask(first)
    claimed = await fetching.claim()
    assert (await fetching.answer(claimed, RETURNED)).status_code == 200
    await fetching.instance.take(second.received(), second.screened())

    async def used_again() -> bool:
        return any(answer.reused_from for answer in await fetching.marac_answers(second.child))

    await until(used_again)
    return first, second, claimed


async def test_an_answer_that_another_referral_uses_again_is_corrected_there_as_often_as_where_it_was_given(
    fetching: Fetching,
) -> None:
    first, second, claimed = await answered_and_used_again(fetching)
    (used,) = await fetching.marac_answers(second.child)
    assert used.narrative == "Heard on Tuesday."
    await correct(fetching, claimed, LESS)
    (once,) = await until_corrected(fetching, second.child)
    assert (once.kind, once.reason, once.question_id) == (
        "corrected",
        "corrected_elsewhere",
        used.question_id,
    )
    assert [fact.value for fact in once.answer.facts] == ["minor_incident"]
    assert once.answer.reused_from > used.reused_from
    await correct(fetching, claimed, None)
    _, twice = await until_corrected(fetching, second.child, 2)
    assert (twice.kind, twice.answer) == ("retracted", None)

    # Asked once more by hand, the agency answers anew: that counts where its first answer did, and is taken back there.
    instance, third = fetching.instance, Case()
    await instance.take(ordered(first, "ask", agency="marac"))
    once_more: dict[str, Any] = {}

    async def put() -> bool:
        once_more.update(await fetching.claim())
        return bool(once_more["items"])

    await until(put)
    assert (await fetching.answer(once_more, RETURNED)).status_code == 200
    *_, anew = await until_corrected(fetching, first.child, 3)
    assert (anew.question_id, anew.reason) == (claimed["items"][0]["question_id"], "asked_again")
    await instance.take(third.received(), third.screened())

    async def used_once_more() -> bool:
        return any(answer.reused_from for answer in await fetching.marac_answers(third.child))

    await until(used_once_more)
    await correct(fetching, once_more, None)
    for case, times in ((first, 4), (second, 4), (third, 1)):
        *_, gone = await until_corrected(fetching, case.child, times)
        assert (gone.kind, gone.answer) == ("retracted", None)


async def test_an_answer_that_is_corrected_while_it_is_being_used_again_is_corrected_there_too(
    fetching: Fetching, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = fetching.instance.checks.recorder
    first, second = Case(), Case()
    await fetching.ask(first)
    claimed = await fetching.claim()
    assert (await fetching.answer(claimed, RETURNED)).status_code == 200
    put = recorder.put
    held: list[Recorded] = []

    async def hold(recorded: Recorded) -> None:
        await (put(recorded) if recorded.reply.reused_of is None else hold_back(recorded))

    async def hold_back(recorded: Recorded) -> None:
        held.append(recorded)

    monkeypatch.setattr(recorder, "put", hold)
    await fetching.instance.take(second.received(), second.screened())

    async def on_its_way() -> bool:
        return bool([one for one in held if one.claim.child_id == second.child])

    await until(on_its_way)
    await correct(fetching, claimed, None)
    await recorder.record(held)
    (answer,) = await fetching.marac_answers(second.child)
    assert answer.reused_from is not None
    (told,) = await until_corrected(fetching, second.child)
    assert told.kind == "retracted"


async def test_what_a_child_said_to_be_somebody_else_was_taken_for_is_not_corrected_into_the_record(
    fetching: Fetching,
) -> None:
    _, second, claimed = await answered_and_used_again(fetching)
    ledger, checks = fetching.instance.ledger, fetching.instance.checks
    desk, store = checks.deadlines._desk, checks.deadlines._store
    async with ledger.unit([second.id]) as unit:
        referrals = await store.load(unit.connection, [second.id])
        referral = referrals[second.id]
        desk.unlinked(referral, referral.children[second.child], unit.now)
        await store.save(unit.connection, [referral], unit.now)
    await correct(fetching, claimed, LESS)

    async def fired() -> bool:
        waiting = "SELECT count(*) FROM timer WHERE kind = 'answer-corrected' AND state = 'armed'"
        return not await ledger.pool.fetchval(waiting)

    await until(fired)
    assert await corrections(fetching, second.child) == []
