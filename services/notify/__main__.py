"""Runs notify: `python -m services.notify`."""

from libs.platform.imports import collector_paused

with collector_paused():
    from functools import partial

    from libs.messaging.failpoints import Failpoints
    from libs.platform import process
    from libs.schemas.events import Service
    from services.notify.app import build
    from services.notify.settings import NotifySettings


def main() -> None:
    """Serves until a signal. Raises SystemExit where it cannot start, or where a part of it ended by itself."""
    process.main(Service.NOTIFY, NotifySettings, partial(build, failpoints=Failpoints.from_env()))


if __name__ == "__main__":
    main()
