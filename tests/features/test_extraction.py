"""Extraction of folders: written, skipped and repeated files, errors and killed runs."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from gif_files import COLOURS, draw_broken_gif, draw_gif, truncate
from gifdesc.config import FeatureRecipe
from gifdesc.data.feature_files import read_features, read_recipe, write_features
from gifdesc.data.gifs import GifInput, find_gifs
from gifdesc.data.manifest import MANIFEST_NAME, Manifest
from gifdesc.errors import FeatureError
from gifdesc.features import frames as sampled
from gifdesc.features.encoder import TorchEncoder
from gifdesc.features.extraction import (
    count_ahead,
    extract,
    find_orphans,
    remove_orphans,
)
from gifdesc.features.extractor import FeatureExtractor
from gifdesc.features.preprocessing import FrameTransform
from gifdesc.features.results import ExtractionEvent
from gifdesc.features.storage import FileStorage
from gifdesc.system.files import sha256_of
from gifdesc.system.locking import LOCK_NAME
from worlds import backbone_of

RECIPE = FeatureRecipe(
    weights="random",
    weights_sha256="5" * 64,
    image_size=8,
    resize_size=8,
    gifdesc_version="0.1.0",
)


class MeanColours(torch.nn.Module):
    """In ResNet50's place: the frame's mean colour, 2048 numbers of it."""

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """(N, 3, h, w) -> (N, 2048)."""
        return frames.mean(dim=(2, 3)).repeat(1, 683)[:, :2048]


class Run:
    """A folder of GIFs, a folder of features, and the frames computed so far."""

    batch_frames = 32  # as an encoder, of which `submit` and `cancel` are the rest

    def __init__(self, folder: Path) -> None:
        self.gifs = folder / "gifs"
        self.features = folder / "features"
        self.recipe = RECIPE
        self.num_computed = 0
        self._encoder = TorchEncoder(backbone_of(MeanColours()), torch.device("cpu"))
        self.gifs.mkdir()

    def submit(self, pixels: np.ndarray) -> Callable[[], np.ndarray]:
        """Compute and count one batch: the extractor's encoder."""
        self.num_computed += len(pixels)
        return self._encoder.submit(pixels)

    def cancel(self) -> None:
        """Drop what has not begun."""
        self._encoder.cancel()

    @property
    def extractor(self) -> FeatureExtractor:
        """An extractor of the recipe."""
        transform = FrameTransform(resize_size=8, image_size=8)
        backbone = backbone_of(MeanColours(), transform=transform)
        return FeatureExtractor(backbone, self.recipe, self)

    def start(self, *paths: Path, **options: bool) -> Iterator[ExtractionEvent]:
        """Begin; events come as they are asked for."""
        inputs = find_gifs(paths or [self.gifs])
        return extract(inputs, self.features, self.extractor, **options)

    def __call__(self, *paths: Path, **options: bool) -> dict[str, ExtractionEvent]:
        """Extract all, and give the events by source."""
        self.num_computed = 0
        events = list(self.start(*paths, **options))
        by_source = {event.entry.source: event for event in events}
        assert len(by_source) == len(events)
        return by_source

    def statuses(self) -> dict[str, str]:
        """The manifest on disk, by GIF."""
        return {source: one.status for source, one in Manifest(self.features).entries.items()}

    def files(self) -> set[str]:
        """Feature files on disk, and any temporary file that was left."""
        paths = [path for path in self.features.rglob("*") if path.is_file()]
        names = {path.relative_to(self.features).as_posix() for path in paths}
        return names - {"recipe.json", "manifest.jsonl", LOCK_NAME}


@pytest.fixture
def run(tmp_path) -> Run:
    return Run(tmp_path)


# What is written


def test_every_gif_gets_a_feature_file_under_its_own_path(run):
    draw_gif(run.gifs / "x" / "cat.gif", 3)
    draw_gif(run.gifs / "y" / "cat.gif", 20)
    draw_gif(run.gifs / "LOUD.GIF", 1)
    events = run()
    assert set(events) == {"x/cat.gif", "y/cat.gif", "LOUD.GIF"}
    assert run.files() == {"x/cat.gif.npy", "y/cat.gif.npy", "LOUD.GIF.npy"}
    for name, num_frames in [("x/cat.gif.npy", 3), ("y/cat.gif.npy", 16), ("LOUD.GIF.npy", 1)]:
        assert read_features(run.features / name).shape == (num_frames, 2048)


