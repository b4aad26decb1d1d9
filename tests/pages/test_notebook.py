"""Captions as notebooks and consoles show them."""

import base64
import io

import pytest
from PIL import Image

from gif_files import draw_gif
from gifdesc.captions import Caption, Word
from gifdesc.pages.notebook import caption_html

WORDS = (Word("a<b", -0.1, (0.25, 0.75), 40), Word("dog", -0.2, (1.0, 0.0), 0))


def caption_of(path: object, **changes: object) -> Caption:
    values = {"caption": "a<b dog", "score": -0.25, "sampled_frames": (0, 1), "words": WORDS}
    return Caption(str(path), **{**values, **changes})


def test_frames_and_words_are_shown(tmp_path):
    path = draw_gif(tmp_path / "a.gif", 2)
    html = caption_html(caption_of(path))
    assert "a&lt;b dog" in html
    data = html.partition("base64,")[2].partition('"')[0]
    with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
        assert picture.format == "PNG"
        assert picture.width > 2 * 96


@pytest.mark.parametrize("content", [None, b"x"])
def test_without_the_file_the_words_are_shown(tmp_path, content):
    path = tmp_path / "a.gif"
    if content is not None:
        path.write_bytes(content)
    html = caption_html(caption_of(path))
    assert "<img" not in html
    assert "<td>a&lt;b<br>" in html


def test_failures_and_doubts_are_shown():
    assert "empty &lt;" in caption_html(Caption("x.gif", error="empty <"))
    assert "it is short" in caption_html(caption_of("x", doubts=("it is short",)))


def test_a_caption_is_shown_by_its_class_once_captions_can_be_made(tmp_path):
    import gifdesc.captioning.captioner  # noqa: F401 - sets the view

    path = draw_gif(tmp_path / "a.gif", 2)
    assert caption_of(path)._repr_html_() == caption_html(caption_of(path))


def test_a_caption_fits_a_line():
    assert repr(caption_of("x.gif")) == "<Caption of x.gif: 'a<b dog', score -0.250>"
    assert repr(caption_of("x.gif", low_confidence=True)).endswith(", low confidence>")
    assert repr(Caption("x.gif", error="empty")) == "<Caption of x.gif: error: empty>"
    long = caption_of("p" * 500, caption="c" * 500)
    assert len(repr(long)) < 140
    assert "\n" not in repr(caption_of("a\nb\x1b.gif"))


def test_odd_paths_are_shown():
    for path in ("p" * 500, "caf\udce9.gif"):
        assert "dog" in caption_html(caption_of(path)).encode("utf-8").decode("utf-8")
