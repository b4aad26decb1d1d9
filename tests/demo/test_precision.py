"""Features in bfloat16 give the captions of features in float32, on the demo's own GIFs."""

import json

import numpy as np
import pytest
import torch

from gifdesc.demo.world import draw_world
from gifdesc.system.device import has_fast_bfloat16
from worlds import run_here

NUM_GIFS = 10


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A few GIFs of the demo, their features in both precisions, and a model trained on one."""
    folder = tmp_path_factory.mktemp("precisions")
    draw_world(folder, num_gifs=NUM_GIFS, seed=0)
    for precision in ("float32", "bfloat16"):
        backbone = ("--backbone", "resnet18", "--weights", "random", "--precision", precision)
        output = ("--output", folder / precision, "--no-positional-encoding")
        run("extract", folder / "gifs", *output, *backbone)
    data = ("--features", folder / "float32", "--descriptions", folder / "descriptions")
    everything = ("--val-fraction", 0, "--test-fraction", 0, "--batch-size", NUM_GIFS)
    run("train", *data, "--model", folder / "model", "--epochs", 40, *everything)
    return folder


def run(*arguments):
    done = run_here(*arguments, "--device", "cpu")
    assert done.code == 0, done.err


def captions(folder, precision):
    results = folder / f"{precision}.jsonl"
    data = ("--features", folder / precision, "--descriptions", folder / "descriptions")
    model = ("--model", folder / "model", "--split", "train", "--no-meteor")
    run("evaluate", *data, *model, "--per-example", results)
    lines = map(json.loads, results.read_text(encoding="utf-8").splitlines())
    return {line["id"]: line["caption"] for line in lines}


needs_bfloat16 = pytest.mark.skipif(
    not has_fast_bfloat16(torch.device("cpu")),
    reason="this CPU does not compute bfloat16 in hardware",
)


@needs_bfloat16
def test_the_features_of_every_frame_have_a_cosine_of_0_999(folder):
    paths = sorted((folder / "float32").glob("*.npy"))
    assert len(paths) == NUM_GIFS
    for path in paths:
        exact = torch.from_numpy(np.load(path))
        fast = torch.from_numpy(np.load(folder / "bfloat16" / path.name))
        assert not torch.equal(exact, fast)
        assert torch.cosine_similarity(exact, fast).min() >= 0.999


@needs_bfloat16
def test_the_captions_are_equal(folder):
    exact, fast = (captions(folder, precision) for precision in ("float32", "bfloat16"))
    assert len(set(exact.values())) > NUM_GIFS // 2
    assert exact == fast