def test_the_features_are_the_extractors(run):
    path = draw_gif(run.gifs / "a.gif", 5)
    draw_gif(run.gifs / "b.gif", 20)
    run()
    extractor = run.extractor
    wanted = extractor.encode([extractor.sample(path)])[0]
    np.testing.assert_allclose(read_features(run.features / "a.gif.npy"), wanted, atol=1e-6)


def test_the_folder_carries_its_recipe(run):
    draw_gif(run.gifs / "a.gif")
    run()
    assert read_recipe(run.features) == RECIPE


def test_the_manifest_records_every_gif(run):
    path = draw_gif(run.gifs / "a.gif", 3, durations_ms=[50, 70, 200])
    event = run()["a.gif"]
    entry = Manifest(run.features).entries["a.gif"]
    assert event == ExtractionEvent(entry, path, str(path))
    assert entry.to_json() == {
        "source": "a.gif",
        "status": "ok",
        "error": None,
        "note": None,
        "size_bytes": path.stat().st_size,
        "sha256": sha256_of(path),
        "num_frames": 3,
        "duration_ms": 320,
        "sampled_frames": (0, 1, 2),
        "sampled_times_ms": (0, 50, 120),
        "features": "a.gif.npy",
        "labels": None,
        "origin": str(path),
    }


def test_under_time_sampling_a_frame_may_be_listed_more_than_once(run):
    run.recipe = replace(RECIPE, sampling="time", num_frames=4)
    draw_gif(run.gifs / "a.gif", 2, durations_ms=[150, 650])
    entry = run()["a.gif"].entry
    assert entry.sampled_frames == (0, 1, 1, 1)
    assert entry.sampled_times_ms == (0, 150, 150, 150)
    assert read_features(run.features / "a.gif.npy").shape == (4, 2048)
    assert run.num_computed == 2


def test_a_copy_of_a_gif_is_not_computed_again(run):
    red, green, blue = COLOURS[:3]
    draw_gif(run.gifs / "a.gif", [red, green, red])
    draw_gif(run.gifs / "b.gif", [green, blue])
    shutil.copy(run.gifs / "a.gif", run.gifs / "c.gif")
    run()
    assert run.num_computed == 4
    for path in ("a.gif.npy", "c.gif.npy"):
        assert read_features(run.features / path).shape == (3, 2048)


def test_many_gifs_go_through_in_several_batches(run):
    for index in range(12):
        draw_gif(run.gifs / f"{index}.gif", 16, size=(8 + index, 8))
    run()
    assert run.num_computed == 12 * 16
    for index in range(12):
        features = read_features(run.features / f"{index}.gif.npy")
        np.testing.assert_allclose(features, read_features(run.features / "0.gif.npy"), atol=1e-4)


def test_a_name_that_is_not_utf8(run):
    name = os.fsdecode(b"caf\xe9.gif")
    draw_gif(run.gifs / name, 2)
    assert run()[name].entry.status == "ok"
    assert read_features(run.features / f"{name}.npy").shape == (2, 2048)
    assert run()[name].skipped


def test_a_name_as_long_as_the_file_system_allows(run):
    name = "x" * 251 + ".gif"
    draw_gif(run.gifs / name, 2)
    entry = run()[name].entry
    assert read_features(run.features / entry.features).shape == (2, 2048)
    assert run()[name].skipped


def test_nothing_to_do(run):
    assert list(extract([], run.features, run.extractor)) == []
    assert run.statuses() == {}
    assert read_recipe(run.features) == RECIPE


# Run again


def test_a_rerun_skips_what_is_done(run):
    draw_gif(run.gifs / "a.gif", 3)
    draw_gif(run.gifs / "b.gif", 2)
    first = run()
    written = {name: (run.features / name).stat().st_mtime_ns for name in run.files()}
    second = run()
    assert all(event.skipped for event in second.values())
    assert not any(event.skipped for event in first.values())
    assert {s: e.entry for s, e in second.items()} == {s: e.entry for s, e in first.items()}
    assert run.num_computed == 0
    assert {name: (run.features / name).stat().st_mtime_ns for name in run.files()} == written


