"""Answers whose bytes are spoiled, whatever they say."""

import asyncio
from collections.abc import AsyncIterator

from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from sandbox.agencies.behaviour import AN_HOUR, Behaviour, Fault


class Truncated(Response):
    """Announces a longer body than it sends, and breaks off."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": bytes(self.body[:20]), "more_body": True})


async def spoiled(behaviour: Behaviour, whole: Response, asked: bytes) -> Response:
    """What a faulty agency sends in place of `whole`. `asked` is the body of the request, for one that repeats it."""
    body, media = bytes(whole.body), whole.headers.get("content-type", "application/json")
    match behaviour.fault:
        case Fault.MALFORMED:
            return Response(b'{"question_id": ', media_type=media)
        case Fault.HTML:
            return Response("<!doctype html><title>Sign in</title>", media_type="text/html")
        case Fault.TRUNCATED:
            return Truncated(body, media_type=media)
        case Fault.HANG:
            await asyncio.sleep(AN_HOUR)
            return Response(status_code=504)
        case Fault.DRIP:
            return StreamingResponse(_drip(body), media_type=media)
        case Fault.TOO_LARGE:
            return StreamingResponse(_flood(), media_type=media)
        case Fault.NOT_UTF8:
            return Response(b'{"\xff\xfe": 1, ' + body[1:], media_type=media)
        case Fault.DUPLICATE_KEY:
            return Response(_first_key_twice(body), media_type=media)
        case Fault.ECHO:
            return Response(asked or body, 400, media_type="application/json")
    wait = {} if behaviour.retry_after is None else {"retry-after": str(behaviour.retry_after)}
    return JSONResponse({"error": "sandbox"}, behaviour.status, wait)


def _first_key_twice(body: bytes) -> bytes:
    key = body[1:].split(b":", 1)[0]
    return b"{" + key + b": null, " + body[1:]


async def _drip(whole: bytes) -> AsyncIterator[bytes]:
    for position in range(len(whole)):
        yield whole[position : position + 1]
        await asyncio.sleep(1.0)


async def _flood() -> AsyncIterator[bytes]:
    yield b'{"narrative": "'
    for _ in range(100):
        yield b"x" * 100_000
    yield b'"}'
