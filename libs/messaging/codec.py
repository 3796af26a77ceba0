"""The one place where payloads become bytes and bytes become payloads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

from pydantic import ValidationError

from libs.schemas.base import Payload

P = TypeVar("P", bound=Payload[Any, Any])


@dataclass(frozen=True, slots=True)
class Decoded(Generic[P]):
    """A payload that could be read, and the children whose part of it no longer can."""

    payload: P = field(repr=False)
    erased: frozenset[UUID] = frozenset()


@dataclass(frozen=True, slots=True)
class Undecodable:
    """Why a payload cannot be read: `contract` (it is not what its type says) or `erased` (its key is gone)."""

    code: str


CONTRACT = Undecodable("contract")
ERASED = Undecodable("erased")


class Codec(Protocol):
    """Every stored and every sent payload passes here, in batches, told which child each part is about."""

    async def encode(self, payloads: Sequence[Payload[Any, Any]]) -> list[bytes]:
        """The payloads as bytes, in the same order."""
        ...

    async def decode(self, items: Sequence[tuple[type[P], bytes]]) -> list[Decoded[P] | Undecodable]:
        """The payloads of these bytes, in the same order. Never raises for what it was given to read."""
        ...

    async def text(self, values: Sequence[bytes]) -> list[str | None]:
        """What these bytes say, of whatever form, for a person who may read them; None where that is erased."""
        ...


class PlainCodec:
    """Payloads as JSON in UTF-8, readable by everybody who can read the bytes."""

    async def encode(self, payloads: Sequence[Payload[Any, Any]]) -> list[bytes]:
        # What `model_dump_json` calls, without the detour over a text.
        return [payload.__pydantic_serializer__.to_json(payload) for payload in payloads]

    async def decode(self, items: Sequence[tuple[type[P], bytes]]) -> list[Decoded[P] | Undecodable]:
        return [_decode(kind, value) for kind, value in items]

    async def text(self, values: Sequence[bytes]) -> list[str | None]:
        return [value.decode("utf-8", "replace") for value in values]


def _decode(kind: type[P], value: bytes) -> Decoded[P] | Undecodable:
    try:
        return Decoded(kind.model_validate_json(value))
    except ValidationError:
        return CONTRACT
