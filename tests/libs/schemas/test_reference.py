from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from libs.schemas.reference import ALPHABET, new_reference, parse_reference

PLACES = (0, 1, 2, 3, 5, 6, 7, 8, 10)
"""Where the symbols stand in the written form `K7TM-P2RW-C`."""

references = st.builds(new_reference)


@given(references)
def test_a_reference_is_read_back_as_it_was_given(reference: str) -> None:
    assert parse_reference(reference) == reference


@given(
    references,
    st.sampled_from([str.lower, lambda text: text.replace("-", " "), lambda text: text.replace("-", "")]),
)
def test_case_spaces_and_hyphens_do_not_matter(reference: str, typed: Callable[[str], str]) -> None:
    assert parse_reference(typed(reference)) == reference


@given(references, st.sampled_from(PLACES), st.sampled_from(ALPHABET))
def test_any_single_wrong_symbol_is_caught(reference: str, place: int, symbol: str) -> None:
    wrong = reference[:place] + symbol + reference[place + 1 :]
    assert (parse_reference(wrong) is None) == (wrong != reference)


@given(references, st.integers(0, len(PLACES) - 2))
def test_any_exchange_of_neighbours_is_caught(reference: str, first: int) -> None:
    symbols = list(reference)
    left, right = PLACES[first], PLACES[first + 1]
    symbols[left], symbols[right] = symbols[right], symbols[left]
    wrong = "".join(symbols)
    assert (parse_reference(wrong) is None) == (wrong != reference)


@given(st.text(max_size=20))
def test_no_text_makes_the_reader_fail(text: str) -> None:
    parsed = parse_reference(text)
    assert parsed is None or parse_reference(parsed) == parsed


def test_symbols_that_are_misread_or_misheard_are_not_used() -> None:
    assert not set("OILS01") & set(ALPHABET)
    assert len(set(ALPHABET)) == 30
