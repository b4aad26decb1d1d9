"""How large a page is, and how fast Chromium opens, sorts, searches and lays it out.

    python benchmarks/page.py ./gifs --examples 500
    python benchmarks/page.py ./gifs --examples 5000 --gallery

Captions, scores and the frames of each GIF are made up from a seed. Needs Chromium and playwright.
"""

from __future__ import annotations

import argparse
import math
import random
import resource
import shutil
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

from gifdesc.captions import Caption, GeneratedCaption, Word
from gifdesc.data.manifest import Manifest, ManifestEntry
from gifdesc.evaluation.results import Evaluation, ScoredCaption, diversity
from gifdesc.gif.reader import scan_gif
from gifdesc.pages.evaluation import EvaluationReport, Subject
from gifdesc.pages.gallery import GalleryOrigin, write_gallery
from gifdesc.system.files import write_json_lines

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
  const laidOut = [];
  for (const button of [...document.querySelectorAll("[data-layout]")].reverse()) {
    start = performance.now();
    button.click();
    await painted();
    laidOut.push(performance.now() - start);
  }
  const steps = [];
  for (let top = 0; top < 100 * innerHeight; top += innerHeight) {
    start = performance.now();
    scrollTo(0, top);
    await painted();
    steps.push(performance.now() - start);
  }
  steps.sort((one, other) => one - other);
  return [sorted, searched, ...laidOut, steps[50], steps[99]];
}"""


def made_up_captions(gifs_dir: Path, features_dir: Path, num_examples: int) -> list[ScoredCaption]:
    """Captions whose words attend to up to 16 frames drawn at random, which a manifest records."""
    chance = random.Random(0)
    manifest = Manifest(features_dir)
    sampled = {}
    for path in sorted(gifs_dir.rglob("*.gif")):
        source = path.relative_to(gifs_dir).as_posix()
        num_frames = scan_gif(path).num_frames
        count = min(16, num_frames)
        sampled[source] = tuple(sorted(chance.sample(range(num_frames), count)))
        manifest.add(ManifestEntry(source=source, status="ok", sampled_frames=sampled[source]))
    captions = []
    for number in range(num_examples):
        source = [*sampled][number % len(sampled)]
        texts = chance.choices(VOCABULARY, k=10)
        rows = [[chance.random() ** 5 + 0.01 for _ in sampled[source]] for _ in texts]
        words = tuple(
            Word(text, -0.5, tuple(weight / sum(row) for weight in row))
            for text, row in zip(texts, rows, strict=True)
        )
        captions.append(
            ScoredCaption(
                name=source.removesuffix(".gif"),
                caption=" ".join(texts),
                references=tuple(" ".join(chance.choices(VOCABULARY, k=11)) for _ in range(3)),
                scores={"cider": 3 * chance.random(), "rouge_l": chance.random()},
                words=words,
            )
        )
    return captions


def made_up_evaluation(gifs_dir: Path, folder: Path, num_examples: int) -> Evaluation:
    """The scores of made-up captions; their model and their features are in the folder."""
    history = [{"epoch": n, "train_loss": 3 / n, "val_loss": 4 / n} for n in range(1, 11)]
    write_json_lines(folder / "model" / "history.jsonl", history)
    captions = made_up_captions(gifs_dir, folder, num_examples)
    return Evaluation(
        num_examples=len(captions),
        metrics={"cider": 0.5},
        intervals={"cider": (0.4, 0.6)},
        baselines={"blind": {"cider": 0.1}},
        exact_match=0.0,
        diversity=diversity([scored.caption for scored in captions]),
        captions=captions,
    )


def made_up_gallery(gifs_dir: Path, num_examples: int) -> list[Caption]:
    """Captions with two alternatives, of up to 16 frames drawn at random."""
    chance = random.Random(0)
    gifs = [(path, scan_gif(path).num_frames) for path in sorted(gifs_dir.rglob("*.gif"))]
    captions = []
    for number in range(num_examples):
        path, num_frames = gifs[number % len(gifs)]
        scores = sorted((math.log(chance.random()) for _ in range(3)), reverse=True)
        found = tuple(
            GeneratedCaption(" ".join(chance.choices(VOCABULARY, k=10)), score, ())
            for score in scores
        )
        caption = Caption(
            str(path),
            caption=found[0].caption,
            score=scores[0],
            low_confidence=scores[0] < math.log(0.3),
            alternatives=found,
            sampled_frames=tuple(sorted(chance.sample(range(num_frames), min(16, num_frames)))),
        )
        captions.append(caption)
    return captions


def most_megabytes() -> int:
    """The most memory that this process has had so far, on Linux."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1000


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("gifs", type=Path)
    parser.add_argument("--examples", type=int, default=500)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--gallery", action="store_true", help="the page of caption --html")
    arguments = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        path = Path(folder, "page.html")
        if arguments.gallery:
            captions = made_up_gallery(arguments.gifs, arguments.examples)
            before, start = most_megabytes(), time.perf_counter()
            write_gallery(captions, path, GalleryOrigin(model="Benchmark"))
        else:
            result = made_up_evaluation(arguments.gifs, Path(folder), arguments.examples)
            subject = Subject(
                name="Benchmark", model_dir=Path(folder, "model"), features_dir=Path(folder)
            )
            before, start = most_megabytes(), time.perf_counter()
            EvaluationReport(path, arguments.gifs).write(result, subject)
        seconds = time.perf_counter() - start
        print(f"frames read, page written in {seconds:.1f} s: {path.stat().st_size / 1e6:.1f} MB")
        print(f"memory at most: {before} MB before, {most_megabytes()} MB after")
        browser = playwright.chromium.launch(executable_path=chromium)
        print(f"Chromium {browser.version}, 1280 x 900; ms")
        print(
            "first paint, interactive, loaded | sorted, searched, grid and list if any | "
            "a screen further: median, worst"
        )
        for _ in range(arguments.times):
            tab = browser.new_page(viewport={"width": 1280, "height": 900})
            tab.goto(path.as_uri())
            opened, worked = tab.evaluate(OPENED), tab.evaluate(WORKED)
            figures = [*map(round, opened), "|", *map(round, worked[:-2]), "|"]
            print(*figures, *map(round, worked[-2:]))
            tab.close()


if __name__ == "__main__":
    main()
