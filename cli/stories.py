"""Reads what is to be sent: a story of `examples/`, or a bare referral, as YAML or JSON."""

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cli.documents import parse

DEFAULT_CLIENT = "cambridgeshire_police"


class StoryError(Exception):
    """The text is no story; the message says what it should be."""


@dataclass(frozen=True, slots=True)
class Story:
    """A referral and who sends it."""

    client: str
    """The client of the sandbox's issuer whose token it is sent with."""
    referral: dict[str, Any]
    title: str
    reading: dict[str, Any] = field(default_factory=dict)
    """What the sandbox's member of staff finds in the words, where they wait to be read."""
    expect: tuple[str, ...] = ()
    """Where each child should be routed, in the order of the children, found ones last."""
    name: str = ""
    """Its file's name without the ending, by which another story names it."""
    after: str = ""
    """The story that is through before this one is told."""
    same_person: bool = False
    """Whether the sandbox's member of staff finds that whom the index offers is the child."""


def read_story(text: str, *, name: str, client: str | None = None) -> Story:
    """Reads a story. `client`, when given, takes the place of the story's own sender. Raises StoryError.

    A bare referral is sent by `DEFAULT_CLIENT`.
    """
    try:
        document = parse(text)
    except ValueError as error:
        raise StoryError(f"{name} is {error}") from None
    if not isinstance(document, Mapping):
        raise StoryError(f"{name} must hold a referral, or `from` and `referral`")
    referral = document.get("referral", document)
    if not isinstance(referral, Mapping):
        raise StoryError(f"`referral` in {name} must be a referral")
    _sendable(document, name)
    sender = client or (
        str(document.get("from", DEFAULT_CLIENT)) if "referral" in document else DEFAULT_CLIENT
    )
    if document is referral:
        return Story(sender, dict(referral), _title(text, name))
    unknown = document.keys() - {"from", "referral", "reading", "expect", "after", "same_person"}
    if unknown:
        raise StoryError(f"{name} has keys that no story has: {', '.join(sorted(map(str, unknown)))}")
    if not isinstance(document.get("reading") or {}, Mapping) or not isinstance(
        document.get("expect") or [], list
    ):
        raise StoryError(f"in {name}, `reading` must be a reading and `expect` a list of destinations")
    return Story(
        sender,
        dict(referral),
        _title(text, name),
        dict(document.get("reading") or {"note": "Sandbox: the words tell of nothing more."}),
        tuple(document.get("expect") or ()),
        Path(name).stem,
        str(document.get("after") or ""),
        document.get("same_person") is True,
    )


def _sendable(document: Mapping[str, Any], name: str) -> None:
    """Raises StoryError for what YAML or Python can say and JSON cannot: a set, bytes, infinity, a loop."""
    try:
        json.dumps(document, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError):
        raise StoryError(f"{name} has a value that JSON cannot say, so it cannot be sent") from None


def about_strangers(story: Story, run: str) -> Story:
    """The same story of a family whom nobody has heard of: told twice, it would be a repeat of itself.

    `run`: letters that no other run has. Numbers are left out, since nobody has them.
    """
    referral = copy.deepcopy(story.referral)
    for person in (*referral.get("children", ()), *referral.get("adults", ())):
        if person.get("family_name"):
            person["family_name"] = f"{run.capitalize()}-Test"
        if person.get("given_name"):
            person["given_name"] = f"{person['given_name']}{run}"
        for number in ("nhs_number", "upn"):
            person.pop(number, None)
        if isinstance(person.get("address"), dict) and person["address"].get("lines"):
            person["address"]["lines"] = [f"1 {run.capitalize()} Row"]
    return replace(story, referral=referral)


def example_stories(folder: Path) -> list[Story]:
    """The stories of a folder, by their file names. Raises StoryError."""
    return [read_story(path.read_text(), name=path.name) for path in sorted(folder.glob("*.yaml"))]


def _title(text: str, name: str) -> str:
    """The first sentence of the comment on top, which says who sends what."""
    comment = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        comment.append(line.lstrip("# ").strip())
    sentence = " ".join(comment).split(". ")[0].strip()
    return sentence.rstrip(".") or name
