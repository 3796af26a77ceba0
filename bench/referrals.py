"""Referrals about one child each, no two about the same: who is referred for the sixtieth time is another load."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from stdnum.gb import nhs

TEMPLATE = json.loads((Path(__file__).parent / "referral.json").read_text())
_FIRST = ("Ba", "De", "Fi", "Go", "Ju", "Ka", "Le", "Mi", "No", "Pa", "Ri", "Su", "Ta", "Vi", "We", "Zo")
_LAST = ("bran", "crest", "dell", "fern", "gale", "hurst", "ley", "mere", "ridge", "thorpe", "wick", "worth")


def body(number: int) -> bytes:
    """The body of the referral of that number: its child has names, a birth, a home and a test number of their own."""
    document: dict[str, Any] = {**TEMPLATE, "children": [_child(TEMPLATE["children"][0], number)]}
    return json.dumps(document, separators=(",", ":")).encode()


def _child(child: dict[str, Any], number: int) -> dict[str, Any]:
    given = "".join(_FIRST[number // 16**place % 16] for place in range(2))
    family = "".join(
        part for part in (_FIRST[number // 256 % 16], _LAST[number // 4096 % 12], _LAST[number % 12])
    )
    return {
        **child,
        "given_name": given.capitalize(),
        "family_name": f"{family.capitalize()}-Test",
        "born": {"on": f"{2009 + number % 15}-{1 + number % 12:02}-{1 + number % 28:02}"},
        "nhs_number": _number(number),
        "address": {
            "lines": [f"{1 + number} Invented Row", "Testham"],
            "postcode": f"PE{1 + number % 9} {number % 9}ZZ",
        },
    }


def _number(number: int) -> str | None:
    """A number of the range that is kept for tests; None where its check digit would be no digit."""
    digits = f"999{number % 1_000_000:06}"
    return next((digits + str(check) for check in range(10) if nhs.is_valid(digits + str(check))), None)
