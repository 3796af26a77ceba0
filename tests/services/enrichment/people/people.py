"""Made-up people for the tests of matching."""

from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from hypothesis import strategies as st

from libs.schemas.person import Address, Date
from services.enrichment.people.keys import Keys
from services.enrichment.people.names import Names, load_names
from services.enrichment.people.rules import Rules, load_rules
from services.enrichment.people.scoring import Record, record
from services.enrichment.people.subject import Particulars, Subject, profile_of

PARTNERSHIP = Path("deploy/partnership")
NAMES: Names = load_names(PARTNERSHIP / "names.yaml")
RULES: Rules = load_rules(PARTNERSHIP / "matching.yaml")
KEYS = Keys("k" * 32, NAMES)

WREN_NUMBER = "9990041008"
FINCH_NUMBER = "9990041016"
WREN_UPN = "T874200026001"
FINCH_UPN = "G874200026002"

HOME = Address(lines=("12 Alder Road",), postcode="QX1 1AA", uprn="999000000012")
ELSEWHERE = Address(lines=("7 Larch Way",), postcode="QX4 2BB")
WREN: dict[str, Any] = {
    "given_name": "Wren",
    "family_name": "Kestrel",
    "born": Date(on="2015-02-11"),
    "sex": "F",
    "address": HOME,
}


def subject(**changes: Any) -> Subject:
    """Wren, with changes; None takes a field away."""
    values = WREN | changes
    return Subject.model_validate(
        {"id": uuid4(), "referral_id": uuid4()}
        | {name: value for name, value in values.items() if value is not None}
    )


def compared(one: Particulars, companions: tuple[str, ...] = ()) -> Record:
    """A subject in the form in which it is compared."""
    return record(profile_of(one, companions), NAMES)


def at(year: int) -> Date:
    """An estimate: somewhen in a year."""
    return Date(earliest=f"{year}-01-01", latest=f"{year}-12-31")


ADDRESSES = (
    HOME,
    ELSEWHERE,
    Address(lines=("Flat 3", "12 Alder Road"), postcode="QX1 1AA"),
    Address(postcode="QX1 1AA"),
)
DATES = (
    Date(on="2015-02-11"),
    Date(on="2015-11-02"),
    Date(on="2015-02-12"),
    Date(on="2005-02-11"),
    Date(on="2013-07-30"),
    at(2015),
    at(2016),
)
GIVEN = (
    "Wren",
    "Wern",
    "Ella",
    "Bella",
    "Elizabeth",
    "Liz",
    "Mohammed Ali",
    "Muhammad",
    "Mohammed Hamza",
    "Baby",
    "E",
)
FAMILY = ("Kestrel", "Kestral", "Kestrel-Shaw", "Shaw", "Khan", "Wren")


def particulars() -> st.SearchStrategy[dict[str, Any]]:
    """People out of few names, dates and homes, so that many are alike."""
    maybe = st.none()
    return st.fixed_dictionaries(
        {
            "given_name": maybe | st.sampled_from(GIVEN),
            "family_name": maybe | st.sampled_from(FAMILY),
            "also_known_as": st.lists(st.sampled_from((*GIVEN, *FAMILY, "Liz Shaw")), max_size=2).map(tuple),
            "born": maybe | st.sampled_from(DATES),
            "sex": st.sampled_from((None, "F", "M", "U")),
            "address": maybe | st.sampled_from(ADDRESSES),
            "nhs_number": st.sampled_from((None, None, WREN_NUMBER, FINCH_NUMBER, "9990041009")),
            "upn": st.sampled_from((None, None, WREN_UPN, FINCH_UPN)),
        }
    )


def subjects() -> st.SearchStrategy[Subject]:
    """Born and unborn, out of few names, dates and homes."""
    due = st.sampled_from((Date(on="2026-09-01"), Date(on="2026-09-20"), Date(on="2027-03-01")))
    mothers = st.sampled_from(
        (
            Particulars(given_name="Robyn", family_name="Quill", born=Date(on="1999-01-05")),
            Particulars(given_name="Robyn", family_name="Shaw", born=Date(on="1999-01-05")),
            Particulars(given_name="Ada", family_name="Quill"),
        )
    )
    born = particulars().map(lambda values: subject(**{**dict.fromkeys(WREN), **values}))
    unborn = st.builds(
        lambda date, mother: subject(**{**dict.fromkeys(WREN), "expected": date, "mother": mother}),
        due,
        st.none() | mothers,
    )
    return born | unborn


def number(index: int) -> UUID:
    """The id of a person."""
    return UUID(int=index)
