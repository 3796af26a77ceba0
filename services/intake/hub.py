"""How the hub is reached: `hub.yaml` of the partnership."""

from pathlib import Path

import yaml

from libs.schemas.base import Line, Model, Text


class OutOfHours(Model):
    """Who answers when the hub is closed."""

    name: Line
    telephone: Line


class Hub(Model):
    """What a referrer is told about reaching a person."""

    name: Line
    emergency: Line
    telephone: Line
    hours: Line
    out_of_hours: OutOfHours
    if_danger_rises: Text


def load_hub(path: Path) -> Hub:
    """Reads `hub.yaml`. Raises OSError, yaml.YAMLError or pydantic.ValidationError: the service then does not start."""
    return Hub.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")), extra="forbid")
