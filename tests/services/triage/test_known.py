"""What is known of a child: what staff correct stands in the place of what was said and what they leave out stays; what
an agency takes back counts no more, and its silence hides nothing.
"""

from datetime import UTC, date, datetime
from uuid import UUID

import pytest

from libs.schemas.codes import ChildStatus
from libs.schemas.events import AddedInformation
from libs.schemas.findings import (
    EXISTENCE_ONLY,
    AgencyState,
    Answer,
    Basis,
    Correction,
    CorrectionKind,
    Fact,
)
from libs.schemas.history import EarlierPlan, History
from libs.schemas.people import Band, Linked, LinkMethod
from libs.schemas.person import Date
from libs.schemas.plans import PlanKind
from libs.schemas.referral import Agreement, Agreements, ReferredChild
from services.triage.known import (
    Known,
    as_corrected,
    learn_answer,
    learn_correction,
    learn_information,
    learn_link,
)

DUE = Date(on=date(2027, 1, 1))
BORN = Date(on=date(2026, 12, 28))
UNBORN = ReferredChild(status=ChildStatus.UNBORN, expected=DUE, family_name="Example")


def test_an_unborn_child_whose_name_is_corrected_stays_unborn() -> None:
    found = as_corrected(UNBORN, [ReferredChild(family_name="Sample")])
    assert found is not None
    assert (found.status, found.expected, found.family_name) == (ChildStatus.UNBORN, DUE, "Sample")


def test_a_birth_ends_what_was_expected() -> None:
    found = as_corrected(UNBORN, [ReferredChild(born=BORN), ReferredChild(given_name="Ivy")])
    assert found is not None
    assert (found.status, found.born, found.expected) == (ChildStatus.BORN, BORN, None)


@pytest.mark.parametrize("status", [ChildStatus.UNBORN, ChildStatus.UNIDENTIFIED])
def test_a_status_that_was_given_counts(status: ChildStatus) -> None:
    found = as_corrected(ReferredChild(born=BORN), [ReferredChild(status=status)])
    assert found is not None
    assert (found.status, found.born) == (status, None if status is ChildStatus.UNBORN else BORN)


def test_of_whom_nothing_is_known_and_nothing_was_corrected_there_is_no_child() -> None:
    assert as_corrected(None, []) is None


@pytest.mark.parametrize(
    ("state", "reason", "still"),
    [
        ("no_answer", None, True),
        ("unavailable", "timeout", True),
        ("declined", None, True),
        ("returned", EXISTENCE_ONLY, True),
        ("nothing_held", None, False),
        ("returned", None, False),
    ],
)
def test_a_plan_of_earlier_referrals_counts_until_social_care_has_spoken_in_full(
    state: str, reason: str | None, still: bool
) -> None:
    told_on = date(2026, 7, 1)
    plan = EarlierPlan(kind=PlanKind.CHILD_PROTECTION, told_on=told_on, agency="social_care")
    known, person = Known(), UUID(int=1)
    method, history = LinkMethod.IDENTIFIER, History(plans=(plan,))
    learn_link(
        known, Linked(revision=1, person_id=person, band=Band.SAME, method=method, rules="1", history=history)
    )
    learn_answer(known, Answer(agency="police", question_id="1", state=AgencyState.NOTHING_HELD))
    learn_answer(
        known, Answer(agency="social_care", question_id="2", state=AgencyState(state), reason=reason)
    )
    assert known.plans == ([plan] if still else [])


def test_what_is_corrected_and_then_taken_back_counts_no_more_whatever_its_answer_calls_its_question() -> (
    None
):
    hungry = Fact(fact="child.hunger", value="persistent", basis=Basis.RECORD)
    said = Answer(agency="police", question_id="1", state=AgencyState.RETURNED, facts=(hungry,))

    def correction(kind: CorrectionKind, answer: Answer | None) -> Correction:
        at = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
        return Correction(agency="police", question_id="1", kind=kind, corrected_at=at, answer=answer)

    known = Known()
    learn_answer(known, said)
    learn_correction(
        known, correction(CorrectionKind.CORRECTED, said.model_copy(update={"question_id": "2"}))
    )
    assert [one.fact for one in known.stated] == [hungry]
    learn_correction(known, correction(CorrectionKind.RETRACTED, None))
    assert (known.stated, [*known.taken_back]) == ([], ["1"])


def test_what_says_nothing_of_an_agreement_takes_none_back() -> None:
    def added(**agreements: Agreement) -> AddedInformation:
        return AddedInformation(
            reference="K7TM-P2RW-C",
            received_at=datetime(2026, 11, 23, 10, 0, tzinfo=UTC),
            agency="st_ives_primary",
            agreements=Agreements(**agreements) if agreements else None,
        )

    known = Known(early_help="given", panel="given")
    learn_information(known, added(), None)
    learn_information(known, added(early_help=Agreement(answer="refused", by="mother")), None)
    assert (known.early_help, known.panel) == ("refused", "given")
    learn_information(known, added(panel=Agreement(answer="refused", by="mother")), None)
    assert (known.early_help, known.panel) == ("refused", "refused")
