"""Files of URLs that are given where a path can be."""

from __future__ import annotations

import re
import time
from pathlib import Path

from gifdesc.gif.limits import MAX_FILE_BYTES
from gifdesc.gif.sniff import describe_beginning
from gifdesc.system.files import writing
from gifdesc.system.http import HttpClient, HttpLimits, download_file
from gifdesc.system.http_errors import HttpError
from gifdesc.system.waits import wait_for

_LIMITS = HttpLimits(max_bytes=MAX_FILE_BYTES, silence_seconds=30.0, total_seconds=600.0)
_RETRIES = 2
_LONGEST_WAIT_SECONDS = 30.0
"""A person waits for the file, so no longer wait is accepted from a server."""
_LAST_RETRY_SECONDS = 60.0
"""No further attempt begins later: three attempts of a slow server would take half an hour."""

_ERROR_CODE = re.compile(rb"<Error>.*?<Code>\s*(\w{1,60})\s*</Code>", re.DOTALL)
"""The code in an error of S3 and of the servers that answer like it."""

_TITLE = re.compile(rb"<title[^>]*>\s*([^<]{1,60}?)\s*</title>", re.IGNORECASE)
_DOCUMENT_BYTES = 2048
"""Bytes of a document that are searched for its code or title."""


def download(url: str, path: Path, *, is_typed: bool) -> None:
    """Write the file of a URL, and show how much of it has arrived.

    Args:
        url: http or https.
        path: the file to write.
        is_typed: a person named the URL, so its server may have a private address. Servers of
            URLs in lists may not, and a public server does not redirect to a private one.

    Raises:
        HttpError: the download failed.
        GifdescError: there is no room for the file.
    """
    client = HttpClient(
        _LIMITS,
        private="typed" if is_typed else "never",
        private_advice="" if is_typed else "give the URL as an argument if you trust it",
    )
    start_seconds = time.monotonic()

    def wait(seconds: float, _is_asked: bool) -> bool:
        num_seconds = time.monotonic() - start_seconds
        if seconds > _LONGEST_WAIT_SECONDS or num_seconds + seconds > _LAST_RETRY_SECONDS:
            return False
        time.sleep(seconds)
        return True

    try:
        with writing(path), wait_for(f"downloading {url}", unit="MB") as advance:
            download_file(
                client,
                url,
                path,
                retries=_RETRIES,
                wait=wait,
                on_bytes=lambda num, total: advance(num >> 20, total and -(-total >> 20)),
            )
    finally:
        client.close()


def failure_reason(error: HttpError) -> str:
    """The reason of a failed download, with the code of an error that the server sent as XML."""
    reason = error.reason
    if _ERROR_CODE.search(error.body):
        reason += f" with {describe_document(error.body)}"
    if asked := error.retry_after_seconds:
        reason += f", and asks to wait {asked:.0f} s"
    return reason


def describe_document(data: bytes) -> str | None:
    """The kind of a text that a server sent, such as `XML (AccessDenied)`; None for other data."""
    kind = describe_beginning(data)
    if kind is None:
        return None
    beginning = data[:_DOCUMENT_BYTES]
    match = _ERROR_CODE.search(beginning) or _TITLE.search(beginning)
    return f"{kind} ({match[1].decode(errors='replace')})" if match else kind
