"""Start a Ray on this machine, or connect to a cluster; each ends with a clear error in time."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

from gifdesc.errors import GifdescError, UsageError
from gifdesc.system.cores import available_cores
from gifdesc.system.files import reason
from gifdesc.system.waits import wait_for

log = logging.getLogger(__name__)

_PROBE_SECONDS = 3.0
"""How long the head node may take to accept a connection: Ray itself waits for minutes."""

_START_SECONDS = 90.0
"""How long Ray may take to start: usually 3 to 10 s. Rarely, it never returns."""

_GRACE_SECONDS = 10.0
"""How much longer before the process is ended from another thread."""

_HUNG = "did not start in time; run the command again, or use --engine local"

_HEALTH_SECONDS = 30.0
"""How long the head node may take to answer whether it is healthy: usually 1 s."""

_AUTHENTICATION_VARIABLE = "RAY_AUTH_MODE"

_WRONG_TOKEN = (
    "refuses the token of this machine; copy the file ~/.ray/auth_token from the head node, or set "
    "RAY_AUTH_TOKEN to the token in it"
)

_ENVIRONMENT = {
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # otherwise Ray warns of a coming change
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".*",  # reports of dead workers go to stdout otherwise
    "RAY_USAGE_STATS_ENABLED": "0",
}
"""Variables that keep Ray silent; those that a user has set count more."""


@dataclass(frozen=True)
class Resources:
    """What the workers of a cluster may use.

    Attributes:
        num_cpus: CPU cores of all nodes.
        num_gpus: GPUs of all nodes.
        num_nodes: nodes.
    """

    num_cpus: int
    num_gpus: int
    num_nodes: int


def check_address(address: str, named: str) -> None:
    """Check in seconds that a head node accepts connections.

    Args:
        address: `HOST:PORT`.
        named: where the address comes from, for messages.

    Raises:
        UsageError: the address is not `HOST:PORT`.
        GifdescError: nothing accepts connections there.
    """
    if address == "auto":  # Ray's name for a cluster with a node on this machine
        return
    host, _, port = address.rpartition(":")
    if "://" in address or not host or not port.isdecimal():
        raise UsageError(
            f"{named} {address}: not an address; give HOST:PORT of the head node, such as "
            "10.0.0.1:6379, and run gifdesc on a node of the cluster"
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), _PROBE_SECONDS).close()
    except (OSError, OverflowError) as error:
        if isinstance(error, TimeoutError):
            why = "no answer"
        else:
            why = reason(error) if isinstance(error, OSError) else str(error)
        raise GifdescError(
            f"{named} {address}: no Ray cluster there ({why}); start one with: ray start --head"
        ) from error


def connect(address: str | None) -> Resources:
    """Start a Ray on this machine, or connect to a cluster.

    Args:
        address: `HOST:PORT` of the head node; None for a Ray on this machine alone.

    Raises:
        GifdescError: Ray cannot be started or reached, or does not return.
    """
    if address is not None:
        check_address(address, "Ray at")
    place = "Ray" if address is None else f"Ray at {address}"
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    with wait_for("starting Ray" if address is None else f"connecting to {place}", is_long=True):
        if address not in (None, "auto"):
            _choose_authentication(address, place)
        import ray

        options: dict[str, Any] = {"address": address or "local", "log_to_driver": False}
        if address is None:  # a cluster has chosen these for itself
            options |= {"num_cpus": available_cores(), "include_dashboard": False}
        is_quiet = not log.isEnabledFor(logging.DEBUG)
        if is_quiet:
            options |= {"logging_level": logging.CRITICAL, "configure_logging": True}
        try:
            with (
                _keeping_termination(),
                _time_limit(f"{place}: {_HUNG}"),
                _no_native_messages(if_true=is_quiet),
            ):
                ray.init(**options)
        except getattr(ray.exceptions, "AuthenticationError", ()) as error:  # not in Ray 2.50
            raise GifdescError(f"{place}: {_WRONG_TOKEN}") from error
        except (RuntimeError, ValueError, OSError) as error:
            message = " ".join(str(error).split()) or type(error).__name__
            raise GifdescError(f"{place}: cannot be used: {message}") from error
    found = ray.cluster_resources()
    return Resources(
        num_cpus=max(1, int(found.get("CPU", 1))),
        num_gpus=int(found.get("GPU", 0)),
        num_nodes=max(1, sum(node["Alive"] for node in ray.nodes())),
    )


def disconnect() -> None:
    """Stop the Ray that `connect` has started, or leave the cluster."""
    import ray

    ray.shutdown()


def _choose_authentication(address: str, place: str) -> None:
    """Let Ray send the token of this machine if the cluster wants one, and check it.

    With an address, Ray sends no token of its own accord, and after a wrong token it reports half a
    minute later that it cannot connect.

    Raises:
        GifdescError: the cluster wants another token, or does not answer as Ray does.
    """
    if _AUTHENTICATION_VARIABLE not in os.environ:
        if _health_problem(address, "disabled") is None:
            return
        os.environ[_AUTHENTICATION_VARIABLE] = "token"
    problem = _health_problem(address, os.environ[_AUTHENTICATION_VARIABLE])
    if problem is not None:
        is_token = "auth" in problem.lower()
        raise GifdescError(f"{place}: {_WRONG_TOKEN if is_token else f'cannot be used: {problem}'}")


def _health_problem(address: str, authentication: str) -> str | None:
    """The last line of a failed `ray health-check`, None if the head node answers."""
    # A process of its own, because Ray reads the way of authentication once.
    command = [sys.executable, "-m", "ray.scripts.scripts", "health-check", "--address", address]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            env={**os.environ, _AUTHENTICATION_VARIABLE: authentication},
            timeout=_HEALTH_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "no answer"
    lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
    return (lines[-1] if lines else "not healthy") if done.returncode else None


@contextmanager
def _keeping_termination() -> Iterator[None]:
    """Keep the handler of SIGTERM, which Ray replaces by an exit with code 15 and no sentence."""
    before = signal.getsignal(signal.SIGTERM)
    if not callable(before) or threading.current_thread() is not threading.main_thread():
        yield  # Ray's handler ends its processes, and no handler does not
        return
    try:
        yield
    except SystemExit:  # Ray's handler, while Ray starts
        signal.signal(signal.SIGTERM, before)
        signal.raise_signal(signal.SIGTERM)
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _time_limit(sentence: str) -> Iterator[None]:
    """End a block that does not return in time.

    Ray must start in the main thread: in another thread, later calls never return. So a signal
    interrupts it, and where Ray does not heed the signal, the process is ended.

    Args:
        sentence: the error.

    Raises:
        GifdescError: the time is over.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # no signal reaches another thread
        return

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise GifdescError(sentence)

    def end_process() -> None:
        log.critical("%s", sentence)
        os._exit(1)

    before = signal.signal(signal.SIGALRM, interrupt)
    last_resort = threading.Timer(_START_SECONDS + _GRACE_SECONDS, end_process)
    last_resort.daemon = True
    last_resort.start()
    signal.setitimer(signal.ITIMER_REAL, _START_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        last_resort.cancel()
        signal.signal(signal.SIGALRM, before)


@contextmanager
def _no_native_messages(*, if_true: bool) -> Iterator[None]:
    """Drop what Ray's C++ code writes to stderr while it starts: its log level is set later."""
    if not if_true:
        yield
        return
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)
