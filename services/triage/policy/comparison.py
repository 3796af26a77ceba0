"""The difference between two versions of a policy as a board reads it."""

from collections.abc import Iterator

from services.triage.policy.difference import Case, Changes, Difference
from services.triage.policy.english import heading, listed, words
from services.triage.policy.page import Block, Grid, Heading, Page, Paragraph, Points


def difference_page(found: Difference, changes: Changes | None = None) -> Page:
    """What differs between two versions, and what would change over stored children where that was counted."""
    blocks: list[Block] = [Heading(1, f"From {found.old} to {found.new}"), Heading(2, "Rules")]
    if not found.rules:
        blocks.append(Paragraph("No rule was added, removed or changed."))
    for rule in found.rules:
        what = f" ({listed(rule.what)})" if rule.what else ""
        blocks += [
            Heading(3, f"{rule.id}: {rule.title}"),
            Paragraph(f"{rule.change}{what}; {rule.direction.value}.".capitalize()),
            *_cases(rule.raised, rule.lowered),
        ]
    blocks.append(Heading(2, "Outcomes"))
    if not found.outcome:
        blocks.append(Paragraph("Proved: no child's level, urgency, immediate danger or actions differ."))
    for shift in found.outcome:
        blocks += [
            Heading(3, heading(shift.part)),
            Paragraph(f"{heading(shift.direction.value)}."),
            *_cases(shift.raised, shift.lowered),
        ]
    if found.others:
        blocks += [Heading(2, "Beside the rules"), Points(found.others)]
    return Page((*blocks, *(_changes(changes) if changes is not None else ())))


def _cases(raised: Case | None, lowered: Case | None) -> Iterator[Block]:
    for word, case, other in (("Raises:", raised, "gave"), ("Lowers:", lowered, "gives")):
        if case is not None:
            version = "earlier" if other == "gave" else "later"
            same = f" The {version} version {other} as much by other rules." if case.by_others else ""
            yield Paragraph(f"{case.facts} Was: {case.old}. Is: {case.new}.{same}", word)


def _changes(changes: Changes) -> Iterator[Block]:
    yield Heading(2, "Over stored children")
    yield Paragraph(
        f"Of {changes.children} children the outcome changes for {changes.changed} and stays for {changes.unchanged}."
    )
    yield Grid("Changes", ("Change", "Children"), list(changes.measures.items()))
    if changes.moves:
        moves = [(words(move.old), words(move.new), move.children) for move in changes.moves]
        yield Grid("Levels", ("From", "To", "Children"), moves)
    for attribute, values in changes.groups.items():
        columns = (heading(attribute), *(heading(name) for name in next(iter(values.values()), {})))
        yield Grid(
            f"By {words(attribute)}", columns, [(value, *row.values()) for value, row in values.items()]
        )
