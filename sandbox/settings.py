"""What may be set for the sandbox, read from the environment."""

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from libs.platform.settings import explain

AGENCY_KEY = "sandbox-only-agency-key"
"""The bearer key of the sandbox's agencies. It opens nothing else."""


class SandboxSettings(BaseSettings):
    """Settings of the sandbox: each field is the environment variable of its name in capitals after `MASH_`."""

    model_config = SettingsConfigDict(
        env_prefix="MASH_", env_ignore_empty=True, extra="ignore", frozen=True, hide_input_in_errors=True
    )

    environment: Literal["dev", "test"] = Field(description="The sandbox runs nowhere else.")
    host: str = "127.0.0.1"
    port: int = Field(8100, ge=0, le=65535)
    data: Path | None = Field(
        None, description="Where keys, messages and traces are kept; memory when not set."
    )
    partnership_dir: Path = Path("deploy/partnership")
    audience: str = "mash"
    public_url: str | None = Field(
        None, description="Where others reach the sandbox, when not at host and port."
    )
    sign_in_url: str | None = Field(
        None, description="Where a person's browser reaches the sandbox, when not where the services do."
    )
    agency_key: str = AGENCY_KEY
    enrichment_url: str | None = Field(
        None, description="Where MARAC's stand-in fetches its questions; it fetches none when not set."
    )
    notify_api_key: str | None = None
    notify_callback_url: str | None = None
    notify_callback_token: str | None = None

    @property
    def base_url(self) -> str:
        """The sandbox's address; the issuer's name is made from it."""
        return self.public_url or f"http://{self.host}:{self.port}"


def load_settings() -> SandboxSettings:
    """Reads the settings, or raises SystemExit with one sentence that names each wrong variable."""
    try:
        return SandboxSettings()
    except ValidationError as error:
        if any(item["loc"] == ("environment",) for item in error.errors()):
            raise SystemExit("The sandbox only starts where MASH_ENVIRONMENT is dev or test.") from None
        raise SystemExit(f"Cannot start: {explain(error)}.") from None
