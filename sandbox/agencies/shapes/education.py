"""Education: a check that is submitted and polled. Sections of an answer that were not asked for are null."""

from typing import Literal

from pydantic import Field

from sandbox.agencies.shapes import Record, Strict, Wire

Voice = Literal["STAFF", "PUPIL", "PARENT", "OTHER", "WORRY"]
Section = Literal["ATT", "EXC", "WEL", "SUP"]


class HeldAttendance(Strict):
    """How much of the term the learner was there."""

    percent: int | None = None
    status: Literal["ON_ROLL", "CME", "EHE"] = "ON_ROLL"


class HeldExclusion(Strict):
    """A suspension or exclusion."""

    kind: str
    on_days_ago: int


class HeldWelfare(Strict):
    """An entry of a school's welfare log."""

    code: str
    on_days_ago: int
    voice: Voice | None = None
    open: bool = False


class HeldSupport(Strict):
    """Help that a school knows of."""

    code: str
    on_days_ago: int


class EducationRecord(Record):
    """What the education service holds of a learner. `id` is the learner's number in its system."""

    attendance: HeldAttendance | None = None
    exclusions: tuple[HeldExclusion, ...] = ()
    welfare: tuple[HeldWelfare, ...] = ()
    support: tuple[HeldSupport, ...] = ()
    note: str | None = None


class Learner(Wire):
    """Who is asked about; the establishment only where it is known."""

    upn: str | None = None
    legal_surname: str | None = None
    legal_forename: str | None = None
    date_of_birth: str | None = None
    establishment_name: str | None = None


class CheckRequest(Wire):
    """A check: about whom, and which sections."""

    learner: Learner
    sections: list[Section]


class Accepted(Wire):
    """A check that is being worked on."""

    check_id: str
    state: Literal["ACCEPTED", "WORKING"]


class Attendance(Wire):
    """Attendance this term."""

    percent: int | None
    status: Literal["ON_ROLL", "CME", "EHE"]


class Exclusion(Wire):
    """A suspension or exclusion."""

    kind: str
    on: str


class Welfare(Wire):
    """An entry of the welfare log: its code, when, who said it, and whether it is open."""

    code: str
    on: str
    voice: Voice | None
    open: bool


class Support(Wire):
    """Help that a school knows of."""

    code: str
    on: str


class Done(Wire):
    """A finished check."""

    check_id: str
    state: Literal["DONE"]
    outcome: Literal["FOUND", "NO_TRACE", "OUT_OF_AREA", "REFUSED"]
    refusal: str | None = None
    census_date: str
    roll_from: str
    roll_to: str
    learner: Learner | None = None
    attendance: Attendance | None = None
    exclusions: list[Exclusion] | None = None
    welfare: list[Welfare] | None = None
    support: list[Support] | None = None
    note: str | None = Field(None, description="In the school's words.")


class Failure(Wire):
    """Why a request was refused."""

    code: str
