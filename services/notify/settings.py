"""What an operator sets for notify beside what all services share."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from libs.platform.settings import Secret, ServiceSettings
from services.notify.progress import Patience


class NotifySettings(ServiceSettings):
    """Settings of the notify service."""

    port: int = Field(8104, ge=0, le=65535, description="Port of the API; 0 takes a free one.")
    notify_url: str = Field(
        "https://api.notifications.service.gov.uk",
        description="GOV.UK Notify's address, without a path.",
        pattern=r"^https?://[^/]+/?$",
    )
    notify_api_key: Secret = Field(description="Key of the service in GOV.UK Notify.", min_length=73)
    notify_callback_token: str | None = Field(
        None,
        repr=False,
        description="Bearer token that Notify's delivery receipts carry; without it none are taken.",
        min_length=10,
    )
    notify_at_once: int = Field(
        20, ge=1, le=500, description="Requests to Notify under way at the same time."
    )
    send_timeout_seconds: float = Field(
        15.0, gt=0, le=120, description="Longest wait for an answer of Notify."
    )
    send_lease_seconds: float = Field(
        60.0,
        gt=0,
        le=3600,
        description="How long a request may be out before another instance follows it up.",
    )
    look_up_after_seconds: float = Field(
        30.0, gt=0, le=3600, description="Notify shows a message that it accepted after this, at the latest."
    )
    poll_after_seconds: float = Field(
        60.0, gt=0, le=86_400, description="Delivery is asked for when no receipt came for so long."
    )
    give_up_hours: float = Field(
        76.0,
        gt=0,
        le=720,
        description="A notice without an end has failed after this. Notify itself tries for 72.",
    )
    unsent_alarm_seconds: float = Field(
        900.0, gt=0, le=86_400, description="A notice that is not sent for longer raises an alarm."
    )
    look_every_seconds: float = Field(
        0.2, gt=0, le=60, description="How often an idle instance looks for notices that are due."
    )

    @property
    def patience(self) -> Patience:
        """How long is waited for what."""
        return Patience(
            look_up_after=timedelta(seconds=self.look_up_after_seconds),
            poll_after=timedelta(seconds=self.poll_after_seconds),
            give_up_after=timedelta(hours=self.give_up_hours),
        )
