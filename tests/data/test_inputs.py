"""Arguments to GIFs: folders, their order, and every argument that gives none."""

import os
import threading
from pathlib import Path

import pytest
from PIL import Image

from gif_files import draw_gif
from gifdesc.data.arguments import Argument
from gifdesc.data.gifs import (
    BackgroundCount,
    GifInput,
    PassedOver,
    find_gifs,
    searched_suffixes,
)
from gifdesc.errors import UsageError


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def sources(*arguments: Path) -> list[str]:
    found = list(find_gifs(arguments))
    assert all(one.error is None for one in found)
    return [one.source for one in found]


def test_one_file(tmp_path):
    path = draw_gif(tmp_path / "funny.gif")
    assert list(find_gifs([path])) == [GifInput(path, "funny.gif")]


def test_a_file_that_was_named_needs_no_suffix(tmp_path):
    touch(tmp_path, "funny.webp")
    assert sources(tmp_path / "funny.webp") == ["funny.webp"]


def test_a_folder_gives_every_gif_under_it_in_name_order(tmp_path):
    touch(tmp_path, "b.gif", "a/z.gif", "a/y/x.gif", "c/n.gif", "B.gif", "a.gif", "10.gif", "9.gif")
    assert sources(tmp_path) == [
        *["10.gif", "9.gif", "B.gif"],
        *["a/y/x.gif", "a/z.gif", "a.gif"],
        *["b.gif", "c/n.gif"],
    ]


def test_the_suffix_counts_in_any_case_and_nothing_else_is_taken(tmp_path):
    touch(tmp_path, "a.GIF", "b.Gif", "c.png", "gif", "d.gif.txt", "e.gif~", ".gif")
    assert sources(tmp_path) == [".gif", "a.GIF", "b.Gif"]


def test_a_folder_named_like_a_gif_is_walked(tmp_path):
    touch(tmp_path, "folder.gif/inside.gif")
    assert sources(tmp_path) == ["folder.gif/inside.gif"]


def test_the_paths_are_those_given(tmp_path, monkeypatch):
    touch(tmp_path, "gifs/a.gif")
    monkeypatch.chdir(tmp_path)
    assert list(find_gifs([Path("gifs")])) == [GifInput(Path("gifs/a.gif"), "a.gif")]
    assert list(find_gifs([Path()])) == [GifInput(Path("gifs/a.gif"), "gifs/a.gif")]


def test_two_gifs_of_one_name_in_two_folders_stay_apart(tmp_path):
    touch(tmp_path, "x/cat.gif", "y/cat.gif")
    assert sources(tmp_path) == ["x/cat.gif", "y/cat.gif"]
    assert sources(tmp_path / "x", tmp_path / "y") == ["x/cat.gif", "y/cat.gif"]
    assert sources(tmp_path / "x" / "cat.gif", tmp_path / "y" / "cat.gif") == [
        "x/cat.gif",
        "y/cat.gif",
    ]


def test_several_arguments_keep_their_order(tmp_path):
    touch(tmp_path, "z/a.gif", "b.gif", "a/c.gif")
    assert sources(tmp_path / "z", tmp_path / "b.gif", tmp_path / "a") == [
        "z/a.gif",
        "b.gif",
        "a/c.gif",
    ]


def test_no_arguments_give_no_gifs():
    assert list(find_gifs([])) == []


def test_a_link_to_a_folder_elsewhere_is_followed_once(tmp_path):
    touch(tmp_path, "gifs/a.gif", "nas/x.gif", "nas/deep/y.gif")
    for name in ("more", "z"):
        (tmp_path / "gifs" / name).symlink_to("../nas")
    (tmp_path / "gifs" / "zz").symlink_to("../nas/deep")
    assert sources(tmp_path / "gifs") == ["a.gif", "more/deep/y.gif", "more/x.gif"]


def test_a_folder_that_holds_links_alone_has_their_gifs(tmp_path):
    touch(tmp_path, "nas/x.gif", "gifs/note.txt")
    (tmp_path / "gifs" / "more").symlink_to(tmp_path / "nas")
    assert sources(tmp_path / "gifs") == ["more/x.gif"]


