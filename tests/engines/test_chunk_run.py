"""Attempts at a chunk: complete, failed, and cut off by the death of their process."""

import json
from multiprocessing import get_context

import pytest

from gifdesc.data.descriptions import description_files
from gifdesc.engines.chunk_run import CRASHED
from gifdesc.engines.results import ChunkResults
from gifdesc.errors import GifdescError
from small_work import SmallWork, run_small_chunk, seen_by


@pytest.fixture
def seen_dir(tmp_path):
    (tmp_path / "seen").mkdir()
    return tmp_path / "seen"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "chunks").mkdir()
    return tmp_path / "chunks"


def run(seen_dir, folder, *names):
    run_small_chunk(seen_dir, folder, *names)
    return ChunkResults(folder).read("c1")


def run_in_process(seen_dir, folder, *names):
    """The exit code of a process that runs the chunk."""
    process = get_context("spawn").Process(target=run_small_chunk, args=(seen_dir, folder, *names))
    process.start()
    process.join()
    return process.exitcode


def test_rows_are_processed_together_into_one_file(seen_dir, folder):
    records = run(seen_dir, folder, "a", "b")
    assert records == [{"name": name, "error": None, "together": 2} for name in "ab"]
    assert [path.name for path in folder.iterdir()] == ["c1.results"]


def test_a_finished_chunk_is_not_processed_again(seen_dir, folder):
    first = run(seen_dir, folder, "a", "b")
    assert run(seen_dir, folder, "a", "b") == first
    assert len(seen_by(seen_dir, "a")) == 1


def test_a_row_that_raises_fails_alone(seen_dir, folder):
    records = run(seen_dir, folder, "a", "raising", "b")
    assert [record["error"] for record in records] == [None, "RuntimeError: an odd file", None]
    assert [record["name"] for record in records] == ["a", "raising", "b"]


def test_an_error_that_concerns_all_rows_stops_and_counts_as_no_death(seen_dir, folder):
    for _ in range(3):
        with pytest.raises(GifdescError, match="the disk is full"):
            run(seen_dir, folder, "a", "fatal", "b")
    assert not ChunkResults(folder).has("c1")
    history = ChunkResults(folder).history("c1")
    assert (history.num_deaths, list(history.records)) == (0, [0])
    assert len(seen_by(seen_dir, "a")) == 1  # its record was kept


def test_a_row_that_kills_its_process_is_given_up_after_two_deaths_alone(seen_dir, folder):
    names = ("a", "b", "deadly", "c")
    codes = [run_in_process(seen_dir, folder, *names) for _ in range(4)]
    assert codes == [-9, -9, -9, 0]
    records = ChunkResults(folder).read("c1")
    assert [record["error"] for record in records] == [None, None, CRASHED, None]
    assert [record["name"] for record in records] == list(names)
    assert [len(seen_by(seen_dir, name)) for name in names] == [1, 1, 3, 1]
    assert [path.name for path in folder.iterdir()] == ["c1.results"]


def test_half_a_line_of_a_killed_worker_is_skipped(seen_dir, folder):
    lines = [{"done": 0, "record": {"name": "from before"}}, {"begun": 1}]
    text = "\n".join(map(json.dumps, lines)) + '\n{"done": 1, "rec'
    (folder / "c1.0.journal").write_text(text)
    history = ChunkResults(folder).history("c1")
    assert (history.num_deaths, history.deaths) == (1, {1: 1})
    records = run(seen_dir, folder, "a", "b")
    assert records == [{"name": "from before"}, {"name": "b", "error": None, "together": 1}]


def test_a_machine_that_was_switched_off_once_costs_no_row(seen_dir, folder):
    (folder / "c1.0.journal").write_text('{"begun": 0}\n')
    assert [record["error"] for record in run(seen_dir, folder, "a", "b")] == [None, None]


def test_workers_that_ended_with_their_command_cost_no_row(seen_dir, folder):
    lines = [{"done": 0, "record": {"name": "a", "error": None}}, {"begun": 1}]
    text = "\n".join(map(json.dumps, lines)) + '\n{"done": 1, "rec'
    for number in range(3):  # the command was killed three times during the same slow GIF
        (folder / f"c1.{number}.journal").write_text(text)
        ChunkResults(folder).begin(SmallWork(str(seen_dir)).is_final)
    records = run(seen_dir, folder, "a", "slow")
    assert [record["error"] for record in records] == [None, None]
    assert seen_by(seen_dir, "a") == []


def test_failures_that_may_have_passed_are_tried_again(seen_dir, folder):
    results = ChunkResults(folder)
    failed = [{"name": "a", "error": None}, {"name": "b", "error": "missing"}]
    results.write("c1", failed)
    lines = [{"done": index, "record": record} for index, record in enumerate(failed)]
    (folder / "c2.0.journal").write_text("".join(json.dumps(line) + "\n" for line in lines))
    results.write("c3", failed[:1])
    results.path("c4").write_text("{\n{}\n")
    results.begin(SmallWork(str(seen_dir)).is_final)
    assert [results.has(name) for name in ("c1", "c2", "c3", "c4")] == [False, False, True, False]
    for name in ("c1", "c2"):
        assert results.history(name).records == {0: failed[0]}
    assert [record["error"] for record in run(seen_dir, folder, "a", "b")] == [None, None]
    assert (len(seen_by(seen_dir, "a")), len(seen_by(seen_dir, "b"))) == (0, 1)


def test_a_folder_that_this_machine_lacks_is_named(seen_dir, tmp_path):
    with pytest.raises(GifdescError, match=r"nowhere: not a folder on the node .*same paths"):
        run(seen_dir, tmp_path / "nowhere", "a")


def test_a_damaged_result_file_is_named(folder):
    ChunkResults(folder).path("c1").write_text("{\n{}\n")
    with pytest.raises(GifdescError, match=r"c1.results: damaged: line 1 .*remove it"):
        ChunkResults(folder).read("c1")


def test_the_files_of_a_killed_run_are_no_descriptions(seen_dir, tmp_path):
    folder = tmp_path / "descriptions" / ".chunks"
    folder.mkdir(parents=True)
    run_small_chunk(seen_dir, folder, "a")
    assert description_files(tmp_path / "descriptions") == []