def test_a_new_gif_is_extracted_and_the_others_are_skipped(run):
    draw_gif(run.gifs / "a.gif", 3)
    run()
    draw_gif(run.gifs / "b.gif", 2)
    assert {source: event.skipped for source, event in run().items()} == {
        "a.gif": True,
        "b.gif": False,
    }
    assert run.statuses() == {"a.gif": "ok", "b.gif": "ok"}


def test_a_changed_file_is_redone(run):
    draw_gif(run.gifs / "a.gif", 3)
    run()
    draw_gif(run.gifs / "a.gif", 5)
    event = run()["a.gif"]
    assert not event.skipped
    assert event.entry.num_frames == 5
    assert read_features(run.features / "a.gif.npy").shape == (5, 2048)


def test_a_file_changed_without_its_size_is_redone(run):
    path = draw_gif(run.gifs / "a.gif", [COLOURS[0], COLOURS[1]])
    stat = path.stat()
    run()
    before = read_features(run.features / "a.gif.npy")
    draw_gif(path, [COLOURS[2], COLOURS[3]])
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert path.stat().st_size == stat.st_size
    assert not run()["a.gif"].skipped
    assert not np.allclose(read_features(run.features / "a.gif.npy"), before)


def test_a_lost_feature_file_is_redone(run):
    draw_gif(run.gifs / "a.gif", 3)
    run()
    (run.features / "a.gif.npy").unlink()
    assert not run()["a.gif"].skipped
    assert run.files() == {"a.gif.npy"}


def test_force_redoes_everything(run):
    draw_gif(run.gifs / "a.gif", 3)
    run()
    write_features(run.features / "a.gif.npy", np.zeros((1, 1), np.float32))
    assert not run(force=True)["a.gif"].skipped
    assert run.num_computed == 3
    assert read_features(run.features / "a.gif.npy").shape == (3, 2048)


def test_the_manifest_has_one_line_per_gif_after_every_run(run):
    for name in ("b", "a", "c"):
        draw_gif(run.gifs / f"{name}.gif", 2)
    for _ in range(3):
        run(force=True)
    lines = (run.features / "manifest.jsonl").read_text().splitlines()
    assert [json.loads(line)["source"] for line in lines] == ["a.gif", "b.gif", "c.gif"]


def test_gifs_of_an_earlier_run_stay_in_the_manifest(run):
    first, second = draw_gif(run.gifs / "a.gif", 2), draw_gif(run.gifs / "b.gif", 2)
    run(first)
    run(second)
    assert run.statuses() == {"a.gif": "ok", "b.gif": "ok"}


# Files that are broken


def test_failed_files_are_recorded_and_the_others_continue(run):
    draw_gif(run.gifs / "a.gif", 3)
    draw_broken_gif(run.gifs / "b.gif")
    (run.gifs / "c.gif").touch()
    (run.gifs / "d.gif").symlink_to("gone.gif")
    draw_gif(run.gifs / "e.gif", 2)
    events = run()
    assert sorted(events) == ["a.gif", "b.gif", "c.gif", "d.gif", "e.gif"]
    assert run.statuses() == {
        "a.gif": "ok",
        "b.gif": "failed",
        "c.gif": "failed",
        "d.gif": "failed",
        "e.gif": "ok",
    }
    assert run.files() == {"a.gif.npy", "e.gif.npy"}
    errors = {source: event.entry.error for source, event in events.items()}
    assert errors["a.gif"] is None
    assert errors["b.gif"].startswith("not a GIF")
    assert errors["c.gif"] == "an empty file"
    assert errors["d.gif"] == "no such file"
    assert events["b.gif"].entry.size_bytes == (run.gifs / "b.gif").stat().st_size
    assert events["b.gif"].entry.features is None


def test_arguments_that_gave_no_gif_are_recorded(run):
    (run.gifs / "empty").mkdir()
    good = draw_gif(run.gifs / "a.gif", 2)
    events = run(run.gifs / "gone.gif", run.gifs / "empty", good)
    assert {source: event.entry.error for source, event in events.items()} == {
        "gone.gif": "no such file or folder",
        "empty": "no GIF in this folder",
        "a.gif": None,
    }