def test_loops_of_links_are_reported_and_not_followed(tmp_path):
    touch(tmp_path, "gifs/a/x.gif", "gifs/b/y.gif")
    (tmp_path / "gifs" / "a" / "self").symlink_to(".")
    (tmp_path / "gifs" / "a" / "sister").symlink_to("../b")
    (tmp_path / "gifs" / "top").symlink_to(".")
    (tmp_path / "gifs" / "up.gif").symlink_to(tmp_path)
    passed_over = PassedOver()
    found = list(find_gifs([tmp_path / "gifs"], passed_over))
    assert [gif.source for gif in found] == ["a/x.gif", "b/y.gif"]
    folder = tmp_path / "gifs"
    assert passed_over.links == [str(folder / "top"), str(folder / "up.gif")]
    assert passed_over.sentences() == [
        f"links to a folder that holds them, not followed: {folder / 'top'}, {folder / 'up.gif'}"
    ]


def test_two_links_that_lead_to_each_other_end(tmp_path):
    touch(tmp_path, "gifs/x.gif", "nas/y.gif")
    (tmp_path / "gifs" / "nas").symlink_to("../nas")
    (tmp_path / "nas" / "back").symlink_to("../gifs")
    (tmp_path / "nas" / "again").symlink_to("../nas")
    assert sources(tmp_path / "gifs") == ["nas/y.gif", "x.gif"]


# What is left out


def test_apple_double_files_are_no_gifs(tmp_path):
    touch(tmp_path, "cat.gif")
    halves = [tmp_path / "._cat.gif", tmp_path / "__MACOSX" / "._cat.gif"]
    halves[1].parent.mkdir()
    for half in halves:
        half.write_bytes(b"\0\x05\x16\x07\0\2\0\0Mac OS X")
    (tmp_path / "._real.gif").write_bytes(b"GIF89a")
    passed_over = PassedOver()
    found = list(find_gifs([tmp_path], passed_over))
    assert [gif.source for gif in found] == ["._real.gif", "cat.gif"]
    assert passed_over.sentences() == []


def test_a_folder_is_searched_for_every_animated_format(tmp_path):
    names = ["a.gif", "b.gifv", "c.MP4", "d.m4v", "e.mov", "f.webm", "g.mkv", "h.avi", "i.apng"]
    touch(tmp_path, *names, "notes.txt", "x.jpg", "y.mpg")
    assert sources(tmp_path) == names


@pytest.mark.parametrize("suffix", [".png", ".webp", ".avif"])
def test_of_formats_of_pictures_only_animations_are_found(tmp_path, suffix):
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    form = {".png": "PNG", ".webp": "WEBP", ".avif": "AVIF"}[suffix]
    frames[0].save(tmp_path / f"still{suffix}", form)
    frames[0].save(tmp_path / f"moving{suffix}", form, save_all=True, append_images=frames[1:])
    passed_over = PassedOver()
    found = list(find_gifs([tmp_path], passed_over))
    assert [gif.source for gif in found] == [f"moving{suffix}"]
    assert passed_over.sentences() == [
        f"skipped: 1 still picture ({suffix} 1); name such files to read them"
    ]
    assert sources(tmp_path / f"still{suffix}") == [f"still{suffix}"]


def test_a_damaged_file_with_the_ending_of_an_animation_is_found(tmp_path):
    (tmp_path / "a.webp").write_text("<!DOCTYPE html><html>404</html>")
    touch(tmp_path, "b.avif", "c.png")
    assert sources(tmp_path) == ["a.webp", "b.avif"]


def counted(count):
    """The number of GIFs, after the thread that counts them has ended."""
    _ = count.total  # starts the thread
    for thread in threading.enumerate():
        if thread.name == "gifdesc-count":
            thread.join()
    return count.total


def test_endings_narrow_the_search(tmp_path):
    touch(tmp_path, "a.gif", "b.mp4", "sub/c.WEBM", "d.avi")
    passed_over = PassedOver()

    def found(*endings):
        inputs = find_gifs([tmp_path], passed_over, searched_suffixes(endings))
        return [gif.error or gif.source for gif in inputs]

    assert found("gif") == ["a.gif"]
    assert found("mp4, .WebM") == found("mp4", "webm") == ["b.mp4", "sub/c.WEBM"]
    assert found("mkv", "mov") == ["no file in this folder ends in .mkv or .mov"]
    assert found() == ["a.gif", "b.mp4", "d.avi", "sub/c.WEBM"]
    assert passed_over.sentences() == []
    assert counted(BackgroundCount([tmp_path], (".gif",))) == 1
    with pytest.raises(UsageError, match=r"^no GIF ends in '\.txt'; the endings are gif, gifv"):
        found("gif,txt")


