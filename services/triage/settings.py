"""Triage's settings: those of every service with pages, how long it waits for checks, and whom its console asks."""

from pydantic import Field

from libs.platform.settings import Secret
from libs.platform.signin import SignInSettings


class TriageSettings(SignInSettings):
    """What an operator sets for triage."""

    port: int = Field(8103, ge=0, le=65535, description="Port of the API; 0 takes a free one.")
    checks_patience_minutes: float = Field(
        720,
        gt=0,
        description="A case whose checks have not completed after so long goes on with what is known. Longer than"
        " the longest deadline of `checks.yaml`.",
    )
    search_secret: Secret = Field(
        description="Hashes what cases are found by; the same in all instances.", min_length=32
    )
    intake_url: str | None = Field(
        None, description="Where the console sends referrals taken by telephone.", pattern=r"^https?://[^/]+$"
    )
    enrichment_url: str | None = Field(
        None, description="Where the console learns which agencies answer.", pattern=r"^https?://[^/]+$"
    )
