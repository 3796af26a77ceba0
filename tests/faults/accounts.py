"""The books: what was promised, written, taken in, done and told, compared across everybody's own records."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Any
from uuid import UUID

import asyncpg

from libs.schemas.events import (
    CASE_DECIDED,
    CASE_ROUTED,
    CHECK_RETURNED,
    CHILDREN_FOUND,
    EVENT_TYPES,
    INFORMATION_ADDED,
    WITHDRAWN,
    EventType,
    Service,
)
from tests.faults.people import Acknowledged

THROUGH = "(routed_at IS NOT NULL OR unread AND completed_at IS NOT NULL)"
"""In a decision queue, or checked and waiting for a person to read the referrer's words, which comes before it."""

UNDECIDED = "(decision = 0 OR at_risk)"

OPEN_PARKED = "SELECT referral_id FROM {service}.parked WHERE state IN ('failed', 'waiting')"


def sent_again(messages: Iterable[Mapping[str, Any]]) -> int:
    """How many messages went out beside the one that each notice should be, by GOV.UK Notify's own list."""
    return sum(count - 1 for count in Counter(message["reference"] for message in messages).values())


class Accounts:
    """Reads every service's tables as the administrator."""

    def __init__(self, connection: asyncpg.Connection, promised: Collection[Acknowledged]) -> None:
        self._connection = connection
        self._promised = list(promised)

    async def unfinished(self) -> list[str]:
        """What is still on its way; empty when the system has come to rest."""
        found: list[str] = []
        routed = await self._connection.fetchval(f"SELECT count(*) FROM triage.child_case WHERE {THROUGH}")
        children = sum(each.children for each in self._promised)
        children += sum(map(len, (await self._found()).values()))
        stopped = await self._stopped_referrals()
        if routed < children and not stopped:
            found.append(f"{routed} of {children} children routed")
        found += await self.missing_from_inboxes()
        notices = await self._connection.fetchval(
            "SELECT count(*) FROM notify.notice WHERE due_at IS NOT NULL"
        )
        if notices:
            found.append(f"{notices} notices under way")
        checked = await self._connection.fetchval(
            "SELECT count(*) FROM enrichment.child WHERE completed_at IS NULL"
        )
        if checked:
            found.append(f"checks of {checked} children under way")
        return found

    async def violations(self) -> list[str]:
        """Everything that was lost or done twice."""
        return [
            *await self._lost_referrals(),
            *await self.missing_from_inboxes(),
            *await self._unknown_in_inboxes(),
            *await self._evaluations_for_answers(),
            *await self._routing_notices(),
            *await self._additions(),
            *await self._decisions(),
            *await self._clocks(),
            *await self._answers_twice(),
            *await self._gaps_in_sequences(),
        ]

    async def missing_from_inboxes(self) -> list[str]:
        """Events that a consumer should have taken in (applied, held or parked) and has not."""
        found = []
        for kind in EVENT_TYPES:
            written = await self._ids(
                f"SELECT event_id FROM {kind.producer}.outbox WHERE type = $1", kind.name
            )
            for reader in sorted(kind.readers):
                taken = await self._taken(reader, kind.name)
                if missing := written - taken:
                    found.append(f"{len(missing)} of {len(written)} {kind.name} not taken in by {reader}")
        return found

    async def untrue_notices(self, messages: Iterable[Mapping[str, Any]]) -> list[str]:
        """Where notify's books and GOV.UK Notify's own list of messages do not tell the same."""
        delivered = {str(each["reference"]) for each in messages if each["status"] == "delivered"}
        known = {
            str(row[0]): row[1] for row in await self._connection.fetch("SELECT id, state FROM notify.notice")
        }
        unmeant = {str(each["reference"]) for each in messages} - known.keys()
        untrue = [each for each, state in known.items() if (state == "delivered") != (each in delivered)]
        undelivered = Counter(state for state in known.values() if state != "delivered")
        return [
            *([f"{len(unmeant)} messages that no notice asked for"] if unmeant else []),
            *([f"{len(untrue)} notices are not what became of their message"] if untrue else []),
            *([f"notices that were not delivered: {dict(undelivered)}"] if undelivered else []),
        ]

    async def _lost_referrals(self) -> list[str]:
        found = []
        joined = await self._found()
        for each in self._promised:
            referral = await self._connection.fetchval(
                "SELECT id FROM intake.referral WHERE reference = $1", each.reference
            )
            if referral is None:
                found.append(f"{each.reference} was acknowledged and is not there")
                continue
            row = await self._connection.fetchrow(
                f"SELECT count(*) AS cases, count(*) FILTER (WHERE {THROUGH}) AS routed FROM triage.child_case "
                "WHERE referral_id = $1 AND NOT stub",
                referral,
            )
            listed = referral in await self._stopped_referrals()
            children = each.children + len(joined.get(referral, ()))
            if not listed and (row["cases"], row["routed"]) != (children, children):
                found.append(
                    f"{each.reference}: {children} children, {row['cases']} cases, {row['routed']} routed"
                )
        sent = await self._connection.fetchval("SELECT count(*) FROM intake.referral")
        if sent != len(self._promised):
            found.append(f"{len(self._promised)} referrals acknowledged, {sent} stored")
        return found

    async def _found(self) -> dict[UUID, set[UUID]]:
        """The children whom nobody named when a referral was sent, by referral."""
        found: dict[UUID, set[UUID]] = {}
        for row in await self._written(CHILDREN_FOUND):
            found.setdefault(row["referral_id"], set()).update(
                map(UUID, json.loads(row["payload"])["children"])
            )
        return found

    async def _stopped_referrals(self) -> set[UUID]:
        stopped: set[UUID] = set()
        for service in Service:
            stopped |= await self._ids(OPEN_PARKED.format(service=service.value))
        return stopped

    async def _unknown_in_inboxes(self) -> list[str]:
        found = []
        for reader in Service:
            rows = await self._connection.fetch(f"SELECT event_id, type FROM {reader}.inbox")
            written = set()
            for kind in EVENT_TYPES:
                if reader in kind.readers:
                    written |= await self._ids(
                        f"SELECT event_id FROM {kind.producer}.outbox WHERE type = $1", kind.name
                    )
            strangers = {row["event_id"] for row in rows} - written
            if strangers:
                found.append(f"{reader} took in {len(strangers)} events that nobody wrote")
        return found

    async def _evaluations_for_answers(self) -> list[str]:
        """Each answer about each child, and each addition for each child, has led to exactly one evaluation."""
        stopped = await self._stopped_referrals()
        expected = {
            (row["event_id"], UUID(child))
            for row in await self._written(CHECK_RETURNED)
            if row["referral_id"] not in stopped
            for child in json.loads(row["payload"])["children"]
        }
        rows = await self._connection.fetch(
            "SELECT o.event_id, o.referral_id, c.id FROM intake.outbox AS o "
            "JOIN triage.child_case AS c ON c.referral_id = o.referral_id WHERE o.type = $1",
            INFORMATION_ADDED.name,
        )
        expected |= {(row["event_id"], row["id"]) for row in rows if row["referral_id"] not in stopped}
        made = Counter(
            (row["event_id"], row["case_id"])
            for row in await self._connection.fetch("SELECT event_id, case_id FROM triage.evaluation")
        )
        without = [each for each in expected if made[each] == 0]
        twice = [each for each in made if made[each] > 1]
        return [
            *([f"{len(without)} of {len(expected)} things told without an evaluation"] if without else []),
            *([f"{len(twice)} evaluations made twice"] if twice else []),
        ]

    async def _routing_notices(self) -> list[str]:
        """Each case was announced as routed once, unless it was opened anew."""
        rows = await self._written(CASE_ROUTED)
        announced = Counter(UUID(child) for row in rows for child in json.loads(row["payload"])["children"])
        routed = await self._ids(
            "SELECT id FROM triage.child_case WHERE routed_at IS NOT NULL AND reopened_at IS NULL"
        )
        wrong = [each for each in routed if announced[each] != 1]
        return [f"{len(wrong)} of {len(routed)} cases not announced exactly once"] if wrong else []

    async def _additions(self) -> list[str]:
        """What was added and acknowledged is stored and announced once; a withdrawal is shown on each case."""
        found = []
        informed = sum(each.informed for each in self._promised)
        withdrawn_from = sum(each.withdrawn for each in self._promised)
        promised = (("information", INFORMATION_ADDED, informed), ("withdrawal", WITHDRAWN, withdrawn_from))
        for kind, event_type, count in promised:
            stored = await self._connection.fetchval(
                "SELECT count(*) FROM intake.addition WHERE kind = $1", kind
            )
            announced = len(await self._written(event_type))
            if not count == stored == announced:
                found.append(f"{kind}: {count} acknowledged, {stored} stored, {announced} announced")
        withdrawn = [each.reference for each in self._promised if each.withdrawn]
        shown = await self._connection.fetchval(
            "SELECT count(*) FROM triage.child_case WHERE reference = ANY ($1) AND withdrawn_at IS NULL",
            withdrawn,
        )
        return [*found, *([f"{shown} cases do not show that they were withdrawn"] if shown else [])]

    async def _decisions(self) -> list[str]:
        """Each decision was taken once, announced once, told in one notice, and is known to intake.

        Nothing is told of a child whom the referrer did not name.
        """
        rows = await self._connection.fetch("SELECT case_id, number FROM triage.decision")
        taken = Counter((row["case_id"], row["number"]) for row in rows)
        again = [each for each in taken if each[1] > 1]
        announced = Counter(
            (UUID(child), part["decision"])
            for row in await self._written(CASE_DECIDED)
            for child, part in json.loads(row["payload"])["children"].items()
        )
        notices = await self._connection.fetch(
            "SELECT child_id, decision FROM notify.notice WHERE kind = 'outcome'"
        )
        told = Counter((row["child_id"], row["decision"]) for row in notices)
        progress = await self._connection.fetch(
            "SELECT child_id, decision FROM intake.child_progress WHERE decision > 0"
        )
        known = Counter((row["child_id"], row["decision"]) for row in progress)
        found = [f"{len(again)} cases decided again"] if again else []
        unnamed = {child for children in (await self._found()).values() for child in children}
        to_tell = Counter({each: count for each, count in taken.items() if each[0] not in unnamed})
        for what, wanted, count in (
            ("announced", taken, announced),
            ("told", to_tell, told),
            ("known to intake", taken, known),
        ):
            if count != wanted:
                wrong = (wanted - count).total(), (count - wanted).total()
                found.append(f"{wrong[0]} of {len(taken)} decisions not {what}, {wrong[1]} too often")
        return found

    async def _clocks(self) -> list[str]:
        """The decision clock of every undecided case runs, at its own time; no decided case's does."""
        runs = (
            "EXISTS (SELECT FROM triage.timer AS t WHERE t.subject = c.id AND t.kind = 'decision' "
            "AND t.state = 'armed' AND t.due_at = c.due_at)"
        )
        without = await self._connection.fetchval(
            f"SELECT count(*) FROM triage.child_case AS c WHERE {UNDECIDED} AND NOT {runs}"
        )
        needless = await self._connection.fetchval(
            f"SELECT count(*) FROM triage.child_case AS c WHERE NOT {UNDECIDED} AND {runs}"
        )
        return [
            *([f"{without} undecided cases without an armed decision clock"] if without else []),
            *([f"{needless} decided cases whose decision clock runs"] if needless else []),
        ]

    async def _answers_twice(self) -> list[str]:
        rows = await self._written(CHECK_RETURNED)
        answers = Counter(
            (part["question_id"], part["state"], part["late"])
            for row in rows
            for part in json.loads(row["payload"])["children"].values()
        )
        twice = [each for each, count in answers.items() if count > 1]
        return [f"{len(twice)} answers announced twice"] if twice else []

    async def _gaps_in_sequences(self) -> list[str]:
        found = []
        for service in Service:
            wrong = await self._connection.fetchval(
                "SELECT count(*) FROM (SELECT referral_id FROM "
                f"{service}.outbox GROUP BY referral_id HAVING max(sequence) <> count(*)) AS g"
            )
            disordered = await self._connection.fetchval(
                "SELECT count(*) FROM (SELECT sequence - lag(sequence) OVER "
                f"(PARTITION BY referral_id ORDER BY xid, id) AS step FROM {service}.outbox) AS s WHERE step <> 1"
            )
            if wrong or disordered:
                found.append(f"{service}: {wrong} referrals with gaps, {disordered} events out of order")
        return found

    async def _written(self, type: EventType[Any]) -> list[asyncpg.Record]:
        return list(
            await self._connection.fetch(
                f"SELECT event_id, referral_id, payload FROM {type.producer}.outbox WHERE type = $1",
                type.name,
            )
        )

    async def _taken(self, reader: Service, name: str) -> set[UUID]:
        return await self._ids(
            f"SELECT event_id FROM {reader}.inbox WHERE type = $1 "
            f"UNION SELECT event_id FROM {reader}.parked WHERE type = $1",
            name,
        )

    async def _ids(self, query: str, *values: object) -> set[UUID]:
        return {row[0] for row in await self._connection.fetch(query, *values)}
