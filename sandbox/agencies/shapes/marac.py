"""MARAC: cases listed for a meeting, and the DASH assessment with which they came. Nobody else's format."""

from datetime import date
from typing import Literal

from pydantic import Field

from sandbox.agencies.shapes import Record, Strict


class HeldListing(Strict):
    """A case heard, or listed, at a meeting."""

    heard_days_ago: int
    risk: Literal["visible_high", "professional_judgement", "escalation", "repeat"]
    repeat: bool = False


class HeldDash(Strict):
    """A DASH checklist: how many of how many questions were answered yes."""

    answered_yes: int = Field(ge=0, le=24)
    asked: int = Field(ge=0, le=24)
    done_days_ago: int


class HeldPerson(Strict):
    """Somebody whom the listing names."""

    given_name: str
    family_name: str
    born: date | None = None
    relation: Literal["sibling", "other_child", "parent", "carer", "other_adult"]
    perpetrator: bool = False
    same_home: bool | None = None


class MaracRecord(Record):
    """What the coordinator has on a child's home."""

    listings: tuple[HeldListing, ...] = ()
    dash: HeldDash | None = None
    signs: tuple[str, ...] = ()
    """Marks of the listing: `weapon`, `control`, `stalking`, `escalating`, `afraid`, `pregnant`, `life`."""
    people: tuple[HeldPerson, ...] = ()
    plan: str | None = None
