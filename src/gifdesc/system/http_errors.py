"""The error of a download, and what the errors of the network mean."""

from __future__ import annotations

import ssl
from collections.abc import Sequence

from gifdesc.errors import DownloadError


class HttpError(DownloadError):
    """A download that failed.

    Attributes:
        reason: the message without the URL.
        is_passing: whether the same request may succeed later.
        status: of the answer; None if there was none.
        retry_after_seconds: how long the server asks to wait; None if it does not.
        body: the beginning of the answer's body.
    """

    def __init__(
        self,
        url: str,
        reason: str,
        *,
        is_passing: bool = False,
        status: int | None = None,
        retry_after_seconds: float | None = None,
        body: bytes = b"",
    ) -> None:
        super().__init__(f"{url}: {reason}")
        self.reason = reason
        self.is_passing = is_passing
        self.status = status
        self.retry_after_seconds = retry_after_seconds
        self.body = body


def network_error(url: str, error: Exception, silence_seconds: float) -> HttpError:
    """The error of the network, of `http.client` or of urllib3 as the error of a download.

    Args:
        url: of the download.
        error: that was raised.
        silence_seconds: the limit after which a timeout is raised.
    """
    from urllib3 import exceptions

    causes = [error, error.__cause__, error.__context__, *error.args]
    timeouts = (TimeoutError, exceptions.TimeoutError)
    if isinstance(error, exceptions.NewConnectionError):  # by its class a timeout
        reason = f"the connection failed ({_last_words(causes)})"
    elif any(isinstance(each, timeouts) for each in causes):
        reason = f"no answer for {silence_seconds:g} s"
    elif cut := [each for each in causes if isinstance(each, exceptions.IncompleteRead)]:
        reason = f"cut off after {cut[0].partial} bytes"
    elif isinstance(error, exceptions.DecodeError):
        reason = "its compression is damaged"
    elif tls := [each for each in causes if isinstance(each, ssl.SSLError)]:
        return HttpError(url, f"no secure connection ({tls[0].reason or tls[0]})")
    else:
        reason = f"the connection failed ({_last_words(causes)})"
    return HttpError(url, reason, is_passing=True)


def _last_words(causes: Sequence[object]) -> str:
    """The reason of the operating system, or the text of the innermost cause."""
    for cause in reversed(causes):
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror.lower()
    return " ".join(str(causes[0]).split()) or type(causes[0]).__name__
