"""An enrichment process that asks until it is killed: `python -m tests.services.enrichment.crash DSN SANDBOX`."""

import asyncio
import sys
from contextlib import AsyncExitStack

from libs.messaging.failpoints import Failpoints
from sandbox.settings import AGENCY_KEY
from services.enrichment.settings import EnrichmentSettings
from tests.services.enrichment.conftest import World


async def main(dsn: str, agencies_url: str) -> None:
    """Runs an instance on this database that never ends by itself."""
    settings = EnrichmentSettings(
        environment="test",
        database_url="unused",
        events="postgres",
        issuer="https://issuer.example.org",
        jwks_url="http://issuer.example.org/jwks.json",
        cursor_secret="s" * 32,
        people_secret="p" * 32,
        agencies_url=agencies_url,
        agency_key=AGENCY_KEY,
        ask_lease_seconds=1.0,
    )
    async with AsyncExitStack() as stack:
        await World(dsn, settings, stack).start(Failpoints.from_env())
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
