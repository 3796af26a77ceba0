"""The sandbox's member of staff: reads and decides sample cases through the API, as a person would in the console.

Never used on a system with real people: a decision is a person's.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from cli.client import MANAGER, SOCIAL_WORKER, Client, Refused
from cli.journey import Snapshot

RATIONALE = "Sandbox: the evidence on the case supports the recommendation."
SAME = "Sandbox: the surgery confirms the number and the address."
CHANGED = "Sandbox: more is known since; decide anew."
CONFLICT = 409
CHANGED_MEANWHILE = frozenset({CONFLICT, 412})
DUTY_CAME = frozenset({422})
"""An obliged action, or a brother's or sister's decision, may come between looking and deciding."""


def act(client: Client, seen: Snapshot, reading: Mapping[str, Any], *, same_person: bool = False) -> None:
    """Reads what waits to be read, then agrees with what is recommended. Raises Refused.

    `reading`: what the staff finds in the referrer's words, as the body of `PUT /v1/cases/{id}/reading`.
    `same_person`: whom the index offers first is the child, and the staff says so before anything else.
    """
    for child in (seen.triage or {}).get("children", ()):
        if same_person and not child.get("found") and not _identified(client, child["child_id"]):
            continue
        if child["to_be_read"]:
            _read(client, child["child_id"], reading)
        elif child["stage"] == "decision":
            _decide(client, child["child_id"])
        elif child["stage"] == "sign_off":
            _sign(client, child["child_id"])
        elif child["stage"] == "hand_over":
            _accept(client, child["child_id"], child["decisions"][-1]["number"])


def _identified(client: Client, case_id: str) -> bool:
    """Whether it is known who the child is; where somebody is offered, the staff says that it is they."""
    case, etag = client.case(case_id)
    index = case["evidence"]["index"]
    if index is None or case["stage"] == "screening":
        return False
    if index["method"] == "staff":
        return True
    if index["candidates"]:
        link = {"action": "link", "person_id": index["candidates"][0]["person_id"], "reason": SAME}
        try:
            client.say_who(case_id, etag, link)
        except Refused as refused:
            if refused.status not in CHANGED_MEANWHILE:
                raise
    return False


def _read(client: Client, case_id: str, reading: Mapping[str, Any]) -> None:
    _, etag = client.case(case_id)
    try:
        client.read_words(case_id, etag, reading)
    except Refused as refused:
        if refused.status not in CHANGED_MEANWHILE:
            raise


def _decide(client: Client, case_id: str) -> None:
    case, etag = client.case(case_id)
    recommended = case.get("recommendation")
    if recommended is None:
        return
    level, destination = recommended["level"], recommended["destination"]
    needed = client.authority(case_id, level, destination, SOCIAL_WORKER)
    decision = {
        "level": level,
        "destination": destination,
        "rationale": RATIONALE,
        "may_tell_referrer": True,
        "obliged": {kind: {"state": "under_way"} for kind in needed["obliged"]},
        "siblings_differ_because": RATIONALE if needed["siblings_differ"] else None,
    }
    try:
        client.decide(case_id, etag, decision, SOCIAL_WORKER)
    except Refused as refused:
        if refused.status not in CHANGED_MEANWHILE | DUTY_CAME:
            raise


def _sign(client: Client, case_id: str) -> None:
    """A manager signs what a social worker proposed. What was measured by something else goes back to its author."""
    _, etag = client.case(case_id, MANAGER)
    try:
        client.sign(case_id, etag)
    except Refused as refused:
        if refused.status not in CHANGED_MEANWHILE:
            raise
        if refused.status == CONFLICT:
            _return(client, case_id)


def _accept(client: Client, case_id: str, decision: int) -> None:
    case, _ = client.case(case_id)
    if not case["handovers"]:
        return
    try:
        client.accept(case_id, decision, client.receiver(case["handovers"][-1]["team"]))
    except Refused as refused:
        if refused.status not in CHANGED_MEANWHILE:
            raise


def _return(client: Client, case_id: str) -> None:
    _, etag = client.case(case_id, MANAGER)
    with suppress(Refused):
        client.sign(case_id, etag, agree=False, note=CHANGED)
