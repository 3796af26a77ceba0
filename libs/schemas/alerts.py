"""What is told about alerts, between whoever calls and whoever sends: ids and codes, never what an alert is about."""

from uuid import UUID

from pydantic import Field

from libs.schemas.base import Identifier, Instant, Line, Model, Nothing, Open, Payload
from libs.schemas.notice import NoticeChannel
from libs.schemas.on_call import Urgency


class OnCallCall(Model):
    """Somebody who is on call is to be told that red work waits. Ids and codes only: what it is about stands there."""

    alert_id: UUID
    call_id: UUID
    contact: Identifier = Field(description="A contact of the partnership's on-call list.")
    urgency: Open[Urgency]
    at: Instant


class AlertCalled(Payload[OnCallCall, Nothing]):
    """An alert calls the next contact of the on-call list."""


class AcknowledgedAlert(Model):
    """Who has the red work now."""

    alert_id: UUID
    by: Line = Field(description="Subject of the token with which it was acknowledged.")
    at: Instant


class AlertAcknowledged(Payload[AcknowledgedAlert, Nothing]):
    """A named person has the red work; nobody else is called."""


class CallResult(Model):
    """What became of a message to somebody who is on call."""

    alert_id: UUID
    call_id: UUID
    channel: Open[NoticeChannel] | None = Field(None, description="Absent where the contact is not known.")
    at: Instant
    reason: str | None = Field(None, description="A code for why it failed.")


class AlertDelivered(Payload[CallResult, Nothing]):
    """The message reached the telephone or mailbox of whoever is on call. Nobody has acknowledged by that."""


class AlertFailed(Payload[CallResult, Nothing]):
    """The message did not reach whoever is on call; somebody else must be called."""
