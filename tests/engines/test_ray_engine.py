"""The Ray engine without Ray: which chunks it gives, and what it does when a result is lost."""

import itertools

import pytest

from gifdesc.engines import ray_engine
from gifdesc.engines.chunks import split_into_chunks
from gifdesc.engines.ordering import map_in_order
from gifdesc.engines.ray_engine import RayEngine
from gifdesc.engines.results import ChunkResults
from gifdesc.errors import GifdescError
from small_work import SmallWork, rows_named

NAMES = [f"{number:02d}" for number in range(12)]


class FakePool:
    """Finishes one chunk at a time, the oldest or the newest, and loses the first results."""

    def __init__(self, folder, num_lost, room, place):
        self.given = []
        self.is_closed = False
        self._results = ChunkResults(folder)
        self._num_lost = num_lost
        self._room = room
        self._place = place
        self._waiting = []

    @property
    def num_chunks(self):
        return len(self._waiting)

    @property
    def has_room(self):
        return self.num_chunks < self._room

    def add(self, chunk):
        self.given.append(chunk.id)
        self._waiting.append(chunk)

    def finished(self, timeout_seconds=None):
        if timeout_seconds == 0:  # nothing is finished yet
            return
        chunk = self._waiting.pop(self._place)
        if len(self.given) - self.num_chunks > self._num_lost:
            self._results.write(
                chunk.id, [{"name": row["name"], "error": None} for row in chunk.rows]
            )
        yield chunk

    def close(self):
        self.is_closed = True


class WithoutRay(RayEngine):
    """Uses a `FakePool`."""

    def __init__(self, num_lost=0, room=4, place=0):
        super().__init__(None, num_workers=1, device="cpu")
        self.pool = None
        self._options = (num_lost, room, place)

    def _open_pool(self, _work, folder):
        self.pool = FakePool(folder, *self._options)
        return self.pool


def mapped(engine, folder, rows):
    chunks = split_into_chunks(rows, 1, {})
    return map_in_order(engine, SmallWork(""), chunks, ChunkResults(folder))


def run(engine, folder, rows):
    """The names of the results, in order."""
    return [record["name"] for _, records in mapped(engine, folder, rows) for record in records]


def test_results_keep_the_order_of_the_inputs(tmp_path, caplog):
    engine = WithoutRay(place=-1)
    assert run(engine, tmp_path, rows_named(*NAMES)) == NAMES
    assert len(engine.pool.given) == len(NAMES)
    assert engine.pool.is_closed
    assert "--engine local is faster for 12 GIFs" in caplog.text


def test_finished_chunks_need_no_ray(tmp_path, caplog):
    run(WithoutRay(), tmp_path, rows_named(*NAMES))
    caplog.clear()
    engine = WithoutRay()
    assert run(engine, tmp_path, rows_named(*NAMES)) == NAMES
    assert engine.pool is None
    assert not caplog.records


def test_a_finished_chunk_that_was_removed_is_processed_again(tmp_path):
    engine = WithoutRay(room=1)
    rows = rows_named(*NAMES, *NAMES)
    for chunk, _ in mapped(engine, tmp_path, rows):
        ChunkResults(tmp_path).path(chunk.id).unlink()
    assert len(engine.pool.given) == 2 * len(NAMES)


def test_equal_chunks_are_given_once(tmp_path):
    engine = WithoutRay(room=20)
    assert run(engine, tmp_path, rows_named(*NAMES, *NAMES)) == [*NAMES, *NAMES]
    assert len(engine.pool.given) == len(NAMES)


def test_inputs_are_taken_as_the_actors_need_them(tmp_path):
    drawn = []
    rows = (drawn.append(row) or row for row in rows_named(*map(str, range(1000))))
    results = mapped(WithoutRay(room=4), tmp_path, rows)
    next(results)
    assert len(drawn) <= 210  # as many as decide whether Ray is worth its start, and a few


def test_inputs_that_arrive_slowly_are_not_waited_for(tmp_path, monkeypatch, caplog):
    seconds = itertools.count(step=0.5)
    monkeypatch.setattr(ray_engine.time, "monotonic", lambda: next(seconds))
    drawn = []
    rows = (drawn.append(row) or row for row in rows_named(*NAMES))
    results = mapped(WithoutRay(room=4), tmp_path, rows)
    next(results)
    assert len(drawn) == 4
    assert len(list(results)) == len(NAMES) - 1
    assert not caplog.records  # more inputs may come


def test_a_chunk_without_a_result_is_processed_again(tmp_path):
    engine = WithoutRay(num_lost=1)
    assert run(engine, tmp_path, rows_named(*NAMES)) == NAMES
    assert len(engine.pool.given) == len(NAMES) + 1


def test_a_chunk_that_is_lost_twice_ends_the_run_with_its_name(tmp_path):
    engine = WithoutRay(num_lost=2, room=1)
    with pytest.raises(GifdescError, match=r"the engine lost 1 GIF: 00; run"):
        run(engine, tmp_path, rows_named(*NAMES))
    assert engine.pool.is_closed
    assert len(ChunkResults(tmp_path).finished_ids()) == len(NAMES) - 1
    again = WithoutRay()
    assert run(again, tmp_path, rows_named(*NAMES)) == NAMES
    assert len(again.pool.given) == 1
