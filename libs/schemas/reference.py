"""Speakable references: what a referrer reads out over the telephone to name a referral.

Eight symbols of an alphabet without look-alikes and a check character, in groups: `K7TM-P2RW-C`. The check
character is the sum of the symbols weighted by their place, modulo the prime 31 (the construction of ISBN-10, ISO
2108:1992), so that it catches every single wrong symbol and every exchange of two neighbours. Symbols whose sum
leaves 30 are not given out: the alphabet has no character for it.
"""

import secrets

ALPHABET = "23456789ABCDEFGHJKMNPQRTUVWXYZ"
"""Thirty symbols: without O, I, L, S, 0 and 1, which are misread or misheard."""

_MODULUS = 31


def _check(symbols: str) -> int:
    return sum((place + 1) * ALPHABET.index(symbol) for place, symbol in enumerate(symbols)) % _MODULUS


def new_reference() -> str:
    """A fresh random reference in its written form."""
    while True:
        number = secrets.randbelow(len(ALPHABET) ** 8)
        symbols = ""
        for _ in range(8):
            number, symbol = divmod(number, len(ALPHABET))
            symbols += ALPHABET[symbol]
        check = _check(symbols)
        if check < len(ALPHABET):
            return f"{symbols[:4]}-{symbols[4:]}-{ALPHABET[check]}"


def parse_reference(text: str) -> str | None:
    """The written form of what somebody typed or read out, or None where its check character is wrong."""
    symbols = "".join(symbol for symbol in text.upper() if symbol not in " -")
    if len(symbols) != 9 or any(symbol not in ALPHABET for symbol in symbols):
        return None
    if _check(symbols[:8]) != ALPHABET.index(symbols[8]):
        return None
    return f"{symbols[:4]}-{symbols[4:8]}-{symbols[8]}"
