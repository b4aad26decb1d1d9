"""Documents whose GIFs get alternative texts."""

import base64
from pathlib import Path

import pytest
from PIL import Image

from gif_files import draw_gif
from gifdesc.captioning.alt_texts import fill, read_document
from gifdesc.captions import Caption
from gifdesc.errors import GifdescError, UsageError
from gifdesc.gif.reader import read_gif


class Namer:
    """A captioner whose captions are the names of files and their numbers of frames."""

    def __init__(self) -> None:
        self.inputs: list[str] = []

    def caption_many(self, sources, config=None):  # noqa: ARG002
        for given in sources:
            self.inputs.append(given.name)
            if given.error is not None or not isinstance(given.source, bytes | str):
                yield Caption(given.name, error=given.error or "odd")
            elif isinstance(given.source, str) and not Path(given.source).is_file():
                yield Caption(given.name, error="no such file")
            else:
                number = read_gif(given.source).num_frames
                yield Caption(given.name, caption=f"{number} frames", doubts=("it is short",))


def filled(path: Path, **options):
    document = read_document(path)
    namer = Namer()
    fill([document], namer, str.upper, **options)
    return document, namer


@pytest.fixture
def site(tmp_path) -> Path:
    draw_gif(tmp_path / "pics" / "a b.gif", 3)
    draw_gif(tmp_path / "root.gif", 2)
    return tmp_path


def page(site: Path, text: str, name: str = "pics/page.html") -> Path:
    path = site / name
    path.write_text(text, encoding="utf-8")
    return path


def test_paths_are_relative_to_the_document(site):
    path = page(site, '<img src="a%20b.gif?x=1#y"><img src="../root.gif"><img src="photo.jpg">')
    document, _ = filled(path)
    assert [gif.alt for gif in document.filled] == ["3 FRAMES", "2 FRAMES"]
    assert document.filled[0].doubts == ("it is short",)
    document.write()
    assert path.read_text() == (
        '<img alt="3 FRAMES" src="a%20b.gif?x=1#y"><img alt="2 FRAMES" src="../root.gif">'
        '<img src="photo.jpg">'
    )
    assert read_document(path).places == []


def test_paths_from_the_root_of_a_site(site):
    path = page(site, '<img src="/root.gif">')
    assert filled(path)[0].filled[0].error == "no such file"
    assert filled(path, root=site)[0].filled[0].alt == "2 FRAMES"


def test_a_gif_is_captioned_once_and_failures_change_nothing(site):
    path = page(site, '<img src="a b.gif">\n<img src="a b.gif">\n<img src="gone.gif">')
    document, namer = filled(path)
    assert len(namer.inputs) == 2
    assert [(gif.line, gif.alt, gif.error) for gif in document.filled] == [
        (1, "3 FRAMES", None),
        (2, "3 FRAMES", None),
        (3, None, "no such file"),
    ]
    assert '<img src="gone.gif">' in document.new_text


def test_data_urls(site):
    data = base64.b64encode((site / "root.gif").read_bytes()).decode()
    start = '<img src="data:image/gif;base64,'
    path = page(site, f'{start}{data}">{start}*">')
    document, _ = filled(path)
    assert [gif.alt for gif in document.filled] == ["2 FRAMES", None]
    assert document.filled[1].error == "its data URL is damaged"
    path = page(site, '<img src="data:image/gif;base64,é">')
    assert filled(path)[0].filled[0].error == "its data URL is damaged"
    spaced = "\n ".join(data[first : first + 8] for first in range(0, len(data), 8))
    assert filled(page(site, f'{start}{spaced}">'))[0].filled[0].alt == "2 FRAMES"
    assert len(document.filled[0].source) == 80


def test_urls_of_a_document_do_not_lead_to_private_addresses(site):
    path = page(site, '<img src="http://127.0.0.1:9/x.gif">')
    assert "private" in filled(path)[0].filled[0].error


def test_the_diff_shows_the_change(site):
    path = page(site, "x\n<img src='a b.gif'>", "pics/p.html")
    document, _ = filled(path)
    assert document.diff.splitlines()[-2:] == [
        "-<img src='a b.gif'>",
        "+<img alt=\"3 FRAMES\" src='a b.gif'>",
    ]


def test_a_document_that_was_not_filled_stays_as_it_is(site):
    path = page(site, "<p>x</p>")
    document = read_document(path)
    document.write()
    assert (path.read_text(), document.diff) == ("<p>x</p>", "")


def test_a_document_that_changed_meanwhile_is_not_overwritten(site):
    path = page(site, "<img src='a b.gif'>")
    document, _ = filled(path)
    path.write_text("<p>new</p> <img src='a b.gif'>")
    with pytest.raises(GifdescError, match="changed while its GIFs were captioned"):
        document.write()
    assert path.read_text() == "<p>new</p> <img src='a b.gif'>"


def test_permissions_and_links_stay(site):
    path = page(site, "<img src='a b.gif'>")
    path.chmod(0o600)
    link = path.with_name("link.html")
    link.symlink_to(path.name)
    document, _ = filled(link)
    document.write()
    assert link.is_symlink()
    assert "alt=" in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600


def test_still_pictures_do_not_count(site):
    Image.new("RGB", (4, 4)).save(site / "pics" / "still.png")
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    frames[0].save(site / "pics" / "moving.png", save_all=True, append_images=frames[1:])
    text = '<img src="still.png"><img src="moving.png"><img src="https://example.org/badge.png">'
    document = read_document(page(site, text))
    assert [place.source for place in document.places] == ["moving.png"]


def test_line_ends_and_a_byte_order_mark_stay(site):
    path = site / "pics" / "p.html"
    path.write_bytes(b"\xef\xbb\xbf<p>\r\n<img src='a b.gif'>\r\n")
    document, _ = filled(path)
    document.write()
    assert path.read_bytes() == b"\xef\xbb\xbf<p>\r\n<img alt=\"3 FRAMES\" src='a b.gif'>\r\n"


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.txt", b"x", "neither HTML nor Markdown"),
        ("a.html", b"\xff", "not UTF-8"),
    ],
)
def test_other_documents_are_refused(tmp_path, name, data, message):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(UsageError, match=message):
        read_document(tmp_path / name)
