"""URLs where a path can be, from a local server."""

import json
from pathlib import Path

import numpy as np
import pytest

from gif_files import draw_gif
from gifdesc.data import downloads
from gifdesc.system.http import HttpLimits
from http_server import (
    ACCESS_DENIED,
    WEB_PAGE,
    endless,
    redirect,
    serving,
    silent,
    slow_body,
    slow_headers,
    status,
)
from worlds import run_here

pytestmark = pytest.mark.usefixtures("tiny_backbone")


@pytest.fixture
def server(tmp_path):
    moving = draw_gif(tmp_path / "source" / "moving.gif", 5).read_bytes()
    with serving() as state:
        state.answers |= {
            "/x/moving.gif": moving,
            "/moved": redirect("/x/moving.gif"),
            "/page.gif": WEB_PAGE,
            "/denied.gif": status(403, ACCESS_DENIED),
            "/saved.gif": ACCESS_DENIED,
        }
        yield state


@pytest.fixture(autouse=True)
def temporary_dir(tmp_path, monkeypatch):
    path = tmp_path / "tmp"
    path.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(path))
    return path


def test_captions_have_the_url_as_their_path(server, model_dir, temporary_dir, tmp_path):
    urls = [*map(server.url, ("/moved", "/page.gif", "/denied.gif", "/saved.gif"))]
    done = run_here("caption", *urls, "--model", model_dir, "--max-length", 4, "--json")
    rows = [json.loads(line) for line in done.out.splitlines()]
    assert done.code == 1
    assert [row["path"] for row in rows] == urls
    assert (rows[0]["num_frames"], rows[0].get("error")) == (5, None)
    assert [row["error"] for row in rows[1:]] == [
        "not a GIF (it starts like an HTML page)",
        "the server answers 403 Forbidden with XML (AccessDenied)",
        "not a GIF (it starts like XML)",
    ]
    local = tmp_path / "source" / "moving.gif"
    done = run_here("caption", local, "--model", model_dir, "--max-length", 4, "--json")
    assert json.loads(done.out)["caption"] == rows[0]["caption"]
    assert [*temporary_dir.glob("gifdesc-*")] == []


def test_a_single_url_prints_only_its_caption(server, model_dir):
    done = run_here("caption", server.url("/moved"), "--model", model_dir, "--max-length", 4)
    assert done.code == 0
    assert "\t" not in done.out


def test_a_sidecar_has_no_place_beside_a_url(server, model_dir):
    url = server.url("/moved")
    options = ("--model", model_dir, "--max-length", 4, "--write-sidecar")
    done = run_here("caption", url, *options)
    assert done.code == 0
    assert "so no .txt file was written beside it" in done.err


def test_features_are_named_by_the_url(server, tmp_path):
    output = tmp_path / "features"
    urls = [server.url("/x/moving.gif"), server.url("/x/moving.gif?2"), server.url("/gone.gif")]
    done = run_here("extract", *urls, "-o", output, "--weights", "random", "--json")
    result = json.loads(done.out)
    assert (done.code, result["ok"]) == (1, 2)
    assert result["failures"] == [{"path": urls[2], "error": "the server answers 404 Not Found"}]
    rows = [*map(json.loads, (output / "manifest.jsonl").read_text().splitlines())]
    assert {row["origin"] for row in rows} == {*urls[:2]}
    names = {row["origin"]: row["source"] for row in rows}
    assert names[urls[0]] == f"127.0.0.1_{server.port}/x/moving.gif"
    assert all(np.load(output / row["features"]).shape == (5, 48) for row in rows)
    # A rerun, with GIFs of a folder as well, skips them and takes them for no orphans.
    folder = draw_gif(tmp_path / "gifs" / "a.gif").parent
    arguments = (*urls[:2], folder)
    done = run_here("extract", *arguments, "-o", output, "--weights", "random", "--json")
    result = json.loads(done.out)
    assert (done.code, result["skipped"], result["ok"]) == (0, 2, 1)
    assert "no longer exist" not in done.err
    assert sorted(Path(output).rglob("*.npy")) == sorted(
        output / name for name in (*(f"{each}.npy" for each in names.values()), "a.gif.npy")
    )


def test_check_names_what_a_url_is(server):
    urls = [*map(server.url, ("/x/moving.gif", "/page.gif", "/gone.gif"))]
    done = run_here("check", *urls, "--json")
    findings = json.loads(done.out)["findings"]
    assert [(each["path"], each["kind"], each["detail"]) for each in findings] == [
        (urls[1], "unreadable", "not a GIF (it starts like an HTML page)"),
        (urls[2], "unreadable", "the server answers 404 Not Found"),
    ]


def test_urls_that_never_end_are_a_line_each_of_check(server, monkeypatch):
    limits = HttpLimits(max_bytes=1 << 20, silence_seconds=0.3, total_seconds=0.6)
    monkeypatch.setattr(downloads, "_LIMITS", limits)
    monkeypatch.setattr(downloads, "_LAST_RETRY_SECONDS", 0.1)
    answers = {
        "/silent.gif": silent,
        "/headers.gif": slow_headers,
        "/slow.gif": slow_body,
        "/endless.gif": endless,
    }
    server.answers |= answers
    done = run_here("check", *map(server.url, answers))
    assert done.code == 1
    lines = [line.split(maxsplit=2) for line in done.out.splitlines()]
    assert [(url, kind) for url, kind, _ in lines] == [
        (server.url(path), "unreadable") for path in answers
    ]
    reasons = [detail for _, _, detail in lines]
    assert reasons[0] == "no answer for 0.3 s"
    assert reasons[1:3] == ["not finished after 0.6 s"] * 2
    assert reasons[3].startswith("larger than 1.0")
    assert all(server.requests[path] == 1 for path in answers)  # a rerun would be as slow
    assert done.err.splitlines()[-1] == "0 GIFs checked: 4 unreadable"


def test_descriptions_that_name_the_urls_are_theirs(server, tmp_path):
    server.answers["/y/other.gif"] = server.answers["/x/moving.gif"]
    urls = [*map(server.url, ("/x/moving.gif", "/y/other.gif"))]
    table = tmp_path / "list.tsv"
    table.write_text(f"{urls[0]}\ta red ball moves left\n")
    done = run_here("check", *urls, "--descriptions", table, "--json")
    findings = {each["kind"]: each for each in json.loads(done.out)["findings"]}
    assert findings["missing_description"]["path"] == urls[1]
    assert findings["duplicate"]["path"] == urls[1]
    assert findings["duplicate"]["detail"] == f"the same bytes as {urls[0]}"
    assert "orphan_description" not in findings


@pytest.mark.parametrize(
    "name", ["{url}", "moving.gif", "x/moving", "http://127.0.0.1/x/moving.gif"]
)
def test_descriptions_find_a_url_that_has_a_query(server, tmp_path, name):
    url = server.url("/x/moving.gif?width=9&token=7")
    table = tmp_path / "list.tsv"
    table.write_text(f"{name.format(url=url)}\ta red ball moves left\n")
    done = run_here("check", url, "--descriptions", table, "--json")
    assert (done.code, json.loads(done.out)["findings"]) == (0, [])
