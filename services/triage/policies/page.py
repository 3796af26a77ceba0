"""The policy in force as a page for a browser: in English, with what was proved of it and from when it holds."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Iterator, Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any

from services.triage.policies.rulebook import BEGINNING, Mode, Timeline
from services.triage.policy import Policy
from services.triage.policy.check import check
from services.triage.policy.claims import Claim, Finding, Report, Status
from services.triage.policy.page import STYLE, Block, Grid, Heading, Page, Paragraph, as_html
from services.triage.policy.paper import board_paper

HEADERS = {
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'; style-src 'sha256-"
    f"{b64encode(sha256(f'{chr(10)}{STYLE}'.encode()).digest()).decode()}'"
}


class Paper:
    """Writes the page, and keeps the last one: what it shows changes only when a row is added."""

    def __init__(self) -> None:
        self._kept: tuple[tuple[object, ...], str] | None = None
        self._writing = asyncio.Lock()

    async def write(
        self,
        policy: Policy,
        proof: Mapping[str, Any] | None,
        timeline: Timeline,
        versions: Mapping[str, str],
        now: datetime,
    ) -> str:
        """The page as HTML. Without a stored proof, what needs no solver is checked here."""
        rows = tuple(row for row in timeline.rows if row.from_at <= now)
        key = (
            policy.fingerprint,
            None if proof is None else str(proof),
            timeline.rows,
            rows,
            tuple(versions.items()),
        )
        async with self._writing:
            if self._kept is None or self._kept[0] != key:
                # A tenth of a second that no referral should wait for.
                self._kept = key, await asyncio.to_thread(_html, policy, proof, timeline, versions, now)
            return self._kept[1]


def _html(
    policy: Policy,
    proof: Mapping[str, Any] | None,
    timeline: Timeline,
    versions: Mapping[str, str],
    now: datetime,
) -> str:
    report = read_report(proof) if proof is not None else check(policy, solver=False)
    title, *rest = board_paper(policy, report).blocks
    return as_html(Page((title, *_standing(timeline, versions, now, checked=proof is not None), *rest)))


def _standing(
    timeline: Timeline, versions: Mapping[str, str], now: datetime, *, checked: bool
) -> Iterator[Block]:
    yield Paragraph(
        "Referrals are judged by the version that was in force when they were received.", "In force."
    )
    if not checked:
        yield Paragraph(
            "Only what needs no solver was checked: `mash policy register` stores a whole check.", "Proof."
        )
    yield Heading(2, "Versions")
    rows = [
        (
            versions.get(row.fingerprint, "not registered"),
            row.fingerprint[:12],
            _HOW[row.mode] if row.from_at <= now else f"{_HOW[row.mode]}, to come",
            "the beginning" if row.from_at == BEGINNING else f"{row.from_at:%d %B %Y, %H:%M} UTC",
        )
        for row in reversed(timeline.rows)
    ]
    yield Grid(
        "What takes effect from when, the latest first", ("Version", "Fingerprint", "How", "From"), rows
    )


_HOW = {
    Mode.LIVE: "in force",
    Mode.SHADOW: "tried out beside the one in force",
    Mode.ENDED: "no longer tried out",
}


def read_report(document: Mapping[str, Any]) -> Report:
    """The report of a check, as `Report.document` gave it."""
    claims = tuple(
        Claim(
            **{
                **claim,
                "status": Status(claim["status"]),
                "findings": tuple(Finding(**finding) for finding in claim["findings"]),
            }
        )
        for claim in document["claims"]
    )
    return Report(document["policy"], document["version"], document["fingerprint"], claims)
