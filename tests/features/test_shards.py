"""Extraction into shards, and features converted from files to shards and back."""

import json
from pathlib import Path

import numpy as np
import pytest

from gif_files import COLOURS, draw_broken_gif, draw_gif
from gifdesc.data.feature_files import find_features, read_features, read_recipe
from gifdesc.data.feature_shards import find_shards
from gifdesc.data.gifs import find_gifs
from gifdesc.data.manifest import Manifest
from gifdesc.errors import FeatureError, UsageError
from gifdesc.features.conversion import convert_features
from gifdesc.features.extraction import extract, find_orphans, remove_orphans
from gifdesc.features.extractor import FeatureExtractor
from gifdesc.features.results import ExtractionEvent
from gifdesc.features.storage import make_storage
from worlds import run_here, use_tiny_backbone

NAMES = [f"{index}.gif" for index in range(7)]


@pytest.fixture
def gifs(tmp_path, monkeypatch) -> Path:
    use_tiny_backbone(monkeypatch)
    for index, name in enumerate(NAMES):
        draw_gif(tmp_path / "gifs" / name, [COLOURS[index], COLOURS[index + 1]], size=(20, 20))
    return tmp_path / "gifs"


def run(
    gifs: Path, output: Path, form: str = "shards", *, chunk_size: int = 3, **options: object
) -> list[ExtractionEvent]:
    dtype = options.pop("dtype", "float32")
    extractor = FeatureExtractor.create(weights="random", precision="float32")
    storage = make_storage(output, form, dtype, chunk_size)
    return list(extract(find_gifs([gifs]), output, extractor, storage=storage, **options))


def features_of(folder: Path) -> dict[str, np.ndarray]:
    entries = Manifest(folder).entries.values()
    return {each.source: read_features(folder / each.features) for each in entries if each.features}


def assert_same(folder: Path, wanted: Path) -> None:
    """Both folders have the same GIFs, with the same features to the last bit."""
    found, expected = features_of(folder), features_of(wanted)
    assert found.keys() == expected.keys()
    for name, vectors in expected.items():
        np.testing.assert_array_equal(found[name], vectors)


def test_shards_contain_the_features_of_files_to_the_last_bit(gifs, tmp_path):
    events = run(gifs, tmp_path / "shards")
    run(gifs, tmp_path / "files", "npy")
    assert [event.entry.source for event in events] == NAMES
    assert len(find_shards(tmp_path / "shards")) == 3
    assert not list((tmp_path / "shards").glob("*.npy"))
    assert_same(tmp_path / "shards", tmp_path / "files")


def test_a_rerun_skips_what_is_done_and_reads_changed_gifs(gifs, tmp_path):
    run(gifs, tmp_path / "f")
    assert all(event.skipped for event in run(gifs, tmp_path / "f"))
    draw_gif(gifs / NAMES[0], [COLOURS[5]], size=(20, 20))
    statuses = {event.entry.source: event.skipped for event in run(gifs, tmp_path / "f")}
    assert [name for name, skipped in statuses.items() if not skipped] == [NAMES[0]]
    assert len(features_of(tmp_path / "f")[NAMES[0]]) == 1


def test_force_leaves_no_old_shard(gifs, tmp_path):
    run(gifs, tmp_path / "f", chunk_size=3)
    before = find_shards(tmp_path / "f")
    run(gifs, tmp_path / "f", chunk_size=4, force=True)
    after = find_shards(tmp_path / "f")
    assert len(after) == 2
    assert not set(before) & set(after)


@pytest.mark.parametrize(("first", "second"), [("npy", "shards"), ("shards", "npy")])
def test_features_that_change_their_form_leave_no_old_ones(gifs, tmp_path, first, second):
    run(gifs, tmp_path / "f", first)
    assert all(event.skipped for event in run(gifs, tmp_path / "f", second))
    run(gifs, tmp_path / "f", second, force=True)
    assert bool(find_shards(tmp_path / "f")) == (second == "shards")
    assert bool(list((tmp_path / "f").glob("*.npy"))) == (second == "npy")
    assert len(features_of(tmp_path / "f")) == len(NAMES)


def test_a_run_that_stops_keeps_what_it_computed(gifs, tmp_path):
    extractor = FeatureExtractor.create(weights="random", precision="float32")
    storage = make_storage(tmp_path / "f", "shards", chunk_size=100)
    events = extract(find_gifs([gifs]), tmp_path / "f", extractor, storage=storage)
    seen = [next(events).entry.source for _ in range(2)]
    events.close()
    assert set(seen) <= set(features_of(tmp_path / "f"))


