"""Runs the sandbox as one process: `python -m sandbox`."""

import uvicorn

from sandbox.app import build
from sandbox.settings import load_settings


def main() -> None:
    """Serves until a signal."""
    settings = load_settings()
    uvicorn.run(
        build(settings),
        host=settings.host,
        port=settings.port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=2,
    )


if __name__ == "__main__":
    main()
