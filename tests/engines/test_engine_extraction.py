"""Features by an engine: those of an extraction in one process, to the bit, with its manifest."""

import os
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from gif_files import draw_broken_gif, draw_gif, truncate
from gifdesc.config import UNTRAINED
from gifdesc.data.feature_files import note_precision, read_recipe
from gifdesc.data.gifs import GifInput, find_gifs
from gifdesc.data.manifest import Manifest
from gifdesc.engines.choice import EngineChoice
from gifdesc.engines.chunk_run import CRASHED
from gifdesc.engines.extraction import (
    EngineCompute,
    ExtractionWork,
    ExtractorChoice,
    compute_on_engine,
    load_extractor,
)
from gifdesc.engines.in_process import InProcessEngine
from gifdesc.engines.results import ChunkResults
from gifdesc.errors import GifdescError, WeightsError
from gifdesc.features.extraction import extract
from gifdesc.features.loader import Task
from gifdesc.features.storage import make_storage

pytestmark = pytest.mark.usefixtures("tiny_backbone")

CHOICE = ExtractorChoice(backbone="resnet50", weights=UNTRAINED, device="cpu")


class InterruptedEngine(InProcessEngine):
    """Stops after some chunks; finishes them from the last to the first."""

    def __init__(self, num_chunks):
        self.num_chunks = num_chunks

    def map(self, work, chunks, folder):
        chunks = list(chunks)
        yield from super().map(work, reversed(chunks[-self.num_chunks :]), folder)
        raise KeyboardInterrupt


class CountingEngine(InProcessEngine):
    """Counts the chunks that were finished before."""

    num_found = 0

    def map(self, work, chunks, folder):
        for chunk in chunks:
            self.num_found += ChunkResults(folder).has(chunk.id)
            yield from super().map(work, [chunk], folder)


@pytest.fixture
def gifs(tmp_path):
    folder = tmp_path / "gifs"
    for number in range(1, 14):
        draw_gif(folder / f"{number % 3}" / f"{number}.gif", number)
    draw_broken_gif(folder / "broken.gif")
    truncate(draw_gif(folder / "cut.gif", 8), 300)
    return folder


def run(gifs, features_dir, engine=None, *, storage="npy", resume=True, chunk_size=4, **options):
    """The events of an extraction; with an engine, by its workers."""
    extractor = CHOICE.load()
    compute_on = None
    if engine is not None:
        compute_on = EngineCompute(
            CHOICE,
            extractor.recipe,
            lambda: nullcontext(engine),
            features_dir / ".chunks",
            chunk_size=chunk_size,
            resume=resume,
        )
    inputs = find_gifs([gifs]) if isinstance(gifs, Path) else gifs
    stored = make_storage(features_dir, storage, chunk_size=5)
    return list(
        extract(inputs, features_dir, extractor, storage=stored, compute_on=compute_on, **options)
    )


