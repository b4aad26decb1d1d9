import json
import sys

import pytest
from PIL import Image

from browser import browser_with
from gif_files import draw_gif
from worlds import run_here, run_process, tiny_recipe, write_model

UNTRAINED = "the features come from an untrained ResNet50 (random weights)"


@pytest.fixture
def folder(request, tmp_path, monkeypatch):
    """A working folder with GIFs, their features, a model and captions."""
    request.getfixturevalue("tiny_backbone")
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b", "<i>&c"):
        draw_gif(tmp_path / "gifs" / f"{name}.gif", 4)
    assert run_here("extract", "gifs", "--weights", "random").code == 0
    recipe = tiny_recipe()
    write_model(tmp_path / "model", recipe=recipe)
    return tmp_path


def test_paths_are_the_result_and_the_rest_is_on_stderr(folder):
    done = run_here("search", "a red sofa", "--top", 2)
    assert done.code == 0
    assert all((folder / line).is_file() for line in done.out.splitlines())
    assert len(done.out.splitlines()) == 2
    assert done.warnings[0] == (
        "sofa is not in the model's vocabulary; the GIFs are ranked by the other words"
    )
    assert "the best 2 of 3 GIFs, scores " in done.err
    assert "the best of 3 GIFs, score " in run_here("search", "a red sofa", "--top", 1).err


@pytest.mark.usefixtures("folder")
def test_json_has_an_object_for_each_gif():
    plain = run_here("search", "a red ball", "features", "--exact")
    rows = [
        json.loads(line) for line in run_here("search", "a red ball", "--json").out.splitlines()
    ]
    assert [list(row) for row in rows] == [["path", "rank", "score"]] * 3
    assert [row["path"] for row in rows] == plain.out.splitlines()
    assert [row["rank"] for row in rows] == [1, 2, 3]


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("setting", [{}, {"GIFDESC_LIKE": "gifs/a.gif"}])
def test_words_beside_like_are_refused_with_both_names(monkeypatch, setting):
    for name, value in setting.items():
        monkeypatch.setenv(name, value)
    done = run_here("search", "red star", *(() if setting else ("--like", "gifs/a.gif")))
    assert done.code == 2
    assert "red star: no such folder of features" in done.err
    assert "to search by words, leave out --like gifs/a.gif" in " ".join(done.err.split())


def test_moved_gifs_are_found_by_their_folder(folder):
    (folder / "gifs").rename(folder / "moved")
    assert sorted(run_here("search", "red").out.splitlines()) == ["<i>&c.gif", "a.gif", "b.gif"]
    found = run_here("search", "red", "--gifs", "moved").out.splitlines()
    assert sorted(found) == ["moved/<i>&c.gif", "moved/a.gif", "moved/b.gif"]


def test_moved_gifs_of_one_name_are_reported(folder):
    draw_gif(folder / "gifs" / "sub" / "a.gif", 5)
    assert run_here("extract", "gifs", "--weights", "random").code == 0
    (folder / "gifs").rename(folder / "moved")
    wanted = "the place of 4 GIFs is not known; --gifs names the folder"
    assert wanted in run_here("search", "red").err
    done = run_here("search", "red", "--gifs", "moved/sub")
    assert done.out.splitlines().count("moved/sub/a.gif") == 2
    assert (
        "several GIFs have this name: moved/sub/a.gif; name a folder above moved/sub that has them "
        "all"
    ) in done.warnings
    assert run_here("search", "red", "--gifs", "moved").warnings == [UNTRAINED]


@pytest.mark.skipif(sys.platform == "win32", reason="no line ends in names")
def test_a_line_end_in_a_path_is_reported_where_a_path_is_a_line(folder):
    draw_gif(folder / "gifs" / "two\nlines.gif", 5)
    assert run_here("extract", "gifs", "--weights", "random").code == 0
    wanted = "a path has a line end within it; with --json each result is a line"
    assert wanted in run_here("search", "red").warnings
    done = run_here("search", "red", "--json")
    assert wanted not in done.warnings
    assert "gifs/two\nlines.gif" in [json.loads(line)["path"] for line in done.out.splitlines()]


