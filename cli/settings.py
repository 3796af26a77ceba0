"""`mash settings`: every setting of every service as a page, from the classes that check them at start."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from libs.platform.settings import PREFIX, ServiceSettings
from services.enrichment.settings import EnrichmentSettings
from services.intake.settings import IntakeSettings
from services.notify.settings import NotifySettings
from services.triage.settings import TriageSettings

SERVICES: dict[str, type[ServiceSettings]] = {
    "intake": IntakeSettings,
    "enrichment": EnrichmentSettings,
    "triage": TriageSettings,
    "notify": NotifySettings,
}

HEAD = """\
# Settings

Environment variables, checked when a service starts: what is wrong is named in one sentence, and nothing starts. An \
empty variable counts as not set. Made by `mash settings`.
"""


def settings() -> None:
    """Print every setting of every service, as Markdown."""
    typer.echo(page(), nl=False)


def page() -> str:
    """The page `docs/settings.md`."""
    shared = ServiceSettings.model_fields
    parts = [HEAD, "\n## All services\n\n", _table(shared)]
    for name, cls in SERVICES.items():
        own = {
            field: info
            for field, info in cls.model_fields.items()
            if field not in shared or info.default != shared[field].default
        }
        parts += [f"\n## {name.capitalize()}\n\n", _table(own)]
    return "".join(parts)


def _table(fields: dict[str, FieldInfo]) -> str:
    return "".join(_rows(fields))


def _rows(fields: dict[str, FieldInfo]) -> Iterator[str]:
    yield "| variable | unless set | what it is |\n| --- | --- | --- |\n"
    for name, info in fields.items():
        yield f"| `{PREFIX}{name.upper()}` | {_default(info.default)} | {info.description or ''} |\n"


def _default(value: Any) -> str:
    if value is PydanticUndefined:
        return "must be set"
    if value is None or value == "":
        return "none"
    return f"`{value}`"
