"""Actors on Ray: each holds the network in a process of its own, and gets chunks of paths."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gifdesc.engines.chunk_run import run_chunk
from gifdesc.engines.chunks import Chunk
from gifdesc.engines.work import Work, Worker
from gifdesc.errors import GifdescError

_CHUNKS_PER_ACTOR = 2
"""Chunks that an actor has at once, so that its next chunk is there when it finishes another."""

_SPARE_STARTS = 3
"""Actors that may end while they load the network, above one for each actor of the pool."""


@dataclass(frozen=True)
class ActorOptions:
    """The number of actors, what each claims of its node, and the threads that it computes with."""

    num_actors: int
    num_cpus: float
    num_gpus: float
    num_threads: int


@dataclass(eq=False)
class _Actor:
    """An actor as this process sees it.

    Attributes:
        handle: of Ray.
        is_ready: it runs on a node and has loaded the network.
        chunks: what it has been given and has not finished, by the ids of the tasks.
    """

    handle: Any
    is_ready: bool = False
    chunks: dict[Any, Chunk] = field(default_factory=dict)


class ActorPool:
    """Actors that process chunks; an actor that ends is replaced, and its chunks are given again.

    Actors start as chunks come. An actor for which the cluster has no room waits, and works from
    the moment that a node joins; chunks are only given to actors that have loaded the network. Ray
    restarts nothing itself, for the journals of the chunks decide what is processed again.

    Args:
        work: what to do with the chunks.
        folder: the folder of result files.
        options: of the actors.
    """

    def __init__(self, work: Work, folder: Path, options: ActorOptions) -> None:
        import ray

        self._ray = ray
        self._arguments = (work, str(folder), options.num_threads)
        self._class = ray.remote(ChunkActor).options(
            num_cpus=options.num_cpus, num_gpus=options.num_gpus, max_restarts=0
        )
        self._num_actors = options.num_actors
        self._actors: list[_Actor] = []
        self._tasks: dict[Any, _Actor] = {}
        self._todo: deque[Chunk] = deque()
        self._failed_starts = 0

    @property
    def num_chunks(self) -> int:
        """Chunks that are not finished."""
        return len(self._todo) + sum(len(actor.chunks) for actor in self._actors)

    @property
    def has_room(self) -> bool:
        """Whether another chunk would keep an actor busy."""
        return self.num_chunks < _CHUNKS_PER_ACTOR * self._num_actors

    def add(self, chunk: Chunk) -> None:
        """Process a chunk."""
        self._todo.append(chunk)
        self._start_actors()
        self._hand_out()

    def finished(self, timeout_seconds: float | None = None) -> Iterator[Chunk]:
        """The chunks that are finished; at least one of them, unless the time is over before.

        Args:
            timeout_seconds: how long to wait; None for no limit.

        Raises:
            GifdescError: a worker cannot work, or no actor can load the network.
        """
        found: list[Chunk] = []
        while self._tasks and not found:
            tasks = list(self._tasks)
            done, _ = self._ray.wait(tasks, num_returns=1, timeout=timeout_seconds)
            if not done:
                break
            done, _ = self._ray.wait(tasks, num_returns=len(tasks), timeout=0)
            for task in done:
                if task in self._tasks:  # else its actor ended
                    found += self._ended(task)
            self._start_actors()
            self._hand_out()
        yield from found

    def close(self) -> None:
        """End the actors."""
        for actor in self._actors:
            self._kill(actor)
        self._actors.clear()
        self._tasks.clear()

    def _start_actors(self) -> None:
        """Start actors while there are fewer than wanted, and fewer than chunks."""
        while len(self._actors) < min(self._num_actors, self.num_chunks):
            actor = _Actor(self._class.remote(*self._arguments))
            self._actors.append(actor)
            self._tasks[actor.handle.load.remote()] = actor

    def _hand_out(self) -> None:
        """Give waiting chunks to the actors that have the fewest."""
        while self._todo:
            ready = [actor for actor in self._actors if actor.is_ready]
            actor = min(ready, key=lambda actor: len(actor.chunks), default=None)
            if actor is None or len(actor.chunks) == _CHUNKS_PER_ACTOR:
                return
            chunk = self._todo.popleft()
            task = actor.handle.run.remote(chunk.id, chunk.text, chunk.num_rows)
            actor.chunks[task] = chunk
            self._tasks[task] = actor

    def _ended(self, task: Any) -> Iterator[Chunk]:
        """Note that a task is over; the chunk of the task, if it was finished."""
        actor = self._tasks[task]
        try:
            error = self._ray.get(task)
        except self._ray.exceptions.RayTaskError as raised:
            error = f"the Ray job failed: {_reason(raised)}; run again with --debug to see more"
        except self._ray.exceptions.RayError as raised:  # the process or its node is gone
            self._replace(actor, raised)
            return
        if error:
            raise GifdescError(error)
        del self._tasks[task]
        if actor.is_ready:
            yield actor.chunks.pop(task)
        else:
            actor.is_ready = True
            self._failed_starts = 0

    def _replace(self, actor: _Actor, error: Exception) -> None:
        """Forget an actor, and process its chunks again, first of all.

        Raises:
            GifdescError: actors end again and again while they load the network.
        """
        self._kill(actor)  # where only the connection is broken
        self._actors.remove(actor)
        self._tasks = {task: other for task, other in self._tasks.items() if other is not actor}
        self._todo.extendleft(reversed(actor.chunks.values()))
        if actor.is_ready:
            return
        self._failed_starts += 1
        if self._failed_starts > self._num_actors + _SPARE_STARTS:
            raise GifdescError(
                f"the Ray job failed: workers end while they load the network: {_reason(error)}; "
                "run again with fewer --num-workers"
            ) from error

    def _kill(self, actor: _Actor) -> None:
        with suppress(self._ray.exceptions.RayError, ValueError, RuntimeError):  # Ray may be gone
            self._ray.kill(actor.handle)


class ChunkActor:
    """The process that holds the network; each method returns the error, if there is one."""

    def __init__(self, work: Work, folder: str, num_threads: int) -> None:
        self._work = work
        self._folder = Path(folder)
        self._num_threads = num_threads
        self._worker: Worker | None = None

    def load(self) -> str:
        """Load the network."""
        try:
            self._worker = self._work.load(self._num_threads)
        except Exception as error:  # noqa: BLE001 - Ray's report would name its own code
            return _sentence(error)
        return ""

    def run(self, chunk_id: str, text: str, num_rows: int) -> str:
        """Process a chunk."""
        assert self._worker is not None, "load comes first"
        try:
            run_chunk(self._worker, Chunk(chunk_id, text, num_rows), self._folder)
        except Exception as error:  # noqa: BLE001 - as above
            return _sentence(error)
        return ""


def _sentence(error: Exception) -> str:
    return str(error) if isinstance(error, GifdescError) else f"{type(error).__name__}: {error}"


def _reason(error: Exception) -> str:
    """The line of Ray's report that names the error of the worker."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    named = [line for line in lines if re.match(r"(?!ray\.)[\w.]+(Error|Exception)\b", line)]
    return (named or lines or [type(error).__name__])[-1]
