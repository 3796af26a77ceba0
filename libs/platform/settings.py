"""What an operator sets, read from the environment and checked before anything starts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

from pydantic import Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

from libs.schemas.base import Identifier

PREFIX = "MASH_"

Secret = Annotated[str, Field(repr=False)]
"""A setting that no representation of the settings shows."""

S = TypeVar("S", bound="ServiceSettings")


class ServiceSettings(BaseSettings):
    """Settings that all services share; each service adds its own in a subclass.

    Each field is the environment variable of its name in capitals after `MASH_`.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", frozen=True, hide_input_in_errors=True
    )

    environment: Literal["dev", "test", "production"] = Field(
        "production", description="`dev` and `test` permit the sandbox's stand-ins."
    )
    partnership: Identifier = Field("peterborough", description="Named in every event's source.")
    partnership_dir: Path = Field(
        Path("deploy/partnership"), description="Thresholds, clocks, teams, agencies."
    )

    database_url: Secret = Field(
        description="PostgreSQL address with this service's own role.", pattern=r"^postgres(ql)?://"
    )
    pool_size: int = Field(10, ge=1, le=200, description="Connections that the service may hold.")

    events: Literal["kafka", "postgres"] = Field("kafka", description="What carries events between services.")
    kafka_bootstrap: str | None = Field(None, description="Kafka brokers as host:port, comma-separated.")

    host: str = Field("127.0.0.1", description="Address that the API listens on.")
    port: int = Field(8000, ge=0, le=65535, description="Port of the API; 0 takes a free one.")
    shutdown_seconds: float = Field(10.0, gt=0, le=300, description="Longest wait for requests in progress.")

    issuer: str = Field(description="`iss` of the access tokens that are trusted.", min_length=1)
    jwks_url: str = Field(description="Where the token issuer publishes its keys.", pattern=r"^https?://")
    audience: str = Field("mash", description="`aud` that names this partnership's services.", min_length=1)
    cursor_secret: Secret = Field(description="Signs page cursors; the same in all instances.", min_length=32)

    otlp_endpoint: str | None = Field(
        None, description="Collector for spans, such as http://127.0.0.1:4318.", pattern=r"^https?://[^/]"
    )
    trace_ratio: float = Field(1.0, ge=0, le=1, description="Share of referrals whose trace is kept.")
    trace_sql: bool = Field(False, description="A span for each SQL statement; costs about 5 % throughput.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="What is logged at least."
    )
    alarm_url: str | None = Field(
        None, description="Receives a content-free POST for each alarm.", pattern=r"^https?://[^/]"
    )

    @model_validator(mode="after")
    def _partnership_is_there(self) -> Self:
        if not self.partnership_dir.is_dir():
            raise PydanticCustomError(
                "partnership_missing",
                "MASH_PARTNERSHIP_DIR must name a folder, and there is none of that name",
            )
        return self

    @model_validator(mode="after")
    def _kafka_has_brokers(self) -> Self:
        if self.events == "kafka" and not self.kafka_bootstrap:
            raise PydanticCustomError(
                "kafka_bootstrap_missing",
                "MASH_KAFKA_BOOTSTRAP is needed while MASH_EVENTS is kafka (or set MASH_EVENTS=postgres)",
            )
        return self

    @model_validator(mode="after")
    def _production_is_encrypted(self) -> Self:
        if self.environment == "production" and not self.jwks_url.startswith("https://"):
            raise PydanticCustomError(
                "jwks_plain", "MASH_JWKS_URL must be https:// while MASH_ENVIRONMENT is production"
            )
        return self


def load(cls: type[S]) -> S:
    """Reads the settings, or raises SystemExit with one sentence that names each wrong variable, never its
    value.
    """
    try:
        return cls()
    except ValidationError as error:
        raise SystemExit(f"Cannot start: {explain(error)}.") from None


def explain(error: ValidationError) -> str:
    """What is wrong, by variable."""
    return "; ".join(
        _sentence(item["loc"], item["type"], item["msg"]) for item in error.errors(include_input=False)
    )


def _sentence(loc: tuple[int | str, ...], code: str, message: str) -> str:
    if not loc:
        return message
    name = f"{PREFIX}{str(loc[0]).upper()}"
    if code == "missing":
        return f"{name} is not set"
    return f"{name} is wrong: {message[:1].lower()}{message[1:]}"