def test_the_page_shows_the_frames_that_each_word_attended_to(folder):
    assert run_here("search", "a red ball", "--html", "found.html").code == 0
    with browser_with(folder / "found.html") as page:
        assert page.locator("h1").inner_text() == "GIFs found: a red ball"
        articles = page.locator("article.explained")
        assert articles.count() == 3
        first = articles.first
        assert first.locator("th[scope=row]").all_inner_texts() == ["a", "red", "ball"]
        assert first.locator("h2").inner_text().startswith("1. ")
        assert page.locator("article:has-text('<i>&c.gif')").count() == 1


def test_the_pages_of_other_searches_show_the_gifs(folder):
    rows = [{"path": f"gifs/{name}.gif", "caption": f"a {name}"} for name in ("a", "b")]
    captions = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "captions.jsonl").write_text(captions, encoding="utf-8")
    for name, arguments in {
        "like": ["--like", "gifs/a.gif"],
        "captions": ["b", "--captions", "captions.jsonl"],
    }.items():
        done = run_here("search", *arguments, "--html", f"{name}.html")
        assert done.code == 0, done.err
        text = (folder / f"{name}.html").read_text(encoding="utf-8")
        assert "data:image/webp" in text
        assert "does not weigh" not in text
    with browser_with(folder / "like.html") as page:
        compared = page.locator("header .compared")
        assert compared.locator("h2").inner_text() == "Compared with"
        assert compared.locator("p").inner_text() == "gifs/a.gif"
        assert compared.locator("img").count() == 1
        assert page.locator("article img").count() == 2
    (folder / "gifs" / "a.gif").unlink()
    done = run_here("search", "--like", "a.gif", "--html", "gone.html")
    assert (done.code, done.warnings) == (
        0,
        [UNTRAINED, "1 GIF cannot be shown; the page gives the reason"],
    )
    with browser_with(folder / "gone.html") as page:
        assert page.locator("header .missing").inner_text() == "no such file"


def test_gifs_that_a_page_cannot_show_are_reported(folder):
    (folder / "gifs" / "a.gif").unlink()
    done = run_here("search", "a red ball", "--html", "found.html")
    assert "1 GIF cannot be shown; the page gives the reason" in done.warnings
    (folder / "gifs").rename(folder / "moved")
    done = run_here("search", "a red ball", "--html", "found.html")
    assert "the page shows no GIFs: name their folder with --gifs" in done.warnings
    done = run_here("search", "a red ball", "--html", "found.html", "--gifs", "moved")
    assert "1 GIF cannot be shown; the page gives the reason" in done.warnings
    (folder / "moved" / "b.gif").write_text("text")
    (folder / "b.jsonl").write_text('{"path": "moved/b.gif", "caption": "a ball"}\n')
    done = run_here("search", "ball", "--captions", "b.jsonl", "--html", "found.html")
    assert done.warnings == ["1 GIF cannot be shown; the page gives the reason"]


@pytest.mark.parametrize("page", ["page.html", "page.HTM"])
def test_a_page_replaces_only_pages_of_gifdesc(folder, page):
    search = ("search", "a red ball", "--html", page)
    assert run_here(*search).code == 0
    assert run_here(*search).code == 0
    (folder / page).write_text("<html>mine</html>")
    for arguments in (
        search,
        ("caption", "gifs", "--html", page),
        ("caption", "gifs", "--explain", page),
        ("evaluate", "--html", page),
    ):
        done = run_here(*arguments)
        assert (done.code, done.out) == (1, "")
        assert "exists, and gifdesc did not write it" in done.error
        assert (folder / page).read_text() == "<html>mine</html>"


