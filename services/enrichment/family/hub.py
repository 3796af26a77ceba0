"""The hub as far as a history needs it: the time zone in which its days begin."""

from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from libs.schemas.document import DocumentError, read_document


def load_zone(path: Path) -> ZoneInfo:
    """Reads the time zone of `clocks.yaml`. Raises DocumentError where it names none."""
    root = read_document(path)
    node = root.fields().get("timezone")
    if node is None:
        raise DocumentError([f"{root.place}: expected `timezone`"])
    try:
        return ZoneInfo(node.text())
    except (ZoneInfoNotFoundError, ValueError):
        raise DocumentError([f"{node.place}: no time zone has this name"]) from None
