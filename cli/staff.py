"""The sandbox's member of staff: reads and decides sample cases through the API, as a person would in the console.

Never used on a system with real people: a decision is a person's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cli.client import MANAGER, SOCIAL_WORKER, Client, Refused
from cli.journey import Snapshot

NEEDS_MANAGER = frozenset({"universal_advice"})
RATIONALE = "Sandbox: the evidence on the case supports the recommendation."
CHANGED_MEANWHILE = frozenset({409, 412})


def act(client: Client, seen: Snapshot, reading: Mapping[str, Any]) -> None:
    """Reads what waits to be read, then agrees with what is recommended. Raises Refused.

    `reading`: what the staff finds in the referrer's words, as the body of `PUT /v1/cases/{id}/reading`.
    """
    for child in (seen.triage or {}).get("children", ()):
        if child["to_be_read"]:
            _read(client, child["child_id"], reading)
        elif child["stage"] == "decision":
            _decide(client, child["child_id"])


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
    decision = {
        "level": recommended["level"],
        "destination": recommended["destination"],
        "rationale": RATIONALE,
        "may_tell_referrer": True,
    }
    staff = MANAGER if recommended["destination"] in NEEDS_MANAGER else SOCIAL_WORKER
    try:
        client.decide(case_id, etag, decision, staff)
    except Refused as refused:
        if refused.status not in CHANGED_MEANWHILE:
            raise
