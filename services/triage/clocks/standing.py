"""Puts the clocks of a case together for whoever asks by when what is due, and why."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

import asyncpg

from libs.messaging.codec import Codec
from services.triage.case import (
    DECISION_CLOCK,
    HAND_OVER_CLOCK,
    READING_CLOCK,
    URGENCY_CLOCK,
    Case,
    warning,
)
from services.triage.clocks.hub import Hub
from services.triage.clocks.pauses import intervals, stands_since
from services.triage.clocks.preview import preview
from services.triage.clocks.record import (
    Breach,
    CaseClocks,
    ClockState,
    Kept,
    Pause,
    breaches,
    kept_clocks,
    pauses,
)
from services.triage.clocks.rules import Length
from services.triage.clocks.words import rule_of, rules_in_words
from services.triage.handover.terms import acceptance
from services.triage.tasks.due import read_rule

LABELS = {
    URGENCY_CLOCK: "the target of the case's rating",
    HAND_OVER_CLOCK: "the acceptance at the receiving end",
}

_ASKED = "SELECT asked_at, rule FROM handover WHERE case_id = $1 AND answer IS NULL"

_WORDS = "SELECT DISTINCT ON (fingerprint) fingerprint, words FROM clock_rules WHERE fingerprint = ANY ($1)"


async def standing(connection: asyncpg.Connection, codec: Codec, hub: Hub, case: Case) -> CaseClocks:
    """The clocks of a case, those that run first, each with its rule in words as it was when it was worked out."""
    kept = await kept_clocks(connection, codec, case.id)
    ran_out = await breaches(connection, codec, case.id)
    fingerprints = {one.rules for one in kept} | ({case.rules} if case.rules is not None else set())
    words = await _words(connection, hub, sorted(fingerprints))
    own = list(_own(hub, case, ran_out, words))
    if case.hand_over_due_at is not None:
        asked = await connection.fetchrow(_ASKED, case.id)
        own = [_accepting(hub, one, asked) if one.clock == HAND_OVER_CLOCK else one for one in own]
    clocks = [*own, *_kept(hub, case, kept, ran_out, words)]
    ends = {one.begin: one.end for one in intervals(case.pauses)}
    stood = [
        one if one.until_at is not None else one.model_copy(update={"until_at": ends.get(one.from_at)})
        for one in (await pauses(connection, codec, case.id) if case.pauses else ())
    ]
    return CaseClocks(
        case_id=case.id,
        clocks=tuple(sorted(clocks, key=lambda one: not (one.runs or one.stands_since))),
        pauses=tuple[Pause, ...](stood),
    )


async def _words(
    connection: asyncpg.Connection, hub: Hub, fingerprints: Sequence[str]
) -> Mapping[str, Mapping[str, str]]:
    found = {hub.fingerprint: rules_in_words(hub)}
    if any(one not in found for one in fingerprints):
        for row in await connection.fetch(_WORDS, fingerprints):
            found[row["fingerprint"]] = json.loads(row["words"])
    return found


def _own(
    hub: Hub,
    case: Case,
    ran_out: Mapping[str, Sequence[Breach]],
    words: Mapping[str, Mapping[str, str]],
) -> Iterator[ClockState]:
    dues = case.clocks()
    stands = stands_since(case.pauses) if not case.decided else None
    for name in (DECISION_CLOCK, READING_CLOCK, URGENCY_CLOCK, HAND_OVER_CLOCK):
        due_at = dues.get(name)
        still = stands if name == URGENCY_CLOCK else None
        there = due_at is not None or still is not None
        broken = tuple(ran_out.get(name, ()))
        if not there and not broken:
            continue
        started_at = _started(case, name) if there else None
        rule_id = f"{name}.{case.rag.value}" if name == URGENCY_CLOCK else name
        yield ClockState(
            clock=name,
            label=hub.clocks[name].label if name in hub.clocks else LABELS[name],
            runs=there and still is None,
            started_at=started_at,
            due_at=due_at,
            warn_at=None if due_at is None else hub.warn_at(name, due_at),
            warned=due_at is not None and warning(name, due_at) in case.warned,
            rule=words.get(case.rules or "", {}).get(rule_id) if there else None,
            rules=case.rules if there else None,
            because=_because(hub, name, started_at, case.rules),
            may_pause=name == URGENCY_CLOCK and there and hub.targets[case.rag].pauses,
            stands_since=still,
            breaches=broken,
            reason_wanted=any(one.explained_at is None for one in broken),
        )


def _accepting(hub: Hub, one: ClockState, asked: asyncpg.Record | None) -> ClockState:
    """The clock of the receiving end, with the rule that stands beside its instant."""
    if asked is None or asked["rule"] is None:
        return one
    rule = read_rule(asked["rule"])
    if not isinstance(rule, Length):
        return one
    clock = acceptance(hub, rule)
    found = preview(hub, clock, asked["asked_at"])
    because = found.words if found.due_at == one.due_at else ()
    return one.model_copy(
        update={"started_at": asked["asked_at"], "rule": rule_of(clock), "because": because}
    )


def _kept(
    hub: Hub,
    case: Case,
    kept: Sequence[Kept],
    ran_out: Mapping[str, Sequence[Breach]],
    words: Mapping[str, Mapping[str, str]],
) -> Iterator[ClockState]:
    for one in kept:
        runs = one.stopped_at is None
        broken = tuple(each for each in ran_out.get(one.clock, ()) if each.due_at == one.due_at)
        yield ClockState(
            clock=one.clock,
            label=hub.clocks[one.clock].label if one.clock in hub.clocks else one.clock.replace("_", " "),
            runs=runs,
            started_at=one.started_at,
            due_at=one.due_at,
            warn_at=hub.warn_at(one.clock, one.due_at),
            warned=runs and warning(one.clock, one.due_at) in case.warned,
            rule=words.get(one.rules, {}).get(one.clock),
            rules=one.rules,
            because=_because(hub, one.clock, one.started_at, one.rules),
            stopped_at=one.stopped_at,
            stopped_by=one.stopped_by,
            note=one.note,
            breaches=broken,
            reason_wanted=any(each.explained_at is None for each in broken),
        )


def _started(case: Case, clock: str) -> datetime | None:
    if clock in (DECISION_CLOCK, URGENCY_CLOCK):
        return case.counts_from
    if clock == READING_CLOCK:
        dues = ((case.read_due_at, case.read_from), (case.narrative_due_at, case.narrative_from))
        return next((since for due_at, since in dues if due_at == case.reading_due), None)
    return None


def _because(hub: Hub, clock: str, started_at: datetime | None, rules: str | None) -> tuple[str, ...]:
    """Sentence by sentence, where the rules that it was worked out by still hold."""
    if started_at is None or clock not in hub.clocks or rules != hub.fingerprint:
        return ()
    return preview(hub, hub.clocks[clock], started_at).words
