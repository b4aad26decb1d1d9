"""Captions and features by real Ray: those of the local engine, and nothing is left of it."""

import json
import signal
from dataclasses import replace

import numpy as np
import pytest

from gif_files import draw_broken_gif, draw_gif
from gifdesc.config import UNTRAINED
from gifdesc.data.feature_files import read_features
from gifdesc.data.manifest import Manifest
from gifdesc.features.extractor import FeatureExtractor
from ray_processes import SECONDS, assert_gone, processes_of, run_with_ray, started, wait_until
from worlds import run_here, write_model

pytest.importorskip("ray")

pytestmark = pytest.mark.slow

SHORT = ("--beam", 2, "--max-length", 6)


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory):
    """A model for features of an untrained ResNet18, which a process of Ray can load."""
    extractor = FeatureExtractor.create(backbone="resnet18", weights=UNTRAINED, device="cpu")
    folder = tmp_path_factory.mktemp("model")
    return write_model(folder, recipe=extractor.recipe, feature_size=512)


@pytest.fixture(scope="module")
def gifs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gifs")
    for number in range(20):
        draw_gif(folder / f"{number:02d}.gif", 1 + number % 4)
    draw_broken_gif(folder / "broken.gif")
    return folder


def rows_of(text):
    return [json.loads(line) for line in text.splitlines()]


def test_captions_by_ray_are_those_of_the_local_engine(gifs, model_dir, tmp_path):
    options = ("caption", gifs, "--model", model_dir, "--json", *SHORT)
    wanted = run_here(*options)
    output = tmp_path / "captions.jsonl"
    chosen = ("--engine", "ray", "--chunk-size", 4, "--output", output)
    done = run_with_ray(*options, *chosen, mark=str(tmp_path))
    assert (done.code, done.out) == (1, "")  # a GIF is broken
    found = rows_of(output.read_text())
    assert [row["path"] for row in found] == [row["path"] for row in rows_of(wanted.out)]
    for row, other in zip(found, rows_of(wanted.out), strict=True):
        assert (row.get("caption"), row.get("error")) == (other.get("caption"), other.get("error"))
        assert row.get("score") == pytest.approx(other.get("score"), abs=1e-5)
    assert [path.name for path in tmp_path.iterdir()] == ["captions.jsonl"]
    assert done.errors == wanted.errors != []
    assert any("starting Ray takes about 10 s" in warning for warning in done.warnings)
    assert_gone(str(tmp_path))


def test_standard_output_has_nothing_but_captions(gifs, model_dir, tmp_path):
    done = run_with_ray(
        *("caption", gifs / "00.gif", gifs / "01.gif", "--model", model_dir, "--json", *SHORT),
        *("--engine", "ray"),
        mark=str(tmp_path),
    )
    assert done.code == 0
    assert [row["path"] for row in rows_of(done.out)] == [
        str(gifs / "00.gif"),
        str(gifs / "01.gif"),
    ]
    assert {line.split(":")[0] for line in done.err.splitlines()} <= {
        "warning",
        "starting Ray ...",
        "1 captioned, 0 failed so far",
    }
    assert_gone(str(tmp_path))


def test_descriptions_by_ray_are_those_of_the_local_engine(gifs, model_dir, tmp_path):
    options = ("describe", gifs, "--model", model_dir, "--beam", 2, "--max-length", 6, "--json")
    wanted = run_here(*options, "--output", tmp_path / "wanted")
    found = tmp_path / "found"
    done = run_with_ray(*options, "--output", found, "--engine", "ray", mark=str(tmp_path))
    assert (done.code, wanted.code) == (1, 1)
    counts = {name: value for name, value in json.loads(done.out).items() if name != "output"}
    assert counts.items() <= json.loads(wanted.out).items()
    names = sorted(path.name for path in (tmp_path / "wanted").rglob("*"))
    assert sorted(path.name for path in found.rglob("*")) == names
    for path in found.glob("*.txt"):
        assert path.read_text() == (tmp_path / "wanted" / path.name).read_text()
    assert_gone(str(tmp_path))


@pytest.mark.parametrize("storage", ["npy", "shards"])
def test_features_by_ray_are_those_of_the_local_engine_to_the_bit(gifs, tmp_path, storage):
    options = ("extract", gifs, "--backbone", "resnet18", "--weights", "random", "--json")
    options += ("--format", storage, "--device", "cpu")
    wanted = run_with_ray(*options, "--output", tmp_path / "wanted", mark=str(tmp_path))
    found = tmp_path / "found"
    done = run_with_ray(
        *(*options, "--output", found, "--engine", "ray", "--chunk-size", 8), mark=str(tmp_path)
    )
    assert (done.code, wanted.code) == (1, 1)  # a GIF is broken
    counts = {name: value for name, value in json.loads(done.out).items() if name != "output"}
    assert counts.items() <= json.loads(wanted.out).items()
    assert Manifest(found).entries.keys() == Manifest(tmp_path / "wanted").entries.keys()
    for source, entry in Manifest(tmp_path / "wanted").entries.items():
        other = Manifest(found).entries[source]
        assert replace(other, features=entry.features) == entry
        if entry.features is not None:
            one = read_features(found / other.features)
            np.testing.assert_array_equal(one, read_features(tmp_path / "wanted" / entry.features))
    assert not (found / ".chunks").exists()
    assert_gone(str(tmp_path))


@pytest.mark.parametrize(
    ("number", "code", "sentence"),
    [(signal.SIGTERM, 143, "SIGTERM"), (signal.SIGINT, 130, "interrupted")],
)
def test_a_signal_ends_ray_with_one_sentence_and_the_rerun_continues(
    tmp_path, number, code, sentence
):
    for index in range(60):
        draw_gif(tmp_path / "gifs" / f"{index:02d}.gif", 1 + index % 4)
    found = tmp_path / "found"
    command = ["extract", tmp_path / "gifs", "--backbone", "resnet18", "--weights", "random"]
    command += ["--engine", "ray", "--chunk-size", 2, "--num-workers", 1, "--output", found]
    mark = str(tmp_path)
    with started("-m", "gifdesc", *command, mark=mark) as process:
        wait_until(lambda: list(found.glob("*.npy")))
        process.send_signal(number)
        _, err = process.communicate(timeout=SECONDS)
    assert process.returncode == code
    assert "Traceback" not in err
    assert sentence in err.strip().splitlines()[-1]
    assert_gone(mark)
    assert (found / ".chunks").is_dir()
    done = run_with_ray(*command, mark=mark)
    assert done.code == 0
    assert len(list(found.glob("*.npy"))) == 60
    assert not (found / ".chunks").exists()
    assert_gone(mark)


def test_a_signal_while_ray_starts_leaves_no_process(gifs, tmp_path):
    command = ["extract", gifs, "--backbone", "resnet18", "--weights", "random"]
    command += ["--engine", "ray", "--output", tmp_path / "found"]
    mark = str(tmp_path)
    with started("-m", "gifdesc", *command, mark=mark) as process:
        wait_until(lambda: any("gcs_server" in words for words in processes_of(mark).values()))
        process.terminate()
        process.communicate(timeout=SECONDS)
    assert process.returncode == 143
    assert_gone(mark)
