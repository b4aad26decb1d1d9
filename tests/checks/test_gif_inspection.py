"""What is found about the GIFs themselves."""

import tracemalloc
from pathlib import Path

import pytest
from PIL import Image

from check_findings import found
from gif_files import draw_broken_gif, draw_gif, truncate
from gifdesc.checks import gifs as gif_inspection
from gifdesc.gif import canvas as gif_canvas
from gifdesc.gif import reader as gif_source
from video_files import draw_sound, draw_video, moving_frames


def draw_dead_gif(path: Path, num_frames: int = 3, size: tuple[int, int] = (8, 6)) -> Path:
    """Write a GIF whose frames have equal pixels of different palette indices."""
    frames = []
    for index in range(num_frames):
        frame = Image.new("P", size, index % 256)
        frame.putpalette([10, 20, 30] * 256)
        frames.append(frame)
    path.parent.mkdir(parents=True, exist_ok=True)
    frames[0].save(path, save_all=True, append_images=frames[1:], optimize=False)
    with Image.open(path) as gif:
        assert gif.n_frames == num_frames
    return path


def test_a_file_without_frames_is_unreadable_and_its_format_is_named(tmp_path):
    gifs = tmp_path / "gifs"
    draw_broken_gif(gifs / "a.gif")
    (gifs / "b.gif").write_bytes(b"")
    (gifs / "c.gif").write_text("<!DOCTYPE html><html>404</html>")
    draw_gif(gifs / "d.gif").write_bytes((gifs / "d.gif").read_bytes()[:15])
    findings = found(gifs)
    assert list(findings) == ["unreadable"]
    assert findings["unreadable"][:3] == [
        ("gifs/a.gif", "not a GIF (it starts like text)"),
        ("gifs/b.gif", "an empty file"),
        ("gifs/c.gif", "not a GIF (it starts like an HTML page)"),
    ]
    assert findings["unreadable"][3][1].startswith("a GIF without a usable image")


@pytest.mark.parametrize(("name", "what"), [("PNG", "a PNG"), ("JPEG", "a JPEG")])
def test_another_format_under_a_gif_name_is_reported(tmp_path, name, what):
    gifs = tmp_path / "gifs"
    gifs.mkdir()
    Image.new("RGB", (20, 20), "teal").save(gifs / "x.gif", name)
    assert found(gifs) == {
        "not_gif": [("gifs/x.gif", f"{what} under a .gif name")],
        "still": [("gifs/x.gif", "one frame")],
    }


def test_an_animated_webp_is_only_not_gif(tmp_path):
    gifs = tmp_path / "gifs"
    gifs.mkdir()
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue", "red")]
    frames[0].save(
        gifs / "x.gif", "WEBP", save_all=True, append_images=frames[1:], duration=50, lossless=True
    )
    assert found(gifs) == {"not_gif": [("gifs/x.gif", "a WebP under a .gif name")]}


def test_animations_and_videos_under_their_own_names_have_no_finding(tmp_path):
    gifs = tmp_path / "gifs"
    draw_video(gifs / "a.mp4", moving_frames(8))
    draw_video(gifs / "b.webm", moving_frames(8), codec="libvpx-vp9")
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue")]
    for name, form in (("c.webp", "WEBP"), ("d.png", "PNG"), ("e.avif", "AVIF")):
        frames[0].save(gifs / name, form, save_all=True, append_images=frames[1:], duration=50)
    assert found(gifs) == {}


