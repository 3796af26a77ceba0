"""A scheme of delegation: what it refuses to say, and that no gap in what is known ever asks for less."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.schemas.document import DocumentError
from libs.schemas.levels import Level
from services.triage.decision.authority import Authority, Circumstances, Condition
from services.triage.decision.loading import load_authority
from tests.services.triage.shipped import PARTNERSHIP

SHIPPED = PARTNERSHIP / "authority.yaml"
CONDITIONS = st.frozensets(st.sampled_from(list(Condition)))
ROLES = st.frozensets(st.sampled_from(["worker", "social_worker", "manager", "auditor"]))


@pytest.fixture(scope="module")
def authority() -> Authority:
    return load_authority(SHIPPED)


@pytest.mark.parametrize(
    ("holds", "level", "social_worker", "manager"),
    [
        (set(), Level.TARGETED, 0, 0),
        (set(), Level.SECTION_17, 1, 0),
        (set(), Level.SECTION_47, 1, 0),
        ({Condition.BELOW_RECOMMENDATION}, Level.EARLY_HELP, 1, 1),
        ({Condition.STEP_DOWN}, Level.EARLY_HELP, 1, 0),
        ({Condition.NO_FURTHER_ACTION}, Level.UNIVERSAL, 0, 0),
        ({Condition.NO_FURTHER_ACTION, Condition.REPEAT_CONTACT}, Level.UNIVERSAL, 1, 0),
        ({Condition.NO_FURTHER_ACTION, Condition.CHILD_UNDER_ONE}, Level.UNIVERSAL, 1, 0),
        ({Condition.NO_FURTHER_ACTION, Condition.AGENCY_UNANSWERED}, Level.UNIVERSAL, 1, 0),
        ({Condition.REPEAT_CONTACT, Condition.CHILD_UNDER_ONE}, Level.EARLY_HELP, 0, 0),
    ],
)
def test_the_shipped_scheme(
    authority: Authority, holds: set[Condition], level: Level, social_worker: int, manager: int
) -> None:
    circumstances = Circumstances(level, frozenset(holds))
    assert authority.demand(circumstances, frozenset({"social_worker"})).signatures == social_worker
    assert authority.demand(circumstances, frozenset({"manager"})).signatures == manager


@given(CONDITIONS, CONDITIONS, st.sampled_from(list(Level)), st.sampled_from(list(Level)), ROLES)
def test_more_that_holds_and_a_higher_level_never_ask_for_less(
    holds: frozenset[Condition], more: frozenset[Condition], level: Level, other: Level, roles: frozenset[str]
) -> None:
    scheme = load_authority(SHIPPED)
    less = scheme.demand(Circumstances(min(level, other), holds), roles)
    most = scheme.demand(Circumstances(max(level, other), holds | more), roles)
    assert less.signatures <= most.signatures
    assert set(less.rules) <= set(most.rules)


def test_only_deciders_decide_and_only_signers_sign(authority: Authority) -> None:
    assert [
        role for role in ("worker", "social_worker", "manager") if authority.may_decide(frozenset({role}))
    ] == [
        "social_worker",
        "manager",
    ]
    assert not authority.may_sign(frozenset({"social_worker", "panel_chair"}))


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        (
            "deciders: [social_worker, manager]",
            "deciders: [manger]",
            "unknown role `manger`; did you mean `manager`?",
        ),
        ("deciders: [social_worker, manager]", "deciders: []", "nobody is named"),
        (
            "deciders: [social_worker, manager]",
            "deciders: [social_worker]",
            "whoever signs must be able to decide",
        ),
        ("level_at_least: section_17", "level_at_least: section_71", "unknown level `section_71`"),
        ("{below_recommendation: yes}", "{below_recomendation: yes}", "unknown key `below_recomendation`"),
        ("{below_recommendation: yes}", "{below_recommendation: no}", "only yes can be asked for"),
        ("when: {step_down: yes}", "when: {}", "no condition is named"),
        ("    second: yes", "    second: maybe", "expected yes or no"),
        ("about:", "aboot:", "unknown key `aboot`"),
    ],
)
def test_a_mistake_is_refused_with_its_place(tmp_path: Path, right: str, wrong: str, said: str) -> None:
    text = SHIPPED.read_text()
    assert right in text
    path = tmp_path / "authority.yaml"
    path.write_text(text.replace(right, wrong, 1))
    with pytest.raises(DocumentError) as refused:
        load_authority(path)
    assert said in str(refused.value)
    assert "authority.yaml:" in str(refused.value)
