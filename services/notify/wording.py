"""What referrers are told: `wording.yaml` and the hub's telephone number from `hub.yaml` of the partnership."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from libs.schemas.base import Line, Model, Text
from libs.schemas.challenge import ChallengeWords
from libs.schemas.document import DocumentError, read_document, validated
from libs.schemas.levels import Destination
from libs.schemas.notice import NoticeChannel, NoticeKind

ALERT = "alert"
"""The name of an alert's templates: it is none of the notices, which referrers get."""


class Template(Model):
    """A template in GOV.UK Notify. The text is what it must have there."""

    id: UUID
    subject: Line | None = None
    body: Text


class Words(Model):
    """What was decided, in words that may be told, and what the referrer may do next."""

    words: Text
    next_step: Text


class ChildWords(Model):
    """How a message names a child, without its name."""

    one: Line
    several: Line = Field(description="With `{number}` and `{count}`.")

    @field_validator("several")
    @classmethod
    def _tells_children_apart(cls, several: str) -> str:
        try:
            if several.format(number=1, count=3) != several.format(number=2, count=3):
                return several
        except (LookupError, ValueError, AttributeError):
            pass
        raise PydanticCustomError(
            "child_number", "must have `{number}`, and no braces but in `{number}` and `{count}`"
        )


class Reached(Model):
    """The part of `hub.yaml` that a notice needs."""

    telephone: Line


class Wording(Model):
    """Everything that a notice can say."""

    telephone: Line
    alert: Mapping[NoticeChannel, Template] = Field(
        description="To whoever is on call, with nothing but that."
    )
    templates: Mapping[NoticeKind, Mapping[NoticeChannel, Template]]
    child: ChildWords
    changed: Line
    looked_at: Words
    decided: Words
    destinations: Mapping[Destination, Words]
    challenges: ChallengeWords

    @model_validator(mode="after")
    def _nothing_is_unsaid(self) -> Wording:
        wanted = {(kind, channel) for kind in NoticeKind for channel in NoticeChannel}
        if set(NoticeChannel) - set(self.alert):
            raise PydanticCustomError(
                "template_missing", "must have a template of the alert for each channel"
            )
        if wanted - {(kind, channel) for kind, by in self.templates.items() for channel in by}:
            raise PydanticCustomError("template_missing", "must have a template for each notice and channel")
        if set(Destination) - set(self.destinations):
            raise PydanticCustomError("destination_missing", "must have words for each destination")
        return self


def load_wording(directory: Path) -> Wording:
    """Reads the partnership's files. Raises DocumentError."""
    hub, wording = read_document(directory / "hub.yaml"), read_document(directory / "wording.yaml")
    telephone = validated(hub, Reached.model_validate).telephone
    templates = wording.fields().get("templates")
    if templates is None:
        raise DocumentError([f"{wording.place}: the key `templates` is missing"])
    templates.fields()

    def read(plain: Any) -> Wording:
        notices = dict(plain["templates"])
        alert = notices.pop(ALERT, {})
        found = {**plain, "templates": notices, "alert": alert, "telephone": telephone}
        return Wording.model_validate(found, extra="forbid")

    return validated(wording, read)
