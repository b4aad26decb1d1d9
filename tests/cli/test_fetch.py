"""`gifdesc fetch` from a local server that misbehaves."""

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gif_files import draw_gif
from gifdesc.data.descriptions import read_descriptions
from gifdesc.data.splits import read_split_lists
from gifdesc.data.url_lists import ListedUrl
from gifdesc.errors import DownloadError
from gifdesc.fetching import run as run_module
from gifdesc.fetching.run import FetchConfig, fetch
from gifdesc.system.http import HttpLimits
from http_server import (
    ACCESS_DENIED,
    WEB_PAGE,
    cut_off,
    endless,
    redirect,
    serving,
    silent,
    slow_body,
    status,
    then,
)
from worlds import heed_interrupts, process_environment, run_here


@pytest.fixture
def server():
    with serving() as state:
        yield state


@pytest.fixture
def gif(tmp_path):
    return draw_gif(tmp_path / "source" / "moving.gif", 4).read_bytes()


@pytest.fixture
def still(tmp_path):
    return draw_gif(tmp_path / "source" / "still.gif", 1).read_bytes()


def write_list(tmp_path, server, *paths, name="list.txt"):
    path = tmp_path / name
    path.write_text("".join(f"{server.url(each)}\n" for each in paths))
    return path


def run_fetch(list_path, output, *options):
    done = run_here(
        "fetch", list_path, "-o", output, "--allow-private", "--rate", "0", "--json", *options
    )
    return done, json.loads(done.out)


def manifest(output):
    lines = (output / "fetched.jsonl").read_text().splitlines()
    return {row.pop("url").rpartition("/")[2]: row for row in map(json.loads, lines)}


def files(output):
    return sorted(path.name for path in output.iterdir() if not path.name.startswith("."))


def test_a_list_is_fetched_and_a_rerun_asks_for_nothing(tmp_path, server, gif):
    paths = [f"/{number}/cat.gif" for number in range(9)]
    server.answers |= {path: gif + bytes([number]) for number, path in enumerate(paths)}
    list_path, output = write_list(tmp_path, server, *paths), tmp_path / "gifs"
    done, result = run_fetch(list_path, output)
    assert (done.code, result["ok"], result["failures"]) == (0, 9, [])
    assert result["num_bytes"] == 9 * (len(gif) + 1)
    # Every URL has its own file, whatever the names.
    contents = {path.read_bytes() for path in output.glob("cat*.gif")}
    assert contents == {server.answers[path] for path in paths}
    assert (output / "cat.gif").read_bytes() == server.answers["/0/cat.gif"]
    names = files(output)
    again, result = run_fetch(list_path, output)
    assert (again.code, result["ok"], result["skipped"]) == (0, 0, 9)
    assert set(server.requests.values()) == {1}
    assert files(output) == names


def test_a_file_is_flushed_to_disk(tmp_path, server, gif, monkeypatch):
    flushed, fsync = set(), os.fsync

    def note(descriptor):
        flushed.add(os.fstat(descriptor).st_ino)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    server.answers["/cat.gif"] = gif
    run_fetch(write_list(tmp_path, server, "/cat.gif"), tmp_path / "gifs")
    assert (tmp_path / "gifs" / "cat.gif").stat().st_ino in flushed


def test_what_is_no_moving_picture_is_not_kept(tmp_path, server, gif, still):
    server.answers |= {
        "/moving.gif": gif,
        "/cut.gif": gif[:-40],
        "/still.gif": still,
        "/denied.gif": ACCESS_DENIED,
        "/page.gif": WEB_PAGE,
        "/empty.gif": b"",
        "/forbidden.gif": status(403, ACCESS_DENIED),
    }
    output = tmp_path / "gifs"
    done, result = run_fetch(write_list(tmp_path, server, *server.answers), output)
    assert done.code == 1
    counts = {name: result[name] for name in ("ok", "truncated", "still", "refused", "failed")}
    assert counts == {"ok": 1, "truncated": 1, "still": 1, "refused": 3, "failed": 1}
    assert files(output) == ["cut.gif", "fetched.jsonl", "moving.gif"]
    rows = manifest(output)
    assert rows["moving.gif"]["status"] == "ok"
    assert rows["moving.gif"]["num_frames"] == 4
    assert len(rows["moving.gif"]["sha256"]) == 64
    assert rows["denied.gif"]["error"] == "neither a picture nor a video, but XML (AccessDenied)"
    assert rows["page.gif"]["error"] == "neither a picture nor a video, but an HTML page (Sign in)"
    assert rows["empty.gif"]["error"] == "an empty file"
    assert rows["still.gif"]["error"] == "a still picture (one frame)"
    assert rows["forbidden.gif"]["error"] == (
        "the server answers 403 Forbidden with XML (AccessDenied)"
    )
    assert all(rows[name]["file"] is None for name in rows if name not in files(output))
    assert f"error: {server.url('/empty.gif')}: an empty file" in done.err
    assert f"warning: {server.url('/still.gif')}: a still picture (one frame), not kept" in done.err


