"""What staff correct of a child stands in the place of what was said, and what they leave out stays."""

from datetime import date

import pytest

from libs.schemas.codes import ChildStatus
from libs.schemas.person import Date
from libs.schemas.referral import ReferredChild
from services.triage.known import as_corrected

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
