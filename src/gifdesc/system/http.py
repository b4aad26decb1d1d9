"""Download files over HTTP, with limits of size, time and redirects, and a rule for addresses."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal, NoReturn
from urllib.parse import SplitResult, urljoin

from gifdesc.system.addresses import addresses_of, is_public
from gifdesc.system.http_errors import HttpError, network_error
from gifdesc.system.urls import PORTS, parse_url
from gifdesc.version import __version__

if TYPE_CHECKING:
    from urllib3 import HTTPResponse
    from urllib3.connection import HTTPConnection

OnBytes = Callable[[int, int | None], None]
"""A function of the bytes that were received, and of the file's size if the server names it."""

_Server = tuple[str, str, int]
"""Scheme, host and port."""

PrivateAddresses = Literal["never", "typed", "always"]
"""Whether servers on private addresses are used. `typed` allows the server of the URL itself; after
a redirect to another server, only public addresses."""

PRIVATE = "has a private address"
"""Part of the reason if all addresses of a server are private and not allowed."""

MAX_REDIRECTS = 5

LONGEST_WAIT_SECONDS = 300.0
"""A server that asks for a longer wait is not asked again in this run."""

_REDIRECTS = {301, 302, 303, 307, 308}
_PASSING = {408, 425, 429, 500, 502, 503, 504}
"""Statuses after which the same request may succeed (RFC 9110, section 15; RFC 6585; RFC 8470)."""

_CHUNK_BYTES = 1 << 16
_BODY_BYTES = 2048
"""Bytes of the body of an error that are read, to find the reason in it."""

_MOST_KEPT = 4
"""Servers to which a client keeps its connection."""


@dataclass(frozen=True, kw_only=True)
class HttpLimits:
    """Limits of a download.

    Attributes:
        max_bytes: most bytes of a file, after decompression.
        silence_seconds: longest time without any bytes, also while connecting.
        total_seconds: longest time for the whole download, redirects included.
    """

    max_bytes: int = 1 << 30
    silence_seconds: float = 30.0
    total_seconds: float = 600.0


@dataclass(frozen=True)
class _Link:
    """A connection to a server, at an address that was checked."""

    server: _Server
    connection: HTTPConnection
    is_private: bool


