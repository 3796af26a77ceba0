"""A child's chronology: everything that is known to have happened, as one list with who says it and when."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime
from enum import StrEnum
from uuid import UUID

from pydantic import Field

from libs.schemas.base import Identifier, Instant, IsoDate, Line, Model
from libs.schemas.findings import Between, Fact
from services.triage.commands.record import Became, CommandView
from services.triage.findings.finding import How, Told, ToldBy
from services.triage.names import Names
from services.triage.strategy.rules import Enquiry
from services.triage.views import CaseView
from services.triage.vocabulary import CONTACTS, DESTINATIONS, LEVELS, ORDERS, PLANS, by_role, worded
from services.triage.wording import corrected, silence

Day = Callable[[datetime], date]
"""Gives the hub's day of an instant."""

_FIRST = datetime(1, 1, 1, tzinfo=UTC)


class EntryKind(StrEnum):
    """What an entry of a chronology tells of."""

    EARLIER_REPORT = "earlier_report"
    EARLIER_DECISION = "earlier_decision"
    STEP_DOWN = "step_down"
    PLAN_OPENED = "plan_opened"
    PLAN_CLOSED = "plan_closed"
    REFERRAL = "referral"
    FACT = "fact"
    INFORMATION = "information"
    WITHDRAWAL = "withdrawal"
    READING = "reading"
    ANSWER = "answer"
    CORRECTION = "correction"
    FINDING = "finding"
    COMMAND = "command"
    DECISION = "decision"
    STRATEGY_DISCUSSION = "strategy_discussion"
    TOOL = "tool"
    PANEL_OUTCOME = "panel_outcome"


class Entry(Model):
    """One thing that happened."""

    on: IsoDate = Field(description="The day, in the hub.")
    at: Instant | None = Field(None, description="The moment, where more than the day is known.")
    kind: EntryKind
    source: Identifier = Field(description="`referrer`, `staff`, `index`, or an agency's id.")
    by: Line | None = Field(None, description="Subject of the token of whoever of the staff did it.")
    words: str = Field(description="A sentence, in the field's words.")
    reference: str | None = Field(None, description="Of an earlier referral.")
    case_id: UUID | None = Field(
        None, description="The child's case in an earlier referral, where it came here."
    )
    counts: bool = Field(True, description="False where it was corrected, taken back or mistaken.")


class Chronology(Model):
    """Everything that is known to have happened to a child, the earliest first."""

    case_id: UUID
    items: tuple[Entry, ...]


def chronology(view: CaseView, today: Day, labels: Mapping[str, str], names: Names) -> Chronology:
    """A case as one list. `today`: the hub's day of an instant. `labels`: what facts are called. `names`: agencies."""
    entries = [
        *_earlier(view, names),
        *_plans(view),
        *_referral(view, today, labels, names),
        *_answers(view, today, labels),
        *_findings(view, today, labels, names),
        *_staff(view, today, names),
        *_work(view, today),
    ]
    # A day alone stands before the moments of that day.
    entries.sort(key=lambda one: (one.on, one.at is not None, one.at or _FIRST, one.kind, one.words))
    return Chronology(case_id=view.case_id, items=tuple(entries))


def _earlier(view: CaseView, names: Names) -> Iterator[Entry]:
    if view.evidence.index is None:
        return
    history = view.evidence.index.history
    for one in history.earlier:
        same = one.event is not None and one.event == history.event
        told = f"Reported by {names.agency(one.agency)}" if one.agency else "Reported"
        kind = worded(CONTACTS, one.kind)
        repeat = ", of the same event as this referral" if same else ""
        yield Entry(
            on=one.on,
            kind=EntryKind.EARLIER_REPORT,
            source="index",
            words=f"{told}: {kind}{repeat}.",
            reference=one.reference,
            case_id=one.case_id,
            counts=not (one.mistaken or same),
        )
        if one.decided_on is not None:
            parts = [worded(LEVELS, one.level)] if one.level else []
            parts += [f"to {worded(DESTINATIONS, one.destination)}"] if one.destination else []
            yield Entry(
                on=one.decided_on,
                kind=EntryKind.EARLIER_DECISION,
                source="index",
                words=f"Decided: {', '.join(parts)}." if parts else "Decided.",
                reference=one.reference,
                case_id=one.case_id,
                counts=not one.mistaken,
            )
    for step in history.step_downs:
        yield Entry(
            on=step.on,
            kind=EntryKind.STEP_DOWN,
            source="index",
            words="Social care closed its plan and handed over to early help.",
            reference=step.reference,
            case_id=step.case_id,
        )


