"""Reading ahead: in order, in threads or processes, and one bad file costs one file."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from deadly_transform import DeadlyTransform
from gif_files import draw_broken_gif, draw_gif
from gifdesc.config import FeatureRecipe
from gifdesc.data.gifs import GifInput
from gifdesc.errors import GifdescError
from gifdesc.features import loader
from gifdesc.features.frames import SampledGif, sample_gif
from gifdesc.features.loader import GifReaders, Task, default_num_workers, load_gifs
from gifdesc.features.preprocessing import FrameTransform
from gifdesc.system.shared_memory import SharedSlots
from worlds import heed_interrupts, process_environment

RECIPE = FeatureRecipe(weights_sha256="0", gifdesc_version="0", num_frames=4)
TRANSFORM = FrameTransform(resize_size=8, image_size=8)


def tasks_of(paths: list[Path]) -> list[Task]:
    return [Task(GifInput(path, path.name)) for path in paths]


@pytest.fixture
def gifs(tmp_path: Path) -> list[Path]:
    return [draw_gif(tmp_path / f"{index}.gif", frames=1 + index % 5) for index in range(12)]


@pytest.mark.parametrize("num_workers", [0, 2])
def test_gifs_come_in_order_and_as_if_read_one_by_one(gifs, num_workers):
    gifs.insert(3, draw_broken_gif(gifs[0].parent / "broken.gif"))
    results = list(load_gifs(tasks_of(gifs), RECIPE, TRANSFORM, num_workers=num_workers))
    assert [task.gif.path for task, _ in results] == gifs
    for index, (task, loaded) in enumerate(results):
        if index == 3:
            assert isinstance(loaded, GifdescError)
            assert "broken.gif" in str(loaded)
            continue
        alone = sample_gif(task.gif.path, RECIPE, TRANSFORM)
        assert isinstance(loaded, SampledGif)
        assert loaded.sampled_frames == alone.sampled_frames
        np.testing.assert_array_equal(loaded.pixels, alone.pixels)


@pytest.mark.parametrize("num_slots", [0, 1, 100])
def test_pixels_are_the_same_through_shared_memory_and_through_the_pipe(
    gifs, monkeypatch, num_slots
):
    def few(_wanted, slot_bytes):
        return SharedSlots(num_slots, slot_bytes) if num_slots else None

    monkeypatch.setattr(loader, "open_slots", few)
    results = list(load_gifs(tasks_of(gifs * 2), RECIPE, TRANSFORM, num_workers=1))
    assert len(results) == 2 * len(gifs)
    for task, loaded in results:
        alone = sample_gif(task.gif.path, RECIPE, TRANSFORM)
        np.testing.assert_array_equal(loaded.pixels, alone.pixels)
        assert loaded.digests == alone.digests


def test_an_unchanged_file_is_not_decoded(gifs):
    known = sample_gif(gifs[0], RECIPE, TRANSFORM).identity
    same = Task(GifInput(gifs[0], "0.gif"), known)
    other = Task(GifInput(gifs[1], "1.gif"), known)
    results = dict(load_gifs([same, other], RECIPE, TRANSFORM))
    assert results[same] is None
    assert isinstance(results[other], SampledGif)


def test_an_input_with_an_error_keeps_it(tmp_path):
    task = Task(GifInput(tmp_path, "x", "no GIF in this folder"))
    [(_, loaded)] = load_gifs([task], RECIPE, TRANSFORM)
    assert str(loaded) == f"{tmp_path}: no GIF in this folder"


def test_reading_stays_a_little_ahead_only(gifs):
    drawn = []

    def watched():
        for task in tasks_of(gifs * 5):
            drawn.append(task)
            yield task

    results = load_gifs(watched(), RECIPE, TRANSFORM)
    next(results)
    assert len(drawn) == loader.AHEAD_PER_WORKER
    results.close()


def test_a_consumer_that_stops_leaves_no_thread_behind(gifs):
    results = load_gifs(tasks_of(gifs), RECIPE, TRANSFORM)
    next(results)
    results.close()
    names = [thread.name for thread in threading.enumerate()]
    assert not [name for name in names if name.startswith("gifdesc-worker")]


def test_a_file_that_kills_its_worker_fails_alone(gifs, tmp_path):
    deadly = draw_gif(tmp_path / "deadly.gif", size=(12, 13))
    paths = [*gifs[:2], deadly, *gifs[2:4]]
    transform = DeadlyTransform(resize_size=8, image_size=8)
    results = list(load_gifs(tasks_of(paths), RECIPE, transform, num_workers=1))
    assert [task.gif.path for task, _ in results] == paths
    outcomes = [isinstance(loaded, SampledGif) for _, loaded in results]
    assert outcomes == [True, True, False, True, True]
    assert "the process that read this file crashed" in str(results[2][1])


def manager_threads() -> list[threading.Thread]:
    """The threads that manage worker processes, which end with them."""
    kind = "_ExecutorManagerThread"
    return [thread for thread in threading.enumerate() if type(thread).__name__ == kind]


def test_workers_that_die_while_idle_fail_only_their_files(gifs, tmp_path, monkeypatch):
    submitted = []
    submit = GifReaders.submit

    def watched(self, task):
        submitted.append(task.gif.path)
        return submit(self, task)

    monkeypatch.setattr(GifReaders, "submit", watched)
    deadly = [draw_gif(tmp_path / f"deadly-{n}.gif", 2, size=(12 + n, 13)) for n in range(2)]
    paths = [*gifs[:2], *deadly, *gifs[2:]]
    assert len(paths) > loader.AHEAD_PER_WORKER + 2
    transform = DeadlyTransform(resize_size=8, image_size=8)
    outcomes = {}
    for task, loaded in load_gifs(tasks_of(paths), RECIPE, transform, num_workers=1):
        outcomes[task.gif.path] = loaded
        if len(outcomes) == 1:
            for thread in manager_threads():
                thread.join()
    assert list(outcomes) == paths
    for path, loaded in outcomes.items():
        if path in deadly:
            assert str(loaded) == f"{path}: the process that read this file crashed"
        else:
            assert isinstance(loaded, SampledGif)
    # What had been read before its worker died was not read again.
    assert [submitted.count(path) for path in paths[:2]] == [1, 1]


@pytest.mark.parametrize(
    ("num_cores", "on_cpu", "on_cuda"), [(1, 0, 1), (2, 0, 2), (16, 0, 16), (64, 3, 16)]
)
def test_a_cpu_gets_few_workers_and_a_gpu_all_cores(monkeypatch, num_cores, on_cpu, on_cuda):
    monkeypatch.setattr("gifdesc.features.loader.available_cores", lambda: num_cores)
    assert default_num_workers("cpu") == on_cpu
    assert default_num_workers("cuda") == on_cuda


DISTURB = """
import os, signal, sys
from pathlib import Path

