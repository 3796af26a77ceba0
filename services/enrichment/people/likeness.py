"""How alike two names are, in steps that the rules give points to. Every comparison is symmetric."""

import re
from enum import StrEnum

from rapidfuzz.distance import OSA, JaroWinkler

from libs.spelling import sound
from services.enrichment.people.names import Names

NAME_AS_TYPED = 0.93
"""Jaro-Winkler similarity from which two words may be one, mistyped. None tells a slip from a sibling: Ella and Bella
are one letter apart. So a given name that is mistyped links nobody by itself."""


class Alike(StrEnum):
    """How two names agree, best first."""

    SAME = "same"
    SPELLING = "spelling"
    """Two spellings of one name."""
    SHORT_FORM = "short_form"
    """A name and its short form."""
    MIDDLE = "middle"
    """The same first name, and one of the two says a second."""
    PART = "part"
    """One part of a double-barrelled name, or a name that siblings share without what follows it."""
    RELATED = "related"
    """Names that may be one person's, and may be two brothers'."""
    TYPING = "typing"
    SOUND = "sound"
    INITIAL = "initial"
    SWAPPED = "swapped"
    """The given name of one is the family name of the other."""
    DIFFERENT = "different"
    MISSING = "missing"

    # Equal to its text, a member may share the text's hash; an enumeration's own is worked out anew each time.
    __hash__ = str.__hash__


_ENDING = re.compile("(?:ie|ey|y|i)$")
_RANK = {alike: rank for rank, alike in enumerate(Alike)}
_NEAR = frozenset({Alike.SAME, Alike.SPELLING, Alike.SHORT_FORM, Alike.TYPING})


def better(one: Alike, other: Alike) -> Alike:
    """Of two likenesses the one that agrees more."""
    return one if _RANK[one] <= _RANK[other] else other


def word_likeness(one: str, other: str, names: Names) -> Alike:
    """How alike two words of names are."""
    if one == other:
        return Alike.SAME
    mine, theirs = names.standing(one), names.standing(other)
    if mine == theirs:
        return Alike.SPELLING
    my_formals, their_formals = names.formals(one), names.formals(other)
    if mine in their_formals or theirs in my_formals:
        return Alike.SHORT_FORM
    if my_formals & their_formals or names.groups(mine) & names.groups(theirs) or _shortened(one, other):
        return Alike.RELATED
    shorter = min(len(one), len(other))
    if shorter == 1:
        return Alike.INITIAL if one[0] == other[0] else Alike.DIFFERENT
    if shorter >= 4:
        apart = OSA.distance(one, other, score_cutoff=2)
        if apart == 1 or (apart == 2 and shorter >= 7):
            return Alike.TYPING
        if JaroWinkler.similarity(one, other) >= NAME_AS_TYPED:
            return Alike.TYPING
    elif shorter == 3 and sorted(one) == sorted(other):
        return Alike.TYPING
    if shorter >= 3 and sound(one) == sound(other):
        return Alike.SOUND
    return Alike.DIFFERENT


def _shortened(one: str, other: str) -> bool:
    """Whether one may be made of the other as nicknames are, such as Soph or Sophy of Sophia."""
    shorter, longer = sorted((one, other), key=len)
    stem = _ENDING.sub("", shorter)
    return len(stem) >= 3 and len(shorter) < len(longer) and longer.startswith(stem)


def given_likeness(one: tuple[str, ...], other: tuple[str, ...], names: Names) -> Alike:
    """How alike two given names of one or more words are.

    A second name that differs on both sides tells two people apart: brothers are called Mohammed Ali and Mohammed
    Hamza. One that only one side says does not, unless siblings share the first.
    """
    if not one or not other:
        return Alike.MISSING
    if "".join(one) == "".join(other):
        return Alike.SAME
    first = word_likeness(one[0], other[0], names)
    if len(one) == 1 and len(other) == 1:
        return first
    if first is Alike.DIFFERENT:
        crossed = any(
            word_likeness(mine, theirs, names) in _NEAR
            for mine, theirs in ((one[0], word) for word in other[1:])
        ) or any(word_likeness(word, other[0], names) in _NEAR for word in one[1:])
        return Alike.PART if crossed else Alike.DIFFERENT
    if len(one) > 1 and len(other) > 1:
        pairs = (word_likeness(mine, theirs, names) for mine in one[1:] for theirs in other[1:])
        seconds = min(pairs, key=_RANK.__getitem__)
        return max(first, seconds, key=_RANK.__getitem__)
    if first not in (Alike.SAME, Alike.SPELLING, Alike.SHORT_FORM):
        return first
    shared = {names.standing(one[0]), names.standing(other[0])} & names.borne_by_siblings
    return Alike.PART if shared else Alike.MIDDLE


def family_likeness(one: tuple[str, ...], other: tuple[str, ...], names: Names) -> Alike:
    """How alike two family names are; a part that a double-barrelled name shares with the other counts."""
    if not one or not other:
        return Alike.MISSING
    mine, theirs = "".join(one), "".join(other)
    if mine == theirs:
        return Alike.SAME
    whole = _spelt_alike(mine, theirs, names)
    if len(one) == 1 and len(other) == 1:
        return whole
    if any(my == your for my in one for your in other):
        return better(whole, Alike.PART)
    if any(_spelt_alike(my, your, names) in _NEAR for my in one for your in other):
        return better(whole, Alike.TYPING)
    return whole


def _spelt_alike(one: str, other: str, names: Names) -> Alike:
    alike = word_likeness(one, other, names)
    # What is short for a given name is no family name's form, and an initial is none either.
    return Alike.DIFFERENT if alike in (Alike.SHORT_FORM, Alike.RELATED, Alike.INITIAL) else alike
