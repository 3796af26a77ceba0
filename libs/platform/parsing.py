"""What is no HTTP, or names a method that HTTP does not have, is refused with a problem document like all else."""

from __future__ import annotations

from collections.abc import Sequence

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from libs.platform.problems import Problem


def problem_protocol(headers: Sequence[tuple[bytes, bytes]]) -> type[HttpToolsProtocol]:
    """uvicorn's parser, which by itself refuses with a bare sentence. `headers` go with every refusal."""

    class ProblemProtocol(HttpToolsProtocol):
        def send_400_response(self, msg: str) -> None:
            """Refuses and closes the connection, whose next bytes could not be understood either."""
            answer = Problem(
                400, "http-invalid", "The request is not HTTP as this server knows it"
            ).response()
            lines = [*answer.raw_headers, *headers, (b"connection", b"close")]
            head = b"".join(b"%b: %b\r\n" % line for line in lines)
            self.transport.write(b"HTTP/1.1 400 Bad Request\r\n" + head + b"\r\n" + bytes(answer.body))
            self.transport.close()

    return ProblemProtocol
