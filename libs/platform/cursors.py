"""Page cursors: where a list goes on, signed so that it cannot be made up or moved to another list."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from collections.abc import Sequence
from datetime import datetime
from typing import cast
from uuid import UUID

from libs.platform.problems import Problem

_SIGNATURE = 16
_LONGEST = 1000

Key = str | int | datetime | UUID | None


class Cursors:
    """Signs and reads the cursors of all lists of a service. Ids, codes and times only: a cursor stands in
    URLs.
    """

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    def sign(self, scope: str, keys: Sequence[Key]) -> str:
        """A cursor behind the row with these sort keys. `scope` names the list, its filters and whose it
        is.
        """
        body = json.dumps([_coded(key) for key in keys], separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(self._signature(scope, body) + body).rstrip(b"=").decode()

    def read(self, scope: str, cursor: str) -> list[Key]:
        """The sort keys that a cursor stands for. Raises Problem 400 when it is not one of this list's."""
        try:
            if len(cursor) > _LONGEST:
                raise ValueError
            raw = base64.b64decode(
                cursor.encode("ascii") + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True
            )
            signature, body = raw[:_SIGNATURE], raw[_SIGNATURE:]
            if not hmac.compare_digest(signature, self._signature(scope, body)):
                raise ValueError
            return [_decoded(item) for item in json.loads(body)]
        except (ValueError, binascii.Error):
            raise Problem(
                400, "cursor-invalid", "This cursor is not one of this list", "start again without a cursor"
            ) from None

    def _signature(self, scope: str, body: bytes) -> bytes:
        return hmac.digest(self._secret, scope.encode() + b"\0" + body, "sha256")[:_SIGNATURE]


def _coded(key: Key) -> object:
    if isinstance(key, datetime):
        return ["t", key.isoformat()]
    if isinstance(key, UUID):
        return ["u", str(key)]
    return key


def _decoded(item: object) -> Key:
    if isinstance(item, list):
        kind, text = item
        return datetime.fromisoformat(text) if kind == "t" else UUID(text)
    return cast("str | int | None", item)
