"""The results of an engine in the order of the inputs, each input accounted for."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator

from gifdesc.engines.chunks import Chunk
from gifdesc.engines.results import ChunkResults
from gifdesc.engines.work import Engine, Record, Work
from gifdesc.errors import GifdescError
from gifdesc.system.files import list_all
from gifdesc.system.wording import counted

_LIST_SUFFIX = ".missing"
"""The end of the name of the file that lists inputs without results, if there are many."""


def map_in_order(
    engine: Engine, work: Work, chunks: Iterable[Chunk], results: ChunkResults
) -> Iterator[tuple[Chunk, list[Record]]]:
    """Map chunks; they are yielded in order, as soon as the chunks before them are complete.

    Args:
        engine: processes the chunks.
        work: what to do with them.
        chunks: the chunks; consumed as the engine takes them.
        results: the folder of their files.

    Yields:
        Each chunk with the records of its rows.

    Raises:
        GifdescError: the engine or a worker cannot work, or the folder cannot be written; or,
            whatever the engine reports, a chunk is not taken or has no result file, or the file
            has too few records.
    """
    results.begin(work.is_final)
    list_path = results.folder.with_name(results.folder.name.removeprefix(".") + _LIST_SUFFIX)
    list_path.unlink(missing_ok=True)
    waiting: deque[Chunk] = deque()
    done: Counter[str] = Counter()  # repeated inputs may make equal chunks
    noted = _noting(chunks, waiting)
    for chunk in engine.map(work, noted, results.folder):
        done[chunk.id] += 1
        while waiting and done[waiting[0].id]:
            first = waiting.popleft()
            done -= Counter([first.id])
            yield first, _checked(first, results)
    lost = [chunk for chunk in waiting if not done[chunk.id]]  # others wait behind them
    names = [row["name"] or "" for chunk in lost for row in chunk.rows]
    if names:
        raise GifdescError(
            f"the engine lost {counted(len(names), 'GIF')}: {list_all(names, list_path)}; run the "
            "command again"
        )
    if (untaken := next(noted, None)) is not None:
        raise GifdescError(
            f"the engine stopped before {untaken.rows[0]['name']} and processed none of the inputs "
            "after it; run the command again"
        )


def _noting(chunks: Iterable[Chunk], waiting: deque[Chunk]) -> Iterator[Chunk]:
    """The chunks, each of which is added to a queue when the engine takes it."""
    for chunk in chunks:
        waiting.append(chunk)
        yield chunk


def _checked(chunk: Chunk, results: ChunkResults) -> list[Record]:
    records = results.read(chunk.id)
    if len(records) != chunk.num_rows:
        raise GifdescError(
            f"{results.path(chunk.id)}: has {len(records)} results of {chunk.num_rows} GIFs; "
            "remove it and run again"
        )
    return records
