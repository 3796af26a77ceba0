"""What a referral says of one child in the dictionary's facts: as stated, what counts for it too, and what follows."""

from collections.abc import Iterable, Iterator
from datetime import date
from itertools import chain

from libs.schemas.codes import AgreementAnswer
from libs.schemas.dictionary import REFERRER, Dictionary
from libs.schemas.findings import Basis, Fact
from libs.schemas.referral import Agreements, ReferralBody, ReferredChild
from services.triage.derived.background import NOTHING_ON_RECORD, Background, Other, Record, live_together
from services.triage.derived.functions import derive
from services.triage.derived.worries import speaks_for
from services.triage.documents import StatedChild
from services.triage.policy import StatedFact

OF_THE_HOME = ("household.", "family.")
"""Facts about those who live together: whoever of them it is stated about, it counts for every child of the home."""


def stated_by_referrer(
    dictionary: Dictionary,
    referral: ReferralBody,
    child: ReferredChild,
    on: date,
    others: Iterable[ReferredChild] = (),
    record: Record = NOTHING_ON_RECORD,
) -> StatedChild:
    """What the thresholds read of a referral for one child, as known on the day of receipt.

    `others` are the referral's other children: what is said about them counts for this one where it tells of the home.
    `record` is what is known beside the referral.
    """
    siblings = tuple(others)
    shared = tuple(of_the_home(child, siblings))
    background = Background(
        dictionary=dictionary,
        on=on,
        referral=referral,
        child=child,
        stated=(*_said((*child.facts, *shared)), *record.stated),
        others=(*(Other(one, _said(one.facts)) for one in siblings), *record.others),
        record=record,
    )
    early_help, panel = agreed(referral.agreements)
    return StatedChild(
        facts=child.facts,
        shared=shared,
        derived=derive(background),
        household=child.household,
        status=child.status,
        born=child.born,
        speaks_for=speaks_for(referral),
        immediate_danger=referral.immediate_danger,
        early_help=early_help,
        panel=panel,
        closing_plan=referral.step_down is not None,
    )


def of_the_home(child: ReferredChild, others: Iterable[ReferredChild]) -> Iterator[Fact]:
    """What is stated about the home with a child's brothers and sisters, and not with the child, each thing once."""
    together = (one.facts for one in others if live_together(one.household, child.household))
    return _anew(child.facts, chain.from_iterable(together))


def _anew(known: Iterable[Fact], said: Iterable[Fact]) -> Iterator[Fact]:
    seen = list(known)
    for fact in said:
        if fact.fact.startswith(OF_THE_HOME) and fact not in seen:
            seen.append(fact)
            yield fact


def agreed(
    agreements: Agreements | None,
) -> tuple[AgreementAnswer | str | None, AgreementAnswer | str | None]:
    """The family's answers about early help and about a panel, None where the form does not say."""
    if agreements is None:
        return None, None
    early_help, panel = agreements.early_help, agreements.panel
    return early_help.answer if early_help else None, panel.answer if panel else None


def danger_fact() -> Fact:
    """The referrer's flag as a fact. A flag that is not set says nothing: it is no statement of safety."""
    return Fact(fact="referral.immediate_danger", value=True, basis=Basis.RECORD)


def _said(facts: Iterable[Fact]) -> tuple[StatedFact, ...]:
    return tuple(StatedFact(fact, REFERRER) for fact in facts)