def test_a_picture_replaces_only_pictures_of_gifdesc(folder):
    explain = ("caption", "gifs/a.gif", "--explain", "a.png")
    assert run_here(*explain).code == 0
    assert run_here(*explain).code == 0
    Image.new("RGB", (4, 4)).save(folder / "a.png")
    mine = (folder / "a.png").read_bytes()
    for arguments in (explain, ("evaluate", "--picture", "a.png")):
        done = run_here(*arguments)
        assert (done.code, done.out) == (1, "")
        assert "exists, and gifdesc did not write it" in done.error
    assert (folder / "a.png").read_bytes() == mine


@pytest.mark.usefixtures("folder")
def test_names_that_the_folder_of_gifs_lacks_are_reported(tmp_path):
    (tmp_path / "other").mkdir()
    done = run_here("search", "red", "--gifs", "other", "--top", 1)
    assert f"other: has no GIF of these names: {done.out.strip()}" in done.warnings
    (tmp_path / "captions.jsonl").write_text('{"path": "other/z.gif", "caption": "red"}\n')
    for place in ("other", "."):  # a name that looks as if the file were there
        done = run_here("search", "red", "--captions", "captions.jsonl", "--gifs", place)
        assert f"{place}: has no GIF of these names: other/z.gif" in done.warnings


def test_a_page_without_room_for_all_shows_the_best(folder, monkeypatch):
    monkeypatch.setattr("gifdesc.pages.search.MAX_ON_PAGE", 2)
    done = run_here("search", "a red ball", "--html", "found.html")
    assert len(done.out.splitlines()) == 3
    assert "wrote a page of the best 2 GIFs -> found.html" in done.err
    assert (folder / "found.html").read_text(encoding="utf-8").count("<article") == 2


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        ([], 2, "write what the GIF should show"),
        ([""], 2, "the query is empty"),
        (["läuft Katze"], 2, "no word of the query is in the model's vocabulary"),
        (["red", "features", "--like", "gifs/a.gif"], 2, "--like takes the place of words"),
        (["red", "--captions", "c.jsonl", "--exact"], 2, "--captions needs no features"),
        (["--like", "https://example.org/a.gif"], 2, "a URL: download the GIF first"),
        (["--like", "gifs/a.gif", "--exact"], 2, "--like compares with all GIFs"),
        (["red", "--weights", "w.pth"], 2, "--weights goes with --like"),
        (["red", "missing"], 1, "missing: no such folder"),
        (["red", "--model", "missing"], 1, "missing: no model folder"),
        (["red", "--html", "page.png"], 2, "a page is a .html file"),
        (["red", "--gifs", "missing"], 1, "missing: no such folder; name the GIFs' folder"),
    ],
)
def test_wrong_usage_is_a_sentence(arguments, code, reason):
    done = run_here("search", *arguments)
    assert (done.code, done.out) == (code, "")
    assert reason in done.error


def test_features_without_a_recipe_are_searched_with_a_warning(folder):
    recipe = folder / "features" / "recipe.json"
    unchecked = "features: no recipe.json, so it cannot be checked how these features were made"
    assert unchecked not in run_here("search", "red").warnings
    recipe.unlink()
    done = run_here("search", "red")
    assert done.code == 0
    assert unchecked in done.warnings


def test_a_damaged_feature_file_is_reported_beside_the_others(folder):
    (folder / "features" / "a.gif.npy").write_bytes(b"broken")
    done = run_here("search", "red")
    assert done.code == 1
    assert sorted(done.out.splitlines()) == ["gifs/<i>&c.gif", "gifs/b.gif"]
    assert "a.gif.npy" in done.error


def test_captions_are_searched_in_a_process_of_its_own(tmp_path):
    path = tmp_path / "captions.jsonl"
    path.write_text('{"path": "a.gif", "caption": "a cat"}\n', encoding="utf-8")
    done = run_process("search", "cat", "--captions", path, "--quiet")
    assert (done.code, done.out, done.err) == (0, "a.gif\n", "")
