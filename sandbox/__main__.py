"""Runs the sandbox as one process: `python -m sandbox`."""

import gc

from libs.platform.imports import collector_paused

with collector_paused():
    import uvicorn

    from libs.schemas.document import DocumentError
    from sandbox.app import build
    from sandbox.settings import load_settings


def main() -> None:
    """Serves until a signal."""
    settings = load_settings()
    try:
        app = build(settings)
    except DocumentError as error:
        raise SystemExit(f"Cannot start: the partnership's files are wrong.\n{error}") from None
    except FileNotFoundError as error:
        raise SystemExit(f"Cannot start: there is no file {error.filename}.") from None
    # What was built up to now lives as long as the process: the collector need not look at it again.
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=2,
    )


if __name__ == "__main__":
    main()
