"""Numbers and yes/no in paths and queries are read as JSON writes them, as their description says."""

from __future__ import annotations

import re

from pydantic import BeforeValidator
from pydantic_core import PydanticKnownError

_WHOLE = re.compile(r"0|-?[1-9][0-9]*")


def _as_number(value: object) -> object:
    if isinstance(value, str) and not _WHOLE.fullmatch(value):
        raise PydanticKnownError("int_parsing")
    return value


def _as_boolean(value: object) -> object:
    if isinstance(value, str) and value not in ("true", "false"):
        raise PydanticKnownError("bool_parsing")
    return value


WHOLE = BeforeValidator(_as_number)
"""Of a parameter, last in its annotation: `Annotated[int, Query(ge=1), WHOLE]`. Pydantic alone also takes ` 1`, `+1`,
`1.0` and `1_0`.
"""

TRUE_FALSE = BeforeValidator(_as_boolean)
"""The same of a yes or no. Pydantic alone also takes `1`, `on` and `Y`."""
