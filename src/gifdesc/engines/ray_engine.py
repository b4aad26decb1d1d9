"""An engine on Ray: actors hold the network, and chunks carry paths."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Container, Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from itertools import chain
from pathlib import Path

from gifdesc.engines.chunks import Chunk
from gifdesc.engines.ray_actors import ActorOptions, ActorPool
from gifdesc.engines.ray_cluster import Resources, connect, disconnect
from gifdesc.engines.results import ChunkResults
from gifdesc.engines.work import Work
from gifdesc.errors import UsageError
from gifdesc.system.wording import counted

log = logging.getLogger(__name__)

_FIRST_SECONDS = 2.0
"""How long chunks are counted before Ray starts: inputs may arrive slowly, from downloads or
through a pipe."""

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
        """As `work.Engine.map`.

        A chunk that an actor has finished and whose file is missing is processed once more. If the
        file is missing again, the chunk is not yielded.
        """
        results = ChunkResults(folder)
        before = results.finished_ids()
        remaining = iter(chunks)
        first = yield from _first_undone(remaining, before)
        if not first:
            return
        source = chain(first, remaining)
        given: dict[str, list[Chunk]] = {}
        missed: set[str] = set()
        with closing(self._open_pool(work, folder)) as pool:
            while True:
                chunk = next(source, None) if pool.has_room else None
                if chunk is None:
                    if not pool.num_chunks:
                        return
                elif chunk.id in before and results.has(chunk.id):
                    yield chunk
                    continue
                elif chunk.id in given:  # repeated inputs may make equal chunks
                    given[chunk.id].append(chunk)
                else:
                    given[chunk.id] = [chunk]
                    pool.add(chunk)
                for done in pool.finished(None if chunk is None else 0):
                    if results.has(done.id):
                        yield from given.pop(done.id)
                    elif done.id not in missed:
                        missed.add(done.id)
                        pool.add(done)

    def close(self) -> None:
        """Stop Ray, if it was started."""
        if self._resources is not None:
            disconnect()
            self._resources = None

    def _open_pool(self, work: Work, folder: Path) -> ActorPool:
        """A pool of actors, on a Ray that is started or connected to with the first pool."""
        if self._resources is None:
            self._resources = connect(self._address)
        options = _actor_options(self._resources, self._num_workers, self._device)
        return ActorPool(work, folder, options)


def _first_undone(
    chunks: Iterator[Chunk], before: Container[str]
) -> Generator[Chunk, None, list[Chunk]]:
    """The first chunks without results, with a warning if they are all and so few that Ray is slow.

    Not more are taken than decide this, and what comes in two seconds, for inputs may come slowly.

    Yields:
        The chunks with results before them.
    """
    undone: list[Chunk] = []
    num_rows = 0
    end = time.monotonic() + _FIRST_SECONDS
    for chunk in chunks:
        if chunk.id in before:
            yield chunk
            continue
        undone.append(chunk)
        num_rows += chunk.num_rows
        if num_rows >= _FEW_GIFS or time.monotonic() >= end:
            return undone
    if undone:
        log.warning(
            "--engine ray: starting Ray takes about 10 s, so --engine local is faster for %s",
            counted(num_rows, "GIF"),
        )
    return undone


def _actor_options(resources: Resources, num_workers: int | None, device: str) -> ActorOptions:
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
    return ActorOptions(
        num_actors,
        num_cpus=0.0 if on_gpu else share,
        num_gpus=share if on_gpu else 0.0,
        num_threads=max(1, resources.num_cpus // num_actors),
    )
