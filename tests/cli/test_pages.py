"""The pages and pictures that `evaluate --html`, `caption --explain` and `caption --html` write."""

import importlib
import json
import re

import pytest
from PIL import Image

from browser import browser_with
from gif_files import draw_broken_gif, draw_gif
from gifdesc.system.files import write_json_lines
from worlds import CAPTIONS, run_here, tiny_recipe, use_tiny_backbone, write_model, write_world

SHORT = ("--beam", 2, "--max-length", 6)
TRAIN = ("--split", "train")


@pytest.fixture
def world(tmp_path):
    """Features of 2 to 5 frames, and GIFs of more, except for one that is missing."""
    world = write_world(tmp_path / "world", recipe=tiny_recipe())
    rows = []
    for index, name in enumerate(CAPTIONS):
        frames = list(range(1, 3 + index % 4))
        rows.append({"source": f"{name}.gif", "status": "ok", "sampled_frames": frames})
        if name != "f":
            draw_gif(tmp_path / "gifs" / f"{name}.gif", 8)
    write_json_lines(world.features_dir / "manifest.jsonl", rows)
    return world


@pytest.fixture
def model_dir(tmp_path, monkeypatch):
    use_tiny_backbone(monkeypatch)
    model_dir = write_model(tmp_path / "model", recipe=tiny_recipe())
    rows = [{"epoch": number, "train_loss": 3 / number, "val_loss": 2.0} for number in (1, 2, 3)]
    write_json_lines(model_dir / "history.jsonl", rows)
    return model_dir


def evaluate(world, model_dir, *arguments):
    options = (*world.options, "--model", model_dir, *SHORT, "--no-meteor", *TRAIN)
    return run_here("evaluate", *options, *arguments)


def caption(*arguments, model_dir, stdin=""):
    return run_here("caption", *arguments, "--model", model_dir, *SHORT, stdin=stdin)


def score(tmp_path, *arguments):
    people, mine = tmp_path / "people.jsonl", tmp_path / "mine.jsonl"
    write_json_lines(people, [{"id": name, "captions": [text]} for name, text in CAPTIONS.items()])
    write_json_lines(mine, [{"id": name, "caption": "a red ball"} for name in CAPTIONS])
    files = ("--predictions", mine, "--references", people)
    return run_here("evaluate", *files, "--no-meteor", *arguments)


def test_a_model_is_evaluated_on_a_page(world, model_dir, tmp_path):
    path = tmp_path / "deep" / "report.html"
    done = evaluate(world, model_dir, "--html", path, "--gifs", tmp_path / "gifs", "--json")
    assert done.code == 0
    result = json.loads(done.out)
    num_gifs = result["num_examples"]
    assert f"wrote a page of {num_gifs} GIFs -> {path}" in done.err.splitlines()
    with browser_with(path) as page:
        articles = page.locator("#examples article")
        assert articles.count() == num_gifs
        shown = page.locator("#examples .name").all_inner_texts()
        names = [name.removeprefix("gifs/").removesuffix(".gif") for name in shown]
        assert set(names) <= set(CAPTIONS)
        assert shown == [name if name == "f" else f"gifs/{name}.gif" for name in names]
        for place, name in enumerate(names):
            article = articles.nth(place)
            assert CAPTIONS[name] in article.inner_text()
            if name == "f":
                assert "GIF missing" in article.inner_text()
                continue
            num_frames = 2 + list(CAPTIONS).index(name) % 4
            assert f"{num_frames} of 8 frames" in article.inner_text()
            # What a word looked at is a frame of those that the features describe.
            word = article.locator(".words button").first
            weights = bytes.fromhex(word.get_attribute("data-weights"))
            assert len(weights) == num_frames
        table = page.get_by_role("region", name="Table of the scores").inner_text()
        assert f"{result['metrics']['rouge_l']:.3f}" in table
        assert page.get_by_text("untrained ResNet50").count() == 1
        assert page.get_by_role("heading", name="Training").count() == 1
        page.fill("#query", "shrinks")
        page.locator("#examples > li[hidden]").first.wait_for(state="attached")
        searched = """all => all.map(item => Array.from(
            item.querySelectorAll("h3, .searched, .name"), one => one.textContent
        ).join("\\n"))"""
        shown = page.locator("#examples > li:not([hidden])").evaluate_all(searched)
        texts = page.locator("#examples > li").evaluate_all(searched)
        assert shown == [text for text in texts if "shrinks" in text]


