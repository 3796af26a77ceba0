"""Referrals about one child each, no two about the same: who is referred for the sixtieth time is another load."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from stdnum.gb import nhs

TEMPLATE = json.loads((Path(__file__).parent / "referral.json").read_text())
STRANGERS = 100_000
"""Below are the numbers of the sandbox's families, whom its agencies know by other names and births."""

_FIRST = ("Ba", "De", "Fi", "Go", "Ju", "Ka", "Le", "Mi", "No", "Pa", "Ri", "Su", "Ta", "Vi", "We", "Zo")
_LAST = ("bran", "crest", "dell", "fern", "gale", "hurst", "ley", "mere", "ridge", "thorpe", "wick", "worth")


def body(number: int) -> bytes:
    """The body of the referral of that number: its people have names, the child a birth, a home and a test number too.

    None of them is anybody whom the sandbox's agencies know, or whom another number names.
    """
    given = "".join(_FIRST[number // 16**place % 16] for place in range(2)).capitalize()
    family = "".join(
        part for part in (_FIRST[number // 256 % 16], _LAST[number // 4096 % 12], _LAST[number % 12])
    )
    family = f"{family.capitalize()}-Test"
    adults = [
        {**adult, "given_name": f"{given}{ending}", "family_name": family}
        for adult, ending in zip(TEMPLATE["adults"], ("na", "to"), strict=True)
    ]
    child = {**TEMPLATE["children"][0], "given_name": given, "family_name": family, **_own(number)}
    document: dict[str, Any] = {**TEMPLATE, "adults": adults, "children": [child]}
    return json.dumps(document, separators=(",", ":")).encode()


def _own(number: int) -> dict[str, Any]:
    return {
        "born": {"on": f"{2009 + number % 15}-{1 + number % 12:02}-{1 + number % 28:02}"},
        "nhs_number": _number(number),
        "address": {
            "lines": [f"{1 + number} Invented Row", "Testham"],
            "postcode": f"PE{1 + number % 9} {number % 9}ZZ",
        },
    }


def _number(number: int) -> str | None:
    """A number of the range that is kept for tests; None where its check digit would be no digit."""
    digits = f"999{(STRANGERS + number) % 1_000_000:06}"
    return next((digits + str(check) for check in range(10) if nhs.is_valid(digits + str(check))), None)
