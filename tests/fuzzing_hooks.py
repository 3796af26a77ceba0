"""What schemathesis itself loads: it sends requests that lead somewhere, and writes down how each was answered."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4
from zlib import crc32

import schemathesis
from schemathesis import Case, HookContext
from schemathesis.core.parameters import ParameterLocation
from schemathesis.core.transport import Response
from schemathesis.generation import GenerationMode
from schemathesis.generation.meta import CaseMetadata, TestPhase

WAYS = "MASH_FUZZ_WAYS"
"""Environment variable: a file of requests that lead somewhere, by operation."""
ANSWERED = "MASH_FUZZ_ANSWERED"
"""Environment variable: the file that gets a line for each answer: its status, and the operation."""

KEY = "Idempotency-Key"
SELDOM = 3
"""One in so many values that a good body has already is another one all the same."""


@dataclass
class Guide:
    """Leads requests into operations."""

    ways: dict[str, dict[str, Any]]
    answered: Path
    plain: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The first body of the right form that was made for an operation: what later ones vary."""

    def shown(self, context: HookContext, examples: list[Case[Any]]) -> None:
        """A request that is right, as it stands."""
        operation = context.operation
        way = self.ways.get(operation.label) if operation is not None else None
        if operation is None or way is None:
            return
        content: dict[str, Any] = {}
        if (body := way.get("body")) is not None:
            content = {
                "body": body,
                "media_type": "text/csv" if isinstance(body, str) else "application/json",
            }
        keys = {one.name: uuid4().hex for one in operation.headers if one.name == KEY}
        examples.append(
            operation.Case(
                path_parameters=dict(way.get("path", {})),
                query=dict(way.get("query", {})),
                headers={**keys, **way.get("headers", {})},
                **content,
            )
        )

    def led(self, context: HookContext, case: Case[Any]) -> Case[Any]:
        """The request with real ids, and with a body that differs from a good one in what was varied alone.

        What is wrong on purpose stays as it is. Of a key that two requests share, only the first would lead anywhere.
        """
        way = self.ways.get(case.operation.label)
        if way is None or case.meta is None:
            return case
        if _is_right(case.meta, ParameterLocation.PATH) and way.get("path"):
            case.path_parameters = {**case.path_parameters, **way["path"]}
        if _is_right(case.meta, ParameterLocation.HEADER):
            case.headers.update(
                {name: uuid4().hex for name in case.headers if name == KEY} | way.get("headers", {})
            )
        good = way.get("body")
        right = case.meta.generation.mode == GenerationMode.POSITIVE
        if right and isinstance(good, dict) and isinstance(case.body, dict):
            case.body = {**good, **self._varied(case, case.body, good)}
        return case

    def _varied(self, case: Case[Any], made: dict[str, Any], good: Mapping[str, Any]) -> dict[str, Any]:
        """Where a bound is tried: what differs from the first body of the right form. Otherwise a part of it."""
        if case.meta is not None and case.meta.phase.name == TestPhase.COVERAGE:
            plain = self.plain.setdefault(case.operation.label, made)
            return {name: value for name, value in made.items() if plain.get(name) != value}
        return {
            name: value
            for name, value in made.items()
            if name not in good or crc32(f"{name}{value}".encode(errors="replace")) % SELDOM == 0
        }

    def told(self, context: HookContext, case: Case[Any], response: Response) -> None:
        with self.answered.open("a") as file:
            file.write(f"{response.status_code} {case.operation.label}\n")


def _is_right(meta: CaseMetadata, location: ParameterLocation) -> bool:
    component = meta.components.get(location)
    return component is None or component.mode == GenerationMode.POSITIVE


def _install(guide: Guide) -> None:
    def before_add_examples(context: HookContext, examples: list[Case[Any]]) -> None:
        guide.shown(context, examples)

    def map_case(context: HookContext, case: Case[Any]) -> Case[Any]:
        return guide.led(context, case)

    def after_call(context: HookContext, case: Case[Any], response: Response) -> None:
        guide.told(context, case, response)

    for hook in (before_add_examples, map_case, after_call):
        schemathesis.hook(hook)


if WAYS in os.environ:
    _install(Guide(json.loads(Path(os.environ[WAYS]).read_text()), Path(os.environ[ANSWERED])))
