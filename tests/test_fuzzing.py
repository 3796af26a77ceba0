"""A run of schemathesis that stays outside an operation has not tried it."""

import pytest

from tests.fuzzing import kept_out


@pytest.mark.parametrize(
    ("answered", "offered", "missing"),
    [
        ("404 GET /a\n200 GET /a\n201 PUT /b\n", {"GET /a", "PUT /b"}, ()),
        ("200 GET /a\n404 PUT /b\n403 PUT /b\n", {"GET /a", "PUT /b"}, ("PUT /b", "404", "403")),
        ("200 GET /a\n422 PUT /b\n", {"GET /a", "PUT /b"}, ("PUT /b", "422")),
        ("200 GET /a\n", {"GET /a", "PUT /b"}, ("PUT /b",)),
        ("", set(), ("anything",)),
    ],
)
def test_every_operation_offered_must_have_been_carried_out(
    answered: str, offered: set[str], missing: tuple[str, ...]
) -> None:
    found = kept_out(answered, offered) or ""
    assert bool(found) == bool(missing)
    assert all(word in found for word in missing)