def files_of(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


@pytest.mark.parametrize("storage", ["npy", "shards"])
@pytest.mark.parametrize("chunk_size", [1, 4, 100])
def test_the_folder_is_that_of_one_process_to_the_bit(gifs, tmp_path, storage, chunk_size):
    options = {"storage": storage, "chunk_size": chunk_size}
    wanted = run(gifs, tmp_path / "wanted", storage=storage)
    found = run(gifs, tmp_path / "found", InProcessEngine(), **options)
    by_name = {event.name: (event.status, event.error, event.note) for event in wanted}
    assert [event.name for event in found] == [gif.name for gif in find_gifs([gifs])]
    assert {event.name: (event.status, event.error, event.note) for event in found} == by_name
    if storage == "npy":
        assert files_of(tmp_path / "found") == files_of(tmp_path / "wanted")
    else:
        for one, other in zip(
            _vectors(tmp_path / "found"), _vectors(tmp_path / "wanted"), strict=True
        ):
            assert one[0] == other[0]
            np.testing.assert_array_equal(one[1], other[1])


def _vectors(features_dir):
    from gifdesc.data.feature_files import read_features

    entries = Manifest(features_dir).entries.values()
    return [
        (entry.source, read_features(features_dir / entry.features))
        for entry in entries
        if entry.features
    ]


def test_a_rerun_skips_finished_gifs_and_extracts_changed_ones(gifs, tmp_path):
    features_dir = tmp_path / "features"
    run(gifs, features_dir, InProcessEngine())
    draw_gif(gifs / "cut.gif", 3)
    events = run(gifs, features_dir, InProcessEngine())
    assert {event.status for event in events} == {"skipped", "ok", "failed"}
    assert [event.name for event in events if event.status == "ok"] == [str(gifs / "cut.gif")]


def test_an_interrupted_run_is_resumed_by_chunk(gifs, tmp_path):
    features_dir = tmp_path / "features"
    run(gifs, tmp_path / "wanted")
    with pytest.raises(KeyboardInterrupt):
        run(gifs, features_dir, InterruptedEngine(2), chunk_size=1)
    assert not list(features_dir.rglob("*.npy"))  # the first chunks are missing
    engine = CountingEngine()
    run(gifs, features_dir, engine, chunk_size=1)
    assert engine.num_found == 2
    assert files_of(features_dir) == files_of(tmp_path / "wanted")


def test_a_run_that_is_not_resumed_computes_all_chunks(gifs, tmp_path):
    features_dir = tmp_path / "features"
    with pytest.raises(KeyboardInterrupt):
        run(gifs, features_dir, InterruptedEngine(2), chunk_size=1)
    engine = CountingEngine()
    run(gifs, features_dir, engine, chunk_size=1, resume=False)
    assert engine.num_found == 0


def test_what_an_engine_loses_is_listed_and_the_rest_is_stored(gifs, tmp_path):
    class LosingEngine(InProcessEngine):
        def map(self, work, chunks, folder):
            yield from super().map(work, list(chunks)[:2], folder)

    with pytest.raises(
        GifdescError, match=r"the engine lost 13 GIFs: .* and 3 more \(.* lists all\); run"
    ):
        run(gifs, tmp_path / "features", LosingEngine(), chunk_size=1)
    assert len(Manifest(tmp_path / "features").entries) == 2


def test_a_temporary_file_travels_as_a_copy_and_keeps_its_name(gifs, tmp_path):
    spooled = GifInput(gifs / "1" / "1.gif", "stdin", name="/dev/stdin", is_spooled=True)
    [event] = run([spooled], tmp_path / "found", InProcessEngine())
    run([spooled], tmp_path / "wanted")
    assert (event.name, event.entry.source) == ("/dev/stdin", "stdin")
    assert files_of(tmp_path / "found") == files_of(tmp_path / "wanted")


def test_a_missing_argument_fails_with_its_reason(tmp_path):
    inputs = list(find_gifs([tmp_path / "missing.gif", tmp_path / "other.gif"]))
    wanted = run(inputs, tmp_path / "wanted")
    found = run(inputs, tmp_path / "found", InProcessEngine())
    assert [event.error for event in found] == [event.error for event in wanted]


def test_a_gif_that_kills_its_process_fails_as_in_one_process(gifs, tmp_path):
    class KilledEngine(InProcessEngine):
        def map(self, work, chunks, folder):
            for chunk in chunks:
                lines = '{"begun": 0}\n'
                for number in range(2):
                    (folder / f"{chunk.id}.{number}.journal").write_text(lines)
                yield from super().map(work, [chunk], folder)

    events = run(gifs, tmp_path / "features", KilledEngine(), chunk_size=1)
    assert {event.error for event in events} == {CRASHED}


def test_a_node_with_other_weights_is_refused(tmp_path):
    recipe = CHOICE.load().recipe
    other = ExtractorChoice(backbone="resnet50", weights="imagenet1k-v1", device="cpu")
    with pytest.raises(WeightsError, match=r"a node .* differs from this machine in weights"):
        ExtractionWork(other, recipe, tmp_path).load()


def test_paths_of_weights_are_absolute_for_workers(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "w.pth").touch()
    (tmp_path / "backbone").mkdir()
    choice = ExtractorChoice(backbone="backbone", weights="w.pth")
    assert choice.for_workers().backbone == str(tmp_path / "backbone")
    named = ExtractorChoice(backbone="resnet50", weights="w.pth").for_workers()
    assert named.weights == str(tmp_path / "w.pth")
    assert ExtractorChoice(backbone="resnet50", weights="random").for_workers().weights == "random"


def test_a_file_that_was_replaced_or_could_not_be_read_is_extracted_again(gifs, tmp_path):
    features_dir = tmp_path / "features"
    draw_gif(gifs / "broken.gif", 2)
    lost = gifs / "0" / "3.gif"
    data = lost.read_bytes()

    class UnmountingEngine(InProcessEngine):
        def map(self, work, chunks, folder):
            chunks = list(chunks)
            lost.unlink()
            for _ in super().map(work, chunks, folder):
                pass
            lost.write_bytes(data)
            os.utime(lost, ns=(times.st_atime_ns, times.st_mtime_ns))
            raise KeyboardInterrupt

    times = lost.stat()
    with pytest.raises(KeyboardInterrupt):
        run(gifs, features_dir, UnmountingEngine(), chunk_size=1)
    draw_gif(gifs / "cut.gif", 3)
    engine = CountingEngine()
    events = run(gifs, features_dir, engine, chunk_size=1)
    assert engine.num_found == 13
    assert {event.status for event in events} == {"ok"}
    assert Manifest(features_dir).entries["cut.gif"].num_frames == 3


def test_options_that_shape_no_result_keep_the_chunks(tmp_path):
    recipe = CHOICE.load().recipe
    for_many = replace(CHOICE, num_gifs=9, batch_frames=2, device="auto")
    other_head = replace(recipe, precision="bfloat16")
    one = ExtractionWork(CHOICE, recipe, tmp_path).settings
    assert ExtractionWork(for_many, other_head, tmp_path).settings == one
    fewer = replace(CHOICE, num_frames=3)
    assert ExtractionWork(fewer, recipe, tmp_path).settings != one


class WholeEngine(InProcessEngine):
    """Takes all chunks before it reports the first, as Ray does."""

    def map(self, work, chunks, folder):
        yield from list(super().map(work, list(chunks), folder))


@pytest.mark.parametrize("storage", ["npy", "shards"])
def test_gifs_that_are_given_twice_are_extracted(gifs, tmp_path, storage):
    inputs = [*find_gifs([gifs]), *find_gifs([gifs])]
    found = tmp_path / "found"
    events = run(inputs, found, WholeEngine(), storage=storage, chunk_size=1)
    assert len(events) == len(inputs)
    assert len(Manifest(found).entries) == 15
    assert not (found / ".chunks").exists()


def test_files_of_a_chunk_are_kept_until_its_features_are_stored(gifs, tmp_path):
    folder = tmp_path / ".chunks"
    compute_on = EngineCompute(
        CHOICE, CHOICE.load().recipe, lambda: nullcontext(WholeEngine()), folder, chunk_size=1
    )
    tasks = [Task(gif) for gif in find_gifs([gifs / "1"])]
    outcomes = [outcome for _, outcome in compute_on(tasks)]
    for num_left in range(len(outcomes), 0, -1):
        assert len(list(folder.glob("*.results"))) == num_left
        assert len(list(folder.glob("*.vectors"))) == num_left
        outcomes[num_left - 1].settle()
    assert not folder.exists()


def test_an_error_that_ends_a_run_keeps_the_gifs_that_wait_for_their_shard(gifs, tmp_path):
    class FailingEngine(InProcessEngine):
        def map(self, work, chunks, folder):
            yield from super().map(work, list(chunks)[:3], folder)
            raise GifdescError("the Ray job failed")

    with pytest.raises(GifdescError, match="the Ray job failed"):
        run(gifs, tmp_path / "features", FailingEngine(), chunk_size=1, storage="shards")
    assert len(_vectors(tmp_path / "features")) == 3


def test_a_precision_of_the_workers_alone_is_not_refused_here():
    choice = replace(CHOICE, device="cuda", precision="float16")
    assert load_extractor(choice, EngineChoice(name="ray")).device_type == "cpu"


def test_the_recipe_of_a_new_folder_has_the_precision_of_the_workers(gifs, tmp_path, monkeypatch):
    here = CHOICE.load()
    features_dir = tmp_path / "features"
    monkeypatch.setattr(EngineChoice, "open", lambda *_: nullcontext(InProcessEngine()))

    def extract_with(precision, paths):
        compute_on = compute_on_engine(
            EngineChoice(name="ray"),
            replace(CHOICE, precision=precision),
            replace(here.recipe, precision="float16"),
            features_dir,
        )
        there = SimpleNamespace(recipe=replace(here.recipe, precision="float16"))
        return list(extract(find_gifs(paths), features_dir, there, compute_on=compute_on))

    extract_with("float32", [gifs / "broken.gif", gifs / "1"])
    assert read_recipe(features_dir).precision == "float32"
    note_precision(features_dir, "float16")
    extract_with("float32", [gifs])
    assert read_recipe(features_dir).precision == "float16"  # that of its first features