def test_a_truncated_gif_is_recorded_and_its_beginning_used(run):
    truncate(draw_gif(run.gifs / "a.gif", 6), 20)
    entry = run()["a.gif"].entry
    assert (entry.status, entry.num_frames) == ("truncated", 5)
    assert entry.error
    assert read_features(run.features / "a.gif.npy").shape == (5, 2048)
    assert run()["a.gif"].skipped


def test_the_features_of_a_gif_that_became_broken_are_removed(run):
    path = draw_gif(run.gifs / "a.gif", 3)
    draw_gif(run.gifs / "b.gif", 3)
    run()
    draw_broken_gif(path)
    assert run()["a.gif"].entry.status == "failed"
    assert run.files() == {"b.gif.npy"}
    assert run.statuses() == {"a.gif": "failed", "b.gif": "ok"}


def test_an_unchanged_failed_file_is_retried_only_on_request(run):
    draw_broken_gif(run.gifs / "a.gif")
    run()
    assert run()["a.gif"].skipped
    assert run()["a.gif"].entry.status == "failed"
    assert not run(retry_failed=True)["a.gif"].skipped
    assert not run(force=True)["a.gif"].skipped


def test_a_repaired_file_is_extracted(run):
    draw_broken_gif(run.gifs / "a.gif")
    run()
    draw_gif(run.gifs / "a.gif", 3)
    assert run()["a.gif"].entry.status == "ok"
    assert run.statuses() == {"a.gif": "ok"}


# Folders that do not fit


def test_a_folder_in_place_of_a_feature_file_fails_one_gif(run):
    for name in ("a", "b", "c"):
        draw_gif(run.gifs / f"{name}.gif", 2)
    (run.features / "b.gif.npy").mkdir(parents=True)
    events = run()
    wanted = {"a.gif": "ok", "b.gif": "failed", "c.gif": "ok"}
    assert {source: event.entry.status for source, event in events.items()} == wanted
    assert run.statuses() == wanted
    error = events["b.gif"].entry.error
    assert error == f"{run.features / 'b.gif.npy'} cannot be written: is a directory"
    (run.features / "b.gif.npy").rmdir()
    again = run()  # nothing is wrong with the GIF: it is tried again unasked
    assert (again["b.gif"].entry.status, again["b.gif"].skipped) == ("ok", False)
    assert again["a.gif"].skipped


def test_a_folder_named_like_a_feature_file_fails_one_gif(run):
    draw_gif(run.gifs / "a.gif", 2)
    draw_gif(run.gifs / "a.gif.npy" / "b.gif", 2)
    assert {source: event.entry.status for source, event in run().items()} == {
        "a.gif": "ok",
        "a.gif.npy/b.gif": "failed",
    }
    assert run.files() == {"a.gif.npy"}


def test_a_folder_in_place_of_features_is_reported(run):
    path = draw_gif(run.gifs / "a.gif", 2)
    run()
    (run.features / "a.gif.npy").unlink()
    (run.features / "a.gif.npy").mkdir()
    assert run()["a.gif"].entry.status == "failed"
    draw_broken_gif(path)
    assert run()["a.gif"].entry.error.startswith("not a GIF")
    assert run.statuses() == {"a.gif": "failed"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"sampling": "step"}, "sampling uniform, not step"),
        ({"encoding": "none"}, "encoding sinusoidal, not none"),
        ({"weights_sha256": "6" * 64}, f"weights_sha256 {'5' * 64}, not {'6' * 64}"),
    ],
)
def test_a_folder_of_another_recipe_is_refused_and_unchanged(run, change, said):
    draw_gif(run.gifs / "a.gif", 3)
    run()
    before = (run.features / "manifest.jsonl").read_bytes()
    draw_gif(run.gifs / "b.gif", 3)
    run.recipe = replace(RECIPE, **change)
    with pytest.raises(FeatureError, match=f"features: its features were made with {said}"):
        run()
    assert run.files() == {"a.gif.npy"}
    assert (run.features / "manifest.jsonl").read_bytes() == before
    assert read_recipe(run.features) == RECIPE


def test_features_made_elsewhere_are_not_mixed_in(run):
    draw_gif(run.gifs / "a.gif", 3)
    write_features(run.features / "gif_7_features_with_pe.npy", np.ones((2, 2048), np.float32))
    with pytest.raises(FeatureError, match=r"holds feature files without recipe\.json"):
        run()
    assert run.files() == {"gif_7_features_with_pe.npy"}


