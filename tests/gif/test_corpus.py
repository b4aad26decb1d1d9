"""Public GIFs against a browser's frames (``expected.json``) and the verdicts of MANIFEST.tsv."""

import csv
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gifdesc.errors import GifError
from gifdesc.gif.reader import read_gif, scan_gif

GIFS = Path(__file__).resolve().parents[3] / "shared" / "gifs"

pytestmark = pytest.mark.skipif(not GIFS.is_dir(), reason=f"the GIFs of {GIFS} are not here")

MEMORY_SCRIPT = """
import resource, sys
from pathlib import Path
from gifdesc.errors import GifError
from gifdesc.gif import read_gif
idle = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in sorted(Path(sys.argv[1]).glob("*.gif")):
    try:
        read_gif(path)
    except GifError:
        pass
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - idle) // 1024)
"""


def load_expected():
    if not GIFS.is_dir():
        return {}
    return json.loads((GIFS / "expected.json").read_text())["files"]


def load_manifest():
    if not GIFS.is_dir():
        return {}
    with (GIFS / "MANIFEST.tsv").open(newline="") as lines:
        rows = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        return {row["file"]: row["expectation"] for row in rows}


def read_or_error(path):
    try:
        return read_gif(path), None
    except GifError as error:
        return None, str(error)


EXPECTED = load_expected()
MANIFEST = load_manifest()


def thumbnail(frame):
    height, width = frame.shape[:2]
    rows = [int((row + 0.5) * height / 8) for row in range(8)]
    columns = [int((column + 0.5) * width / 8) for column in range(8)]
    return frame[rows][:, columns].tobytes().hex()


@pytest.mark.parametrize("file", EXPECTED)
def test_frames_are_a_browsers(file):
    expected = EXPECTED[file]
    gif = read_gif(GIFS / file)
    num_frames = expected["n_frames"]
    assert gif.num_frames == num_frames
    assert gif.frames.shape == (num_frames, expected["height"], expected["width"], 3)
    means = [frame.mean((0, 1), dtype=np.float64) for frame in gif.frames]
    assert np.abs(np.array(means) - expected["mean_rgb"]).max() <= 0.01
    assert thumbnail(gif.frames[0]) == expected["first_8x8"]
    hashes = [hashlib.sha256(frame.tobytes()).hexdigest()[:16] for frame in gif.frames]
    assert hashes == expected["sha256_16"]


@pytest.mark.parametrize("file", MANIFEST)
def test_files_end_as_the_manifest_says(file):
    gif, error = read_or_error(GIFS / file)
    if gif is None:
        assert MANIFEST[file] in ("error", "any")
        assert error.startswith(f"{GIFS / file}: ")
    else:
        assert MANIFEST[file] in ("ok", "any")
        assert len(gif.frames) == gif.num_frames >= 1
        assert scan_gif(GIFS / file).num_frames >= gif.num_frames


@pytest.mark.parametrize("file", MANIFEST)
def test_sampling_gives_the_frames_of_reading_all(file):
    try:
        whole = read_gif(GIFS / file)
    except GifError:
        pytest.skip("gives no frame")
    generator = np.random.default_rng(0)
    last = whole.num_frames - 1
    samples = [[0], [last], [0, 0, last], sorted(generator.integers(0, last + 1, 5).tolist())]
    for indices in samples:
        sample = read_gif(GIFS / file, indices)
        assert sample.indices == tuple(indices)
        assert np.array_equal(sample.frames, whole.frames[indices])


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's peak memory")
def test_malformed_files_take_little_memory():
    command = [sys.executable, "-W", "error", "-c", MEMORY_SCRIPT, str(GIFS / "malformed")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 100
    assert done.stderr == ""