def test_stills_are_kept_where_asked_for(tmp_path, server, still):
    server.answers["/still.gif"] = still
    list_path, output = write_list(tmp_path, server, "/still.gif"), tmp_path / "gifs"
    done, _ = run_fetch(list_path, output)
    assert (done.code, files(output)) == (0, ["fetched.jsonl"])
    done, result = run_fetch(list_path, output, "--keep-stills")
    assert (done.code, result["still"], files(output)) == (0, 1, ["fetched.jsonl", "still.gif"])
    _, result = run_fetch(list_path, output)
    assert (result["skipped"], server.requests["/still.gif"]) == (1, 2)


def test_failed_urls_are_asked_again_only_where_asked_for(tmp_path, server, gif):
    list_path, output = write_list(tmp_path, server, "/a.gif"), tmp_path / "gifs"
    assert run_fetch(list_path, output)[1]["failed"] == 1
    server.answers["/a.gif"] = gif
    done, result = run_fetch(list_path, output)
    assert (done.code, result["failed"], server.requests["/a.gif"]) == (1, 1, 1)
    assert "warning: 1 URL failed in an earlier run; ask again with --retry-failed" in done.err
    assert "error:" not in done.err
    done, result = run_fetch(list_path, output, "--retry-failed")
    assert (done.code, result["ok"]) == (0, 1)
    assert manifest(output)["a.gif"]["status"] == "ok"


def fetch_all(urls, output, **changes):
    limits = HttpLimits(max_bytes=200_000, silence_seconds=30.0, total_seconds=60.0)
    settings = {"limits": limits, "backoff_seconds": 0.001, "requests_per_second": None}
    config = FetchConfig(allow_private=True, **settings | changes)
    listed = {url: ListedUrl(url) for url in urls}
    return {event.entry.url: event.entry for event in fetch(listed, output, config)}


def test_failures_that_may_pass_are_retried(tmp_path, server, gif):
    server.answers |= {
        "/503.gif": then(status(503), gif, times=2),
        "/429.gif": then(status(429, Retry_After="0"), gif),
        "/cut.gif": then(cut_off(gif), gif),
        "/always.gif": status(500),
        "/gone.gif": status(410),
        "/long.gif": status(503, Retry_After="86400"),
    }
    found = fetch_all([server.url(path) for path in server.answers], tmp_path / "gifs", retries=2)
    statuses = {url.rpartition("/")[2]: entry.status for url, entry in found.items()}
    assert {name for name in statuses if statuses[name] == "ok"} == {
        "503.gif",
        "429.gif",
        "cut.gif",
    }
    assert {name: server.requests[f"/{name}"] for name in statuses} == {
        "503.gif": 3,
        "429.gif": 2,
        "cut.gif": 2,
        "always.gif": 3,
        "gone.gif": 1,
        "long.gif": 1,
    }
    error = found[server.url("/long.gif")].error
    assert error == "the server answers 503 Service Unavailable, and asks to wait 86400 s"


def test_limits_hold_and_no_half_file_is_left(tmp_path, server):
    server.answers |= {
        "/endless.gif": endless,
        "/slow.gif": slow_body,
        "/loop.gif": redirect("/loop.gif"),
        "/file.gif": redirect("file:///etc/passwd"),
    }
    output = tmp_path / "gifs"
    limits = HttpLimits(max_bytes=200_000, silence_seconds=30.0, total_seconds=3.0)
    urls = [server.url(path) for path in server.answers]
    found = fetch_all(urls, output, retries=0, limits=limits)
    assert {url.rpartition("/")[2]: entry.error for url, entry in found.items()} == {
        "endless.gif": "larger than 0.2 MB",
        "slow.gif": "not finished after 3 s",
        "loop.gif": "redirects more than 5 times",
        "file.gif": "redirects to file:///etc/passwd, which is neither http nor https",
    }
    assert {path.name for path in output.iterdir()} <= {"fetched.jsonl", ".lock"}


def test_private_addresses_need_an_option(tmp_path, server, gif):
    server.answers["/a.gif"] = gif
    done = run_here("fetch", write_list(tmp_path, server, "/a.gif"), "-o", tmp_path / "gifs")
    assert done.code == 1
    assert (
        "127.0.0.1 has a private address (127.0.0.1), which is not allowed; allow it with "
        "--allow-private if you trust the list"
    ) in done.err
    assert not server.requests


def test_urls_refused_as_private_are_tried_again_once_they_are_allowed(tmp_path, server, gif):
    server.answers |= {"/a.gif": gif, "/moved.gif": redirect(server.url("/a.gif"))}
    list_path = write_list(tmp_path, server, "/a.gif", "/moved.gif", "/gone.gif")
    output = tmp_path / "gifs"
    config = FetchConfig(requests_per_second=None)
    urls = {url: ListedUrl(url) for url in list_path.read_text().split()}
    refused = [*fetch(urls, output, config)]
    assert [event.status for event in refused] == ["failed"] * 3
    assert all(event.is_old for event in fetch(urls, output, config))
    for _ in range(2):
        _, result = run_fetch(list_path, output)
        assert (result["ok"] + result["skipped"], result["failed"]) == (2, 1)
    assert server.requests["/gone.gif"] == 1  # the second run knew that the file is missing


