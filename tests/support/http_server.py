"""A local server that misbehaves in every way that a download must survive."""

from __future__ import annotations

import gzip
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ACCESS_DENIED = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n'
    b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
)
WEB_PAGE = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>hello</body></html>"

Answer = Callable[[BaseHTTPRequestHandler, "Server"], None]


@dataclass
class Server:
    """A running server.

    Attributes:
        port: on 127.0.0.1.
        answers: path -> bytes of a file, or a function that answers.
        requests: how often each path was asked for.
        headers: of the last request.
        is_closing: is set when endless answers must end.
    """

    port: int = 0
    answers: dict[str, bytes | Answer] = field(default_factory=dict)
    requests: Counter[str] = field(default_factory=Counter)
    headers: dict[str, str] = field(default_factory=dict)
    is_closing: threading.Event = field(default_factory=threading.Event)

    def url(self, path: str) -> str:
        """The URL of a path."""
        return f"http://127.0.0.1:{self.port}{path}"


class _QuietServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_args: object) -> None:
        """Print nothing: clients hang up."""


@contextmanager
def serving(tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    """Run a server while the block runs.

    Args:
        tls: of a server that speaks HTTPS; None for HTTP.
    """
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            state.requests[path] += 1
            state.headers = dict(self.headers)
            answer = state.answers.get(path)
            with suppress(OSError):  # the client has gone
                if answer is None:
                    send(self, b"nothing here", status=404, kind="text/plain")
                elif isinstance(answer, bytes):
                    send(self, answer)
                else:
                    answer(self, state)

        def log_message(self, *_args: object) -> None:
            """Print nothing."""

    with _QuietServer(("127.0.0.1", 0), Handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        state.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield state
        finally:
            state.is_closing.set()
            server.shutdown()
            thread.join()


def send(
    handler: BaseHTTPRequestHandler,
    body: bytes,
    *,
    status: int = 200,
    kind: str = "image/gif",
    length: int | None = None,
    **headers: str,
) -> None:
    """Send an answer, whose length may be a lie."""
    handler.send_response(status)
    handler.send_header("Content-Type", kind)
    handler.send_header("Content-Length", str(len(body) if length is None else length))
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


def status(number: int, body: bytes = b"", **headers: str) -> Answer:
    """Answer with a status."""
    return lambda handler, _state: send(
        handler, body, status=number, kind="application/xml", **headers
    )


def redirect(target: str) -> Answer:
    """Redirect to another URL."""
    return status(302, Location=target)


def cut_off(body: bytes) -> Answer:
    """Send half of a file and hang up."""

    def answer(handler: BaseHTTPRequestHandler, _state: Server) -> None:
        send(handler, body[: len(body) // 2], length=len(body))
        handler.close_connection = True

    return answer


def too_short_a_length(body: bytes) -> Answer:
    """Name a length that is shorter than the file."""

    def answer(handler: BaseHTTPRequestHandler, _state: Server) -> None:
        send(handler, body, length=len(body) // 2)
        handler.close_connection = True

    return answer


def endless(handler: BaseHTTPRequestHandler, state: Server) -> None:
    """Send data without a length, for ever."""
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(b"GIF89a")
    while not state.is_closing.is_set():
        handler.wfile.write(bytes(1 << 14))


def slow_body(handler: BaseHTTPRequestHandler, state: Server) -> None:
    """Send a byte now and then, for ever."""
    handler.send_response(200)
    handler.end_headers()
    while not state.is_closing.wait(0.02):
        handler.wfile.write(b"G")


def slow_headers(handler: BaseHTTPRequestHandler, state: Server) -> None:
    """Send headers byte by byte, for ever."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
    while not state.is_closing.wait(0.02):
        handler.wfile.write(b"x")


def silent(_handler: BaseHTTPRequestHandler, state: Server) -> None:
    """Never answer."""
    state.is_closing.wait()


def gzip_bomb(num_bytes: int) -> Answer:
    """A small compressed answer of many bytes."""
    body = gzip.compress(bytes(num_bytes))
    return lambda handler, _state: send(handler, body, Content_Encoding="gzip")


def then(first: Answer, body: bytes, times: int = 1) -> Answer:
    """Answer the first times in one way, and then with a file."""
    left = [times]

    def answer(handler: BaseHTTPRequestHandler, state: Server) -> None:
        left[0] -= 1
        if left[0] >= 0:
            first(handler, state)
        else:
            send(handler, body)

    return answer
