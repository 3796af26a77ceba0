"""Whatever a chronology or a table tells of has words of its own."""

from collections.abc import Mapping

import pytest

from libs.schemas.codes import ContactKind
from libs.schemas.commands import OrderAction, PersonAction
from libs.schemas.levels import Destination, Level, Rag, Stage
from libs.schemas.plans import PlanKind
from services.triage.vocabulary import (
    CONTACTS,
    DESTINATIONS,
    LEVELS,
    ORDERS,
    PLANS,
    RATINGS,
    STAGES,
    by_role,
    worded,
)


@pytest.mark.parametrize(
    ("words", "codes"),
    [
        (LEVELS, [*Level]),
        (DESTINATIONS, [*Destination]),
        (STAGES, [*Stage]),
        (RATINGS, [*Rag]),
        (CONTACTS, [*ContactKind]),
        (PLANS, [*PlanKind]),
        (ORDERS, [*OrderAction, *PersonAction]),
    ],
)
def test_every_code_has_words(words: Mapping[str, str], codes: list[str]) -> None:
    assert {*words} == {*codes}
    assert all("_" not in worded(words, code) for code in (*codes, "of_a_later_version"))


def test_whoever_decides_is_said_by_the_gravest_of_their_roles() -> None:
    assert by_role(("manager", "social_worker")) == "a manager"
    assert by_role(()) == "somebody of the hub"
