"""The Idempotency-Key of requests that create something (draft-ietf-httpapi-idempotency-key-header).

The caller's agency, the key and the fingerprint of the body become columns of what is created: trying again
gives the first answer, the same key with another body is refused.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Header

from libs.platform.problems import Problem

IdempotencyKey = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        description="New for each thing that is created, the same when trying again. "
        "1 to 255 visible ASCII characters.",
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",
    ),
]
"""The header's value: `key: IdempotencyKey`. Missing or malformed it is a 400 problem."""


def reused() -> Problem:
    """The key was used before for another body."""
    return Problem(
        422,
        "idempotency-key-reused",
        "This Idempotency-Key was used for another request",
        "send a new key, or the same body as the first time",
    )
