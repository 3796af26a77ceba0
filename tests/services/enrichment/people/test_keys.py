"""Records that may be one person's share a key, and no key says whose it is."""

from typing import Any

import pytest

from libs.schemas.person import Address, Date
from services.enrichment.people.keys import Keys
from services.enrichment.people.names import Names
from services.enrichment.people.subject import Particulars
from tests.services.enrichment.people.people import (
    ELSEWHERE,
    KEYS,
    NAMES,
    WREN_NUMBER,
    WREN_UPN,
    at,
    compared,
    subject,
)


def digests(one: Particulars, keys: Keys = KEYS) -> set[bytes]:
    return {key.digest for key in keys.of(compared(one))}


@pytest.mark.parametrize(
    "changes",
    [
        {"given_name": "Wern"},
        {"given_name": "Someone"},
        {"family_name": "Fletcher", "address": ELSEWHERE},
        {"given_name": "Kestrel", "family_name": "Wren", "address": None},
        {"given_name": "Kestrel", "family_name": "Wren", "born": None, "address": None},
        {"born": at(2015), "address": None},
        {"born": None, "address": None},
        {"born": Date(on="2015-11-02"), "address": ELSEWHERE},
        {"given_name": None, "address": ELSEWHERE},
        {"family_name": "Shaw-Kestrel", "born": None, "address": None},
    ],
)
def test_what_may_be_one_person_shares_a_key(changes: dict[str, Any]) -> None:
    assert digests(subject(**changes)) & digests(subject())


def test_a_nickname_finds_its_name_wherever_somebody_lives() -> None:
    one = subject(given_name="Elizabeth", born=None, address=None)
    assert digests(one) & digests(subject(given_name="Liz", born=None, address=None))


def test_identifiers_find_without_a_name() -> None:
    nobody = dict.fromkeys(("given_name", "family_name", "born", "sex", "address"))
    for numbers in ({"nhs_number": WREN_NUMBER}, {"upn": WREN_UPN}):
        assert digests(subject(**nobody, **numbers)) <= digests(subject(**numbers))
    assert digests(subject(**nobody)) == set()


def test_a_key_is_a_keyed_hash_of_sixteen_bytes() -> None:
    one = subject(nhs_number=WREN_NUMBER, address=Address(postcode="QX1 1AA", uprn="12"))
    other = Keys("another secret that is long enough", NAMES)
    assert {len(digest) for digest in digests(one)} == {16}
    assert not digests(one) & digests(one, other)
    assert other.fingerprint != KEYS.fingerprint


def test_the_fingerprint_changes_with_the_names() -> None:
    names = Names(**{field: getattr(NAMES, field) for field in NAMES.__slots__} | {"fingerprint": "other"})
    assert Keys("k" * 32, names).fingerprint != KEYS.fingerprint
