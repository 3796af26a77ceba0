"""Which methods a path offers, from the API's own description."""

from __future__ import annotations

import re

from fastapi import FastAPI

_PARAMETER = re.compile(r"\\\{[^/]+?\\\}")


def allowed_methods(app: FastAPI, path: str) -> list[str]:
    """The methods of all operations whose path matches, for the `Allow` header (RFC 9110 section 15.5.6)."""
    methods = set[str]()
    for template, operations in app.openapi()["paths"].items():
        if re.fullmatch(_PARAMETER.sub("[^/]+", re.escape(template)), path):
            methods.update(name.upper() for name in operations)
    return sorted(methods)
