"""`python -m libs.platform.migrate`: makes a deployment's database ready for this release, then ends.

Run it as the administrator before the services of a new release start; running it again changes nothing. The roles'
passwords are the operator's: services are given the same ones in `MASH_DATABASE_URL`.
"""

from __future__ import annotations

import asyncio
from typing import Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from libs.platform.migrations import migrate
from libs.platform.provision import prepare
from libs.platform.settings import PREFIX, Secret, explain
from libs.schemas.events import Service


class MigrationSettings(BaseSettings):
    """What the job reads from the environment, as `MASH_` and the field's name in capitals."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", frozen=True, hide_input_in_errors=True
    )

    admin_url: Secret = Field(description="PostgreSQL address of a role that may create roles.", min_length=1)
    events: Literal["kafka", "postgres"] = Field("kafka", description="What carries events between services.")
    intake_password: Secret = Field(description="Password of mash_intake.", min_length=1)
    enrichment_password: Secret = Field(description="Password of mash_enrichment.", min_length=1)
    triage_password: Secret = Field(description="Password of mash_triage.", min_length=1)
    notify_password: Secret = Field(description="Password of mash_notify.", min_length=1)


async def main(settings: MigrationSettings) -> None:
    """Prepares roles, schemas and tables. Raises what `prepare` and `migrate` raise."""
    passwords = {service: str(getattr(settings, f"{service.value}_password")) for service in Service}
    await prepare(settings.admin_url, settings.events, passwords)
    for service in Service:
        await migrate(settings.admin_url, service, transport=settings.events)


if __name__ == "__main__":
    try:
        chosen = MigrationSettings()
    except ValidationError as error:
        raise SystemExit(f"Cannot migrate: {explain(error)}.") from None
    asyncio.run(main(chosen))