def test_an_output_that_is_a_file_is_refused(run):
    draw_gif(run.gifs / "a.gif", 3)
    run.features.write_text("in the way")
    with pytest.raises(FeatureError, match=f"{run.features}: cannot be written"):
        run()
    assert run.features.read_text() == "in the way"


def test_a_full_disk_is_a_one_sentence_error_and_keeps_finished_files(run, monkeypatch):
    for name in ("a", "b", "c"):
        draw_gif(run.gifs / f"{name}.gif", 2)
    write = Path.write_bytes

    def full(path, data):
        if path.parent == run.features and "a.gif.npy" in run.files():
            write(path, b"half a file")
            raise OSError(28, "No space left on device")
        return write(path, data)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(FeatureError, match="cannot be written: no space left on device"):
            run()
    assert run.files() == {"a.gif.npy"}
    assert run.statuses() == {"a.gif": "ok"}
    assert {source: event.skipped for source, event in run().items()} == {
        "a.gif": True,
        "b.gif": False,
        "c.gif": False,
    }


def test_two_runs_do_not_write_into_one_folder(run):
    draw_gif(run.gifs / "a.gif", 2)
    draw_gif(run.gifs / "b.gif", 2)
    first = run.start()
    next(first)
    with pytest.raises(FeatureError, match="another gifdesc extract is writing here"):
        run()
    first.close()
    assert set(run()) == {"a.gif", "b.gif"}


# Killed


def test_a_stopped_run_continues(run):
    for name in ("a", "b", "c"):
        draw_gif(run.gifs / f"{name}.gif", 2)
    events = run.start()
    first = next(events)
    assert (run.features / first.entry.features).is_file()  # the file is on disk before its event
    assert run.statuses() == {first.entry.source: "ok"}
    events.close()
    assert sum(event.skipped for event in run().values()) == 1
    assert run.statuses() == {"a.gif": "ok", "b.gif": "ok", "c.gif": "ok"}


def test_leftovers_of_a_killed_run_are_removed(run):
    draw_gif(run.gifs / "a.gif", 2)
    run()
    manifest_path = run.features / "manifest.jsonl"
    manifest_path.write_bytes(manifest_path.read_bytes() + b'{"source": "b.gif", "sta')
    (run.features / ".gifdesc-tmp-killed").write_text("half")
    draw_gif(run.gifs / "b.gif", 2)
    assert {source: event.skipped for source, event in run().items()} == {
        "a.gif": True,
        "b.gif": False,
    }
    assert run.files() == {"a.gif.npy", "b.gif.npy"}
    assert run.statuses() == {"a.gif": "ok", "b.gif": "ok"}


def test_inputs_are_listed_as_they_are_consumed(run):
    draw_gif(run.gifs / "a.gif", 2)
    paths = [draw_gif(run.gifs / f"{index}.gif", 16, size=(8 + index, 8)) for index in range(30)]
    listed = []

    def inputs() -> Iterator[GifInput]:
        for path in paths:
            listed.append(path)
            yield GifInput(path, path.name)

    events = extract(inputs(), run.features, run.extractor)
    next(events)
    assert len(listed) < len(paths)
    events.close()


def test_counting_ahead_lists_no_more_than_it_needs(run):
    draw_gif(run.gifs / "0.gif", 2)
    run()
    paths = [run.gifs / f"{index}.gif" for index in range(9)]
    taken = []

    def inputs() -> Iterator[GifInput]:
        for path in paths:
            taken.append(path)
            yield GifInput(path, path.name)

    num_undone, ahead = count_ahead(inputs(), run.features, 3)
    assert (num_undone, taken) == (3, paths[:4])  # the first is done
    assert [one.path for one in ahead] == paths
    assert count_ahead(inputs(), run.features, 100)[0] == 8
    assert count_ahead(inputs(), run.features, 100, force=True)[0] == 9