class HttpClient:
    """Downloads one file after the other in one thread; connections to servers are kept.

    Every address is checked, and then connected to as it is: a name server cannot give one answer
    to the check and another to the connection.

    Args:
        limits: of each download.
        private: whether private addresses are allowed.
        private_advice: what to do about a private address that is not allowed, for the message.
    """

    def __init__(
        self, limits: HttpLimits, *, private: PrivateAddresses = "never", private_advice: str = ""
    ) -> None:
        self._limits = limits
        self._private = private
        self._private_advice = f"; {private_advice}" if private_advice else ""
        self._kept: dict[_Server, _Link] = {}
        self._current: _Link | None = None
        self._end_seconds = 0.0
        self._is_aborted = False

    def download(
        self,
        url: str,
        file: BinaryIO,
        on_bytes: OnBytes = lambda _num_done, _total: None,
    ) -> int:
        """Write the file of a URL.

        Args:
            url: http or https.
            file: is written to from its current position.
            on_bytes: called with the bytes so far, and with the size if the server names it.

        Returns:
            The number of bytes.

        Raises:
            HttpError: the download failed.
            OSError: the file cannot be written.
        """
        self._end_seconds = time.monotonic() + self._limits.total_seconds
        # A server that sends its headers byte by byte keeps every limit of silence.
        timer = threading.Timer(self._limits.total_seconds, self._shut_down)
        timer.daemon = True
        timer.start()
        try:
            link, response = self._follow(url)
            try:
                num_bytes = self._save(url, response, file, on_bytes)
            except BaseException:
                _close(link, response)
                raise
            self._keep(link)
            return num_bytes
        finally:
            timer.cancel()
            self._current = None

    def abort(self) -> None:
        """End the download that runs in another thread, and refuse more."""
        self._is_aborted = True
        self._shut_down()

    def close(self) -> None:
        """Close all connections."""
        for link in self._kept.values():
            link.connection.close()
        self._kept.clear()

    def _shut_down(self) -> None:
        sock = self._current.connection.sock if self._current is not None else None
        if isinstance(sock, socket.socket):
            with suppress(OSError):
                # Not a TLS socket's own method: another thread is reading from the socket.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def _follow(self, url: str) -> tuple[_Link, HTTPResponse]:
        """The answer with the file, after redirects."""
        hop_url = url
        is_private_allowed = self._private != "never"
        for _ in range(MAX_REDIRECTS + 1):
            hop = _hop(url, hop_url)
            link, response = self._request(url, hop, is_private_allowed)
            if response.status == 200:
                return link, response
            location = response.headers.get("Location")
            if response.status not in _REDIRECTS or not location:
                self._refuse(url, link, response)
            _close(link, response)
            hop_url = urljoin(hop_url, location)
            if self._private == "typed":
                is_same_host = _hop(url, hop_url).hostname == hop.hostname
                is_private_allowed = is_private_allowed and link.is_private and is_same_host
        raise HttpError(url, f"redirects more than {MAX_REDIRECTS} times")

    def _refuse(self, url: str, link: _Link, response: HTTPResponse) -> NoReturn:
        """Raise the error of an answer without a file."""
        body = b""
        with suppress(HttpError), self._failures(url):
            body = response.read1(_BODY_BYTES, decode_content=True)
        _close(link, response)
        status = response.status
        title = response.reason or http.client.responses.get(status, "")
        raise HttpError(
            url,
            f"the server answers {status} {title}".rstrip(),
            is_passing=status in _PASSING,
            status=status,
            retry_after_seconds=_seconds_until(response.headers.get("Retry-After")),
            body=body,
        )

    def _request(
        self, url: str, hop: SplitResult, is_private_allowed: bool
    ) -> tuple[_Link, HTTPResponse]:
        """The answer to a request."""
        server = (hop.scheme, hop.hostname or "", hop.port or PORTS[hop.scheme])
        link = self._kept.pop(server, None)
        if link is not None and (is_private_allowed or not link.is_private):
            # The server may have closed a connection that was kept: another is made then.
            with suppress(HttpError):
                return link, self._ask(url, link, hop)
        link = self._connect(url, server, is_private_allowed)
        return link, self._ask(url, link, hop)

    def _ask(self, url: str, link: _Link, hop: SplitResult) -> HTTPResponse:
        headers = {
            "Host": hop.netloc,
            "User-Agent": f"gifdesc/{__version__}",
            "Accept": "image/gif, image/*, video/*, */*;q=0.5",
            "Accept-Encoding": "identity",
        }
        target = (hop.path or "/") + (f"?{hop.query}" if hop.query else "")
        self._current = link
        try:
            with self._failures(url):
                link.connection.request("GET", target, headers=headers, preload_content=False)
                return link.connection.getresponse()
        except BaseException:
            link.connection.close()
            raise

    def _connect(self, url: str, server: _Server, is_private_allowed: bool) -> _Link:
        """A connection to the first of the server's addresses that is allowed and answers."""
        _, host, port = server
        try:
            addresses = addresses_of(host, port)
        except (OSError, UnicodeError) as error:
            is_passing = isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN
            raise HttpError(url, f"no server is called {host}", is_passing=is_passing) from error
        allowed = [each for each in addresses if is_private_allowed or is_public(each)]
        if not allowed:
            where = ", ".join(addresses)
            raise HttpError(
                url,
                f"{host} has a private address ({where}), which is not allowed"
                f"{self._private_advice}",
            )
        failure = HttpError(url, f"{host} has no address")
        for address in allowed:
            connection = _connection(server, address, self._limits.silence_seconds)
            link = _Link(server, connection, not is_public(address))
            self._current = link
            try:
                with self._failures(url):
                    connection.connect()
            except HttpError as error:
                connection.close()
                failure = error
            else:
                return link
        raise failure

    def _save(
        self,
        url: str,
        response: HTTPResponse,
        file: BinaryIO,
        on_bytes: OnBytes,
    ) -> int:
        limit = self._limits.max_bytes
        total = _number_of(response.headers.get("Content-Length"))
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            total = None  # that of the compressed file
        num_bytes = 0
        chunk = b" "
        while chunk and max(num_bytes, total or 0) <= limit:
            with self._failures(url):
                chunk = response.read1(_CHUNK_BYTES, decode_content=True)
                self._check_going_on()
            num_bytes += len(chunk)
            file.write(chunk)
            on_bytes(num_bytes, total)
        if max(num_bytes, total or 0) > limit:
            raise HttpError(url, f"larger than {limit / 1e6:g} MB")
        if total is not None and num_bytes < total:
            raise HttpError(url, f"cut off after {num_bytes} of {total} bytes", is_passing=True)
        return num_bytes

    def _keep(self, link: _Link) -> None:
        """Keep a connection whose answer is complete, and close the oldest of too many."""
        if link.connection.sock is None or self._is_aborted:
            link.connection.close()
            return
        self._kept[link.server] = link
        if len(self._kept) > _MOST_KEPT:
            self._kept.pop(next(iter(self._kept))).connection.close()

    def _check_going_on(self) -> None:
        """Raise where the socket was shut down, which looks like the end of the file."""
        if self._is_aborted or time.monotonic() >= self._end_seconds:
            raise TimeoutError

    @contextmanager
    def _failures(self, url: str) -> Iterator[None]:
        """Turn the errors of the network and of urllib3 into `HttpError`."""
        from urllib3.exceptions import HTTPError as LibraryError

        try:
            if self._is_aborted:
                raise TimeoutError
            yield
        except (LibraryError, http.client.HTTPException, OSError) as error:
            if self._is_aborted:
                raise HttpError(url, "interrupted") from error
            if time.monotonic() >= self._end_seconds:
                reason = f"not finished after {self._limits.total_seconds:g} s"
                raise HttpError(url, reason, is_passing=True) from error
            raise network_error(url, error, self._limits.silence_seconds) from error


