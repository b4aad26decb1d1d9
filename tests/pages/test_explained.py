import pytest
from PIL import Image

from gif_files import draw_gif
from gifdesc.captions import Caption, Word
from gifdesc.errors import GifdescError, UsageError
from gifdesc.gif.sources import CaptionInput
from gifdesc.pages.explanation import ExplanationCollector


def caption_of(path, weights=(0.75, 0.25)):
    words = (Word("a", -0.5, weights), Word("ball", -0.5, weights))
    return Caption(str(path), caption="a ball", sampled_frames=(0, 1), words=words)


@pytest.fixture
def gif(tmp_path):
    return draw_gif(tmp_path / "a.gif", 3)


def test_all_that_there_is_room_for_is_written(tmp_path, gif):
    explained = ExplanationCollector(tmp_path / "page.html")
    explained.add(caption_of(gif))
    explained.add(Caption("bad.gif", error="not a GIF"))
    seen = []
    assert explained.write(lambda *numbers: seen.append(numbers)) == []
    assert (explained.num_shown, seen) == (2, [(1, 2), (2, 2)])
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "not a GIF" in text
    assert text.count("data:image/webp") == 1


@pytest.mark.parametrize(("name", "limit"), [("page.html", 500), ("strip.png", 20)])
def test_only_the_first_captions_are_kept_and_all_are_counted(tmp_path, gif, name, limit):
    explained = ExplanationCollector(tmp_path / name)
    for _ in range(limit + 3):
        explained.add(caption_of(gif))
    assert (explained.num_shown, explained.num_captions) == (limit, limit + 3)


@pytest.mark.parametrize(("name", "kind"), [("page.html", "page"), ("strip.png", "picture")])
def test_captions_that_are_left_out_are_reported(tmp_path, gif, name, kind, monkeypatch):
    monkeypatch.setattr("gifdesc.pages.explanation.MAX_ON_PAGE", 2)
    monkeypatch.setattr("gifdesc.pages.explanation.MAX_IN_PICTURE", 2)
    explained = ExplanationCollector(tmp_path / name)
    for _ in range(5):
        explained.add(caption_of(gif))
    [sentence] = explained.write()
    assert sentence == (
        f"{tmp_path / name}: contains the first 2 of 5 GIFs; a {kind} has room for no more"
    )
    if kind == "page":
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert "The first 2 of 5 GIFs." in text


def test_failures_take_no_room_in_a_picture(tmp_path, gif):
    explained = ExplanationCollector(tmp_path / "strip.png")
    for _ in range(30):
        explained.add(Caption("bad.gif", error="not a GIF"))
    explained.add(caption_of(gif))
    assert explained.write() == []
    with Image.open(tmp_path / "strip.png") as picture:
        assert picture.width > 100


def test_a_gif_that_came_through_a_pipe_is_read_from_its_bytes(tmp_path, gif):
    explained = ExplanationCollector(tmp_path / "page.html")
    inputs = [CaptionInput("/dev/stdin", gif.read_bytes()), CaptionInput(str(gif))]
    assert list(map(explained.remember_input, inputs)) == inputs
    explained.add(caption_of("/dev/stdin"))
    explained.write()
    assert "data:image/webp" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_a_model_without_frame_weights_is_reported(tmp_path, gif):
    explained = ExplanationCollector(tmp_path / "page.html")
    explained.add(caption_of(gif, None))
    explained.add(Caption(str(gif), caption="wordless", sampled_frames=(0,)))
    [sentence] = explained.write()
    assert "does not weigh single frames" in sentence
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert text.count("This model does not weigh single frames.") == 2


def test_wrong_names_are_reported_at_once(tmp_path):
    with pytest.raises(UsageError, match=r"a \.html page or a \.png picture"):
        ExplanationCollector(tmp_path / "page.pdf")
    (tmp_path / "file").touch()
    (tmp_path / "folder.html").mkdir()
    for name in ("file/page.html", "folder.html"):
        with pytest.raises(GifdescError, match=r"--explain .*cannot be written: "):
            ExplanationCollector(tmp_path / name)
