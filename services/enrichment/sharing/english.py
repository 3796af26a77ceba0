"""The data-sharing agreement as English that its signatories can read and print."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from libs.schemas.levels import Level
from services.enrichment.sharing.agreement import Agreement, Signed
from services.enrichment.sharing.decision import Ground, Line, Needed
from services.enrichment.sharing.permission import About, Mode

LEVELS = {
    Level.UNIVERSAL: "at any level of need",
    Level.EARLY_HELP: "from early help on",
    Level.TARGETED: "from targeted help on",
    Level.SECTION_17: "for a child who may be in need (section 17), and above",
    Level.SECTION_47: "where there is reasonable cause to suspect significant harm (section 47)",
}

NEEDS = {
    Needed.NEEDED: "The family's agreement is needed. Without it nothing is asked.",
    Needed.SOUGHT: (
        "The family's agreement is sought unless that is unsafe. Without it nothing is asked before a person has "
        "recorded why sharing is necessary."
    ),
    Needed.NOT_NEEDED: "The family's agreement is not needed: no answer of theirs stops the question.",
}

FIELDS = {
    "names": "names",
    "sex": "sex",
    "born": "date of birth",
    "nhs_number": "NHS number",
    "upn": "unique pupil number",
    "address": "address (never a confidential one)",
    "school": "school",
    "mother": "the mother of an unborn child",
    "adults": "parents and adults of the household",
    "suspect": "whoever is thought to harm the child",
}

MODES = {Mode.CONTENT: "what is held", Mode.EXISTENCE: "only whether anything is held"}

READING = (
    """What stands here may be asked, and nothing else. An agency without a line, an item that is not listed, a code
    that is not known and an agreement that has ended or not begun all mean that nobody is asked, and the record says
    why. What was not asked counts as unknown, never as no.""",
    "Of each person leaves what is listed and nothing more. A confidential address never leaves.",
    """Where the person thought to harm works for an agency, only the safeguarding lead whom it has named is asked and
    hears of the case. Where it has named none, it is not asked.""",
    """Everything that leaves or arrives is recorded with it: what, to whom, for which purpose, on which basis, and who
    ordered and approved it.""",
)


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the paper: a heading, paragraphs, and a table where there is one."""

    heading: str
    paragraphs: tuple[str, ...]
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


def explain(
    agreement: Agreement, names: Mapping[str, str], on: date, only: str | None = None
) -> tuple[Section, ...]:
    """The agreement as it stands on a day. `names`: the agencies' own names by id. `only`: one agency's part."""
    return (
        Section("How this is read", tuple(" ".join(text.split()) for text in READING)),
        Section("On which grounds", tuple(map(_ground, agreement.grounds.values()))),
        Section("By hand, and in an emergency", tuple(_by_hand(agreement))),
        *(
            _signed(agreement, signed, names.get(signed.agency, signed.agency), on)
            for signed in agreement.signed
            if only in (None, signed.agency)
        ),
    )


def _ground(ground: Ground) -> str:
    return (
        f"{_begin(_spoken(ground.name))}: {LEVELS[ground.level]}. {NEEDS[ground.agreement]} "
        f"Purpose: {ground.purpose}. Basis: {ground.basis}. {ground.citation}."
    )


def _by_hand(agreement: Agreement) -> Iterator[str]:
    hours = agreement.emergency_lasts.total_seconds() / 3600
    yield (
        "Staff may have any of these agencies asked by hand; they say purpose, basis and reason. Below a ground's "
        "level that needs the family's agreement. At a level where agreement is to be sought, the order records why "
        "sharing is necessary without it."
    )
    yield (
        "An emergency needs no level and no agreement. It needs a reason and the name of somebody else who approved "
        f"it, and lapses after {hours:g} hours. Even then only listed fields leave, and no ended agreement is revived."
    )


def _signed(agreement: Agreement, signed: Signed, name: str, on: date) -> Section:
    return Section(
        name,
        (f"{signed.document}. {_standing(signed, on)}",),
        (
            "What is asked",
            "About",
            "On which ground",
            "How much",
            "What the agency is told",
            "Used again for",
        ),
        tuple(
            (
                _begin(agreement.items[lines[0].item].label),
                "the child" if lines[0].about is About.CHILD else "the household",
                _joined([_spoken(line.ground.name) for line in lines]),
                MODES[lines[0].mode],
                _joined([FIELDS[field] for field in FIELDS if field in lines[0].fields]) or "nothing",
                _days(lines[0].freshness.days),
            )
            for lines in _alike(signed.lines)
        ),
    )


def _alike(lines: Sequence[Line]) -> list[list[Line]]:
    """The lines in groups that differ in their ground only."""
    groups: dict[tuple[object, ...], list[Line]] = {}
    for line in lines:
        groups.setdefault((line.item, line.mode, line.fields, line.freshness), []).append(line)
    return list(groups.values())


def _standing(signed: Signed, on: date) -> str:
    dates = f"from {_day(signed.starts)} to {_day(signed.ends)}"
    if on > signed.ends:
        return f"EXPIRED: it was in force {dates}, and nothing is asked any more."
    if on < signed.starts:
        return f"NOT YET IN FORCE: it will be {dates}, and nothing is asked before."
    return f"In force {dates}."


def _day(day: date) -> str:
    return f"{day.day} {day:%B %Y}"


def _days(days: int) -> str:
    return {0: "asked each time", 1: "1 day"}.get(days, f"{days} days")


def _spoken(code: str) -> str:
    return code.replace("_", " ")


def _begin(text: str) -> str:
    return text[:1].upper() + text[1:]


def _joined(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""
