"""Runs notify: `python -m services.notify`."""

from libs.messaging.failpoints import Failpoints
from libs.platform import logging
from libs.platform.clock import SystemClock
from libs.platform.service import run, serve
from libs.platform.settings import load
from libs.schemas.events import Service
from services.notify.app import build
from services.notify.settings import NotifySettings


async def main() -> None:
    """Serves until a signal. Raises SystemExit where it cannot start, or where a part of it ended by itself."""
    settings = load(NotifySettings)
    clock = SystemClock()
    logging.configure(Service.NOTIFY, settings.log_level, clock)
    app = build(settings, clock=clock, failpoints=Failpoints.from_env())
    await serve(app, settings)
    if app.state.failed is not None:
        raise SystemExit(f"Stopped: the part `{app.state.failed}` ended; the log says why.")


if __name__ == "__main__":
    run(main)
