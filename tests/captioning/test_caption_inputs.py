import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gifdesc.captioning.inputs import caption_inputs, may_be_many
from gifdesc.errors import GifError, UsageError
from gifdesc.gif.sources import CaptionInput
from http_server import serving
from worlds import process_environment


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """`b.gif`, `a.gif`, `note.txt`, `deep/c.GIF`, `[1].gif` in the current folder."""
    (tmp_path / "deep").mkdir()
    for name in ("b.gif", "a.gif", "note.txt", "deep/c.GIF", "[1].gif"):
        (tmp_path / name).write_bytes(b"GIF89a")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def found(*arguments, stdin=b"", null=False):
    return list(caption_inputs(arguments, io.BytesIO(stdin), is_null_separated=null))


def names(*arguments, **options):
    return [one.name for one in found(*arguments, **options)]


@pytest.mark.usefixtures("folder")
def test_a_file_keeps_the_name_of_its_argument():
    assert names("b.gif", "./a.gif", "deep/../a.gif") == ["b.gif", "./a.gif", "deep/../a.gif"]


@pytest.mark.usefixtures("folder")
def test_a_repeated_file_is_repeated():
    assert names("a.gif", "a.gif") == ["a.gif", "a.gif"]


@pytest.mark.usefixtures("folder")
def test_a_folder_gives_its_gifs():
    assert names(".", "b.gif") == ["[1].gif", "a.gif", "b.gif", "deep/c.GIF", "b.gif"]


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("pattern", "wanted"),
    [
        ("?.gif", ["a.gif", "b.gif"]),
        ("[ab].gif", ["a.gif", "b.gif"]),
        ("**/*.GIF", ["deep/c.GIF"]),
        ("de*", ["deep/c.GIF"]),
        ("n*", ["note.txt"]),
        ("[1].gif", ["[1].gif"]),
    ],
)
def test_a_pattern_gives_its_matches(pattern, wanted):
    assert names(pattern) == wanted


@pytest.mark.usefixtures("folder")
def test_missing_inputs_keep_their_order_and_have_an_error():
    assert found("x.gif", "*.png", "a.gif") == [
        CaptionInput("x.gif", error="no such file or folder"),
        CaptionInput("*.png", error="no file matches this pattern"),
        CaptionInput("a.gif"),
    ]


@pytest.mark.usefixtures("folder")
def test_a_list_on_stdin_takes_its_place_among_the_arguments():
    stdin = b"a.gif\r\n\n./b.gif\nx*.gif\ndeep"
    assert names("b.gif", "-", "a.gif", stdin=stdin) == [
        *("b.gif", "a.gif", "./b.gif", "x*.gif", "deep/c.GIF", "a.gif")
    ]


def test_a_null_separated_list_may_hold_line_ends(tmp_path):
    odd = [str(tmp_path / name) for name in ("a\nb.gif", " ", "c\r", "tab\t.gif")]
    for path in odd:
        Path(path).touch()
    stdin = b"\0".join(map(os.fsencode, odd)) + b"\0"
    assert names("-", stdin=stdin, null=True) == odd


def test_a_name_that_is_not_utf8_is_kept(tmp_path):
    raw = os.fsencode(tmp_path) + b"/caf\xe9.gif"
    try:
        Path(os.fsdecode(raw)).touch()
    except OSError:
        pytest.skip("this file system has no such names")
    assert names("-", stdin=raw + b"\n") == [os.fsdecode(raw)]


@pytest.mark.parametrize("null", [False, True])
def test_a_list_longer_than_a_chunk_is_whole(null):
    wanted = [f"some/folder/{number}.gif" for number in range(20_000)]
    stdin = ("\0" if null else "\n").join(wanted).encode()
    assert names("-", stdin=stdin, null=null) == wanted


@pytest.mark.usefixtures("folder")
def test_a_byte_order_mark_is_no_part_of_a_lists_first_path():
    assert names("-", stdin=b"\xef\xbb\xbfa.gif\r\nb.gif\r\n") == ["a.gif", "b.gif"]


@pytest.mark.parametrize("stdin", [b"", b"\n", b" \n\r\n"])
def test_an_empty_list_gives_nothing(stdin):
    assert found("-", stdin=stdin) == []


@pytest.mark.usefixtures("folder")
def test_an_empty_argument_is_wrong_usage():
    with pytest.raises(UsageError, match="an argument is empty"):
        found("a.gif", "")


PICTURES = {
    "GIF": b"GIF89a\1\0\1\0\0\0\0;",
    "PNG": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    "WebP": b"RIFF\x24\0\0\0WEBPVP8 ",
    "MP4": b"\0\0\0\x18ftypmp42\0\0\0\0mp42",
    "JPEG": b"\xff\xd8\xff\xe0\0\x10JFIF\0",
}


@pytest.mark.parametrize("null", [False, True])
@pytest.mark.parametrize("kind", PICTURES)
def test_a_picture_on_stdin_is_one_input(kind, null):
    data = PICTURES[kind] + bytes(range(256)) * 1000
    piped = CaptionInput("-", data=data)
    assert found("-", "-", stdin=data, null=null) == [piped, piped]


