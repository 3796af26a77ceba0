"""A case as somebody sees it who may not see some of the cases that it names."""

from collections.abc import Collection, Iterator
from uuid import UUID

from libs.schemas.history import History
from services.triage.commands.record import CommandView
from services.triage.views import EvidenceView, IndexView


def cases_named(view: EvidenceView) -> frozenset[UUID]:
    """Every other case that a case's evidence names: brothers and sisters, earlier ones, those of the household."""
    return frozenset(_named(view))


def _named(view: EvidenceView) -> Iterator[UUID]:
    yield from (one.case_id for one in view.siblings)
    yield from (one.case_id for one in view.joined)
    if view.index is None:
        return
    history = view.index.history
    reports = [
        *(one.case_id for one in history.earlier),
        *(one.case_id for one in history.duplicates),
    ]
    steps = [*(one.case_id for one in history.step_downs), *(one.case_id for one in history.plans)]
    lived_with = [one.case_id for one in view.index.household]
    yield from (one for one in (*reports, *steps, *lived_with) if one is not None)


def without(view: EvidenceView, unseen: Collection[UUID]) -> EvidenceView:
    """The evidence without what names one of these cases. What follows for the child's own level stays."""
    if not unseen:
        return view
    index = None if view.index is None else _index(view.index, unseen)
    siblings = tuple(one for one in view.siblings if one.case_id not in unseen)
    joined = tuple(one for one in view.joined if one.case_id not in unseen)
    return view.model_copy(update={"siblings": siblings, "joined": joined, "index": index})


def _index(index: IndexView, unseen: Collection[UUID]) -> IndexView:
    history = index.history
    kept = History(
        earlier=tuple(one for one in history.earlier if one.case_id not in unseen),
        event=history.event,
        duplicates=tuple(one for one in history.duplicates if one.case_id not in unseen),
        step_downs=tuple(one for one in history.step_downs if one.case_id not in unseen),
        plans=tuple(one for one in history.plans if one.case_id not in unseen),
    )
    household = tuple(one for one in index.household if one.case_id not in unseen)
    return index.model_copy(update={"history": kept, "household": household})


def commands_without(commands: tuple[CommandView, ...], unseen: Collection[UUID]) -> tuple[CommandView, ...]:
    """The commands without the cases that the reader may not see."""
    if not unseen:
        return commands
    return tuple(
        one.model_copy(update={"children": tuple(each for each in one.children if each not in unseen)})
        for one in commands
        if one.person is None or one.person.case_id not in unseen
    )
