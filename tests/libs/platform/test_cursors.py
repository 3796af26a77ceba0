from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.platform.cursors import Cursors, Key
from libs.platform.problems import Problem

CURSORS = Cursors("s" * 32)
KEYS: list[Key] = [datetime(2026, 11, 23, 9, tzinfo=UTC), UUID(int=7), 5, "red", None]


def test_a_cursor_gives_its_keys_back() -> None:
    assert CURSORS.read("queue:csc", CURSORS.sign("queue:csc", KEYS)) == KEYS


def test_a_cursor_of_another_list_or_secret_is_refused() -> None:
    cursor = CURSORS.sign("queue:csc", KEYS)
    for reader, scope in ((CURSORS, "queue:masg"), (Cursors("t" * 32), "queue:csc")):
        with pytest.raises(Problem) as refusal:
            reader.read(scope, cursor)
        assert (refusal.value.status, refusal.value.code) == (400, "cursor-invalid")


@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda raw: raw.hex()))
def test_a_made_up_cursor_is_refused(text: str) -> None:
    with pytest.raises(Problem):
        CURSORS.read("queue", text)


@given(st.data())
def test_a_cursor_with_any_symbol_changed_is_refused(data: st.DataObject) -> None:
    cursor = CURSORS.sign("queue", KEYS)
    place = data.draw(st.integers(0, len(cursor) - 1))
    symbol = data.draw(st.sampled_from("ABCDEFabcdef0123456789-_."))
    changed = cursor[:place] + symbol + cursor[place + 1 :]
    try:
        read = CURSORS.read("queue", changed)
    except Problem:
        return
    # Unused bits of the last symbol, or the same symbol: the content is what was signed.
    assert read == KEYS
