"""Where the person thought to harm works for the referrer's agency, its safeguarding lead alone hears of the case."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from uuid_utils.compat import uuid7

from libs.messaging.event import Event
from libs.messaging.ledger import Ledger
from libs.schemas.document import DocumentError
from libs.schemas.events import PEOPLE_CORRECTED
from sandbox.issuer import Issuer
from services.intake.consumer import StatusProjection
from services.intake.employers import Employer, Employers, load_employers
from tests.services.intake.conftest import START, Caller
from tests.services.intake.test_status import accepted, tell

UNKNOWN = "K7TM-P2RW-Q"


def officer(**changes: Any) -> dict[str, Any]:
    return {"thought_to_harm": True, "employer_agency": "cambridgeshire_police", **changes}


@pytest.fixture
def lead(http: httpx.AsyncClient, issuer: Issuer) -> Caller:
    return Caller(http, issuer.token("police-lead"))


def told(answer: httpx.Response) -> dict[str, Any]:
    """What an answer says, without the id of its trace."""
    return {name: value for name, value in answer.json().items() if name not in ("trace_id", "instance")}


async def test_the_lead_reads_the_status_and_everybody_else_there_the_answer_of_an_unknown_reference(
    police: Caller, lead: Caller, ledger: Ledger
) -> None:
    case = await accepted(police, ledger, adults=[officer()])
    hidden, unknown = await police.status(case.reference), await police.status(UNKNOWN)
    assert (hidden.status_code, told(hidden)) == (404, told(unknown))
    assert dict(hidden.headers).keys() == dict(unknown.headers).keys()
    shown = await lead.status(case.reference)
    assert shown.status_code == 200
    assert shown.json()["reference"] == case.reference
    acts = await ledger.pool.fetch("SELECT client_id, action FROM access ORDER BY id")
    assert [tuple(act) for act in acts] == [
        ("cambridgeshire_police", "status.withheld"),
        ("police-lead", "status.read"),
    ]


async def test_an_employer_may_be_named_as_the_agency_that_is_asked(
    police: Caller, lead: Caller, ledger: Ledger
) -> None:
    case = await accepted(police, ledger, adults=[officer(employer_agency="police")])
    assert (await police.status(case.reference)).status_code == 404
    assert (await lead.status(case.reference)).status_code == 200


@pytest.mark.parametrize(
    "adult",
    [officer(thought_to_harm=False), officer(employer_agency="health_visiting"), {"thought_to_harm": True}],
)
async def test_a_referral_whose_suspect_works_elsewhere_is_shown_to_its_agency(
    police: Caller, ledger: Ledger, adult: dict[str, Any]
) -> None:
    case = await accepted(police, ledger, adults=[adult, {"thought_to_harm": True}])
    assert (await police.status(case.reference)).status_code == 200


async def test_the_lead_reads_no_more_than_the_agency_could(
    school: Caller, lead: Caller, ledger: Ledger
) -> None:
    case = await accepted(school, ledger, adults=[officer()])
    assert (await lead.status(case.reference)).status_code == 404
    assert (await school.status(case.reference)).status_code == 200


async def test_an_employer_that_staff_learn_of_later_hides_it_from_then_on(
    police: Caller, lead: Caller, ledger: Ledger
) -> None:
    case = await accepted(police, ledger, adults=[officer(employer_agency="health_visiting")])
    assert (await police.status(case.reference)).status_code == 200
    shared = {
        "reference": case.reference,
        "at": START,
        "by": "Sam Sandbox",
        "reason": "The mother says so.",
        "adults": [officer()],
    }
    payload = PEOPLE_CORRECTED.payload.model_validate({"shared": shared})
    for _ in range(2):
        await tell(ledger, Event(uuid7(), PEOPLE_CORRECTED, "/test", case.referral_id, 1, START, payload))
    assert (await police.status(case.reference)).status_code == 404
    assert (await lead.status(case.reference)).status_code == 200
    kept = await ledger.pool.fetchval("SELECT employers FROM referral WHERE id = $1", case.referral_id)
    assert kept == ["cambridgeshire_police", "health_visiting"]


async def test_what_the_agency_adds_is_still_taken_and_tells_nothing(police: Caller, ledger: Ledger) -> None:
    case = await accepted(police, ledger, adults=[officer()])
    added = await police.add(case.reference, "information", {"worry": "He has a key to the house."})
    assert added.status_code == 201
    assert "children" not in added.json()


KNOWN = Employers(
    (
        Employer(frozenset({"education", "st_ives_primary", "other_school"}), "education-lead"),
        Employer(frozenset({"marac"}), None),
    )
)


@pytest.mark.parametrize(
    ("employer", "agency", "client", "hidden"),
    [
        ("st_ives_primary", "st_ives_primary", "st_ives_primary", True),
        ("st_ives_primary", "other_school", "other_school", True),
        ("education", "other_school", "other_school", True),
        ("st_ives_primary", "other_school", "education-lead", False),
        ("st_ives_primary", "health_visiting", "health_visiting", False),
        ("marac", "marac", "marac", True),
        ("a_club", "a_club", "a_club", True),
        ("a_club", "a_club", "education-lead", True),
    ],
)
def test_what_is_known_of_an_agency_decides_and_where_no_lead_is_named_nobody_hears(
    employer: str, agency: str, client: str, hidden: bool
) -> None:
    assert KNOWN.hide({employer}, agency, client) is hidden
    assert not KNOWN.hide((), agency, client)


def test_the_partnerships_own_agencies_are_read_and_a_mistake_is_named(tmp_path: Path) -> None:
    read = load_employers(Path("deploy/partnership"))
    assert any(one.lead == "police-lead" and "cambridgeshire_police" in one.members for one in read.known)
    (tmp_path / "agencies").mkdir()
    (tmp_path / "agencies" / "housing.yaml").write_text(
        "name: Housing\nclients: [housing_a]\nlead: {client: ''}\n"
    )
    with pytest.raises(DocumentError, match=r"housing\.yaml:3"):
        load_employers(tmp_path)
    (tmp_path / "agencies" / "housing.yaml").write_text("name: Housing\nclients: [housing_a]\n")
    assert load_employers(tmp_path).known == (Employer(frozenset({"housing", "housing_a"}), None),)


def test_the_projection_reads_what_staff_correct() -> None:
    assert PEOPLE_CORRECTED in StatusProjection.types
