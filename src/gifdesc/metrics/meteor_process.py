"""METEOR's program: a process that answers lines of text with lines, with time limits."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from types import TracebackType
from typing import Self

from gifdesc.errors import MeteorError

_MAX_REPLY_BYTES = 1 << 20
"""A longer line is passed on in pieces, which bounds memory if the program misbehaves."""

_END_SECONDS = 10


class ConversationError(Exception):
    """The program cannot be started, has ended, or did not answer in time; see the message."""


class Conversation:
    """A running program. Use it in a `with` block: at the end it is stopped.

    Threads write and read, so a program that neither reads nor answers cannot block the caller
    beyond the time-out.

    Args:
        command: the program and its arguments.

    Raises:
        ConversationError: it cannot be started.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._name = command[0]
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        try:
            # A new session: processes that the program starts are stopped with it.
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                start_new_session=True,
            )
        except OSError as error:
            self._errors.close()
            raise ConversationError(f"{self._name} cannot be started: {error.strerror}") from error
        self._replies: SimpleQueue[bytes] = SimpleQueue()
        self._threads = [Thread(target=self._read, daemon=True)]
        self._threads[0].start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def ask(
        self, lines: Sequence[str], num_replies: int, *, timeout_seconds: float
    ) -> Iterator[str]:
        """Send lines and give the replies, in order, as they come.

        Args:
            lines: without line ends; characters that UTF-8 cannot encode become question marks.
            num_replies: lines to wait for.
            timeout_seconds: longest wait for each of them.

        Raises:
            ConversationError: the program ended, or a reply did not come in time.
        """
        text = "".join(f"{line}\n" for line in lines)
        writer = Thread(target=self._write, args=(text.encode("utf-8", "replace"),), daemon=True)
        self._threads.append(writer)
        writer.start()
        for _ in range(num_replies):
            try:
                reply = self._replies.get(timeout=timeout_seconds)
            except Empty:
                raise ConversationError(
                    f"{self._name} gave no answer for {timeout_seconds:g} seconds"
                ) from None
            if not reply:
                raise ConversationError(f"{self._name} ended{self._describe_end()}")
            yield reply.decode("utf-8", "replace").rstrip("\r\n")
        writer.join(timeout_seconds)

    def close(self) -> None:
        """Stop the program, whatever it does, and everything that it started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if hasattr(os, "killpg"):
                os.killpg(self._process.pid, signal.SIGKILL)
            else:  # pragma: no cover - Windows
                self._process.kill()
        self._process.wait()
        for thread in self._threads:
            thread.join(_END_SECONDS)
        for pipe in (self._process.stdin, self._process.stdout, self._errors):
            with contextlib.suppress(OSError):  # unsent data cannot be sent any more
                pipe.close()  # type: ignore[union-attr]

    def _write(self, data: bytes) -> None:
        assert self._process.stdin is not None
        # The program may end before it has read everything: the reader notices.
        with contextlib.suppress(OSError, ValueError):
            self._process.stdin.write(data)
            self._process.stdin.flush()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with contextlib.suppress(OSError, ValueError):
            while reply := self._process.stdout.readline(_MAX_REPLY_BYTES):
                self._replies.put(reply)
        self._replies.put(b"")

    def _describe_end(self) -> str:
        """The first error message of the program, as the end of a sentence."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_SECONDS)
        self._errors.seek(0)
        printed = self._errors.read(4096)
        lines = [line.strip() for line in printed.decode("utf-8", "replace").splitlines()]
        first = next((line for line in lines if line and not line.startswith("Picked up")), "")
        code = self._process.returncode
        return f" with code {code}" + (f": {first[:200]}" if first else "")


_JAR = Path("meteor", "meteor-1.5.jar")
_HEAP = "-Xmx2G"
_LOCALE = ("-Duser.language=en", "-Duser.country=US", "-Dfile.encoding=UTF-8")
"""In a locale with decimal commas METEOR cannot read its own numbers."""


def meteor_command() -> list[str]:
    """The command line that starts METEOR 1.5 for English, asking on stdin, answering on stdout.

    Raises:
        MeteorError: the extra is not installed, or there is no Java.
    """
    jar = _find_jar()
    return [
        _find_java(),
        _HEAP,
        *_LOCALE,
        "-jar",
        str(jar),
        "-",
        "-",
        "-stdio",
        "-l",
        "en",
        "-norm",
    ]


def _find_jar() -> Path:
    package = importlib.util.find_spec("pycocoevalcap")
    if package is None:
        raise MeteorError("needs the extra and Java: pip install 'gifdesc[meteor]'")
    for folder in package.submodule_search_locations or ():
        if (jar := Path(folder) / _JAR).is_file():
            return jar
    raise MeteorError(f"pycocoevalcap is installed without its {_JAR.name}; install it again")


def _find_java() -> str:
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java") or (home and shutil.which(str(Path(home) / "bin" / "java")))
    if not java:
        raise MeteorError("needs Java: install a JRE (on Debian, default-jre-headless)")
    return java
