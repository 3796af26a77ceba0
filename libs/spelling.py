"""Names as letters that compare: without accents, marks and scripts, as they are spelt, as they sound."""

import re
import unicodedata

import jellyfish

_SPECIAL = str.maketrans(
    {
        "ł": "l", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i", "ħ": "h", "ə": "e",
        "ß": "ss",
        # Russian, Ukrainian and Bulgarian letters as British passports and registers write them (BGN/PCGN).
        "а": "a", "б": "b", "в": "v", "г": "g", "ґ": "g", "д": "d", "е": "e", "ё": "e", "є": "ye", "ж": "zh",
        "з": "z", "и": "i", "і": "i", "ї": "yi", "й": "y", "к": "k", "л": "l", "м": "m", "н": "n", "о": "o",
        "п": "p", "р": "r", "с": "s", "т": "t", "у": "u", "ф": "f", "х": "kh", "ц": "ts", "ч": "ch", "ш": "sh",
        "щ": "shch", "ъ": "", "ы": "y", "ь": "", "э": "e", "ю": "yu", "я": "ya",
        # Greek (ISO 843).
        "α": "a", "β": "v", "γ": "g", "δ": "d", "ε": "e", "ζ": "z", "η": "i", "θ": "th", "ι": "i", "κ": "k",
        "λ": "l", "μ": "m", "ν": "n", "ξ": "x", "ο": "o", "π": "p", "ρ": "r", "σ": "s", "ς": "s", "τ": "t",
        "υ": "y", "φ": "f", "χ": "ch", "ψ": "ps", "ω": "o",
        # Arabic and Urdu letters write no short vowels: the words sound like the others' and are not spelt like them.
        "ا": "a", "آ": "a", "أ": "a", "إ": "i", "ب": "b", "پ": "p", "ت": "t", "ث": "th", "ج": "j", "چ": "ch",
        "ح": "h", "خ": "kh", "د": "d", "ذ": "dh", "ر": "r", "ز": "z", "س": "s", "ش": "sh", "ص": "s", "ض": "d",
        "ط": "t", "ظ": "z", "ع": "", "غ": "gh", "ف": "f", "ق": "q", "ک": "k", "ك": "k", "گ": "g", "ل": "l",
        "م": "m", "ن": "n", "و": "w", "ہ": "h", "ه": "h", "ی": "y", "ي": "y", "ئ": "y", "ے": "e", "ء": "",
        "ة": "a", "ى": "a",
        # A name is one word with or without these.
        "'": "", "’": "", "‘": "", "`": "", "ʼ": "",
    }
)  # fmt: skip

_SOUNDS = (
    ("sz", "sh"),
    ("cz", "ch"),
    ("kh", "k"),
    ("gh", "g"),
    ("bh", "b"),
    ("dh", "d"),
    ("q", "k"),
    ("ou", "u"),
    ("oo", "u"),
    ("ee", "i"),
    ("aa", "a"),
    ("y", "i"),
)
"""Spellings of one sound in names of South Asia and Eastern Europe, which Metaphone, made for English, tells apart."""

_WORD = re.compile(r"[^\W_]+")
_SOUNDED_W = re.compile("w(?=[aeiou])")

SOUND_LENGTH = 6


def words(text: str) -> tuple[str, ...]:
    """The words of a name in plain small letters; a hyphen parts words, an apostrophe does not."""
    lower = text.casefold()
    if lower.isascii():
        return tuple(_WORD.findall(lower.replace("'", "").replace("`", "")))
    marks = unicodedata.normalize("NFKD", lower.translate(_SPECIAL))
    plain = "".join(mark for mark in marks if not unicodedata.combining(mark))
    return tuple(_WORD.findall(plain.translate(_SPECIAL)))


def sound(word: str) -> str:
    """A code that words which sound alike share (Metaphone, after other languages' spellings are levelled)."""
    for spelling, levelled in _SOUNDS:
        word = word.replace(spelling, levelled)
    word = _SOUNDED_W.sub("v", word)
    return jellyfish.metaphone(word)[:SOUND_LENGTH] or word[:SOUND_LENGTH]
