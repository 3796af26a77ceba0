"""Circumstances, orders and mutilated agreements, drawn by chance; and a family of whom every field is a canary."""

import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from libs.schemas.codes import AdultRole, AgreementAnswer, ChildStatus, Sex
from libs.schemas.levels import Level
from libs.schemas.person import Address, Date
from services.enrichment.asking.question import SENDABLE, Kept, KeptAdult, KeptChild, KeptReferral
from services.enrichment.sharing.agreement import Agreement, load_agreement
from services.enrichment.sharing.decision import Line
from services.enrichment.sharing.permission import Circumstances, Mode, Order

PARTNERSHIP = Path("deploy/partnership")
AGREEMENT = load_agreement(PARTNERSHIP / "sharing.yaml", leads=("police", "health"))
IN_FORCE = datetime(2026, 11, 25, 12, tzinfo=UTC)
KNOWN = frozenset({"names", "nhs_number", "upn"})
ANSWERS = [*(answer.value for answer in AgreementAnswer), "not_stated", "a code of a newer release", ""]

CHILD = uuid.UUID(int=1)
UNBORN = uuid.UUID(int=2)


def circumstances(
    level: Level | None = Level.SECTION_17,
    agreement: str = "given",
    *,
    identifiers: frozenset[str] = KNOWN,
    at: datetime = IN_FORCE,
    suspect_works_for: frozenset[str] = frozenset(),
    orders: tuple[Order, ...] = (),
) -> Circumstances:
    return Circumstances(level, agreement, identifiers, at, suspect_works_for, orders)


def order(agency: str = "police", **changes: Any) -> Order:
    """An order by hand that says everything."""
    plain = Order(
        id=uuid.UUID(int=9),
        agency=agency,
        items=frozenset(),
        purpose="to know who lives with the child",
        basis="Children Act 1989 section 17",
        reason="The mother could not be reached and the baby is two weeks old.",
        by="Sam Sandbox",
        at=IN_FORCE - timedelta(hours=1),
    )
    return replace(plain, **changes)


def emergency(agency: str = "police", **changes: Any) -> Order:
    """An emergency order that says everything."""
    return order(agency, **{"emergency": True, "approver": "Morgan Sandbox", **changes})


def with_lines(lines: Sequence[Line]) -> Agreement:
    """The agreement with these lines only."""
    kept = list(lines)
    return replace(
        AGREEMENT,
        signed=tuple(
            replace(signed, lines=tuple(line for line in kept if line.agency == signed.agency))
            for signed in AGREEMENT.signed
        ),
    )


words = st.sampled_from(["", "  ", "Sam Sandbox", "sam  sandbox", "Morgan Sandbox"])
FROM, UNTIL = datetime(2023, 6, 1, tzinfo=UTC), datetime(2032, 12, 31, tzinfo=UTC)
# One number costs little more than half of what year, month, day, hour and the rest cost to draw.
moments = st.integers(0, (UNTIL - FROM) // timedelta.resolution).map(
    lambda after: FROM + after * timedelta.resolution
)
agencies = st.sampled_from([*AGREEMENT.agencies, "an_agency_of_nobody"])

orders = st.builds(
    Order,
    id=st.uuids(),
    agency=agencies,
    items=st.frozensets(st.sampled_from([*AGREEMENT.items, "something_unheard_of"]), max_size=3),
    purpose=words,
    basis=words,
    reason=words,
    by=words,
    at=moments,
    until=st.none() | moments,
    emergency=st.booleans(),
    approver=st.none() | words,
)

known = st.builds(
    Circumstances,
    level=st.sampled_from([None, *Level]),
    agreement=st.sampled_from(ANSWERS),
    identifiers=st.frozensets(st.sampled_from(["names", "nhs_number", "upn", "mother"])),
    at=moments,
    suspect_works_for=st.frozensets(agencies, max_size=2),
    orders=st.lists(orders, max_size=3).map(tuple),
)


FEW = [
    line
    for line in AGREEMENT.lines
    if line.agency in ("police", "health", "social_care") and line.item in ("safety", "adults")
]
"""So few agencies and items that several lines often meet in one decision."""


@st.composite
def _mutilated_line(draw: st.DrawFn, line: Line) -> Line:
    starts = draw(st.dates(FROM.date(), UNTIL.date()))
    return replace(
        line,
        mode=draw(st.sampled_from(Mode)),
        fields=frozenset(draw(st.sets(st.sampled_from(SENDABLE), max_size=6))),
        starts=draw(st.sampled_from([line.starts, starts])),
        ends=draw(st.sampled_from([line.ends, starts])),
    )


@st.composite
def mutilated(draw: st.DrawFn) -> Agreement:
    """The agreement without most of its lines, others with other fields, dates or another measure."""
    keep = draw(st.lists(st.sampled_from(FEW), max_size=10, unique_by=id))
    return replace(
        with_lines([draw(_mutilated_line(line)) for line in keep]),
        leads=draw(st.frozensets(agencies, max_size=3)),
    )


def _address(word: str, *, confidential: bool = False) -> Address:
    return Address(lines=(f"1 {word} Street",), postcode="PE1 9ZZ", confidential=confidential)


FAMILY = Kept(
    shared=KeptReferral(
        adults=(
            KeptAdult(
                given_name="Motherfirst",
                family_name="Motherlast",
                roles=(AdultRole.MOTHER,),
                household="home",
                born=Date(on=date(1991, 1, 1)),
                address=_address("Motherhome"),
            ),
            KeptAdult(
                given_name="Partnerfirst",
                family_name="Partnerlast",
                roles=(AdultRole.PARTNER_OF_CARER,),
                household="home",
                address=_address("Hidden", confidential=True),
            ),
            KeptAdult(
                given_name="Suspectfirst",
                family_name="Suspectlast",
                roles=(AdultRole.REGULAR_VISITOR,),
                household="elsewhere",
                thought_to_harm=True,
                employer_agency="cambridgeshire_police",
            ),
            KeptAdult(
                given_name="Neighbourfirst",
                family_name="Neighbourlast",
                roles=(AdultRole.OTHER,),
                household="elsewhere",
            ),
        )
    ),
    children={
        CHILD: KeptChild(
            number=1,
            status=ChildStatus.BORN,
            given_name="Childfirst",
            family_name="Childlast",
            also_known_as=("Childother",),
            sex=Sex.FEMALE,
            born=Date(on=date(2019, 3, 4)),
            nhs_number="9990041008",
            upn="X100000000001",
            address=_address("Childhome"),
            school="Childschool",
            household="home",
        ),
        UNBORN: KeptChild(
            number=2,
            status=ChildStatus.UNBORN,
            expected=Date(earliest=date(2027, 1, 1), latest=date(2027, 1, 31)),
            household="home",
        ),
    },
)
"""A family of whom every field of every person is a word that stands nowhere else."""
