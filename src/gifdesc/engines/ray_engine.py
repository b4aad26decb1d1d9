"""An engine on Ray Data: actors hold the network, and rows carry paths."""

from __future__ import annotations

import logging
import math
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gifdesc.engines.chunk_run import run_chunk
from gifdesc.engines.chunks import Chunk
from gifdesc.engines.ray_cluster import Resources, connect, disconnect
from gifdesc.engines.results import ChunkResults
from gifdesc.engines.work import Work, Worker
from gifdesc.errors import GifdescError, UsageError
from gifdesc.system.wording import counted

log = logging.getLogger(__name__)

_WINDOW_CHUNKS = 1000
"""Most chunks that are submitted together. Ray Data keeps 12 kB for each in this process, and
between two windows the actors load their networks again, which takes seconds of hours."""

_FIRST_WINDOW_SECONDS = 2.0
_LAST_WINDOW_SECONDS = 60.0
"""How long chunks are gathered for a window, at first and at most: inputs may arrive slowly, from
downloads or through a pipe. The paths in a folder fill a window at once."""

_ATTEMPTS = 2
"""How often Ray gets a chunk of which no result is found."""

_FEW_GIFS = 200
"""Inputs for which starting Ray takes longer than it may save."""


@contextmanager
def open_ray(
    address: str | None, *, num_workers: int | None = None, device: str = "auto"
) -> Iterator[RayEngine]:
    """An engine on Ray, which is stopped at the end.

    Args:
        address: `HOST:PORT` of a cluster's head node; None for a Ray on this machine alone.
        num_workers: actors; None for one per GPU, or per CPU core where there is none.
        device: where the actors compute; see `device.resolve_device`.
    """
    engine = RayEngine(address, num_workers=num_workers, device=device)
    try:
        yield engine
    finally:
        engine.close()


class RayEngine:
    """Maps chunks by actors on Ray; Ray is started with the first chunk.

    Args:
        address: as in `open_ray`.
        num_workers: as in `open_ray`.
        device: as in `open_ray`.
    """

    def __init__(self, address: str | None, *, num_workers: int | None, device: str) -> None:
        self._address = address
        self._num_workers = num_workers
        self._device = device
        self._resources: Resources | None = None

    def map(self, work: Work, chunks: Iterable[Chunk], folder: Path) -> Iterator[Chunk]:
        """As `work.Engine.map`."""
        results = ChunkResults(folder)
        for window, is_whole in _windows(chunks):
            undone: dict[str, list[Chunk]] = {}
            for chunk in window:
                if results.has(chunk.id):
                    yield chunk
                else:  # repeated inputs may make equal chunks
                    undone.setdefault(chunk.id, []).append(chunk)
            for _ in range(_ATTEMPTS):
                if undone:
                    first = [equal[0] for equal in undone.values()]
                    self._connect(first, is_whole=is_whole)
                    for chunk_id in self._map_window(work, first, folder):
                        if results.has(chunk_id):
                            yield from undone.pop(chunk_id, ())
            if undone:
                return  # who gave the chunks knows which ones are missing

    def close(self) -> None:
        """Stop Ray, if it was started."""
        if self._resources is not None:
            disconnect()
            self._resources = None

    def _connect(self, chunks: list[Chunk], *, is_whole: bool) -> None:
        """Start Ray or connect to it, unless this is done, with a warning if it does not pay."""
        if self._resources is not None:
            return
        num_rows = sum(chunk.num_rows for chunk in chunks)
        if is_whole and num_rows < _FEW_GIFS:
            log.warning(
                "--engine ray: starting Ray takes about 10 s, so --engine local is faster for %s",
                counted(num_rows, "GIF"),
            )
        self._resources = connect(self._address)

    def _map_window(self, work: Work, chunks: list[Chunk], folder: Path) -> Iterator[str]:
        """Process chunks with different ids; ids are yielded as the chunks finish."""
        import ray
        import ray.data

        assert self._resources is not None, "_connect comes first"
        options = _actor_options(self._resources, self._num_workers, self._device)
        _silence(ray.data.DataContext.get_current())
        rows = [asdict(chunk) for chunk in chunks]
        # A block per chunk, so that each result comes as soon as its chunk is complete.
        dataset = ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
            _ChunkActor,
            batch_size=1,
            fn_constructor_args=(work, folder, options.num_threads),
            compute=ray.data.ActorPoolStrategy(min_size=1, max_size=options.num_actors),
            num_cpus=options.num_cpus,
            num_gpus=options.num_gpus,
        )
        try:
            for row in dataset.iter_rows():
                if row["error"]:
                    raise GifdescError(row["error"])
                yield row["id"]
        except ray.exceptions.RayError as error:
            raise GifdescError(
                f"the Ray job failed: {_reason(error)}; run again with --debug to see more"
            ) from error


