"""Runs triage: `python -m services.triage`."""

from libs.messaging.failpoints import Failpoints
from libs.platform import logging
from libs.platform.clock import SystemClock
from libs.platform.service import run, serve
from libs.platform.settings import load
from libs.schemas.document import DocumentError
from libs.schemas.events import Service
from services.triage.app import build
from services.triage.settings import TriageSettings


async def main() -> None:
    """Serves until a signal. Raises SystemExit where it cannot start, or where a part of it ended by itself."""
    settings = load(TriageSettings)
    clock = SystemClock()
    logging.configure(Service.TRIAGE, settings.log_level, clock)
    try:
        app = build(settings, clock=clock, failpoints=Failpoints.from_env())
    except DocumentError as error:
        raise SystemExit(f"Cannot start: the partnership's files are wrong.\n{error}") from None
    await serve(app, settings)
    if app.state.failed is not None:
        raise SystemExit(f"Stopped: the part `{app.state.failed}` ended; the log says why.")


if __name__ == "__main__":
    run(main)
