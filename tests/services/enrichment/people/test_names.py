"""Names in other scripts, spellings, short forms and parts are recognised; names of siblings are kept apart."""

import pytest

from libs.schemas.document import DocumentError
from libs.spelling import sound, words
from services.enrichment.people.likeness import Alike, family_likeness, given_likeness
from services.enrichment.people.names import read_names
from tests.services.enrichment.people.people import NAMES, PARTNERSHIP


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("Łukasz", ("lukasz",)),
        ("O’Brien", ("obrien",)),
        ("Mary-Jane", ("mary", "jane")),
        ("Щербакова", ("shcherbakova",)),
        ("Παπαδόπουλος", ("papadopoylos",)),
        ("Nguyễn", ("nguyen",)),
        ("STRAẞE", ("strasse",)),
    ],
)
def test_names_are_compared_in_plain_letters(written: str, plain: tuple[str, ...]) -> None:
    assert words(written) == plain


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Qureshi", "Kureshi"),
        ("Kowalska", "Kovalsky"),
        ("Ivanova", "Ivanov"),
        ("محمد", "Mohammed"),
        ("Shaun", "Shawn"),
    ],
)
def test_names_that_sound_alike_share_a_code(one: str, other: str) -> None:
    assert sound(words(one)[0]) == sound(words(other)[0])


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("James", "JAMES", Alike.SAME),
        ("Mary Jane", "Maryjane", Alike.SAME),
        ("Mohammed", "Muhammad", Alike.SPELLING),
        ("Elizabeth", "Liz", Alike.SHORT_FORM),
        ("Katarzyna", "Kasia", Alike.SHORT_FORM),
        ("James", "James Robert", Alike.MIDDLE),
        ("Robert", "James Robert", Alike.PART),
        ("Liz", "Beth", Alike.RELATED),
        ("Jack", "John", Alike.RELATED),
        ("Sophy", "Sophia", Alike.RELATED),
        ("Soph", "Sophia", Alike.RELATED),
        ("So", "Sophia", Alike.DIFFERENT),
        ("Jmaes", "James", Alike.TYPING),
        ("Ella", "Bella", Alike.TYPING),
        ("Wiktoria", "Victoria", Alike.TYPING),
        ("J", "James", Alike.INITIAL),
        ("Mohammed", "Mohammed Ali", Alike.PART),
        ("Mohammed Ali", "Muhammad Hamza", Alike.DIFFERENT),
        ("Mohammed Ali", "Mohammed Ali Raza", Alike.SAME),
        ("Harry", "Olivia", Alike.DIFFERENT),
        ("Baby", "Olivia", Alike.MISSING),
        ("Twin 1", "Twin 2", Alike.MISSING),
    ],
)
def test_given_names_agree_in_steps(one: str, other: str, alike: Alike) -> None:
    assert given_likeness(NAMES.given(one), NAMES.given(other), NAMES) is alike
    assert given_likeness(NAMES.given(other), NAMES.given(one), NAMES) is alike


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("O'Brien", "OBrien", Alike.SAME),
        ("de la Cruz", "Cruz", Alike.SAME),
        ("Smith", "Smythe", Alike.SPELLING),
        ("Smith-Jones", "Jones", Alike.PART),
        ("Smith-Jonse", "Jones", Alike.TYPING),
        ("Wiśniewska", "Wisniewski", Alike.TYPING),
        ("Tom", "Thomas", Alike.DIFFERENT),
        ("Shaw", "Fletcher", Alike.DIFFERENT),
    ],
)
def test_family_names_agree_in_steps(one: str, other: str, alike: Alike) -> None:
    assert family_likeness(NAMES.family(one), NAMES.family(other), NAMES) is alike
    assert family_likeness(NAMES.family(other), NAMES.family(one), NAMES) is alike


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("andrew: [andy, drew]", "andrew: [Andy, drew]", "did you mean `andy`?"),
        ("andrew: [andy, drew]", "andrew: [andrew, drew]", "`andrew` is short for itself"),
        ("[smith, smyth, smythe]", "[smith]", "expected at least 2 names"),
        ("[smith, smyth, smythe]", "[smith, smyth, clark]", "`clark` stands in another group"),
        ("[john, jack, johnny]", "[john, jack, john]", "`john` stands twice"),
        ("particles:", "particle:", "did you mean"),
    ],
)
def test_a_faulty_file_is_refused_at_its_line(old: str, new: str, said: str) -> None:
    text = (PARTNERSHIP / "names.yaml").read_text(encoding="utf-8")
    assert text.count(old) == 1
    with pytest.raises(DocumentError) as refused:
        read_names(text.replace(old, new), "names.yaml")
    assert said in str(refused.value)
    assert refused.value.faults[0].startswith("names.yaml:")
