"""Triage's settings: those of every service, and how long it waits for checks."""

from pydantic import Field

from libs.platform.settings import ServiceSettings


class TriageSettings(ServiceSettings):
    """What an operator sets for triage."""

    port: int = Field(8103, ge=0, le=65535, description="Port of the API; 0 takes a free one.")
    checks_patience_minutes: float = Field(
        720,
        gt=0,
        description="A case whose checks have not completed after so long goes on with what is known. Longer than"
        " the longest deadline of `checks.yaml`.",
    )
