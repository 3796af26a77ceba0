"""One attempt to ask over HTTP: bounded in time, in the referral's trace, and never an exception."""

import asyncio
from collections.abc import Awaitable, Callable

import httpx
from opentelemetry import context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from libs.schemas.findings import AgencyState
from services.enrichment.asking.agency import Reply, Silent, Unreliable
from services.enrichment.asking.replies import unavailable

_W3C = TraceContextTextMapPropagator()


async def attempt(
    ask: Callable[[], Awaitable[Reply]], *, seconds: float, began: Callable[[], bool], trace: str | None
) -> Reply:
    """What became of asking once, for at most so many seconds. `began`: whether the agency has begun to answer."""
    token = context.attach(_W3C.extract({"traceparent": trace})) if trace else None
    try:
        async with asyncio.timeout(seconds):
            return await ask()
    except Silent as silent:
        return silent.reply
    except Unreliable as unreliable:
        return unavailable(unreliable.reason)
    except (TimeoutError, httpx.TimeoutException) as error:
        if isinstance(error, httpx.ConnectTimeout | httpx.PoolTimeout):
            return unavailable("cannot_connect")
        # Some answer without the rest is an agency that is broken, not one that needs time to look.
        return unavailable("too_slow") if began() else Reply(AgencyState.NO_ANSWER, "timeout")
    except httpx.ConnectError:
        return unavailable("cannot_connect")
    except httpx.InvalidURL:
        # An address that the agency named, with letters that no address has.
        return unavailable("contract")
    except httpx.HTTPError:
        return unavailable("broken_off")
    finally:
        if token is not None:
            context.detach(token)
