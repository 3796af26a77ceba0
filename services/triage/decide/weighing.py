"""Weighs a referral that somebody wrote down, with the very steps that the service takes on a live one."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID, uuid5

from libs.schemas.dictionary import DERIVED, REFERRER, STAFF, Dictionary
from libs.schemas.evaluation import Outcome
from libs.schemas.events import CompletedChecks, Received, ReceivedReferral
from libs.schemas.findings import AgencyState
from libs.schemas.history import EarlierReport
from libs.schemas.levels import Destination
from libs.schemas.referral import (
    ReferredChild,
)
from services.triage.case import File
from services.triage.casework import Casework
from services.triage.clocks.calendar import Unit
from services.triage.clocks.hub import Hub
from services.triage.decide.answer import (
    Chase,
    CouldRise,
    Due,
    EarlierSaid,
    MissingFact,
    Named,
    Obligation,
    Repeat,
    Times,
    Weighed,
    WeighedChild,
    WorkedOut,
)
from services.triage.decide.duties import duties_of
from services.triage.decide.forms import UNSAID, earlier_of, fact_of, form_of, recorded
from services.triage.decide.picture import Found, Picture, PictureChild, SourceAnswer, Statements
from services.triage.derived.background import Background, Other, Record, live_together
from services.triage.derived.earlier import COUNTED_KINDS, protection, re_referred, reports_of_the_event
from services.triage.documents import Reading
from services.triage.facts import OF_THE_HOME
from services.triage.known import SOCIAL_CARE
from services.triage.policies.rulebook import Rulebook
from services.triage.policy import Policy, StatedFact
from services.triage.reckoning import Cause
from services.triage.standing import SPOKEN
from services.triage.thresholds import Thresholds

NAMESPACE = UUID("6f0d5a0e-6a3c-4a43-9c5c-2a1f6b6d0c11")
"""Ids of a referral that is only written down: the same file gives the same ids."""


def weigh(picture: Picture, thresholds: Thresholds, at: datetime) -> Weighed:
    """What the thresholds answer at an instant. Pure: it stores and tells nothing."""
    return _Weighing(picture, thresholds, at).weighed()


class _Weighing:
    def __init__(self, picture: Picture, thresholds: Thresholds, at: datetime) -> None:
        self.picture, self.at = picture, at
        self.received_at = picture.received_at or at
        self.casework = Casework(thresholds)
        self.clocks: Hub = thresholds.clocks
        self.rulebook: Rulebook = thresholds.rulebook(self.received_at)
        self.policy: Policy = self.rulebook.policy
        self.dictionary: Dictionary = self.rulebook.dictionary
        self.ids = [uuid5(NAMESPACE, str(number)) for number, _ in enumerate(picture.children, 1)]
        self.stated = [tuple(self._stated(child)) for child in picture.children]
        self.children = [
            self._form(child, stated) for child, stated in zip(picture.children, self.stated, strict=True)
        ]
        self.referral = form_of(picture)

    def weighed(self) -> Weighed:
        files = [self._file(number) for number in range(len(self.children))]
        weighed = tuple(self._child(number, file) for number, file in enumerate(files))
        most_urgent = max(files, key=lambda file: file.case.rag)
        reading = [due for file in files if (due := file.case.reading_due) is not None]
        words = self.picture.worry is not None
        return Weighed(
            policy=self.policy.id,
            version=self.policy.version,
            fingerprint=self.policy.fingerprint,
            sign_off=self.policy.sign_off,
            at=self.at,
            received_at=self.received_at,
            times=Times(
                decision=self._due(files[0].case.due_at),
                urgency=self._due(self.clocks.target(most_urgent.case.rag, self.received_at)),
                reading=self._due(min(reading)) if reading and words else None,
            ),
            level_asked=self.picture.level_asked,
            duties=duties_of(self.picture),
            children=weighed,
            siblings_differ=len({(one.level, one.destination) for one in weighed}) > 1,
            chase=tuple(self._chase(weighed)),
        )

    def _due(self, at: datetime) -> Due:
        return Due(at=at, over=self.at > at)

    def _stated(self, child: PictureChild) -> Iterator[StatedFact]:
        """Everything that is stated about a child: with it, with an adult around it, with its home, by an agency."""
        yield from self._said(child.facts)
        for adult in self.picture.adults:
            # A visitor without a household label is in contact with every child.
            if live_together(adult.household, child.household):
                yield from self._said(adult.facts)
        for home in self.picture.homes:
            if live_together(home.household, child.household):
                yield from self._said(home.facts)
        for agency, answer in self._answers(child).items():
            yield from self._said(answer.facts, agency)
        if child.home_authority is not None:
            yield recorded("child.lives_elsewhere")
        if child.found is Found.ELSEWHERE:
            yield recorded("child.found_elsewhere")

    def _answers(self, child: PictureChild) -> Mapping[str, SourceAnswer]:
        return {**self.picture.answers, **child.answers}

    def _said(self, statements: Statements, by: str | None = None) -> Iterator[StatedFact]:
        for name, said in statements.items():
            for one in said:
                yield StatedFact(fact_of(name, one), one.source or by or self._source(name))

    def _source(self, name: str) -> str:
        """Whoever may state a fact, the referrer first."""
        sources = self.dictionary.definitions[name].sources
        return next((one for one in (REFERRER, STAFF, DERIVED) if one in sources), min(sources))

    def _form(self, child: PictureChild, stated: Sequence[StatedFact]) -> ReferredChild:
        return ReferredChild.model_construct(
            status=child.status,
            part=child.part,
            born=child.born,
            expected=child.expected,
            disabilities=child.disabilities,
            household=child.household,
            facts=tuple(one.fact for one in stated if one.source == REFERRER),
        )

    def _record(self, number: int) -> Record:
        picture, child = self.picture, self.picture.children[number]
        others = [place for place in range(len(self.children)) if place != number]
        elsewhere = [_beside(self.stated[place]) for place in range(len(self.children))]
        own = list(elsewhere[number])
        for place in others:
            if live_together(self.children[place].household, child.household):
                own += [
                    one
                    for one in elsewhere[place]
                    if one.fact.fact.startswith(OF_THE_HOME) and one not in own
                ]
        social_care = self._answers(child).get(SOCIAL_CARE)
        on = self.clocks.day(self.received_at)
        return Record(
            stated=tuple(own),
            others=tuple(
                Other(
                    self.children[place], (*elsewhere[place], *protection(picture.children[place].plans, on))
                )
                for place in others
            ),
            earlier=tuple(earlier_of(one) for one in (*picture.earlier, *child.earlier)),
            event=picture.event,
            plans=child.plans,
            social_care_spoke=social_care is not None and social_care.state in SPOKEN,
            dash=picture.dash,
        )

    def _background(self, number: int, file: File) -> Background:
        return Background(
            dictionary=self.dictionary,
            on=self.clocks.day(self.received_at),
            referral=self.referral,
            child=self.children[number],
            stated=tuple(file.known.stated),
            record=self._record(number),
        )

    def _file(self, number: int) -> File:
        """The child's case, as it stands once everything that is written down is known."""
        shared = ReceivedReferral(
            reference=UNSAID,
            received_at=self.received_at,
            agency=self.picture.referrer.agency or "unknown",
            referral=self.referral,
        )
        cause = Cause(NAMESPACE, self.received_at, self.at)
        file = self.casework.open(
            cause,
            referral_id=NAMESPACE,
            child_id=self.ids[number],
            number=number + 1,
            received=Received(shared=shared, children=dict(zip(self.ids, self.children, strict=True))),
            child=self.children[number],
            trace=None,
            record=self._record(number),
        )
        answers = self._answers(self.picture.children[number])
        states = {
            agency: answers[agency].state if agency in answers else AgencyState.NOT_REQUESTED
            for agency in self.rulebook.agencies
        }
        self.casework.complete(file, cause, CompletedChecks(states=states, due_at=self.at))
        if self.picture.words_read or self.picture.worry is None:
            # Where no words are written down, there are none to be read.
            self.casework.read(file, cause, Reading(read_by=UNSAID, read_at=self.at))
        return file

    def _child(self, number: int, file: File) -> WeighedChild:
        picture, case, outcome = self.picture.children[number], file.case, _outcome(file)
        placement = file.placement
        assert placement is not None
        places = self.rulebook.places
        panel = Destination.MASG in (placement.destination, *placement.listed)
        derived = [one.fact for one in file.known.stated if one.source == DERIVED]
        repeat, earlier = self._repeat(number, file)
        return WeighedChild(
            number=number + 1,
            name=picture.name or f"child {number + 1}",
            level=case.level,
            destination=placement.destination,
            listed=placement.listed,
            placed_because=places.reasons[placement.why],
            panel=places.locality(picture.postcode) if panel else None,
            home_authority=picture.home_authority,
            withheld=case.withheld,
            rag=case.rag,
            rag_due_at=case.rag_due_at,
            rag_raised_for=outcome.rag_raised_for,
            immediate_danger=case.immediate_danger,
            could_rise_to=case.could_rise_to,
            rag_could_rise_to=max(case.rag, outcome.rag_could_rise_to),
            waiting_on=outcome.waiting_on,
            could_rise=tuple(self._could_rise(outcome)),
            questions=outcome.questions,
            actions=tuple(self._obligation(one) for one in case.actions),
            possible_actions=tuple(
                Named(id=one, label=self.policy.actions[one].label) for one in outcome.possible_actions
            ),
            next_steps=tuple(Named(id=one, label=places.steps[one]) for one in placement.next_steps),
            rules=outcome.fired,
            partly_met=outcome.partly_met,
            missing=tuple(self._missing(one) for one in outcome.missing),
            worked_out=tuple(
                WorkedOut(id=one.fact, label=self._label(one.fact), value=one.value) for one in derived
            ),
            agencies={agency: standing.state for agency, standing in sorted(file.agencies.items())},
            repeat=repeat,
            earlier=tuple(EarlierSaid(on=one.on, reference=one.reference) for one in earlier),
            added_at=picture.added_at,
        )

    def _could_rise(self, outcome: Outcome) -> Iterator[CouldRise]:
        titles = {rule.id: rule.title for rule in self.policy.rules}
        for one in outcome.possible:
            rules = tuple(Named(id=rule, label=titles[rule]) for rule in one.rules)
            yield CouldRise(
                level=one.level, rag=one.rag, agencies=one.agencies, questions=one.questions, rules=rules
            )

    def _obligation(self, name: str) -> Obligation:
        action = self.policy.actions[name]
        due = None
        if action.minutes is not None:
            length = timedelta(minutes=action.minutes)
            working = action.unit == Unit.WORKING
            due = (
                self.clocks.working_time_after(self.received_at, length)
                if working
                else self.received_at + length
            )
        return Obligation(id=name, label=action.label, due_at=due)

    def _missing(self, name: str) -> MissingFact:
        return MissingFact(
            id=name, label=self._label(name), question=self.dictionary.definitions[name].question
        )

    def _label(self, name: str) -> str:
        return self.dictionary.definitions[name].label

    def _repeat(self, number: int, file: File) -> tuple[Repeat, list[EarlierReport]]:
        background = self._background(number, file)
        same = reports_of_the_event(background)
        if same:
            return Repeat.DUPLICATE, same
        again = re_referred(background) if self.picture.kind in COUNTED_KINDS else []
        return (Repeat.RE_REFERRAL if again else Repeat.FIRST), again

    def _chase(self, weighed: Iterable[WeighedChild]) -> Iterator[Chase]:
        outstanding: dict[tuple[str, str], list[WeighedChild]] = {}
        for child in weighed:
            for agency in child.waiting_on:
                outstanding.setdefault((agency, child.agencies[agency]), []).append(child)
        for (agency, state), children in sorted(outstanding.items()):
            rising = (one.level for child in children for one in child.could_rise if agency in one.agencies)
            yield Chase(
                agency=agency,
                state=state,
                children=tuple(child.number for child in children),
                could_rise_to=max([*(child.level for child in children), *rising]),
            )


def _outcome(file: File) -> Outcome:
    """What the policy said of all that is known."""
    return file.new_evaluations[-1].evaluation.outcome


def _beside(stated: Iterable[StatedFact]) -> tuple[StatedFact, ...]:
    """What others than the referrer state."""
    return tuple(one for one in stated if one.source != REFERRER)