def _plans(view: CaseView) -> Iterator[Entry]:
    for agency in view.evidence.agencies:
        for answer in agency.answers:
            for plan in answer.plans:
                name = worded(PLANS, plan.kind).capitalize()
                dates = ((EntryKind.PLAN_OPENED, plan.opened), (EntryKind.PLAN_CLOSED, plan.closed))
                for kind, on in dates:
                    if on is not None:
                        what = "opened" if kind is EntryKind.PLAN_OPENED else "closed"
                        yield Entry(
                            on=on,
                            kind=kind,
                            source=agency.agency,
                            words=f"{name}: plan or status {what}.",
                            counts=answer.counts,
                        )


def _referral(view: CaseView, today: Day, labels: Mapping[str, str], names: Names) -> Iterator[Entry]:
    received = view.evidence.received
    if received is not None:
        words = f"Referral by {names.agency(received.agency)}."
        if received.found_by is not None:
            by = f"the child was named by {names.agency(received.found_by)}"
            words = f"Referral by {names.agency(received.agency)}; {by}."
        yield Entry(
            on=today(received.received_at),
            at=received.received_at,
            kind=EntryKind.REFERRAL,
            source="referrer",
            words=words,
            reference=view.reference,
        )
        for fact in received.child.facts if received.child else ():
            if fact.on is not None:
                yield Entry(on=fact.on, kind=EntryKind.FACT, source="referrer", words=_stated(fact, labels))
    for added in view.evidence.added:
        yield Entry(
            on=today(added.at),
            at=added.at,
            kind=EntryKind.INFORMATION,
            source="referrer",
            words="The referrer added something.",
        )
    for report in view.evidence.joined:
        yield Entry(
            on=today(report.received_at),
            at=report.received_at,
            kind=EntryKind.INFORMATION,
            source="index",
            words="Another referral told of the same event.",
            reference=report.reference,
            case_id=report.case_id,
            counts=report.counts,
        )
    for withdrawn in view.evidence.withdrawn:
        yield Entry(
            on=today(withdrawn.received_at),
            at=withdrawn.received_at,
            kind=EntryKind.WITHDRAWAL,
            source="referrer",
            words="The referrer withdrew.",
        )


def _answers(view: CaseView, today: Day, labels: Mapping[str, str]) -> Iterator[Entry]:
    for agency in view.evidence.agencies:
        for answer in agency.answers:
            for fact in answer.facts:
                if fact.on is not None:
                    yield Entry(
                        on=fact.on,
                        kind=EntryKind.FACT,
                        source=agency.agency,
                        words=_stated(fact, labels),
                        counts=answer.counts,
                    )
            at = answer.answered_at or answer.asked_at
            if at is not None:
                yield Entry(
                    on=today(at),
                    at=at,
                    kind=EntryKind.ANSWER,
                    source=agency.agency,
                    words=silence(answer.state, answer.reason),
                    counts=answer.counts,
                )
        for correction in agency.corrections:
            yield Entry(
                on=today(correction.corrected_at),
                at=correction.corrected_at,
                kind=EntryKind.CORRECTION,
                source=agency.agency,
                words=corrected(correction),
            )


_HOW: Mapping[str, str] = {
    How.TELEPHONE: "by telephone",
    How.VISIT: "at a visit",
    How.MEETING: "at a meeting",
    How.RECORD: "in a record",
    How.WRITTEN: "in writing",
}
_WHO: Mapping[str, str] = {
    ToldBy.CHILD: "the child",
    ToldBy.FAMILY: "the family",
    ToldBy.PROFESSIONAL: "a professional",
    ToldBy.PUBLIC: "a member of the public",
}


_ENQUIRY: Mapping[str, str] = {
    Enquiry.SINGLE: "an enquiry by social care",
    Enquiry.JOINT: "a joint enquiry with the police",
    Enquiry.NO_ENQUIRY: "no enquiry",
}


