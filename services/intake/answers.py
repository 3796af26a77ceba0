"""What intake answers to those who send something; kept, so that sending it again brings the same answer."""

from typing import Literal
from uuid import UUID

from pydantic import Field

from libs.schemas.base import Instant, Line, Model, Nothing, Payload, Text, maker
from libs.schemas.events import Received
from libs.schemas.referral import Referral
from services.intake import completeness
from services.intake.completeness import SectionState
from services.intake.hub import Hub


class IfDangerRises(Model):
    """Whom to telephone when it gets worse, or when nobody seems to have seen the referral."""

    words: Text
    emergency: Line
    telephone: Line
    hours: Line
    out_of_hours: Line
    out_of_hours_telephone: Line


class SharedReceipt(Model):
    """The part of the answer that all children share."""

    reference: str
    received_at: Instant
    if_danger_rises: IfDangerRises
    completeness: tuple[SectionState, ...]


class ChildReceipt(Model):
    """The part of the answer about one child."""

    number: int = Field(ge=1)
    completeness: tuple[SectionState, ...]


class Receipt(Payload[SharedReceipt, ChildReceipt]):
    """The answer to a referral, as it is stored."""


class ReceivedChild(Model):
    """One child of the referral: `number` is how both sides name the child from now on, never by name."""

    number: int = Field(ge=1, description="1 for the first child that was sent.")
    id: UUID
    completeness: tuple[SectionState, ...] = Field(description="What is open about this child. Never a gate.")


class ReferralAccepted(Model):
    """The body of the answer 201 to `POST /v1/referrals`."""

    reference: str = Field(
        description="Name it on the telephone: no look-alike letters, last one checks the others."
    )
    received_at: Instant
    status: str = Field(description="Path of the referral's status, for the referrer's own agency.")
    if_danger_rises: IfDangerRises
    children: tuple[ReceivedChild, ...]
    completeness: tuple[SectionState, ...] = Field(
        description="What is open about the referral as a whole, and why it would help. Never a gate."
    )


class AdditionAccepted(Model):
    """The body of the answer 201 to further information, to a challenge and to a withdrawal."""

    reference: str
    kind: Literal["information", "withdrawal", "challenge"]
    id: UUID
    received_at: Instant
    status: str
    effect: str = Field(description="What this changes, in words.")
    if_danger_rises: IfDangerRises


EFFECT = {
    "information": "The hub sees it at once, whatever has been decided before.",
    "challenge": (
        "The decision stands until it is changed. Somebody who did not make it looks at it again. Where nothing is"
        " decided on a child yet, what you sent counts for it as further information. The status says how far it is."
    ),
    "withdrawal": "It is kept with who withdraws and why. It closes, lowers and pauses nothing: a person decides.",
}


class SharedAddition(Model):
    """An answer to what was sent afterwards, as it is stored."""

    answer: AdditionAccepted


class AdditionReceipt(Payload[SharedAddition, Nothing]):
    """The answer to what was sent afterwards, as it is stored."""


def status_path(reference: str) -> str:
    """Path of a referral's status."""
    return f"/v1/referrals/{reference}"


def danger_words(hub: Hub) -> IfDangerRises:
    """What every answer says about danger."""
    return IfDangerRises(
        words=hub.if_danger_rises,
        emergency=hub.emergency,
        telephone=hub.telephone,
        hours=hub.hours,
        out_of_hours=hub.out_of_hours.name,
        out_of_hours_telephone=hub.out_of_hours.telephone,
    )


_receipt, _shared, _child = maker(Receipt), maker(SharedReceipt), maker(ChildReceipt)
_accepted, _accepted_child = maker(ReferralAccepted), maker(ReceivedChild)


def receipt(referral: Referral, received: Received, danger: IfDangerRises) -> Receipt:
    """The answer to a referral. `received.children` stand in the order in which the children were sent."""
    shared = _shared(
        {
            "reference": received.shared.reference,
            "received_at": received.shared.received_at,
            "if_danger_rises": danger,
            "completeness": completeness.of_referral(referral),
        }
    )
    children = {
        child_id: _child({"number": index + 1, "completeness": completeness.of_child(child, index)})
        for index, (child_id, child) in enumerate(received.children.items())
    }
    return _receipt({"shared": shared, "children": children})


def accepted(stored: Receipt) -> ReferralAccepted:
    """The stored answer in the form in which it is sent. A child whose part was erased is left out."""
    shared = stored.shared
    return _accepted(
        {
            "reference": shared.reference,
            "received_at": shared.received_at,
            "status": status_path(shared.reference),
            "if_danger_rises": shared.if_danger_rises,
            "children": tuple(
                _accepted_child({"number": child.number, "id": child_id, "completeness": child.completeness})
                for child_id, child in stored.children.items()
            ),
            "completeness": shared.completeness,
        }
    )
