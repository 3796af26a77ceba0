"""Turns what the services say of one referral into lines that a person can follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cli.client import Client

SERVICES = ("triage", "enrichment", "notify")

OPEN_NOTICES = frozenset({"to_send", "unsure", "sent"})
WAITING = frozenset({"pending"})

DESTINATIONS = {
    "universal_advice": "universal advice",
    "early_help": "early help",
    "masg": "Multi-Agency Support Group (MASG)",
    "csc_section_17": "children's social care, section 17",
    "csc_section_47": "children's social care, section 47",
}

STATES = {
    "returned": "answered",
    "nothing_held": "holds nothing",
    "outside_coverage": "has no data for this time",
    "not_requested": "was not asked",
    "declined": "declined",
    "no_answer": "has not answered in time",
    "unavailable": "could not be reached",
}

NOTICES = {"receipt": "receipt", "being_looked_at": "word that it is in the queue", "outcome": "outcome"}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What each service says of one referral now; None where it has not arrived."""

    triage: Mapping[str, Any] | None = None
    enrichment: Mapping[str, Any] | None = None
    notify: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened. `key` stays the same when it is seen again."""

    key: tuple[str, ...]
    at: datetime
    what: str
    text: str
    tone: str = ""


def look(client: Client, reference: str) -> Snapshot:
    """Asks the services. Raises cli.client.Refused."""
    return Snapshot(**{service: client.journey(service, reference) for service in SERVICES})


DECIDED = frozenset({"decided", "closed"})


def steps(seen: Snapshot) -> list[Step]:
    """Everything that has happened so far, in the order in which it happened."""
    found = [*_triage(seen.triage or {}), *_enrichment(seen.enrichment or {}), *_notify(seen.notify or {})]
    return sorted(found, key=lambda step: step.at)


def received_at(seen: Snapshot) -> datetime | None:
    """When intake accepted it."""
    for journey in (seen.triage, seen.enrichment, seen.notify):
        if journey is not None:
            return _instant(journey["received_at"])
    return None


def is_routed(seen: Snapshot) -> bool:
    """Whether every child waits for a decision, or has one."""
    children = (seen.triage or {}).get("children", ())
    return bool(children) and all(child["routed_at"] for child in children)


def is_decided(seen: Snapshot) -> bool:
    """Whether every child has a decision that nothing has put in doubt, and whoever is to help has accepted it."""
    children = (seen.triage or {}).get("children", ())
    return bool(children) and all(child["stage"] in DECIDED for child in children)


def is_told(seen: Snapshot) -> bool:
    """Whether every decision about a child whom the referrer named was told, or is known to be impossible to tell, and
    no notice is on its way.
    """
    if not is_decided(seen) or seen.notify is None:
        return False
    named = [child for child in (seen.triage or {})["children"] if not child.get("found")]
    decisions = sum(len(child["decisions"]) for child in named)
    notices = seen.notify["notices"]
    told = [each for each in (*notices, *seen.notify["untold"]) if each["kind"] == "outcome"]
    return len(told) >= decisions and not any(notice["state"] in OPEN_NOTICES for notice in notices)


def has_delivered(seen: Snapshot, kind: str) -> bool:
    """Whether a notice of this kind reached the referrer."""
    notices = (seen.notify or {}).get("notices", ())
    return any(notice["kind"] == kind and notice["state"] == "delivered" for notice in notices)


def undelivered(seen: Snapshot) -> list[str]:
    """The kinds of notices that failed."""
    return [
        notice["kind"] for notice in (seen.notify or {}).get("notices", ()) if notice["state"] == "failed"
    ]


def _triage(journey: Mapping[str, Any]) -> list[Step]:
    found: list[Step] = []
    children: Sequence[Mapping[str, Any]] = journey.get("children", ())
    for child in children:
        number = str(child["child_number"])
        whose = f"child {number}: " if len(children) > 1 else ""
        rag = str(child["rag"])
        if child["screened_at"]:
            waits = ", to be read by a person" if child["to_be_read"] else ""
            danger = ", in immediate danger" if child["immediate_danger"] else ""
            text = (
                f"{whose}{_words(child['level'])}, {rag.upper()}{danger}, {_words(child['team'])} team{waits}"
            )
            found.append(Step(("screened", number), _instant(child["screened_at"]), "screened", text, rag))
        if child["routed_at"]:
            destination = DESTINATIONS.get(child["destination"], _words(child["destination"]))
            text = f"{whose}to the decision queue of {destination}"
            found.append(Step(("routed", number), _instant(child["routed_at"]), "routed", text, rag))
        if child["reopened_at"]:
            text = f"{whose}late news raised it to {_words(child['level'])}, {rag.upper()}"
            reopened = ("reopened", number, child["reopened_at"])
            found.append(Step(reopened, _instant(child["reopened_at"]), "reopened", text, rag))
        for decision in child["decisions"]:
            destination = DESTINATIONS.get(decision["destination"], _words(decision["destination"]))
            decided = ("decided", number, str(decision["number"]))
            text = f"{whose}{destination}, by a member of staff"
            found.append(Step(decided, _instant(decision["decided_at"]), "decided", text, "decided"))
    received = _instant(journey["received_at"]) if journey else None
    for consumer in journey.get("stopped_by", ()):
        assert received is not None
        text = f"processing stopped at {consumer}: see `mash parked list`"
        found.append(Step(("stopped", consumer), received, "stopped", text, "failed"))
    return found


def _enrichment(journey: Mapping[str, Any]) -> list[Step]:
    found: list[Step] = []
    children: Sequence[Mapping[str, Any]] = journey.get("children", ())
    for child in children:
        number = str(child["number"])
        whose = f"child {number}: " if len(children) > 1 else ""
        for check in child["checks"]:
            at = check["answered_at"] or child["completed_at"] or child["screened_at"]
            if check["state"] in WAITING or at is None:
                continue
            reason = f" ({_words(check['reason'])})" if check["reason"] else ""
            if check["state"] == "not_requested" and not reason:
                # Whoever may not be asked has a reason; this one was part of a brother's or sister's question.
                reason = " separately: a brother or sister was"
            late = ", late" if check["late"] else ""
            text = (
                f"{whose}{check['agency']} {STATES.get(check['state'], _words(check['state']))}{reason}{late}"
            )
            answered = ("answer", number, check["agency"], check["state"])
            found.append(Step(answered, _instant(at), "answer", text, check["state"]))
        if child["completed_at"]:
            text = f"{whose}checks complete"
            found.append(Step(("completed", number), _instant(child["completed_at"]), "checks", text))
    return found


def _notify(journey: Mapping[str, Any]) -> list[Step]:
    found: list[Step] = []
    for notice in journey.get("notices", ()):
        about = f" of child {notice['child']}" if notice["child"] else ""
        name = NOTICES.get(notice["kind"], _words(notice["kind"]))
        if notice["state"] in ("delivered", "failed") and notice["ended_at"]:
            reason = f" ({notice['reason']})" if notice["state"] == "failed" and notice["reason"] else ""
            text = f"{name}{about} {notice['state']} by {notice['channel']}{reason}"
            key = ("notice", notice["id"], notice["state"])
            found.append(Step(key, _instant(notice["ended_at"]), "notice", text, notice["state"]))
    for untold in journey.get("untold", ()):
        name = NOTICES.get(untold["kind"], _words(untold["kind"]))
        text = f"{name} not sent: {_words(untold['reason'])}"
        untellable = ("untold", untold["kind"], str(untold["child"]), str(untold["decision"]))
        found.append(Step(untellable, _instant(untold["at"]), "notice", text))
    return found


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _words(code: object) -> str:
    return str(code).replace("_", " ").replace("-", " ")
