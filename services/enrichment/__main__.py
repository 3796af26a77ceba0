"""Runs enrichment: `python -m services.enrichment`."""

from libs.platform.imports import collector_paused

with collector_paused():
    from functools import partial

    from libs.messaging.failpoints import Failpoints
    from libs.platform import process
    from libs.schemas.events import Service
    from services.enrichment.app import build
    from services.enrichment.settings import EnrichmentSettings


def main() -> None:
    """Serves until a signal. Raises SystemExit where it cannot start, or where a part of it ended by itself."""
    process.main(Service.ENRICHMENT, EnrichmentSettings, partial(build, failpoints=Failpoints.from_env()))


if __name__ == "__main__":
    main()