def test_a_page_without_gifs_is_written_with_a_warning(world, model_dir, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    done = evaluate(world, model_dir, "--html", "report.html")
    assert done.code == 0
    assert "rouge_l" in done.out
    [warning] = [one for one in done.warnings if "page" in one]
    assert warning == "the page shows no GIFs: name their folder with --gifs"
    text = (tmp_path / "elsewhere" / "report.html").read_text(encoding="utf-8")
    assert "their folder was not named (--gifs)" in text
    assert "data:image/webp" not in text


def test_gifs_are_found_in_the_default_folder(world, model_dir, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = evaluate(world, model_dir, "--html", "report.html")
    assert done.code == 0
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert (
        text.count("data:image/webp")
        == (sum(f">gifs/{name}.gif</bdi>" in text for name in "abcde"))
        > 0
    )


def test_any_systems_captions_get_a_page(tmp_path, world):  # noqa: ARG001
    path = tmp_path / "report.html"
    done = score(tmp_path, "--html", path, "--gifs", tmp_path / "gifs")
    assert done.code == 0
    assert "1 GIF cannot be shown; the page gives the reason" in done.warnings
    text = path.read_text(encoding="utf-8")
    assert "<title>mine.jsonl: 6 GIFs</title>" in text
    assert text.count("data:image/webp") == 5
    for name, said in CAPTIONS.items():
        assert f"<bdi>{name}</bdi>" in text or f"<bdi>gifs/{name}.gif</bdi>" in text
        assert said in re.sub(r"</?mark[^>]*>", "", text)


@pytest.mark.parametrize("json_too", [(), ("--json",)])
def test_scores_are_printed_even_if_the_page_cannot_be_written(tmp_path, json_too):
    (tmp_path / "file").touch()
    done = score(tmp_path, "--html", tmp_path / "file" / "report.html", *json_too)
    assert done.code == 1
    assert "report.html: cannot be written: " in done.error
    assert "rouge_l" in done.out
    if json_too:
        assert json.loads(done.out)["num_examples"] == len(CAPTIONS)


@pytest.mark.parametrize(
    ("options", "code", "problem"),
    [
        (("--html", "."), 2, "--html .: a folder"),
        (("--html", "report.html", "--gifs", "nowhere"), 1, "nowhere: no such folder"),
        (("--gifs", "."), 2, "--gifs is for --html and --picture"),
        (("--picture", "x.jpg", "--gifs", "."), 2, "a picture is a .png file"),
        (("--picture", "x.png", "--gifs", "nowhere"), 1, "nowhere: no such folder"),
    ],
)
def test_wrong_page_options_are_refused_at_once(tmp_path, monkeypatch, options, code, problem):
    monkeypatch.chdir(tmp_path)
    done = score(tmp_path, *options)
    assert (done.code, done.out) == (code, "")
    assert problem in " ".join(done.err.replace("\u2502", " ").split())
    assert not (tmp_path / "report.html").exists()


def test_examples_are_drawn(tmp_path):
    for name in CAPTIONS:
        draw_gif(tmp_path / "gifs" / f"{name}.gif", 3)
    done = score(tmp_path, "--picture", tmp_path / "x.png", "--gifs", tmp_path / "gifs")
    assert done.code == 0
    assert f"GIFs -> {tmp_path / 'x.png'}" in done.err
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")


def test_captions_are_explained_on_a_page(model_dir, tmp_path):
    gifs = [draw_gif(tmp_path / f"{name}.gif", 4) for name in "ab"]
    bad = draw_broken_gif(tmp_path / "bad.gif")
    path = tmp_path / "page.html"
    options = ("--json", "--weights-per-word", "--explain", path)
    done = caption(gifs[0], bad, gifs[1], *options, model_dir=model_dir)
    assert done.code == 1
    rows = [json.loads(line) for line in done.out.splitlines()]
    assert [row["path"] for row in rows] == list(map(str, (gifs[0], bad, gifs[1])))
    assert f"explained 3 GIFs -> {path}" in done.err.splitlines()
    with browser_with(path) as page:
        articles = page.locator("article")
        assert articles.count() == 3
        assert "not a GIF" in articles.nth(1).inner_text()
        for place in (0, 2):
            row = rows[place]
            words = articles.nth(place).locator("tbody th").all_inner_texts()
            assert words == [word["word"] for word in row["words"]]
            shares = articles.nth(place).locator("tbody tr").first.locator("td").all_inner_texts()
            first = [100 * weight for weight in row["words"][0]["frame_weights"]]
            assert [int(share.split()[0]) for share in shares[1:]] == pytest.approx(first, abs=0.51)


def test_captions_are_explained_in_a_picture(model_dir, tmp_path):
    gif, path = draw_gif(tmp_path / "a.gif", 4), tmp_path / "strip.png"
    done = caption(gif, "--explain", path, model_dir=model_dir)
    assert (done.code, done.out.count("\n")) == (0, 1)
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        assert picture.width > 400


def test_a_model_without_attention_is_a_warning(tmp_path, monkeypatch):
    use_tiny_backbone(monkeypatch)
    model_dir = write_model(tmp_path / "model", recipe=tiny_recipe(), fusion="concat")
    gif, path = draw_gif(tmp_path / "a.gif", 4), tmp_path / "page.html"
    done = caption(gif, "--explain", path, model_dir=model_dir)
    assert done.code == 0
    assert [one for one in done.warnings if "does not weigh single frames" in one]
    assert "This model does not weigh single frames." in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "code", "problem"),
    [
        ("page.pdf", 2, "an explanation is a .html page or a .png picture"),
        ("file/page.html", 1, "cannot be written: "),
    ],
)
def test_an_explanation_with_a_wrong_name_is_refused_before_the_model(
    tmp_path, name, code, problem
):
    (tmp_path / "file").touch()
    path = tmp_path / name
    done = caption("a.gif", "--explain", path, model_dir=tmp_path / "no model")
    assert (done.code, done.out) == (code, "")
    assert str(path) in done.error
    assert problem in done.error


