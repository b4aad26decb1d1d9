"""Captions and names that are HTML or scripts: a browser shows them as text and runs nothing."""

import datetime

import pytest

from browser import browser_with
from evaluation_pages import example, words_of, write
from gif_files import draw_gif
from gifdesc.captions import Caption, GeneratedCaption
from gifdesc.pages.explanation import ExplanationCollector
from gifdesc.pages.gallery import GalleryOrigin, write_gallery

RUN = "document.title = 'ran'; window.ran = true"
HOSTILE = (
    f"<script>{RUN}</script>",
    f"</script><script>{RUN}</script>",
    f'</style></title></textarea><img src=x onerror="{RUN}">',
    f'"><svg onload="{RUN}"><a href=\'javascript:{RUN}\'>x</a>',
    f"' autofocus onfocus='{RUN}' x='",
    "{{ 7 * 7 }} {% raw %} &lt;b&gt; --> ]]> <!--",
    "<iframe srcdoc='<script>parent.ran = true</script>'></iframe>",
    "<meta http-equiv=refresh content='0;url=https://example.invalid/'>",
    "<base href='https://example.invalid/'><link rel=stylesheet href=x.css>",
)
NAME = "<img src=x onerror=alert(1)>.gif"  # a file's name has no slash


def check(path, expected=HOSTILE):
    text = path.read_text(encoding="utf-8")
    assert "script-src 'sha256-" in text
    assert "unsafe-eval" not in text
    with browser_with(path) as page:
        assert page.evaluate("window.ran === undefined")
        assert page.title() != "ran"
        shown = page.locator("body").text_content()
        for value in expected:
            assert value in shown
        names = ("iframe", "base[href]", "svg[onload]", "img[onerror]", "a[href^=javascript]")
        for name in names:
            assert page.locator(name).count() == 0
        assert page.locator("script").count() == 1
        page.keyboard.press("Tab")
        assert page.evaluate("window.ran === undefined")


@pytest.fixture
def gif(tmp_path):
    return draw_gif(tmp_path / NAME, 6)


def caption_of(gif, text):
    return Caption(
        str(gif),
        caption=text,
        score=-1.0,
        low_confidence=True,
        doubts=(text,),
        alternatives=(GeneratedCaption(text, -1.0, ()), GeneratedCaption(f"{text} 2", -2.0, ())),
        sampled_frames=tuple(range(6)),
        sampled_times_ms=(0, 100, 200, 300, 400, 500),
        words=words_of(text, 6),
    )


def test_a_gallery(tmp_path, gif):
    path = tmp_path / "gallery.html"
    origin = GalleryOrigin(model=HOSTILE[0], date=datetime.date(2026, 1, 2))
    captions = [caption_of(gif, text) for text in HOSTILE]
    write_gallery([*captions, Caption(HOSTILE[1], error=HOSTILE[2])], path, origin)
    check(path)


def test_an_explanation(tmp_path, gif):
    path = tmp_path / "explained.html"
    collector = ExplanationCollector(path)
    for text in HOSTILE:
        collector.add(caption_of(gif, text))
    collector.write()
    check(path, ())


def test_an_evaluation(tmp_path):
    examples = [example(text, text, 0.5, references=(text,)) for text in HOSTILE]
    path = write(tmp_path, examples, title=HOSTILE[0], notes={"meteor": HOSTILE[2]})
    check(path)
