"""The commands of docs/tgif.md, run on a stand-in with invented content."""

import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from gif_files import draw_gif, frame_colour
from http_server import ACCESS_DENIED, WEB_PAGE, serving, status
from worlds import run_here

PAGE = Path(__file__).parents[2] / "docs" / "tgif.md"
TINY = {
    "fetch": ["--rate", "0", "--retries", "0"],
    "extract": ["--weights", "random"],
    "train": ["--epochs", "1", "--device", "cpu"],
    "evaluate": ["--no-meteor", "--device", "cpu"],
}
"""Options that make the commands fit a stand-in."""

NAMES = {8: "a_tumblr_011_500.gif"}
"""Names of GIFs that contain the name of a GIF of the test split."""

SENTENCES = ["a red dot turns green", "a blue dot turns red", "a green dot turns blue"]


def page_lines():
    blocks = re.findall(r"^```sh\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """The list, the splits and the published captions of TGIF, for GIFs of a local server."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("gifdesc.system.http.is_public", lambda _address: True)
    data_dir = tmp_path / "TGIF-Release" / "data"
    (data_dir / "splits").mkdir(parents=True)
    with serving() as server:
        rows, splits, published = [], {"train": [], "val": [], "test": []}, []
        for number in range(24):
            split = ("train", "train", "val", "test")[number % 4]
            url = server.url(f"/{number:032x}/{NAMES.get(number, f'tumblr_{number:03}_500.gif')}")
            if number == 9:  # a URL that contains a URL of the test split
                url = server.url(f"/{11:032x}/tumblr_011_500.gif/other.gif")
            path = url.removeprefix(server.url(""))
            colours = [frame_colour(3 * number + index) for index in range(3)]
            drawn = draw_gif(tmp_path / "drawn" / f"{number}.gif", colours).read_bytes()
            server.answers[path] = drawn
            splits[split].append(url)
            for place in range(3 if split == "test" else 1):
                rows.append(f"{url}\t{SENTENCES[(number + place) % 3]}")
            if split == "test":
                published.append(f"{url}\t{SENTENCES[number % 3]}")
        paths = [*server.answers]
        server.answers[paths[0]] = ACCESS_DENIED
        server.answers[paths[4]] = status(403, ACCESS_DENIED)
        server.answers[paths[3]] = WEB_PAGE
        server.answers[paths[2]] = draw_gif(tmp_path / "drawn" / "still.gif", 1).read_bytes()
        del server.answers[paths[7]]
        (data_dir / "tgif-v1.0.tsv").write_text("\n".join(rows) + "\n")
        results = data_dir / "results-lstm-cnn-finetune-cvpr16.tsv"
        results.write_text("\n".join(published) + "\n")
        for split, urls in splits.items():
            (data_dir / "splits" / f"{split}.txt").write_text("\n".join(urls) + "\n")
        yield server


def run_line(line):
    """Run a line of the page; the exit code, and the JSON that it prints if it prints any."""
    command, _, target = line.partition(" > ")
    words = shlex.split(command)
    if words[0] == "gifdesc":
        done = run_here(*words[1:], *TINY.get(words[1], []))
        code, out = done.code, done.out
    else:
        finished = subprocess.run(words, capture_output=True, text=True, check=True)
        code, out = finished.returncode, finished.stdout
    if target:
        Path(target).write_text(out)
    return code, out


def write_received_urls(manifest_path, path):
    """What the line with `jq` writes, which not every machine has."""
    rows = map(json.loads, manifest_path.read_text().splitlines())
    path.write_text("".join(f"{row['url']}\n" for row in rows if row["file"]))


def urls_of(path):
    return [line.partition("\t")[0] for line in path.read_text().splitlines()]


@pytest.mark.usefixtures("tiny_backbone", "stand_in")
def test_the_commands_of_the_page_run_on_a_stand_in(tmp_path):
    results = {}
    for line in page_lines():
        if line.startswith("jq ") and " > " in line:
            write_received_urls(tmp_path / "tgif" / "fetched.jsonl", Path(line.split(" > ")[1]))
        elif not line.startswith(("git clone", "jq ")):
            results[line] = run_line(line)
    codes = [(line.split()[1], code) for line, (code, _) in results.items() if code]
    # Dead URLs, and GIFs of one content, are the only failures.
    assert {name for name, _ in codes} <= {"fetch", "check"}
    rows = [*map(json.loads, (tmp_path / "tgif" / "fetched.jsonl").read_text().splitlines())]
    kept = [row for row in rows if row["file"]]
    assert (len(rows), len(kept)) == (24, 19)
    assert {row["status"] for row in rows if not row["file"]} == {"failed", "refused", "still"}
    scores = json.loads((tmp_path / "tgif-scores.json").read_text())
    num_test = len((tmp_path / "tgif" / "splits" / "test.txt").read_text().splitlines())
    assert (scores["split"], scores["num_examples"], num_test) == ("test", 4, 4)
    test_urls = (tmp_path / "TGIF-Release/data/splits/test.txt").read_text().split()
    left_urls = [url for url in test_urls if url in {row["url"] for row in kept}]
    assert len(left_urls) == num_test
    for name, urls in (("tgif-test", test_urls), ("tgif-left", left_urls)):
        assert urls_of(tmp_path / f"{name}.tsv") == [url for url in urls for _ in range(3)]
    assert urls_of(tmp_path / "published-left.tsv") == left_urls
