"""What notify keeps of people: who to tell and where, and the very words of each notice. Stored through the codec."""

from __future__ import annotations

from pydantic import Field

from libs.schemas.base import Model, Nothing, Open, Payload
from libs.schemas.codes import ReferrerRole
from libs.schemas.events import Received
from libs.schemas.notice import NoticeChannel
from libs.schemas.referral import SafeContact


class Recipient(Model):
    """What of a referral decides whether, where and in which words its referrer is told."""

    role: Open[ReferrerRole]
    anonymous: bool
    contacts: tuple[SafeContact, ...] = ()
    suspect_may_read: str | None = None


class StoredRecipient(Payload[Recipient, Nothing]):
    """The referrer of one referral."""


class Addressed(Model):
    """Where a notice goes, and what it says whichever child it is about."""

    channel: NoticeChannel
    address: str
    template: str = Field(description="Id of the template in GOV.UK Notify.")
    personalisation: dict[str, str] = Field(default_factory=dict)


class AboutChild(Model):
    """What a notice says about one child: general words and the child's number in the referral, never a name."""

    personalisation: dict[str, str]


class StoredNotice(Payload[Addressed, AboutChild]):
    """One message, as it is sent, however often that must be tried."""


def recipient_of(received: Received) -> StoredRecipient:
    """The part of a referral that notify keeps."""
    referrer = received.shared.referral.referrer
    return StoredRecipient(
        shared=Recipient(
            role=referrer.role,
            anonymous=referrer.anonymous,
            contacts=referrer.contacts,
            suspect_may_read=referrer.suspect_may_read,
        )
    )
