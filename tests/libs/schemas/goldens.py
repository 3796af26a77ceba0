"""The golden payloads: one realistic example of every event type and version, kept for ever."""

from pathlib import Path

from libs.schemas.events import EVENT_TYPES

FOLDER = Path(__file__).parent / "golden"
NAMES = sorted(each.name for each in EVENT_TYPES)


def golden(name: str) -> bytes:
    """The example of an event type. Raises FileNotFoundError where a type has none."""
    return (FOLDER / f"{name}.json").read_bytes()