def test_problems_of_videos(tmp_path):
    gifs = tmp_path / "gifs"
    draw_video(gifs / "a.gif", moving_frames(8), format="mp4")
    draw_sound(gifs / "b.mp4")
    draw_video(gifs / "c.mp4", 1)
    draw_video(gifs / "d.mp4", moving_frames(1) * 8)
    cut = draw_video(gifs / "e.mp4", moving_frames(20), container_options={"movflags": "faststart"})
    truncate(cut, cut.stat().st_size // 4)
    findings = found(gifs)
    [(_, detail)] = findings.pop("truncated")
    assert detail.startswith("it ends inside frame 1")
    assert detail.endswith("frames can be used")
    assert findings == {
        "not_gif": [("gifs/a.gif", "an MP4 video under a .gif name")],
        "unreadable": [("gifs/b.mp4", "an MP4 video without a moving picture (only sound)")],
        "still": [("gifs/c.mp4", "one frame")],
        "dead": [("gifs/d.mp4", "8 equal frames")],
    }


def test_a_file_that_breaks_off_is_truncated(tmp_path):
    gifs = tmp_path / "gifs"
    truncate(draw_gif(gifs / "inside.gif", 6), 20)
    truncate(draw_gif(gifs / "trailer.gif", 6), 1)
    truncate(draw_gif(gifs / "two.gif", 2), 8)
    findings = found(gifs)
    assert findings == {
        "truncated": [
            ("gifs/inside.gif", "it ends inside image 6; 5 frames can be used"),
            ("gifs/trailer.gif", "no trailer: more frames may have followed"),
            ("gifs/two.gif", "it ends inside image 2; 1 frame can be used"),
        ],
        "still": [("gifs/two.gif", "one frame")],
    }


def test_damage_in_a_decoded_frame_is_found(tmp_path):
    path = draw_gif(tmp_path / "gifs" / "a.gif", 3)
    data = bytearray(path.read_bytes())
    second = data.index(b"\x2c", data.index(b"\x2c") + 20)
    has_palette = data[second + 9] & 0x80
    start = second + 10 + (3 << ((data[second + 9] & 7) + 1) if has_palette else 0)
    size = data[start + 1]
    data[start + 2 : start + 2 + size] = b"\xff" * size
    path.write_bytes(data)
    assert found(path.parent) == {
        "truncated": [("gifs/a.gif", "image 2 is damaged; 1 frame can be used")],
        "still": [("gifs/a.gif", "one frame")],
    }


def test_one_frame_is_still_and_equal_frames_are_dead(tmp_path):
    gifs = tmp_path / "gifs"
    draw_dead_gif(gifs / "dead.gif", 3)
    draw_gif(gifs / "still.gif", 1)
    draw_gif(gifs / "there-and-back.gif", [(255, 0, 0), (0, 255, 0), (255, 0, 0)])
    assert found(gifs) == {
        "dead": [("gifs/dead.gif", "3 equal frames")],
        "still": [("gifs/still.gif", "one frame")],
    }


def test_a_gif_that_moves_late_is_not_dead(tmp_path):
    frames = [Image.new("P", (8, 6), index) for index in range(5)]
    for frame in frames:
        frame.putpalette([10, 20, 30] * 4 + [99, 99, 99] + [10, 20, 30] * 251)
    (tmp_path / "gifs").mkdir()
    path = tmp_path / "gifs" / "a.gif"
    frames[0].save(path, save_all=True, append_images=frames[1:], optimize=False)
    assert found(path.parent) == {}


def test_decoding_ends_at_the_first_frame_that_differs(tmp_path, monkeypatch):
    path = draw_gif(tmp_path / "a.gif", 30)
    decoded = []
    decode = gif_canvas.decode_indices
    monkeypatch.setattr(
        gif_canvas, "decode_indices", lambda *args: decoded.append(1) or decode(*args)
    )
    assert gif_inspection.GifInspector().inspect(path) == []
    assert len(decoded) == 2


def test_memory_does_not_grow_with_the_number_of_frames(tmp_path, monkeypatch):
    # `load_bytes` asks for its limit at once, of which the system gives what is read.
    monkeypatch.setattr(gif_inspection, "load_bytes", Path.read_bytes)
    frame_bytes = 400 * 300 * 3
    path = draw_dead_gif(tmp_path / "dead.gif", num_frames=60, size=(400, 300))
    inspector = gif_inspection.GifInspector()
    tracemalloc.start()
    try:
        [finding] = inspector.inspect(path)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert finding.detail == "60 equal frames"
    assert peak_bytes < 8 * frame_bytes


def test_a_large_canvas_file_or_number_of_frames_is_huge(tmp_path, monkeypatch):
    gifs = tmp_path / "gifs"
    draw_gif(gifs / "frames.gif", 11)
    draw_gif(gifs / "canvas.gif", 2, size=(21, 20))
    draw_gif(gifs / "just-not.gif", 10, size=(20, 20))
    monkeypatch.setattr(gif_inspection, "HUGE_CANVAS_PIXELS", 400)
    monkeypatch.setattr(gif_inspection, "HUGE_NUM_FRAMES", 10)
    assert found(gifs) == {
        "huge": [("gifs/canvas.gif", "21 x 20 pixels"), ("gifs/frames.gif", "11 frames")]
    }
    monkeypatch.setattr(gif_inspection, "HUGE_FILE_BYTES", 10)
    assert [path for path, _ in found(gifs)["huge"]] == [
        "gifs/canvas.gif",
        "gifs/frames.gif",
        "gifs/just-not.gif",
    ]


def test_a_file_too_large_for_the_reader_is_huge_and_unreadable(tmp_path, monkeypatch):
    gifs = tmp_path / "gifs"
    path = draw_gif(gifs / "canvas.gif", 2)
    path.write_bytes(path.read_bytes()[:6] + b"\xff\xff\xff\xff" + path.read_bytes()[10:])
    draw_gif(gifs / "long.gif", 60)
    monkeypatch.setattr(gif_source, "MAX_FILE_BYTES", 2000)
    findings = found(gifs)
    assert findings["huge"] == findings["unreadable"]
    assert [path for path, _ in findings["huge"]] == ["gifs/canvas.gif", "gifs/long.gif"]
    assert all(detail.startswith("too large (") for _, detail in findings["huge"])


def test_equal_bytes_are_a_duplicate_of_the_first_file(tmp_path):
    gifs = tmp_path / "gifs"
    for name in ("a", "b", "sub/c"):
        draw_gif(gifs / f"{name}.gif", 3)
    draw_gif(gifs / "other.gif", 4)
    first = gifs / "a.gif"
    assert found(gifs) == {
        "duplicate": [
            ("gifs/b.gif", f"the same bytes as {first}"),
            ("gifs/sub/c.gif", f"the same bytes as {first}"),
        ]
    }