def _windows(chunks: Iterable[Chunk]) -> Iterator[tuple[list[Chunk], bool]]:
    """The chunks in lists that are not empty, each with whether all chunks are in it.

    A list ends after some seconds, so that the first chunks are processed while others arrive.
    """
    seconds = _FIRST_WINDOW_SECONDS
    window: list[Chunk] = []
    is_first = True
    end = time.monotonic() + seconds
    for chunk in chunks:
        window.append(chunk)
        if len(window) == _WINDOW_CHUNKS or time.monotonic() >= end:
            yield window, False
            window, is_first = [], False
            seconds = min(2 * seconds, _LAST_WINDOW_SECONDS)
            end = time.monotonic() + seconds
    if window:
        yield window, is_first


def _reason(error: Exception) -> str:
    """The line of Ray's report that names the error of the worker."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    named = [line for line in lines if re.match(r"(?!ray\.)[\w.]+(Error|Exception)\b", line)]
    return (named or lines or [type(error).__name__])[-1]


@dataclass(frozen=True)
class _ActorOptions:
    """The number of actors, what each claims of its node, and the threads that it computes with."""

    num_actors: int
    num_cpus: float
    num_gpus: float
    num_threads: int


def _actor_options(resources: Resources, num_workers: int | None, device: str) -> _ActorOptions:
    """An actor per GPU if there are any and the device may be one, else per CPU core.

    More actors than that share them; fewer compute with more threads each.

    Raises:
        UsageError: the device is a GPU, and the cluster has none.
    """
    kind = device.split(":")[0]
    if kind == "cuda" and not resources.num_gpus:
        raise UsageError(f"--device {device}: the Ray cluster has no GPU; choose --device cpu")
    on_gpu = kind in ("auto", "cuda") and resources.num_gpus > 0
    num_units = resources.num_gpus if on_gpu else resources.num_cpus
    num_actors = num_workers or num_units
    share = 1 / math.ceil(num_actors / num_units)
    return _ActorOptions(
        num_actors,
        num_cpus=0.0 if on_gpu else share,
        num_gpus=share if on_gpu else 0.0,
        num_threads=max(1, resources.num_cpus // num_actors),
    )


class _ChunkActor:
    """The process that holds the network; its errors are rows, for an exception ends the job."""

    def __init__(self, work: Work, folder: Path, num_threads: int) -> None:
        self._work = work
        self._folder = folder
        self._num_threads = num_threads
        self._worker: Worker | None = None

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[str]]:
        """Process the chunks of a batch."""
        errors = [
            self._run(Chunk(str(chunk_id), str(text), int(num_rows)))
            for chunk_id, text, num_rows in zip(
                batch["id"], batch["text"], batch["num_rows"], strict=True
            )
        ]
        return {"id": list(map(str, batch["id"])), "error": errors}

    def _run(self, chunk: Chunk) -> str:
        """Process a chunk; the result is the error, if there is one."""
        try:
            self._worker = self._worker or self._work.load(self._num_threads)
            run_chunk(self._worker, chunk, self._folder)
        except GifdescError as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 - an exception would end the job without a reason
            return f"{type(error).__name__}: {error}"
        return ""


def _silence(context: Any) -> None:
    """Switch off Ray Data's bars and messages: gifdesc has its own."""
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    if not log.isEnabledFor(logging.DEBUG):
        for name in ("ray", "ray.data"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
