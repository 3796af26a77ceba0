"""YAML and JSON that a person wrote for a command."""

import json
import re
from contextlib import suppress
from typing import Any

import yaml


class _Loader(yaml.CSafeLoader):
    """YAML 1.2's reading of plain scalars: dates stay text, and only true and false are yes/no values."""


_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern)
        for tag, pattern in resolvers
        if tag not in ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:timestamp")
    ]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), list("tf"))


def parse(text: str) -> Any:
    """What a text in YAML or JSON says. Raises ValueError with what is wrong, which repeats nothing of the text."""
    try:
        # JSON first: YAML reads most of it, but not every escaped character.
        with suppress(ValueError):
            return json.loads(text)
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except (ValueError, yaml.YAMLError):
        raise ValueError("neither YAML nor JSON") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