def test_a_shard_of_a_killed_run_is_not_computed_again(gifs, tmp_path):
    run(gifs, tmp_path / "f")
    manifest = tmp_path / "f" / "manifest.jsonl"
    manifest.write_text("".join(manifest.read_text().splitlines(keepends=True)[6:]))
    assert all(event.skipped for event in run(gifs, tmp_path / "f"))
    assert sorted(Manifest(tmp_path / "f").entries) == NAMES


def test_a_broken_gif_fails_alone(gifs, tmp_path):
    draw_broken_gif(gifs / NAMES[1])
    events = run(gifs, tmp_path / "f")
    assert [event.entry.source for event in events if event.error] == [NAMES[1]]
    assert set(features_of(tmp_path / "f")) == set(NAMES) - {NAMES[1]}


def test_pruned_gifs_do_not_come_back(gifs, tmp_path):
    folder = tmp_path / "f"
    run(gifs, folder, chunk_size=2)
    for name in NAMES[:3]:
        (gifs / name).unlink()
    orphans = find_orphans(folder)
    assert orphans == NAMES[:3]
    remove_orphans(folder, orphans)
    assert sorted(features_of(folder)) == NAMES[3:]
    run(gifs, folder)
    assert sorted(Manifest(folder).entries) == NAMES[3:]


def test_half_precision_is_recorded_and_not_mixed(gifs, tmp_path):
    run(gifs, tmp_path / "f", dtype="float16")
    assert read_recipe(tmp_path / "f").dtype == "float16"
    run(gifs, tmp_path / "full")
    for name, vectors in features_of(tmp_path / "full").items():
        half = features_of(tmp_path / "f")[name]
        np.testing.assert_allclose(half, vectors, rtol=1e-3, atol=1e-3)
    with pytest.raises(FeatureError, match="stored as float16, not float32"):
        run(gifs, tmp_path / "f")


def test_numbers_too_large_for_half_precision_fail_with_the_remedy(gifs, tmp_path, monkeypatch):
    encode = FeatureExtractor.submit
    monkeypatch.setattr(
        FeatureExtractor,
        "submit",
        lambda self, gifs: lambda: [1e6 + vectors for vectors in encode(self, gifs)()],
    )
    events = run(gifs, tmp_path / "f", dtype="float16")
    assert {event.error for event in events} == {"its features exceed float16; use --dtype float32"}


def test_half_precision_is_for_shards():
    with pytest.raises(UsageError, match="--dtype float16 is for shards"):
        make_storage(Path("f"), "npy", "float16")


# Conversion


def test_files_to_shards_and_back_changes_nothing(gifs, tmp_path):
    draw_broken_gif(gifs / "broken.gif")
    run(gifs, tmp_path / "files", "npy")
    there = convert_features(tmp_path / "files", tmp_path / "shards", "shards", chunk_size=3)
    assert (there.num_gifs, there.num_failed, there.problems) == (len(NAMES), 1, [])
    back = convert_features(tmp_path / "shards", tmp_path / "back", "npy")
    assert (back.num_gifs, back.num_failed, back.problems) == (len(NAMES), 1, [])
    for folder in ("shards", "back"):
        assert_same(tmp_path / folder, tmp_path / "files")
    for name in ("manifest.jsonl", "recipe.json"):
        assert (tmp_path / "back" / name).read_bytes() == (tmp_path / "files" / name).read_bytes()


def test_a_conversion_that_was_killed_goes_on(gifs, tmp_path):
    run(gifs, tmp_path / "files", "npy")
    convert_features(tmp_path / "files", tmp_path / "f", "shards", chunk_size=2)
    (tmp_path / "f" / find_shards(tmp_path / "f")[0]).unlink()
    again = convert_features(tmp_path / "files", tmp_path / "f", "shards", chunk_size=2)
    assert (again.num_gifs, again.num_done) == (2, len(NAMES) - 2)
    assert_same(tmp_path / "f", tmp_path / "files")


def test_features_of_other_content_are_kept_and_reported(gifs, tmp_path):
    run(gifs, tmp_path / "one", "npy")
    draw_gif(gifs / NAMES[0], [COLOURS[5]], size=(20, 20))
    draw_broken_gif(gifs / NAMES[1])
    run(gifs, tmp_path / "two", "npy")
    convert_features(tmp_path / "one", tmp_path / "f", "npy")
    result = convert_features(tmp_path / "two", tmp_path / "f", "npy")
    assert [f"another {NAMES[0]}" in problem for problem in result.problems] == [True]
    assert_same(tmp_path / "f", tmp_path / "one")
    convert_features(tmp_path / "two", tmp_path / "f", "npy", force=True)
    assert len(features_of(tmp_path / "f")[NAMES[0]]) == 1
    assert len(features_of(tmp_path / "f")) == len(NAMES)  # a failure replaces nothing