def test_animations_and_videos_with_other_endings_are_counted(tmp_path):
    touch(tmp_path, "a.gif", "notes.txt", "d")
    (tmp_path / "f0a1b2c3").write_bytes(b"GIF89a\1\0\1\0")
    (tmp_path / "cat.gif_large").write_bytes(b"GIF89a\1\0\1\0")
    (tmp_path / "photo").write_bytes(b"\xff\xd8\xff\xe0\0\x10JFIF")
    (tmp_path / "movie.bak").write_bytes(b"\0\0\0\x18ftypmp42\0\0\0\0")
    passed_over = PassedOver()
    assert [gif.source for gif in find_gifs([tmp_path], passed_over)] == ["a.gif"]
    assert passed_over.endings == {".bak": 1, ".gif_large": 1, "none": 1}
    sentence, pictures = passed_over.sentences()
    assert sentence.startswith("skipped: 3 files with other endings (")
    assert sentence.endswith("; name such files to read them")
    assert pictures == "skipped: 1 still picture (none 1); name such files to read them"


def test_still_pictures_are_counted_by_their_content(tmp_path):
    picture = Image.new("RGB", (16, 16), "red")
    for name in ("a.jpg", "b.JPEG", "c.bmp", "deep/d.png", "e.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        picture.save(tmp_path / name)
    touch(tmp_path, "empty.jpg", "empty.png", "._f.png")
    (tmp_path / "page.jpg").write_text("<!DOCTYPE html><html>404</html>")
    (tmp_path / "moves.png").write_bytes(b"GIF89a\1\0\1\0")
    picture.save(tmp_path / "scan.tif")
    sentences = [
        "skipped: 1 file with other endings (.png 1); name such files to read them",
        "skipped: 5 still pictures (.jpg 2, .jpeg 1, .bmp 1, .png 1); name such files to read them",
        "skipped: 1 file of formats that are not read (a TIFF picture 1); convert such files, "
        "such as to MP4 or PNG",
    ]
    [found] = find_gifs([tmp_path])
    assert found.error == "; ".join(("no GIF in this folder", *sentences))
    touch(tmp_path, "g.gif")
    passed_over = PassedOver()
    assert [gif.source for gif in find_gifs([tmp_path], passed_over)] == ["g.gif"]
    assert sorted(passed_over.sentences()) == sorted(sentences)
    for picture_path in (tmp_path / "a.jpg", tmp_path / "c.bmp"):
        assert sources(picture_path) == [picture_path.name]


def test_a_folder_of_stills_has_no_animation_of_their_ending(tmp_path):
    Image.new("RGB", (16, 16), "red").save(tmp_path / "a.png")
    [found] = find_gifs([tmp_path], suffixes=(".png",))
    assert found.error == (
        "no animation in this folder ends in .png; skipped: 1 still picture (.png 1); name such "
        "files to read them"
    )


def transport_stream(num_packets=3, size=188):
    prefix = bytes(size - 188)
    return (prefix + b"G\x40\0\x10" + b"\xff" * 184) * num_packets


def test_videos_of_formats_that_are_not_read_are_counted_by_their_content(tmp_path):
    touch(tmp_path, "a.gif")
    (tmp_path / "tv.ts").write_bytes(transport_stream())
    (tmp_path / "camera.mts").write_bytes(transport_stream(size=192))
    (tmp_path / "types.ts").write_text("G" * 600 + "export type Caption = string;\n")
    (tmp_path / "old.flv").write_bytes(b"FLV\x01\x05\0\0\0\x09")
    (tmp_path / "movie.bak").write_bytes(b"\0\0\0\x18ftypmp42\0\0\0\0")
    passed_over = PassedOver()
    assert [gif.source for gif in find_gifs([tmp_path], passed_over)] == ["a.gif"]
    assert passed_over.sentences() == [
        "skipped: 1 file with other endings (.bak 1); name such files to read them",
        "skipped: 3 files of formats that are not read (an MPEG transport stream 2, "
        "a Flash video 1); convert such files, such as to MP4 or PNG",
    ]
    (tmp_path / "a.gif").unlink()
    [found] = find_gifs([tmp_path])
    assert found.error == "; ".join(("no GIF in this folder", *passed_over.sentences()))


def test_a_folder_without_gifs_names_what_it_contains(tmp_path):
    (tmp_path / "movie.bak").write_bytes(b"\0\0\0\x18ftypmp42\0\0\0\0")
    passed_over = PassedOver()
    [found] = find_gifs([tmp_path], passed_over)
    assert found.error == (
        "no GIF in this folder; skipped: 1 file with other endings (.bak 1); name such files "
        "to read them"
    )
    assert passed_over.sentences() == []


def test_an_argument_that_is_none_keeps_its_name(tmp_path):
    address = Argument("https://example.org/cat.gif", error="the server answers 404 Not Found")
    touch(tmp_path, "x/a.gif")
    first, second = find_gifs([address, tmp_path / "x"])
    assert (first.name, first.error) == (address.name, address.error)
    assert second.source == "a.gif"


def test_a_gif_from_a_pipe_has_its_own_name(tmp_path):
    touch(tmp_path, "spool/stdin.gif", "x/a.gif")
    piped = Argument("-", spooled_path=tmp_path / "spool" / "stdin.gif")
    first, second = find_gifs([piped, tmp_path / "x"])
    assert (first.name, first.source, first.is_spooled) == ("-", "stdin", True)
    assert second.source == "a.gif"


def test_a_symbolic_link_to_a_gif_is_taken_and_so_is_a_broken_one(tmp_path):
    touch(tmp_path, "a.gif")
    (tmp_path / "link.gif").symlink_to("a.gif")
    (tmp_path / "nowhere.gif").symlink_to("gone.gif")
    (tmp_path / "self.gif").symlink_to("self.gif")
    assert sources(tmp_path) == ["a.gif", "link.gif", "nowhere.gif", "self.gif"]


@pytest.mark.parametrize("name", ["gone.gif", "gone", "x" * 300, "nul\0.gif"])
def test_a_missing_path_is_named_and_the_rest_goes_on(tmp_path, name):
    touch(tmp_path, "a.gif")
    missing, found = find_gifs([tmp_path / name, tmp_path / "a.gif"])
    assert missing == GifInput(tmp_path / name, name, "no such file or folder")
    assert found == GifInput(tmp_path / "a.gif", "a.gif")


def test_an_empty_folder_is_named(tmp_path):
    touch(tmp_path, "sub/notes.txt")
    assert list(find_gifs([tmp_path])) == [
        GifInput(tmp_path, tmp_path.name, "no GIF in this folder")
    ]


def test_a_folder_that_cannot_be_read_is_named_and_the_rest_goes_on(tmp_path, monkeypatch):
    touch(tmp_path, "a.gif", "locked/b.gif", "z.gif")
    scandir = os.scandir

    def denying(path):
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", denying)
    assert list(find_gifs([tmp_path])) == [
        GifInput(tmp_path / "a.gif", "a.gif"),
        GifInput(tmp_path / "locked", "locked", "cannot be read: permission denied"),
        GifInput(tmp_path / "z.gif", "z.gif"),
    ]


def test_a_name_that_is_not_utf8(tmp_path):
    path = tmp_path / os.fsdecode(b"caf\xe9.gif")
    path.touch()
    assert list(find_gifs([tmp_path])) == [GifInput(path, path.name)]


def test_folders_are_walked_as_they_are_consumed(tmp_path, monkeypatch):
    touch(tmp_path, "a/1.gif", "b/2.gif")
    listed = []
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: listed.append(Path(path)) or scandir(path))
    found = find_gifs([tmp_path])
    assert next(found).source == "a/1.gif"
    assert tmp_path / "b" not in listed


def test_gifs_are_counted_in_the_background(tmp_path):
    touch(tmp_path, "a/1.gif", "b/2.gif", "c.gif", "d.png")
    count = BackgroundCount([tmp_path, tmp_path / "gone.gif"])
    assert count.total in (None, 4)
    assert counted(count) == 4


def test_the_kind_of_a_file_is_taken_from_the_listing(tmp_path, monkeypatch):
    touch(tmp_path, *(f"{index}.gif" for index in range(20)))
    asked = []
    isdir = os.path.isdir
    monkeypatch.setattr(os.path, "isdir", lambda path: asked.append(path) or isdir(path))
    assert len(list(find_gifs([tmp_path]))) == 20
    assert {Path(path) for path in asked} == {tmp_path}