def test_an_explanation_without_captions_keeps_the_existing_file(model_dir, tmp_path):
    gif, path = draw_gif(tmp_path / "a.gif", 4), tmp_path / "page.html"
    options = ("--output", tmp_path / "out.jsonl", "--format", "json", "--skip-done")
    first = caption(gif, *options, "--explain", path, model_dir=model_dir)
    assert first.code == 0
    before = path.read_bytes()
    again = caption(gif, *options, "--explain", path, model_dir=model_dir)
    assert again.code == 0
    assert f"{path}: not written, for there is no caption to explain" in again.warnings
    assert path.read_bytes() == before


def test_captions_go_into_a_gallery_beside_the_usual_output(model_dir, tmp_path):
    draw_gif(tmp_path / "gifs" / "a.gif", 4)
    draw_broken_gif(tmp_path / "gifs" / "b.gif")
    path = tmp_path / "deep" / "gallery.html"
    options = ("--json", "--num-captions", 2, "--alt-text-length", 9, "--html", path)
    done = caption(tmp_path / "gifs", *options, model_dir=model_dir)
    assert done.code == 1
    rows = [json.loads(line) for line in done.out.splitlines()]
    assert f"wrote a page of 2 GIFs -> {path}" in done.err.splitlines()
    with browser_with(path) as page:
        first, second = page.locator("#examples > li").all()
        assert first.locator("h3").inner_text() == rows[0]["caption"]
        assert len(first.locator(".copy").get_attribute("data-copy")) <= 9
        [other] = {each["caption"] for each in rows[0]["alternatives"]} - {rows[0]["caption"]}
        assert other in first.locator(".others").text_content()
        assert first.locator(".name a").get_attribute("href") == "../gifs/a.gif"
        assert rows[1]["error"] in second.inner_text()
        top = page.locator("header").inner_text()
        assert "1 GIF captioned" in top
        assert "1 failed." in top
        assert str(model_dir) in top
        assert "Warning: the model's features come from an untrained ResNet50" in top