def test_features_are_kept_while_a_gif_cannot_be_read(run):
    path = draw_gif(run.gifs / "a.gif")
    run()
    known = Manifest(run.features).entries
    path.rename(path.with_suffix(".away"))
    [event] = extract([GifInput(path, "a.gif")], run.features, run.extractor)
    assert event.entry.status == "failed"
    assert run.files() == {"a.gif.npy"}
    assert Manifest(run.features).entries == known


def test_a_folder_removed_during_a_run_is_an_error(run):
    run.batch_frames = 1
    for index in range(4):
        draw_gif(run.gifs / f"{index}.gif", frames=1)
    events = run.start()
    next(events)
    shutil.rmtree(run.features)
    with pytest.raises(FeatureError, match="removed during the run"):
        list(events)


@pytest.mark.parametrize("num_left", [0, 1])
def test_a_folder_removed_while_gifs_are_broken_or_skipped_does_not_come_back(run, num_left):
    draw_gif(run.gifs / "a.gif", frames=1)
    draw_gif(run.gifs / "b.gif", frames=1)
    run()
    if num_left:
        draw_broken_gif(run.gifs / "c.gif")
    events = run.start()
    next(events)
    shutil.rmtree(run.features)
    with pytest.raises(FeatureError, match=r"removed during the run; run the command again"):
        list(events)
    assert not run.features.exists()


def test_a_folder_removed_while_features_are_written_does_not_come_back(run, monkeypatch):
    draw_gif(run.gifs / "sub" / "a.gif", frames=1)
    placed = FileStorage.placed

    def remove_first(storage, entry):
        shutil.rmtree(run.features, ignore_errors=True)
        return placed(storage, entry)

    monkeypatch.setattr(FileStorage, "placed", remove_first)
    with pytest.raises(FeatureError, match="removed during the run"):
        run()
    assert not run.features.exists()


def test_a_replaced_gif_is_retried_after_a_failure(run, monkeypatch):
    path = draw_broken_gif(run.gifs / "a.gif")
    read = sampled.load_bytes

    def read_then_replace(source):
        data = read(source)
        draw_gif(path)
        return data

    monkeypatch.setattr(sampled, "load_bytes", read_then_replace)
    assert run()["a.gif"].entry.status == "failed"
    monkeypatch.undo()
    assert run()["a.gif"].entry.status == "ok"


class Overflowing(MeanColours):
    """Gives infinity for pictures that are mostly red, as 16-bit floats may."""

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """(N, 3, h, w) -> (N, 2048)."""
        features = super().forward(frames)
        return torch.where(features[:, :1] > 1.5, torch.inf, features)


def test_features_that_are_not_finite_fail_only_their_gif(run, monkeypatch):
    draw_gif(run.gifs / "good.gif", [(0, 0, 200), (0, 0, 100)])
    draw_gif(run.gifs / "red.gif", [(0, 0, 200), (255, 0, 0)])
    monkeypatch.setattr(
        run, "_encoder", TorchEncoder(backbone_of(Overflowing()), torch.device("cpu"))
    )
    events = run()
    assert run.statuses() == {"good.gif": "ok", "red.gif": "failed"}
    assert events["red.gif"].entry.error.startswith(
        "the output of the network cannot be used (NaN, infinity, or beyond 1e+15)"
    )
    assert run.files() == {"good.gif.npy"}


# One name, one GIF


def test_two_folders_extracted_in_turn_keep_their_features(run, tmp_path):
    for index in range(3):
        draw_gif(tmp_path / "cats" / f"{index}.gif", [COLOURS[index], (0, 0, 0)])
        draw_gif(tmp_path / "dogs" / f"{index}.gif", [COLOURS[index + 3], (0, 0, 0)])
    run(tmp_path / "cats")
    before = {name: (run.features / name).read_bytes() for name in run.files()}
    events = run(tmp_path / "dogs")
    assert {event.taken for event in events.values()} == {f"{index}.gif" for index in range(3)}
    assert run.files() == {f"{folder}{i}.gif.npy" for folder in ("", "dogs/") for i in range(3)}
    assert before == {name: (run.features / name).read_bytes() for name in before}
    again = run(tmp_path / "cats") | run(tmp_path / "dogs")
    assert len(again) == 6
    assert all(event.skipped for event in again.values())


