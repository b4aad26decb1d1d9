"""The Ray engine without Ray: how it gathers chunks, and what it does when one is lost."""

import itertools

import pytest

from gifdesc.engines import ray_engine
from gifdesc.engines.chunks import split_into_chunks
from gifdesc.engines.ordering import map_in_order
from gifdesc.engines.ray_cluster import Resources
from gifdesc.engines.ray_engine import RayEngine
from gifdesc.engines.results import ChunkResults
from gifdesc.errors import GifdescError
from small_work import SmallWork, rows_named

NAMES = [f"{number:02d}" for number in range(12)]


class WithoutRay(RayEngine):
    """Writes results itself, but for the chunks that it loses at its first attempts."""

    def __init__(self, num_lost=0):
        super().__init__(None, num_workers=1, device="cpu")
        self.windows = []
        self._num_lost = num_lost

    def _map_window(self, _work, chunks, folder):
        self.windows.append(len(chunks))
        for chunk in chunks[self._num_lost :]:
            ChunkResults(folder).write(chunk.id, [{"name": row["name"]} for row in chunk.rows])
            yield chunk.id
        self._num_lost = max(0, self._num_lost - 1)


@pytest.fixture(autouse=True)
def _no_ray(monkeypatch):
    monkeypatch.setattr(ray_engine, "connect", lambda _address: Resources(1, 0, 1))


def run(engine, folder, rows):
    """The names of the results, in order."""
    chunks = split_into_chunks(rows, 1, {})
    mapped = map_in_order(engine, SmallWork(""), chunks, ChunkResults(folder))
    return [record["name"] for _, records in mapped for record in records]


def test_a_list_that_is_there_is_one_window(tmp_path, caplog):
    engine = WithoutRay()
    assert run(engine, tmp_path, rows_named(*NAMES)) == NAMES
    assert engine.windows == [12]
    assert "--engine local is faster for 12 GIFs" in caplog.text


def test_a_long_list_has_several_windows(tmp_path, monkeypatch):
    monkeypatch.setattr(ray_engine, "_WINDOW_CHUNKS", 5)
    engine = WithoutRay()
    assert run(engine, tmp_path, rows_named(*NAMES)) == NAMES
    assert engine.windows == [5, 5, 2]


def test_inputs_that_arrive_slowly_begin_with_small_windows(tmp_path, monkeypatch, caplog):
    seconds = itertools.count(step=0.5)
    monkeypatch.setattr(ray_engine.time, "monotonic", lambda: next(seconds))
    engine = WithoutRay()
    drawn = []
    rows = (drawn.append(row) or row for row in rows_named(*NAMES))
    chunks = split_into_chunks(rows, 1, {})
    mapped = map_in_order(engine, SmallWork(""), chunks, ChunkResults(tmp_path))
    next(mapped)
    assert len(drawn) == 4
    assert len(list(mapped)) == len(NAMES) - 1
    assert engine.windows == [4, 8]
    assert not caplog.records  # more inputs may come


def test_a_chunk_that_ray_does_not_report_is_tried_again(tmp_path):
    engine = WithoutRay(num_lost=1)
    assert run(engine, tmp_path, rows_named(*NAMES)) == NAMES
    assert engine.windows == [12, 1]


def test_a_chunk_that_ray_reports_without_a_result_is_tried_again(tmp_path):
    class Forgetful(WithoutRay):
        def _map_window(self, work, chunks, folder):
            for chunk_id in super()._map_window(work, chunks, folder):
                if len(self.windows) == 1:
                    ChunkResults(folder).path(chunk_id).unlink()
                yield chunk_id

    engine = Forgetful()
    assert run(engine, tmp_path, rows_named(*NAMES)) == NAMES
    assert engine.windows == [12, 12]


def test_chunks_that_are_lost_twice_end_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr(ray_engine, "_WINDOW_CHUNKS", 5)
    engine = WithoutRay(num_lost=2)
    with pytest.raises(GifdescError, match="the engine lost 5 GIFs: 00, 01, 02, 03, 04; run"):
        run(engine, tmp_path, rows_named(*NAMES, "99"))
    assert engine.windows == [5, 2]