def _findings(view: CaseView, today: Day, labels: Mapping[str, str], names: Names) -> Iterator[Entry]:
    """What staff were told, saw or read: on its day, as it counts now; and what became of the entry."""
    for entry in view.evidence.findings:
        made = entry.finding
        yield _told(made, labels, names, counts=not entry.changes)
        for change in entry.changes:
            if change.told is not None:
                yield _told(change.told, labels, names, counts=change is entry.changes[-1])
            what = "corrected" if change.told is not None else "taken back"
            words = f"What staff had added was {what}: {change.reason}"
            yield _by_staff(EntryKind.CORRECTION, change.at, change.by, words, today)


def _told(told: Told, labels: Mapping[str, str], names: Names, *, counts: bool) -> Entry:
    facts = " ".join(_stated(fact, labels) for fact in told.facts)
    who = _WHO.get(told.source, "staff" if told.agency is None else names.agency(told.agency))
    how = _HOW.get(told.how, told.how)
    words = f"Found out {how}, from {who}."
    return Entry(
        on=told.on,
        kind=EntryKind.FINDING,
        source=told.speaker,
        words=f"{words} {facts}".strip(),
        counts=counts,
    )


def _staff(view: CaseView, today: Day, names: Names) -> Iterator[Entry]:
    for reading in view.evidence.readings:
        words = "The referrer's words were read."
        yield _by_staff(EntryKind.READING, reading.read_at, reading.read_by, words, today)
    for command in view.commands:
        words = f"{_ordered(command, names)}{_BECAME.get(command.became, '')}"
        yield _by_staff(EntryKind.COMMAND, command.at, command.by, words, today)
    for decision in view.decisions:
        level, to = worded(LEVELS, decision.level), worded(DESTINATIONS, decision.destination)
        words = f"{by_role(decision.roles).capitalize()} decided: {level}, to {to}."
        yield _by_staff(EntryKind.DECISION, decision.decided_at, decision.decided_by, words, today)


_BECAME: Mapping[str, str] = {
    Became.WAITING: " It waits to be carried out.",
    Became.UNDONE: " It was taken back later.",
}


def _ordered(command: CommandView, names: Names) -> str:
    if command.person is not None:
        return worded(ORDERS, command.person.action)
    if command.check is not None:
        return worded(ORDERS, command.check.action).format(agency=names.agency(command.check.agency))
    return "Added or corrected people of the family."


def _work(view: CaseView, today: Day) -> Iterator[Entry]:
    """What staff and panels came to beside the decision."""
    for one in view.discussions:
        if one.discussion is not None:
            came = _ENQUIRY.get(one.discussion.outcome, str(one.discussion.outcome).replace("_", " "))
            yield Entry(
                on=today(one.discussion.held_at),
                at=one.discussion.held_at,
                kind=EntryKind.STRATEGY_DISCUSSION,
                source="staff",
                by=one.recorded_by,
                words=f"Strategy discussion: {came}.",
                counts=one is view.discussions[-1],
            )
    for tool in view.tools:
        who = "" if tool.by is None else f", used by {tool.by}"
        result = "no result" if tool.result is None else tool.result.replace("_", " ")
        words = f"{tool.label}{who}: {result}."
        yield Entry(on=tool.on, kind=EntryKind.TOOL, source="staff", by=tool.recorded_by, words=words)
    for panel in view.panels:
        came = panel.outcome_words or panel.outcome.replace("_", " ")
        yield Entry(
            on=panel.day,
            kind=EntryKind.PANEL_OUTCOME,
            source="staff",
            by=panel.by,
            words=f"{panel.name}: {came}".rstrip(".") + ".",
            counts=panel.counts,
        )


def _by_staff(kind: EntryKind, at: datetime, by: str, words: str, today: Day) -> Entry:
    return Entry(on=today(at), at=at, kind=kind, source="staff", by=by, words=words)


def _stated(fact: Fact, labels: Mapping[str, str]) -> str:
    label = labels.get(fact.fact, fact.fact)
    if fact.value is True:
        return f"{label}."
    value = fact.value
    if isinstance(value, Between):
        return f"{label}: {value.at_least} to {value.at_most}."
    shown = "no" if value is False else str(value).replace("_", " ")
    return f"{label}: {shown}."