def download_file(
    client: HttpClient,
    url: str,
    path: Path,
    *,
    retries: int,
    wait: Callable[[float, bool], bool],
    backoff_seconds: float = 1.0,
    on_bytes: OnBytes = lambda _num_done, _total: None,
) -> None:
    """Download a URL into a file, with further attempts after failures that may pass.

    Args:
        client: that downloads.
        url: http or https.
        path: the file; each attempt begins it again.
        retries: further attempts.
        wait: waits some seconds; the second argument is true if the server asks for the wait. It
            returns false if there must be no further attempt.
        backoff_seconds: the wait before the second attempt, if the server asks for none; it
            doubles with each attempt.
        on_bytes: as in `HttpClient.download`.

    Raises:
        HttpError: the last attempt failed.
        OSError: the file cannot be written.
    """
    for attempt in range(retries + 1):
        try:
            with path.open("wb") as file:
                client.download(url, file, on_bytes)
        except HttpError as error:
            asked_seconds = error.retry_after_seconds or 0.0
            is_last = attempt == retries or asked_seconds > LONGEST_WAIT_SECONDS
            if is_last or not error.is_passing:
                raise
            if not wait(asked_seconds or backoff_seconds * 2**attempt, bool(asked_seconds)):
                raise
        else:
            return


def _close(link: _Link, response: HTTPResponse) -> None:
    """Close a connection and the answer that is read from it, which holds the socket as well."""
    response.close()
    link.connection.close()


def _connection(server: _Server, address: str, silence_seconds: float) -> HTTPConnection:
    """A connection to an address, not opened yet; certificates are checked for the host's name."""
    from urllib3.connection import HTTPConnection, HTTPSConnection

    scheme, host, port = server
    if scheme == "http":
        return HTTPConnection(address, port, timeout=silence_seconds)
    return HTTPSConnection(
        address, port, timeout=silence_seconds, ssl_context=_tls(), server_hostname=host
    )


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


def _hop(url: str, hop_url: str) -> SplitResult:
    """The parts of a URL, or of the URL that it redirects to.

    Raises:
        HttpError: it is no URL of a file on a server.
    """
    try:
        return parse_url(hop_url)
    except ValueError as error:
        where = "" if hop_url == url else f"redirects to {hop_url}, which "
        raise HttpError(url, f"{where}{error}") from error


def _number_of(text: str | None) -> int | None:
    """A header's number of bytes; None if there is none."""
    return int(text) if text is not None and text.isascii() and text.isdecimal() else None


def _seconds_until(text: str | None) -> float | None:
    """The seconds of `Retry-After`, a number or a date (RFC 9110, section 10.2.3)."""
    if text is None:
        return None
    if (seconds := _number_of(text.strip())) is not None:
        return float(seconds)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return None
