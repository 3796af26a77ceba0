"""Speakable references: what a referrer reads out over the telephone to name a referral.

Eight symbols of an alphabet without look-alikes and a check character, in groups: `K7TM-P2RW-C`. The check
character is the sum of the symbols weighted by their place, modulo the prime 31 (the construction of ISBN-10, ISO
2108:1992), so that it catches every single wrong symbol and every exchange of two neighbours. Symbols whose sum
leaves 30 are not given out: the alphabet has no character for it.
"""

import secrets
from collections.abc import Iterable

ALPHABET = "23456789ABCDEFGHJKMNPQRTUVWXYZ"
"""Thirty symbols: without O, I, L, S, 0 and 1, which are misread or misheard."""

_VALUES = {symbol: value for value, symbol in enumerate(ALPHABET)}
_WEIGHTS = range(1, 9)
_MODULUS = 31


def _check(values: Iterable[int]) -> int:
    return sum(weight * value for weight, value in zip(_WEIGHTS, values, strict=True)) % _MODULUS


def new_reference() -> str:
    """A fresh random reference in its written form."""
    while True:
        # So many bits that what is left over by the division favours no symbol noticeably.
        number, values = secrets.randbits(128), list[int]()
        for _ in _WEIGHTS:
            number, value = divmod(number, len(ALPHABET))
            values.append(value)
        check = _check(values)
        if check < len(ALPHABET):
            symbols = "".join([ALPHABET[value] for value in values])
            return f"{symbols[:4]}-{symbols[4:]}-{ALPHABET[check]}"


def parse_reference(text: str) -> str | None:
    """The written form of what somebody typed or read out, or None where its check character is wrong."""
    symbols = "".join(symbol for symbol in text.upper() if symbol not in " -")
    if len(symbols) != 9 or any(symbol not in _VALUES for symbol in symbols):
        return None
    if _check(_VALUES[symbol] for symbol in symbols[:8]) != _VALUES[symbols[8]]:
        return None
    return f"{symbols[:4]}-{symbols[4:8]}-{symbols[8]}"