@pytest.mark.usefixtures("folder")
def test_a_list_may_begin_like_a_picture():
    stdin = b"GIF\nBMW.gif\nRIFF.gif\na.gif\n"
    assert names("-", stdin=stdin) == ["GIF", "BMW.gif", "RIFF.gif", "a.gif"]
    assert names("-", stdin=stdin.replace(b"\n", b"\0"), null=True) == [
        *("GIF", "BMW.gif", "RIFF.gif", "a.gif")
    ]


@pytest.mark.parametrize("stdin", [b"a.gif\0b.gif\0", b"\x91\x02\0\xf3\x99" * 9])
def test_bytes_that_are_neither_a_list_nor_a_picture_are_wrong_usage(stdin):
    with pytest.raises(UsageError, match="stdin has neither a GIF nor a list of paths"):
        found("-", stdin=stdin)


@pytest.mark.usefixtures("folder")
def test_a_url_is_its_file():
    with serving() as server:
        server.answers |= {"/a.gif": b"GIF89a of a server", "/empty.gif": b""}
        first, gone, empty = found(*map(server.url, ["/a.gif?x=*", "/gone.gif", "/empty.gif"]))
        assert (first.name, first.data) == (server.url("/a.gif?x=*"), b"GIF89a of a server")
        assert gone.error == "the server answers 404 Not Found"
        assert empty.error == "empty: no bytes were sent"
        listed = found("-", stdin=server.url("/a.gif").encode())
    assert [each.error for each in listed] == [
        "127.0.0.1 has a private address (127.0.0.1), which is not allowed; give the URL as an "
        "argument if you trust it"
    ]
    assert not may_be_many([server.url("/a.gif")])


@pytest.mark.usefixtures("folder")
def test_the_file_of_a_url_is_on_disk_if_it_is_large(monkeypatch):
    monkeypatch.setattr("gifdesc.data.arguments._MEMORY_BYTES", 10)
    with serving() as server:
        server.answers["/a.gif"] = b"GIF89a of a server"
        [large] = found(server.url("/a.gif"))
    assert large.data.read_bytes() == b"GIF89a of a server"
    assert large.reason(GifError(f"{large.data}: cut")) == "cut"


@pytest.mark.usefixtures("folder")
def test_other_schemes_are_not_read():
    [ftp] = found("ftp://example.org/a.gif")
    assert ftp.error == "is neither http nor https"


# What is read from the operating system's own stdin, each in a process of its own.


def in_process(script, **options):
    head = "import sys\nfrom gifdesc.captioning.inputs import caption_inputs\n"
    done = subprocess.run(
        [sys.executable, "-c", head + script],
        capture_output=True,
        env=process_environment(),
        check=True,
        **options,
    )
    return done.stdout.decode()


BYTES = """
for one in caption_inputs(["/dev/stdin", "/dev/fd/0", "/dev/stdin"], sys.stdin.buffer):
    print(one.name, one.data, one.error)
"""


def test_the_bytes_of_a_pipe_are_read_once_and_reused():
    assert in_process(BYTES, input=b"GIF89a...").splitlines() == [
        "/dev/stdin b'GIF89a...' None",
        "/dev/fd/0 None empty: no bytes were read",
        "/dev/stdin b'GIF89a...' None",
    ]


def test_a_file_as_stdin_is_read_as_a_pipe_is(tmp_path):
    (tmp_path / "x.gif").write_bytes(b"GIF89a")
    with (tmp_path / "x.gif").open("rb") as file:
        shown = in_process(BYTES, stdin=file)
    assert shown.splitlines()[0] == "/dev/stdin b'GIF89a' None"


def test_a_list_is_read_line_by_line():
    """The second path is written only when the first one was answered."""
    script = (
        "import sys\nfrom gifdesc.captioning.inputs import caption_inputs\n"
        "for one in caption_inputs(['-'], sys.stdin.buffer): print(one.name, flush=True)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=process_environment(),
    ) as process:
        for name in (b"first.gif\n", b"second.gif\n"):
            process.stdin.write(name)
            process.stdin.flush()
            assert process.stdout.readline() == name
        process.stdin.close()
        assert process.stdout.read() == b""


@pytest.mark.parametrize(
    ("stdin", "kind"),
    [
        (b'{"error": 404}', "JSON"),
        (b"<!DOCTYPE html><html>", "an HTML page"),
        (b"<?xml version='1.0'?><Error>", "XML"),
    ],
)
def test_a_document_on_stdin_is_named(stdin, kind):
    with pytest.raises(UsageError, match=f"-: stdin has {kind}"):
        found("-", stdin=stdin)


@pytest.mark.usefixtures("folder")
def test_a_list_may_begin_with_a_bracket():
    assert names("-", stdin=b"[1].gif\n[ab].gif\n") == ["[1].gif", "[ab].gif"]
