"""Entity tags: a change is only made to what its author has seen (RFC 9110 section 13)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header

from libs.platform.problems import Problem

_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e]*)"')


@dataclass(frozen=True, slots=True)
class Precondition:
    """What the caller has seen of the thing that it changes."""

    tags: frozenset[str]

    def require(self, current: str, changed: Sequence[str] = ()) -> None:
        """Raises Problem 412 when the caller has not seen `current`; `changed` names what is new, by
        codes.
        """
        if current not in self.tags and "*" not in self.tags:
            raise Problem(
                412,
                "changed-meanwhile",
                "It has changed since you read it",
                "read it again, then decide",
                headers={"ETag": current},
                extra={"changed": list(changed)} if changed else None,
            )


async def _if_match(
    if_match: Annotated[
        str | None,
        Header(
            description="The ETag of what you read. Needed; without it the answer is 428.", max_length=1000
        ),
    ] = None,
) -> Precondition:
    if if_match is None:
        raise Problem(
            428, "if-match-missing", "An If-Match header is needed", "send the ETag of what you read"
        )
    if if_match.strip() == "*":
        return Precondition(frozenset("*"))
    # Weak tags never match where If-Match is compared strongly.
    found = frozenset(f'"{tag}"' for weak, tag in _TAG.findall(if_match) if not weak)
    return Precondition(found)


IfMatch = Annotated[Precondition, Depends(_if_match)]
"""The header's tags: `seen: IfMatch`. Missing it is a 428 problem; `seen.require(current)` refuses with
412.
"""
