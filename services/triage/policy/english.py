"""The policy's parts as English: floors, times, facts at a concern rank, and a whole case as a sentence."""

from collections.abc import Iterable, Mapping

from libs.schemas.dictionary import DERIVED, Definition, Kind, Polarity
from libs.schemas.levels import Level, Rag
from services.triage.policy.points import Point

LEVELS = {
    Level.UNIVERSAL: "universal services",
    Level.EARLY_HELP: "early help",
    Level.TARGETED: "targeted support by several services",
    Level.SECTION_17: "section 17, child in need",
    Level.SECTION_47: "section 47, child protection enquiry",
}
"""The levels of need as a board paper calls them."""


def words(code: str) -> str:
    """A code as words: `same_day_paediatric_opinion` is `same day paediatric opinion`."""
    return code.replace("_", " ")


def heading(code: str) -> str:
    """A code as a heading, with a capital letter."""
    text = words(code)
    return text[:1].upper() + text[1:]


def floor_words(level: Level | None, rag: Rag | None) -> str:
    """`section 47, red`; what is not demanded is left out."""
    return ", ".join(words(step.value) for step in (level, rag) if step is not None)


def listed(items: Iterable[str], last: str = "and") -> str:
    """Items as English lists them: a, b and c."""
    texts = list(items)
    if len(texts) < 2:
        return "".join(texts)
    return f"{', '.join(texts[:-1])} {last} {texts[-1]}"


def fact_words(definition: Definition, concern: int) -> str:
    """A fact at a concern rank as a clause: `an injury to the child: unexplained`.

    Concern counts from the mildest, so that a protective fact at 1 is one that is not confirmed, and a fact that is
    worse the lower it is stands at its maximum less the rank.
    """
    label = definition.label
    if definition.polarity is Polarity.PROTECTIVE:
        return f"not confirmed: {label}" if concern else f"confirmed: {label}"
    if definition.kind is Kind.YES_NO:
        return label if concern else f"not so: {label}"
    if definition.kind is Kind.SCALE:
        return f"{label}: {words(definition.steps[concern])}"
    turned = definition.polarity in (Polarity.LOWER_IS_WORSE, Polarity.NEUTRAL)
    return f"{label}: {definition.maximum - concern if turned else concern}"


def case_words(definitions: Mapping[str, Definition], point: Point) -> str:
    """A case as a sentence: what is not at its mildest, and that nothing else is."""
    facts = [fact_words(definitions[name], rank) for name, rank in point.items() if rank]
    if not facts:
        return "Every fact is known and as mild as it can be."
    return "; ".join(facts) + ". Everything else is known and as mild as it can be."


def within_words(minutes: int, unit: str) -> str:
    """A time limit: `within 4 hours`, `within 24 hours`, `within 3 days`, `within 30 minutes of working time`."""
    units = ((24 * 60, "day"), (60, "hour"), (1, "minute"))
    size, name = next(
        (size, name) for size, name in units if minutes % size == 0 and (name, minutes) != ("day", size)
    )
    count = minutes // size
    time = f"within {count} {name}{'' if count == 1 else 's'}"
    return time if unit == "elapsed" else f"{time} of working time"


_WORSE = {
    Polarity.RISK: "worse the more",
    Polarity.PROTECTIVE: "protects",
    Polarity.NEUTRAL: "neither good nor bad in itself",
    Polarity.LOWER_IS_WORSE: "worse the less",
}


def definition_words(one: Definition) -> str:
    """A fact of the dictionary as the board signs it."""
    kind = {
        Kind.YES_NO: "yes or no",
        Kind.SCALE: ", ".join(map(words, one.steps)),
        Kind.COUNT: f"a number up to {one.maximum}",
    }[one.kind]
    sources = listed(("worked out" if source == DERIVED else words(source)) for source in sorted(one.sources))
    unread = f" No rule reads it: {one.no_effect}" if one.no_effect else ""
    return (
        f"{heading(one.label)} ({kind}; {_WORSE[one.polarity]}). From {sources}. {one.citation}. "
        f"In the files `{one.name}`.{unread}"
    )
