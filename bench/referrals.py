"""Referrals about one child each, no two about the same: who is referred for the sixtieth time is another load."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any

from stdnum.gb import nhs

TEMPLATE = json.loads((Path(__file__).parent / "referral.json").read_text())
STRANGERS = 100_000
"""Below are the numbers of the sandbox's families, whom its agencies know by other names and births."""

_CONSONANTS, _VOWELS = "bdfgjklmnprstvwz", "aeio"


def body(number: int) -> bytes:
    """The body of the referral of that number: its people have names, the child a birth, a home and a test number too.

    None of them is anybody whom the sandbox's agencies know, or whom another number names.
    """
    chance = Random(number)
    given, family, mother, partner = (_name(chance) for _ in range(4))
    adults = [
        {**adult, "given_name": name, "family_name": family}
        for adult, name in zip(TEMPLATE["adults"], (mother, partner), strict=True)
    ]
    child = {**TEMPLATE["children"][0], "given_name": given, "family_name": family, **_own(number, chance)}
    document: dict[str, Any] = {**TEMPLATE, "adults": adults, "children": [child]}
    return json.dumps(document, separators=(",", ":")).encode()


def _name(chance: Random) -> str:
    """Four syllables: of thousands of people two are seldom alike, as it is with first and family names together."""
    return "".join(chance.choice(_CONSONANTS) + chance.choice(_VOWELS) for _ in range(4)).capitalize()


def _own(number: int, chance: Random) -> dict[str, Any]:
    born = date(2009, 9, 1) + timedelta(days=chance.randrange(365 * 16))
    inward = f"{chance.randint(1, 9)}{chance.choice('ABDEF')}{chance.choice('GHJLN')}"
    return {
        "born": {"on": born.isoformat()},
        "nhs_number": _number(number),
        "address": {
            "lines": [f"{1 + number} Invented Row", "Testham"],
            "postcode": f"PE{chance.randint(1, 38)} {inward}",
        },
    }


def _number(number: int) -> str | None:
    """A number of the range that is kept for tests; None where its check digit would be no digit."""
    digits = f"999{(STRANGERS + number) % 1_000_000:06}"
    return next((digits + str(check) for check in range(10) if nhs.is_valid(digits + str(check))), None)