def is_worker():
    return any("multiprocessing.spawn import spawn_main" in part for part in sys.orig_argv)

def count():
    path = Path(os.environ["GIFDESC_TEST_STARTS"])
    with path.open("a") as file:
        file.write("x")
    return path.stat().st_size

if is_worker() and count() <= int(os.environ["GIFDESC_TEST_DISTURBED"]):
    os.kill({target}, signal.{signal_name})
"""


def disturbance(folder: Path, target: str, signal_name: str, num_disturbed: int) -> dict[str, str]:
    """Environment in which worker processes send a signal before they have imported anything.

    Args:
        folder: gets the module that does so, and a character for each process that starts.
        target: the expression of the process that the signal goes to.
        signal_name: such as SIGKILL.
        num_disturbed: worker processes that do so, counted from the first.
    """
    folder.mkdir()
    text = DISTURB.replace("{target}", target).replace("{signal_name}", signal_name)
    (folder / "sitecustomize.py").write_text(text)
    environment = process_environment(
        GIFDESC_TEST_STARTS=str(folder / "starts"), GIFDESC_TEST_DISTURBED=str(num_disturbed)
    )
    environment["PYTHONPATH"] = os.pathsep.join([str(folder), environment["PYTHONPATH"]])
    return environment


def disturb(monkeypatch, *arguments) -> None:
    for name, value in disturbance(*arguments).items():
        monkeypatch.setenv(name, value)


def test_a_worker_that_dies_while_it_starts_is_replaced(gifs, tmp_path, monkeypatch, caplog):
    disturb(monkeypatch, tmp_path / "site", "os.getpid()", "SIGKILL", 1)
    results = list(load_gifs(tasks_of(gifs[:3]), RECIPE, TRANSFORM, num_workers=1))
    assert all(isinstance(loaded, SampledGif) for _, loaded in results)
    assert (tmp_path / "site" / "starts").stat().st_size == 2
    assert not caplog.records


def test_a_thread_reads_with_a_warning_if_no_worker_starts(gifs, tmp_path, monkeypatch, caplog):
    disturb(monkeypatch, tmp_path / "site", "os.getpid()", "SIGKILL", 100)
    results = list(load_gifs(tasks_of(gifs), RECIPE, TRANSFORM, num_workers=2))
    assert [task.gif.path for task, _ in results] == gifs
    assert all(isinstance(loaded, SampledGif) for _, loaded in results)
    [record] = caplog.records
    assert record.levelname == "WARNING"
    assert "a thread reads instead" in record.getMessage()


def test_a_thread_reads_if_processes_are_forbidden(gifs, monkeypatch, caplog):
    def refuse(*_arguments, **_options):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr("multiprocessing.popen_spawn_posix.Popen._launch", refuse)
    results = list(load_gifs(tasks_of(gifs[:2]), RECIPE, TRANSFORM, num_workers=1))
    assert all(isinstance(loaded, SampledGif) for _, loaded in results)
    assert len(caplog.records) == 1


def test_a_file_that_kills_its_worker_is_never_read_in_this_process(gifs, tmp_path, monkeypatch):
    deadly = draw_gif(tmp_path / "deadly.gif", size=(12, 13))
    transform = DeadlyTransform(resize_size=8, image_size=8)
    results = load_gifs(tasks_of([gifs[0], deadly, gifs[1]]), RECIPE, transform, num_workers=1)
    assert isinstance(next(results)[1], SampledGif)
    disturb(monkeypatch, tmp_path / "site", "os.getpid()", "SIGKILL", 100)
    (_, second), (_, third) = results
    assert "the process that read this file crashed, and no other starts" in str(second)
    assert isinstance(third, SampledGif)


def extract_in_process(gifs: list[Path], environment: dict[str, str]) -> tuple[int, str]:
    """Exit code and stderr of `gifdesc extract` with two worker processes."""
    arguments = ["-m", "gifdesc", "extract", *map(str, gifs), "-o", str(gifs[0].parent / "f")]
    options = ["--weights", "random", "--num-frames", "1", "--num-workers", "2"]
    process = subprocess.run(
        [sys.executable, *arguments, *options],
        env=environment,
        capture_output=True,
        text=True,
        start_new_session=True,  # as at a terminal: its Ctrl-C reaches the whole group
        preexec_fn=heed_interrupts,
        timeout=300,
    )
    return process.returncode, process.stderr


def test_an_interrupt_while_workers_start_ends_the_run(gifs, tmp_path):
    # The first worker to start presses Ctrl-C, for all processes of the group.
    environment = disturbance(tmp_path / "site", "0", "SIGINT", 1)
    code, said = extract_in_process(gifs[:2], environment)
    assert code == 130
    lines = [line for line in said.splitlines() if "untrained" not in line]
    assert lines == ["warning: interrupted"]


def test_workers_killed_at_their_start_fail_no_file(gifs, tmp_path):
    environment = disturbance(tmp_path / "site", "os.getpid()", "SIGKILL", 1)
    code, said = extract_in_process(gifs[:2], environment)
    assert code == 0
    assert "2 extracted" in said
    assert "defect" not in said


def test_a_gif_that_does_not_fit_into_memory_fails_alone(gifs, monkeypatch):
    def sample(path, *arguments, **options):
        if path == gifs[1]:
            raise MemoryError
        return sample_gif(path, *arguments, **options)

    monkeypatch.setattr(loader, "sample_gif", sample)
    results = [loaded for _, loaded in load_gifs(tasks_of(gifs[:3]), RECIPE, TRANSFORM)]
    assert [isinstance(loaded, SampledGif) for loaded in results] == [True, False, True]
    assert str(results[1]) == f"{gifs[1]}: there is not enough memory to read this file"