def test_descriptions_and_splits_have_the_names_of_the_files(tmp_path, server, gif):
    server.answers |= {"/1/cat.gif": gif, "/2/cat.gif": gif, "/3/odd": gif}
    rows = [
        ("/1/cat.gif", "a cat", "train"),
        ("/2/cat.gif", 'it "jumps"', "val"),
        ("/1/cat.gif", "it sleeps", "train"),
        ("/3/odd", "a dog", "test"),
        ("/gone.gif", "a bird", "test"),
    ]
    list_path, output = tmp_path / "list.tsv", tmp_path / "gifs"
    text = "".join(f"{server.url(path)}\t{caption}\t{split}\n" for path, caption, split in rows)
    list_path.write_text("url\tcaption\tsplit\n" + text)
    done, result = run_fetch(list_path, output)
    assert (done.code, result["ok"], result["failed"]) == (1, 3, 1)
    assert result["descriptions"] == str(output / "descriptions.tsv")
    second = next(path.stem for path in output.glob("cat-*.gif"))
    assert read_descriptions(output / "descriptions.tsv").captions == {
        "cat": ["a cat", "it sleeps"],
        second: ['it "jumps"'],
        "odd": ["a dog"],
    }
    expected = {"cat": "train", second: "val", "odd": "test"}
    assert read_split_lists(output / "splits") == expected
    # A second list into the same folder adds its own lines.
    other = tmp_path / "other.tsv"
    server.answers["/bird.gif"] = gif
    other.write_text(f"url\tcaption\tsplit\n{server.url('/bird.gif')}\ta bird\ttrain\n")
    assert run_fetch(other, output)[0].code == 0
    assert len(read_descriptions(output / "descriptions.tsv").captions) == 4
    assert read_split_lists(output / "splits") == {**expected, "bird": "train"}


def test_a_file_of_the_users_own_is_not_overwritten(tmp_path, server, gif):
    server.answers["/cat.gif"] = gif
    output = tmp_path / "gifs"
    output.mkdir()
    (output / "Cat.gif").write_bytes(b"mine")
    assert run_fetch(write_list(tmp_path, server, "/cat.gif"), output)[0].code == 0
    assert (output / "Cat.gif").read_bytes() == b"mine"
    assert len(list(output.glob("*.gif"))) == 2


def test_a_file_that_was_removed_is_fetched_under_its_name(tmp_path, server, gif):
    server.answers |= {"/1/cat.gif": gif, "/2/cat.gif": gif}
    list_path, output = write_list(tmp_path, server, *server.answers), tmp_path / "gifs"
    run_fetch(list_path, output)
    names = files(output)
    for path in output.glob("*.gif"):
        path.unlink()
    assert run_fetch(list_path, output)[1]["ok"] == 2
    assert files(output) == names


def test_lines_without_a_url_are_named(tmp_path, server, gif):
    server.answers["/a.gif"] = gif
    list_path = write_list(tmp_path, server, "/a.gif")
    list_path.write_text(list_path.read_text() + "cat.gif\n")
    done, result = run_fetch(list_path, tmp_path / "gifs")
    assert (done.code, result["ok"]) == (1, 1)
    assert result["problems"] == [f"{list_path}:2: not a URL: cat.gif"]


def test_a_full_disk_is_one_sentence(tmp_path, server, gif, monkeypatch):
    server.answers |= {"/a.gif": gif, "/b.gif": gif}

    def full(*_arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(run_module.HttpClient, "download", full)
    output = tmp_path / "gifs"
    urls = {server.url(path): ListedUrl(server.url(path)) for path in server.answers}
    with pytest.raises(DownloadError, match="cannot be written: no space left on device; finished"):
        list(fetch(urls, output, FetchConfig(allow_private=True)))
    assert files(output) == ["fetched.jsonl"]


def test_a_damaged_manifest_is_refused(tmp_path, server):
    output = tmp_path / "gifs"
    output.mkdir()
    (output / "fetched.jsonl").write_text('{"url": "x", "status": "ok", "file": "../y"}\n')
    done, result = run_fetch(write_list(tmp_path, server, "/a.gif"), output)
    assert done.code == 1
    assert (
        "fetched.jsonl: damaged (../y is not the name of a file in its folder)" in (result["error"])
    )


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_ctrl_c_keeps_what_is_finished(tmp_path, server, gif):
    server.answers |= {"/a.gif": gif, "/b.gif": silent, "/c.gif": silent}
    list_path, output = write_list(tmp_path, server, *server.answers), tmp_path / "gifs"
    options = ["--allow-private", "--concurrency", "2"]
    process = subprocess.Popen(
        [sys.executable, "-m", "gifdesc", "fetch", list_path, "-o", output, *options],
        env=process_environment(),
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_interrupts,
    )
    try:
        while not (server.requests["/b.gif"] and server.requests["/c.gif"]):
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "interrupted" in err
    assert "Traceback" not in err
    assert {path.name for path in Path(output).iterdir()} == {"a.gif", "fetched.jsonl", ".lock"}
    assert [*manifest(output)] == ["a.gif"]
