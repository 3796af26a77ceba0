"""MARAC's stand-in: a small team without a server, which fetches its questions and answers them one by one."""

from typing import ClassVar

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from sandbox.agencies.shapes import Record
from sandbox.agencies.shapes.marac import MaracRecord
from sandbox.agencies.supplier import Records


class Marac(Records):
    """The coordinator of a Multi-Agency Risk Assessment Conference."""

    name = "marac"
    numbering = "M-99{}"
    covers_years = 3
    steps = ("answer", "claim")
    record: ClassVar[type[Record]] = MaracRecord

    def error(self, status: int, code: str, wait: int | None = None) -> Response:
        return JSONResponse({"error": code}, status, {} if wait is None else {"retry-after": str(wait)})

    def router(self) -> APIRouter:
        """It has no server of its own."""
        return APIRouter()