@pytest.mark.parametrize(("first", "second"), [("npy", "shards"), ("shards", "npy")])
def test_a_conversion_in_an_output_of_the_other_form_leaves_each_gif_once(
    gifs, tmp_path, first, second
):
    run(gifs, tmp_path / "made", "npy")
    convert_features(tmp_path / "made", tmp_path / "f", first)
    result = convert_features(tmp_path / "made", tmp_path / "f", second)
    assert (result.num_gifs, result.num_done) == (len(NAMES), 0)
    found = find_features(tmp_path / "f", Manifest(tmp_path / "f").entries)
    assert len(found) == len(NAMES)
    assert bool(find_shards(tmp_path / "f")) == (second == "shards")
    assert_same(tmp_path / "f", tmp_path / "made")


def test_features_made_elsewhere_are_converted(tmp_path):
    (tmp_path / "made").mkdir()
    np.save(tmp_path / "made" / "gif_7_features_with_pe.npy", np.ones((3, 4), np.float32))
    convert_features(tmp_path / "made", tmp_path / "f", "shards")
    assert list(features_of(tmp_path / "f")) == ["gif_7_features_with_pe"]
    assert read_recipe(tmp_path / "f") is None


def test_a_damaged_file_is_named_and_the_others_are_converted(gifs, tmp_path):
    run(gifs, tmp_path / "files", "npy")
    (tmp_path / "files" / f"{NAMES[2]}.npy").write_bytes(b"x")
    result = convert_features(tmp_path / "files", tmp_path / "f", "shards")
    assert result.num_gifs == len(NAMES) - 1
    assert [NAMES[2] in problem for problem in result.problems] == [True]


def test_a_folder_is_not_converted_into_itself(gifs, tmp_path):
    run(gifs, tmp_path / "f", "npy")
    with pytest.raises(UsageError, match="is the folder of the features"):
        convert_features(tmp_path / "f", tmp_path / "f", "shards")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FeatureError, match="no features here"):
        convert_features(tmp_path / "empty", tmp_path / "g", "shards")


# Through the command line


def test_shards_are_extracted_converted_and_trained_on(gifs, tmp_path, monkeypatch):
    for index, name in enumerate(NAMES):
        path = tmp_path / "descriptions" / f"{Path(name).stem}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"a frame of colour {index}\n")
    monkeypatch.chdir(tmp_path)
    arguments = ("extract", gifs, "--weights", "random", "--precision", "float32", "--json")
    assert run_here(*arguments, "-o", "files").code == 0
    done = run_here(*arguments, "-o", "shards", "--format", "shards", "--chunk-size", 3)
    assert json.loads(done.out)["ok"] == len(NAMES)
    converted = run_here("convert", "shards", "back", "--to", "npy", "--json")
    assert json.loads(converted.out) == {
        "output": "back",
        "format": "npy",
        "num_gifs": len(NAMES),
        "num_done": 0,
        "num_failed": 0,
        "problems": [],
    }
    results = {}
    for folder in ("files", "shards", "back"):
        train = (
            "train",
            "--features",
            folder,
            "--model",
            f"model-{folder}",
            "--epochs",
            1,
            "--json",
        )
        trained = run_here(*train)
        assert trained.code == 0, trained.err
        rows = (tmp_path / f"model-{folder}" / "history.jsonl").read_text()
        results[folder] = [json.loads(row)["train_loss"] for row in rows.splitlines()]
    assert results["shards"] == results["back"] == results["files"]


@pytest.mark.parametrize("form", ["npy", "shards"])
def test_features_that_vanish_during_a_run_are_an_error_and_extracted_again(gifs, tmp_path, form):
    folder = tmp_path / "f"
    storage = make_storage(folder, form, chunk_size=2)
    extractor = FeatureExtractor.create(weights="random", precision="float32")
    events = extract(find_gifs([gifs]), folder, extractor, storage=storage)
    for _ in range(4):
        next(events)
    lost = next(path for path in folder.rglob("*") if path.suffix in (".npy", ".safetensors"))
    lost.unlink()
    with pytest.raises(FeatureError, match=r"are missing although they were written: .*; run the"):
        list(events)
    statuses = {event.status for event in run(gifs, folder, form)}
    assert statuses == {"ok", "skipped"}
    assert sorted(features_of(folder)) == NAMES
