"""What an operator sets for enrichment beside what all services share."""

from datetime import timedelta

from pydantic import Field

from libs.platform.settings import Secret
from libs.platform.signin import SignInSettings


class EnrichmentSettings(SignInSettings):
    """Settings of the enrichment service."""

    port: int = Field(8102, ge=0, le=65535, description="Port of the API; 0 takes a free one.")
    agencies_url: str = Field(
        "http://127.0.0.1:8100",
        description="Where agencies with a relative endpoint are.",
        pattern=r"^https?://",
    )
    agency_key: Secret = Field("", description="Bearer key that the agencies know this partnership by.")
    agencies_in_process: bool = Field(
        False,
        description="For measurements only: agencies answer at once, in the process, that they hold nothing.",
    )
    check_deadline_cap_seconds: float | None = Field(
        None, gt=0, description="Shortens every deadline and chase to this; never lengthens one."
    )
    ask_lease_seconds: float = Field(
        60.0,
        gt=0,
        le=600,
        description="How long a question may be out before another instance asks it again.",
    )

    people_secret: Secret = Field(
        description="Hashes what people are found by in the index; the same in all instances.", min_length=32
    )

    @property
    def check_limit(self) -> timedelta | None:
        """The cap on deadlines and chases."""
        cap = self.check_deadline_cap_seconds
        return None if cap is None else timedelta(seconds=cap)
