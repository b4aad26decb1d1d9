"""The parts of a URL, as a request needs them."""

from __future__ import annotations

from urllib.parse import SplitResult, quote, urlsplit

PORTS = {"http": 80, "https": 443}
"""Scheme -> its own port."""

_KEPT_CHARACTERS = "!#$%&'()*+,/:;=?@[]~"
"""Characters that stay as they are (RFC 3986, section 2)."""


def parse_url(url: str) -> SplitResult:
    """The parts of a URL, with its host and path in ASCII, without its fragment.

    Args:
        url: http or https; it may contain spaces and letters beyond ASCII.

    Raises:
        ValueError: it is no URL of a file on a server; the message continues `which` or a colon.
    """
    try:
        parts = urlsplit(url.strip())
        port = parts.port
        host = (parts.hostname or "").encode("idna").decode("ascii")
    except ValueError as error:  # also UnicodeError
        raise ValueError("is not a URL") from error
    if parts.scheme not in PORTS:
        raise ValueError("is neither http nor https")
    if not host or any(character.isspace() for character in host):
        raise ValueError("is a URL without a server")
    if parts.username is not None:
        raise ValueError("is a URL with a user name, which is not supported")
    netloc = f"[{host}]" if ":" in host else host
    return SplitResult(
        parts.scheme,
        netloc if port is None else f"{netloc}:{port}",
        quote(parts.path, safe=_KEPT_CHARACTERS),
        quote(parts.query, safe=_KEPT_CHARACTERS),
        "",
    )
