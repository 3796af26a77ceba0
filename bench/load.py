"""A closed-loop HTTP client that costs little: prepared requests over kept connections, answers only counted.

Loopback only, bounded by time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class Tally:
    """What one run of the load brought. Latencies in seconds."""

    seconds: float = 0.0
    statuses: dict[int, int] = field(default_factory=dict)
    latencies: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Answers with a 2xx status a second."""
        return sum(count for status, count in self.statuses.items() if 200 <= status < 300) / self.seconds

    def quantile(self, share: float) -> float:
        """The latency below which `share` of the answers came, in milliseconds."""
        ordered = sorted(self.latencies)
        return 1000 * ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else 0.0


def post(path: str, port: int, body: bytes, headers: dict[str, str]) -> bytes:
    """One HTTP/1.1 POST, ready to write."""
    lines = [f"POST {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


async def closed_loop(port: int, requests: Iterator[bytes], *, connections: int, seconds: float) -> Tally:
    """Each connection sends its next request when the last was answered, for `seconds` or as long as there are any."""
    tally = Tally()
    until = time.perf_counter() + seconds

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            while (begun := time.perf_counter()) < until:
                request = next(requests, None)
                if request is None:
                    return
                writer.write(request)
                status = await _answer(reader)
                tally.latencies.append(time.perf_counter() - begun)
                tally.statuses[status] = tally.statuses.get(status, 0) + 1
        finally:
            writer.close()

    begun = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(connections)))
    tally.seconds = time.perf_counter() - begun
    return tally


async def _answer(reader: asyncio.StreamReader) -> int:
    head = await reader.readuntil(b"\r\n\r\n")
    lower = head.lower()
    start = lower.index(b"content-length:") + 15
    await reader.readexactly(int(lower[start : lower.index(b"\r\n", start)]))
    return int(head[9:12])
