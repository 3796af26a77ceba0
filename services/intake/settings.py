"""Intake's settings: those of every service, and how it watches over what it accepted."""

from pydantic import Field

from libs.platform.settings import ServiceSettings


class IntakeSettings(ServiceSettings):
    """What an operator sets for intake."""

    port: int = Field(8101, ge=0, le=65535, description="Port of the API; 0 takes a free one.")
    unseen_seconds: float = Field(
        60, gt=0, le=3600, description="A referral unseen for longer raises an alarm."
    )
    unseen_danger_seconds: float = Field(10, gt=0, le=3600, description="The same in immediate danger.")
