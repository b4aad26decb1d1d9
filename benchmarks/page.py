"""How large an evaluation page is, and how fast Chromium opens, sorts and searches it.

    python benchmarks/page.py ./gifs --examples 500

Captions and scores are made up from a seed; the filmstrips are of the GIFs given, each example
with frames of its own. Needs Chromium and playwright.
"""

from __future__ import annotations

import argparse
import random
import shutil
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

from gifdesc.captions import Word
from gifdesc.gif.reader import scan_gif
from gifdesc.pages.charts import ScoreRow
from gifdesc.pages.evaluation import EvaluationPage, PageExample, write_evaluation_page
from gifdesc.pages.filmstrips import read_filmstrip

VOCABULARY = ("a", "man", "woman", "dog", "in", "white", "shirt", "looks", "at", "talks", "smiles")

OPENED = """() => {
  const [page] = performance.getEntriesByType("navigation");
  const [paint] = performance.getEntriesByName("first-contentful-paint");
  return [paint.startTime, page.domInteractive, page.loadEventEnd];
}"""
WORKED = """async () => {
  const painted = () => new Promise((go) => requestAnimationFrame(() => setTimeout(go)));
  const order = document.getElementById("order");
  const query = document.getElementById("query");
  const pause = 80;  // after the last key
  let start = performance.now();
  order.value = "name";
  order.dispatchEvent(new Event("change"));
  await painted();
  const sorted = performance.now() - start;
  query.value = "dog shirt";
  query.dispatchEvent(new Event("input"));
  await new Promise((go) => setTimeout(go, pause - 1));
  start = performance.now();
  await new Promise((go) => setTimeout(go, 1));
  await painted();
  const searched = performance.now() - start;
  query.value = "";
  query.dispatchEvent(new Event("input"));
  await new Promise((go) => setTimeout(go, 2 * pause));
  const steps = [];
  for (let top = 0; top < 100 * innerHeight; top += innerHeight) {
    start = performance.now();
    scrollTo(0, top);
    await painted();
    steps.push(performance.now() - start);
  }
  steps.sort((one, other) => one - other);
  return [sorted, searched, steps[50], steps[99]];
}"""


def made_up_examples(gifs: list[Path], num_examples: int) -> list[PageExample]:
    """Examples with filmstrips of 16 frames drawn at random."""
    chance = random.Random(0)
    num_frames = {path: scan_gif(path).num_frames for path in gifs}
    examples = []
    for number in range(num_examples):
        path = gifs[number % len(gifs)]
        count = min(16, num_frames[path])
        film = read_filmstrip(path, sorted(chance.sample(range(num_frames[path]), count)))
        said = chance.choices(VOCABULARY, k=10)
        rows = [[chance.random() ** 5 + 0.01 for _ in range(count)] for _ in said]
        words = [
            Word(word, -0.5, tuple(weight / sum(row) for weight in row))
            for word, row in zip(said, rows, strict=True)
        ]
        examples.append(
            PageExample(
                name=f"{path.stem}-{number}",
                caption=" ".join(said),
                references=[" ".join(chance.choices(VOCABULARY, k=11)) for _ in range(3)],
                scores={"cider": 3 * chance.random(), "rouge_l": chance.random()},
                words=words,
                filmstrip=film,
            )
        )
    return examples


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("gifs", type=Path)
    parser.add_argument("--examples", type=int, default=500)
    parser.add_argument("--times", type=int, default=3)
    arguments = parser.parse_args()
    start = time.perf_counter()
    examples = made_up_examples(sorted(arguments.gifs.rglob("*.gif")), arguments.examples)
    num_frames = sum(len(one.filmstrip.frames) for one in examples)
    print(f"{num_frames} frames read and made small in {time.perf_counter() - start:.1f} s")
    rows = [ScoreRow(metric="cider", value=0.5, interval=(0.4, 0.6), baselines={"blind": 0.1})]
    history = [{"epoch": n, "train_loss": 3 / n, "val_loss": 4 / n} for n in range(1, 11)]
    page = EvaluationPage(title="Benchmark", rows=rows, examples=examples, history=history)
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        path = Path(folder, "report.html")
        start = time.perf_counter()
        write_evaluation_page(page, path)
        print(f"written in {time.perf_counter() - start:.1f} s: {path.stat().st_size / 1e6:.1f} MB")
        browser = playwright.chromium.launch(executable_path=chromium)
        print(f"Chromium {browser.version}, 1280 x 900; ms")
        print(
            "first paint, interactive, loaded | sorted, searched | a screen further: median, worst"
        )
        for _ in range(arguments.times):
            tab = browser.new_page(viewport={"width": 1280, "height": 900})
            tab.goto(path.as_uri())
            opened, worked = tab.evaluate(OPENED), tab.evaluate(WORKED)
            figures = [*map(round, opened), "|", *map(round, worked[:2]), "|"]
            print(*figures, *map(round, worked[2:]))
            tab.close()


if __name__ == "__main__":
    main()