def test_a_gallery_and_an_explanation_are_written_together(model_dir, tmp_path):
    gif = draw_gif(tmp_path / "a.gif", 4)
    pages = (tmp_path / "gallery.html", tmp_path / "words.html")
    done = caption(gif, "--html", pages[0], "--explain", pages[1], model_dir=model_dir)
    assert done.code == 0
    assert all("data:image/webp" in page.read_text(encoding="utf-8") for page in pages)


@pytest.mark.parametrize(
    ("name", "code", "problem"),
    [
        ("page.pdf", 2, "page.pdf: a page is a .html file"),
        ("words.html", 2, "another option writes this file"),
        ("file/page.html", 1, "cannot be written: "),
    ],
)
def test_a_gallery_with_a_wrong_name_is_refused_before_the_model(tmp_path, name, code, problem):
    (tmp_path / "file").touch()
    path = tmp_path / name
    options = ("--explain", tmp_path / "words.html", "--html", path)
    done = caption("a.gif", *options, model_dir=tmp_path / "no model")
    assert (done.code, done.out) == (code, "")
    assert str(path) in done.error
    assert problem in done.error


def test_a_gallery_reports_what_an_earlier_run_captioned(model_dir, tmp_path):
    gifs = [draw_gif(tmp_path / f"{name}.gif", 4) for name in "ab"]
    path = tmp_path / "gallery.html"
    options = ("--output", tmp_path / "out.jsonl", "--skip-done", "--html")
    assert caption(gifs[0], *options, tmp_path / "first.html", model_dir=model_dir).code == 0
    assert caption(*gifs, *options, path, model_dir=model_dir).code == 0
    text = path.read_text(encoding="utf-8")
    assert "1 GIF captioned by an earlier run: not shown." in text
    assert "<title>Captions of 1 GIF</title>" in text
    again = caption(*gifs, *options, path, model_dir=model_dir)
    assert (again.code, "with --skip-done the new page would show only new" in again.error) == (
        2,
        True,
    )
    assert path.read_text(encoding="utf-8") == text
    other = tmp_path / "other.html"
    draw_broken_gif(tmp_path / "c.gif")
    failed = caption(*gifs, tmp_path / "c.gif", *options, other, model_dir=model_dir)
    assert f"{other}: not written, for there is no caption to show" in failed.warnings
    assert not other.exists()


def test_a_gallery_reports_that_the_run_was_cut_off(model_dir, tmp_path, monkeypatch):
    lines = []

    def write(_sink, line):
        if lines:
            raise BrokenPipeError
        lines.append(line)

    monkeypatch.setattr("gifdesc.captioning.output.StdoutSink.write", write)
    command = importlib.import_module("gifdesc.cli.caption")  # the name is a function's too
    monkeypatch.setattr(command, "drop_standard_output", lambda: None)
    for name in "abc":
        draw_gif(tmp_path / "gifs" / f"{name}.gif", 4)
    path = tmp_path / "gallery.html"
    caption(tmp_path / "gifs", "--html", path, model_dir=model_dir)
    text = path.read_text(encoding="utf-8")
    assert "<title>Captions of 1 GIF</title>" in text
    assert "The run was cut off: later GIFs are not shown." in text
