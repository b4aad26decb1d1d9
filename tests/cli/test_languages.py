"""Captions of every script through the commands: trained, generated, written, shown, scored."""

import csv
import html
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from phrases import WRITING
from worlds import run_here, use_tiny_backbone

CAPTIONS = {language.lower(): captions[0] for language, captions in WRITING.items()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """GIFs of random colours, each with a caption in another language, and a model of them."""
    folder = tmp_path_factory.mktemp("languages")
    (folder / "gifs").mkdir()
    (folder / "descriptions").mkdir()
    for seed, (name, caption) in enumerate(CAPTIONS.items()):
        pixels = np.random.default_rng(seed).integers(0, 256, (2, 4, 4, 3), dtype=np.uint8)
        frames = [Image.fromarray(one).resize((64, 64), Image.Resampling.NEAREST) for one in pixels]
        path = folder / "gifs" / f"{name}.gif"
        frames[0].save(path, save_all=True, append_images=frames[1:], duration=100)
        path = folder / "descriptions" / f"{name}.txt"
        path.write_text(f"{caption}\n", encoding="utf-8")
    with pytest.MonkeyPatch.context() as monkeypatch:
        use_tiny_backbone(monkeypatch)
        done = run_here(
            *("extract", folder / "gifs", "-o", folder / "features", "--weights", "random")
        )
        assert done.code == 0, done.err
        done = run_here(
            *("train", "--features", folder / "features", "--model", folder / "model"),
            *("--descriptions", folder / "descriptions", "--val-fraction", 0, "--test-fraction", 0),
            *("--hidden-size", 96, "--epochs", 100, "--batch-size", 4, "--lr", 0.005),
            *("--dropout", 0, "--case", "keep"),
        )
        assert done.code == 0, done.err
        assert "capitals: all kept as they are (--case)" in done.err
        yield folder


def caption(folder, *arguments):
    paths = [folder / "gifs" / f"{name}.gif" for name in CAPTIONS]
    done = run_here("caption", *paths, "--model", folder / "model", *arguments)
    assert done.code == 0, done.err
    return done.out


def test_text(folder):
    said = [line.split("\t")[-1] for line in caption(folder).splitlines()]
    assert said == list(CAPTIONS.values())


def test_json(folder):
    rows = [json.loads(line) for line in caption(folder, "--json").splitlines()]
    assert [row["caption"] for row in rows] == list(CAPTIONS.values())
    for row in rows:
        words = "".join(word["word"] for word in row["words"])
        assert words == row["caption"].replace(" ", "")
        assert all(word["log_prob"] <= 0 for word in row["words"])
    chinese = rows[list(CAPTIONS).index("chinese")]
    assert [word["word"] for word in chinese["words"]][:3] == ["一", "个", "黄"]


@pytest.mark.parametrize(("form", "separator"), [("tsv", "\t"), ("csv", ",")])
def test_tables(folder, form, separator):
    written = io.StringIO(caption(folder, "--format", form), newline="")
    quoting = csv.QUOTE_MINIMAL if form == "csv" else csv.QUOTE_NONE
    rows = [*csv.reader(written, delimiter=separator, quoting=quoting)]
    said = [row[1] for row in (rows[1:] if form == "csv" else rows)]
    assert said == list(CAPTIONS.values())


def test_pages(folder, tmp_path):
    caption(folder, "--explain", tmp_path / "words.html")
    page = html.unescape((tmp_path / "words.html").read_text(encoding="utf-8"))
    for one in CAPTIONS.values():
        assert f'dir="auto">{one}</h2>' in page


def test_scores_and_their_page(folder, tmp_path):
    done = run_here(
        *("evaluate", "--model", folder / "model", "--features", folder / "features"),
        *("--descriptions", folder / "descriptions", "--split", "train", "--no-meteor", "--json"),
        *("--html", tmp_path / "scores.html", "--gifs", folder / "gifs"),
    )
    assert done.code == 0, done.err
    scores = json.loads(done.out)
    assert scores["exact_match"] == 1
    assert scores["metrics"]["bleu_1"] == pytest.approx(1)
    page = html.unescape((tmp_path / "scores.html").read_text(encoding="utf-8"))
    for one in CAPTIONS.values():
        assert f'<h3 dir="auto">{one}</h3>' in page
        assert re.search(rf'<li [^>]*dir="auto">{re.escape(one)}', page)