def test_a_moved_folder_is_not_extracted_again(run, tmp_path):
    draw_gif(tmp_path / "old" / "a.gif")
    run(tmp_path / "old")
    (tmp_path / "old").rename(tmp_path / "new")
    events = run(tmp_path / "new")
    assert events["a.gif"].skipped
    assert Manifest(run.features).entries["a.gif"].origin == str(tmp_path / "new" / "a.gif")
    assert find_orphans(run.features) == []


@pytest.mark.parametrize("is_broken", [False, True])
def test_a_new_gif_with_the_name_of_a_removed_gif_is_kept_apart(run, tmp_path, is_broken):
    draw_gif(tmp_path / "old" / "a.gif", 2)
    run(tmp_path / "old")
    (tmp_path / "old" / "a.gif").unlink()
    (tmp_path / "old").rmdir()
    path = tmp_path / "new" / "a.gif"
    draw_broken_gif(path) if is_broken else draw_gif(path, 3)
    [event] = run(tmp_path / "new").values()
    assert event.entry.source == "new/a.gif"
    assert event.taken == "a.gif"
    assert run.statuses() == {"a.gif": "ok", "new/a.gif": "failed" if is_broken else "ok"}
    assert len(read_features(run.features / "a.gif.npy")) == 2


def test_an_edited_gif_is_extracted_again_under_its_name(run):
    draw_gif(run.gifs / "a.gif", 2)
    run()
    draw_gif(run.gifs / "a.gif", 3)
    event = run()["a.gif"]
    assert (event.skipped, event.entry.note, event.taken) == (False, None, None)
    assert len(read_features(run.features / "a.gif.npy")) == 3


def test_features_from_before_origins_are_skipped_and_get_origins(run):
    path = draw_gif(run.gifs / "a.gif", 2)
    run()
    manifest_path = run.features / MANIFEST_NAME
    row = json.loads(manifest_path.read_text())
    del row["origin"]
    manifest_path.write_text(json.dumps(row) + "\n")
    assert run()["a.gif"].skipped
    assert Manifest(run.features).entries["a.gif"].origin == str(path)
    manifest_path.write_text(json.dumps(row) + "\n")
    draw_gif(path, 3)
    event = run()["a.gif"]
    assert event.entry.note == ("replaces features of other content, whose path was not recorded")


def test_features_of_removed_gifs_are_found_and_removed(run):
    paths = [draw_gif(run.gifs / f"{name}.gif") for name in "abc"]
    run()
    paths[1].unlink()
    run()
    assert find_orphans(run.features) == ["b.gif"]
    remove_orphans(run.features, ["b.gif"])
    assert find_orphans(run.features) == []
    assert run.files() == {"a.gif.npy", "c.gif.npy"}
    assert set(run.statuses()) == {"a.gif", "c.gif"}


def test_feature_files_are_flushed_to_disk_before_their_lines_are_written(run, monkeypatch):
    events = []
    add = Manifest.add

    def note_files(paths):
        events.extend(sorted(path.name for path in paths))

    def note_lines(manifest, *entries):
        events.extend(f"line of {entry.source}" for entry in entries)
        add(manifest, *entries)

    monkeypatch.setattr("gifdesc.features.storage.sync_files", note_files)
    monkeypatch.setattr("gifdesc.data.manifest.sync_files", note_files)
    monkeypatch.setattr(Manifest, "add", note_lines)
    for name in "abc":
        draw_gif(run.gifs / f"{name}.gif", 2)
    run()
    lines = [f"line of {name}.gif" for name in "abc"]
    assert [event for event in events if event.startswith("line")] == lines
    for name, line in zip("abc", lines, strict=True):
        assert events.index(f"{name}.gif.npy") < events.index(line)
    assert events[-1] == "manifest.jsonl"


def test_a_manifest_that_is_a_link_out_of_the_folder_is_not_written_through(run, tmp_path):
    draw_gif(run.gifs / "a.gif", 2)
    run()
    outside = tmp_path / "outside.jsonl"
    (run.features / MANIFEST_NAME).rename(outside)
    (run.features / MANIFEST_NAME).symlink_to(outside)
    before = outside.read_bytes()
    draw_gif(run.gifs / "b.gif", 2)
    run()
    assert outside.read_bytes() == before
    assert not (run.features / MANIFEST_NAME).is_symlink()
    assert run.statuses() == {"a.gif": "ok", "b.gif": "ok"}
