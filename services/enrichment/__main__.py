"""Runs enrichment: `python -m services.enrichment`."""

from libs.messaging.failpoints import Failpoints
from libs.platform import logging
from libs.platform.clock import SystemClock
from libs.platform.service import run, serve
from libs.platform.settings import load
from libs.schemas.document import DocumentError
from libs.schemas.events import Service
from services.enrichment.app import build
from services.enrichment.settings import EnrichmentSettings


async def main() -> None:
    """Serves until a signal. Raises SystemExit where it cannot start, or where a part of it ended by itself."""
    settings = load(EnrichmentSettings)
    clock = SystemClock()
    logging.configure(Service.ENRICHMENT, settings.log_level, clock)
    try:
        app = build(settings, clock=clock, failpoints=Failpoints.from_env())
    except DocumentError as error:
        raise SystemExit(f"Cannot start: {error}") from None
    await serve(app, settings)
    if app.state.failed is not None:
        raise SystemExit(f"Stopped: the part `{app.state.failed}` ended; the log says why.")


if __name__ == "__main__":
    run(main)
