"""An engine that processes the chunks in this process, one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from gifdesc.engines.chunk_run import run_chunk
from gifdesc.engines.chunks import Chunk
from gifdesc.engines.results import ChunkResults
from gifdesc.engines.work import Work, Worker


class InProcessEngine:
    """Processes chunks one after the other; the simplest `Engine`, for tests and debugging."""

    def map(self, work: Work, chunks: Iterable[Chunk], folder: Path) -> Iterator[Chunk]:
        """As `work.Engine.map`; the chunks finish in order."""
        worker: Worker | None = None
        for chunk in chunks:
            if not ChunkResults(folder).has(chunk.id):
                worker = worker or work.load()
                run_chunk(worker, chunk, folder)
            yield chunk
