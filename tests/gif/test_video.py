"""Videos are read as GIFs: their frames, times, colours and rotation."""

import subprocess
import sys
import tracemalloc
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import av
import numpy as np
import pytest

from gif_files import frame_colour
from gifdesc.errors import GifError
from gifdesc.gif import video_times
from gifdesc.gif.reader import count_equal_frames, read_gif, scan_gif
from gifdesc.gif.sniff import describe_beginning
from gifdesc.sampling import sampler
from video_files import SIZE, colour_frames, draw_sound, draw_video, moving_frames, yuv_frame

KINDS = [
    ("clip.mp4", "libx264", "an MP4 video"),
    ("clip.mov", "mpeg4", "a QuickTime video"),
    ("clip.m4v", "libx264", "an MP4 video"),
    ("clip.webm", "libvpx-vp9", "a WebM video"),
    ("clip.webm", "libvpx", "a WebM video"),
    ("clip.mkv", "libx264", "a Matroska video"),
    ("clip.mkv", "ffv1", "a Matroska video"),
    ("clip.avi", "mpeg4", "an AVI video"),
]


def draw(path, frames=12, codec="libx264", **options):
    form = {".m4v": "mp4"}.get(path.suffix)
    return draw_video(path, frames, codec=codec, format=form, **options)


@pytest.mark.parametrize(("name", "codec", "kind"), KINDS)
def test_a_video_has_the_frames_and_times_of_a_gif(tmp_path, name, codec, kind):
    path = draw(tmp_path / name, codec=codec)
    assert describe_beginning(path.read_bytes()) == kind
    gif = read_gif(path)
    assert gif.frames.shape == (12, SIZE[1], SIZE[0], 3)
    assert gif.frames.dtype == np.uint8
    assert gif.durations_ms == (100,) * 12
    assert (gif.truncated, gif.note) == (None, None)
    for index, frame in enumerate(gif.frames):
        assert np.abs(frame[20, 30].astype(int) - frame_colour(index)).max() <= 12, index
    info = scan_gif(path)
    assert (info.width, info.height, info.num_frames) == (*SIZE, 12)


@pytest.mark.parametrize(("name", "codec", "kind"), KINDS)
def test_a_video_under_a_gif_name_is_read_with_a_note(tmp_path, name, codec, kind):
    path = draw(tmp_path / name, codec=codec).rename(tmp_path / "clip.gif")
    gif = read_gif(path, [0, 11])
    assert gif.note == f"{kind} under a .gif name"
    assert gif.indices == (0, 11)
    assert read_gif(path.read_bytes(), [0]).note is None


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "libx264"), ("a.webm", "libvpx-vp9")])
def test_a_variable_frame_rate_gives_each_frame_its_own_time(tmp_path, name, codec):
    times_ms = [0, 40, 100, 105, 500, 600, 625, 1000]
    path = draw(tmp_path / name, 8, codec, times_ms=times_ms)
    durations_ms = read_gif(path).durations_ms
    assert durations_ms[:-1] == tuple(end - start for start, end in pairwise(times_ms))
    assert read_gif(path, sampler("time", 5)).indices[:4] == (3, 3, 4, 6)


def test_rounded_durations_add_up(tmp_path):
    times_ms = [round(index * 1000 / 30) for index in range(30)]
    gif = read_gif(draw(tmp_path / "a.mkv", 30, times_ms=times_ms), [0])
    assert set(gif.durations_ms) == {33, 34}
    assert abs(sum(gif.durations_ms) - 1000) <= 1


def test_a_rate_above_a_hundred_is_no_browser_delay(tmp_path):
    gif = read_gif(draw(tmp_path / "a.mp4", 12, times_ms=range(0, 60, 5)), [0])
    assert set(gif.durations_ms[:-1]) == {5}


@pytest.mark.parametrize("codec", ["libx264", "mpeg4", "libvpx", "libvpx-vp9", "libx265", "ffv1"])
@pytest.mark.parametrize("interval", [5, 100])
def test_sampled_frames_equal_those_of_a_full_decode(tmp_path, codec, interval):
    options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    frames = moving_frames(40)
    path = draw(tmp_path / "a.mkv", frames, codec, key_interval=interval, options=options)
    everything = read_gif(path)
    assert everything.num_frames == 40
    for wanted in ([0], [39], [4, 5, 6, 20, 20, 39], [13, 34], [9, 10, 11, 12]):
        chosen = read_gif(path, wanted)
        assert chosen.indices == tuple(wanted)
        np.testing.assert_array_equal(chosen.frames, everything.frames[wanted])


def test_frames_are_in_presentation_order_with_b_frames(tmp_path):
    options = {"x264-params": "bframes=3:b-adapt=0:open-gop=1"}
    path = draw(tmp_path / "a.mp4", 30, options=options, key_interval=9)
    gif = read_gif(path, [1, 8, 9, 10, 17, 26])
    for index, frame in zip(gif.indices, gif.frames, strict=True):
        assert np.abs(frame[20, 30].astype(int) - frame_colour(index)).max() <= 12


def test_frames_before_the_needed_key_frame_are_not_decoded(tmp_path, monkeypatch):
    path = draw(tmp_path / "a.mp4", 60, key_interval=10, options={"bf": "0"})
    spent = []
    monkeypatch.setattr("gifdesc.gif.limits.Budget.spend", lambda _, pixels: spent.append(pixels))
    read_gif(path, [41])
    assert len(spent) <= 8  # the first frame, frames 40 and 41, and the decoder's delay


# Kr and Kb of ITU-R BT.601, BT.709 and BT.2020 by their codes in ITU-T H.273, table 4; 2: unknown.
MATRICES = {1: (0.2126, 0.0722), 2: (0.299, 0.114), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}


def rgb_by_hand(values, num_bits, kr, kb, *, is_full):
    """R'G'B' of Y'CbCr by the formulas of BT.709 and BT.2020, 0 to 255."""
    scale, most = 2 ** (num_bits - 8), 2**num_bits - 1
    y, cb, cr = values
    luma = y / most if is_full else (y - 16 * scale) / (219 * scale)
    blue, red = ((c - 128 * scale) / (most if is_full else 224 * scale) for c in (cb, cr))
    r, b = luma + 2 * (1 - kr) * red, luma + 2 * (1 - kb) * blue
    g = (luma - kr * r - kb * b) / (1 - kr - kb)
    return 255 * np.clip([r, g, b], 0, 1)


@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("is_full", [False, True])
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv420p10le"])
def test_colours_are_right_to_two_grey_levels(tmp_path, matrix, is_full, pix_fmt):
    num_bits = 10 if "10" in pix_fmt else 8
    for values in ([60, 110, 150], [180, 140, 90], [235, 128, 128], [16, 128, 128], [100, 90, 170]):
        scaled = [value * 2 ** (num_bits - 8) for value in values]
        frame = yuv_frame(scaled, pix_fmt, colorspace=matrix, color_range=2 if is_full else 1)
        path = draw(tmp_path / "a.mkv", [frame] * 2, "ffv1", pix_fmt=pix_fmt)
        expected = rgb_by_hand(scaled, num_bits, *MATRICES[matrix], is_full=is_full)
        found = read_gif(path, [1]).frames[0]
        assert np.abs(found - expected).max() <= 2, (values, found[0, 0], expected)


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
@pytest.mark.parametrize("is_full", [False, True])
def test_ten_bits_and_ranges_of_real_codecs(tmp_path, codec, is_full):
    options = {"x265-params": "log-level=none"} if codec == "libx265" else {"crf": "4"}
    values = [700, 420, 600]
    frame = yuv_frame(values, "yuv420p10le", colorspace=1, color_range=2 if is_full else 1)
    path = draw(tmp_path / "a.mp4", [frame] * 3, codec, pix_fmt="yuv420p10le", options=options)
    expected = rgb_by_hand(values, 10, *MATRICES[1], is_full=is_full)
    assert np.abs(read_gif(path, [1]).frames[0] - expected).max() <= 2


CORNER = [np.full((48, 64, 3), 30, np.uint8)]
CORNER[0][:16, :16] = (250, 40, 40)  # top left


@pytest.mark.parametrize(("transfer", "name"), [(16, "PQ"), (18, "HLG"), (1, None), (14, None)])
@pytest.mark.parametrize("file_name", ["a.mp4", "a.mkv"])
def test_hdr_is_noted_with_the_frames_and_is_no_finding(tmp_path, transfer, name, file_name):
    frames = [
        yuv_frame((level, 512, 512), "yuv420p10le", colorspace=9, color_range=1)
        for level in (300, 600)
    ]
    for frame in frames:
        frame.color_trc = transfer
    try:
        path = draw_video(tmp_path / file_name, frames, codec="libx265", pix_fmt="yuv420p10le")
    except av.FFmpegError:
        if av.__version__ < "19":
            raise
        pytest.skip("PyAV 19 does not always write HEVC")  # it reads the files of PyAV 18
    note = None if name is None else f"HDR ({name}), not mapped to SDR"
    assert (read_gif(path).note, scan_gif(path).note) == (note, None)
    renamed = path.rename(tmp_path / "a.gif")
    format_note = scan_gif(renamed).note
    assert format_note is not None
    assert read_gif(renamed).note == (format_note if note is None else f"{format_note}; {note}")


@pytest.mark.parametrize(
    ("rotation", "shape", "corner"),
    [
        ((90, False, False), (64, 48), "bottom left"),  # counterclockwise, as libavutil counts
        ((-90, False, False), (64, 48), "top right"),
        ((180, False, False), (48, 64), "bottom right"),
        ((0, True, False), (48, 64), "top right"),
        ((0, False, True), (48, 64), "bottom left"),
        ((-90, True, False), (64, 48), "top left"),
    ],
)
def test_the_rotation_of_the_file_is_applied(tmp_path, rotation, shape, corner):
    path = draw(tmp_path / "a.mp4", CORNER * 3, rotation=rotation, options={"crf": "4"})
    gif = read_gif(path)
    assert gif.frames.shape == (3, *shape, 3)
    info = scan_gif(path)
    assert (info.height, info.width) == shape
    vertical, horizontal = corner.split()
    row, column = 8 if vertical == "top" else -8, 8 if horizontal == "left" else -8
    assert gif.frames[1, row, column, 0] > 200
    assert (gif.frames[1, :, :, 0] > 200).mean() < 0.15


def test_pixels_that_are_not_square_are_made_square(tmp_path):
    path = draw(tmp_path / "a.mp4", 3, pixel_shape=Fraction(4, 3))
    assert read_gif(path).frames.shape == (3, 48, 85, 3)


@pytest.mark.parametrize("codec", ["libvpx", "libvpx-vp9"])
def test_transparency_is_over_white(tmp_path, codec):
    frame = np.zeros((48, 64, 4), np.uint8)
    frame[:, :32] = (255, 0, 0, 255)
    path = draw(
        tmp_path / "a.webm", [frame] * 3, codec, pix_fmt="yuva420p",
        options={"auto-alt-ref": "0", "crf": "4", "b": "2M"},
    )  # fmt: skip
    shown = read_gif(path, [0, 2]).frames
    assert np.abs(shown[:, 24, 10].astype(int) - (255, 0, 0)).max() <= 8
    assert shown[:, 24, 54].min() >= 250


def test_half_transparency_of_quicktime_is_blended_with_white(tmp_path):
    frame = np.full((48, 64, 4), (0, 0, 0, 128), np.uint8)
    path = draw(tmp_path / "a.mov", [frame] * 3, "qtrle", pix_fmt="argb")
    assert np.abs(read_gif(path, [1]).frames.astype(int) - 127).max() <= 1


def test_sound_is_ignored_and_sound_alone_is_no_gif(tmp_path):
    assert read_gif(draw(tmp_path / "a.mp4", 5, sound=True)).num_frames == 5
    draw_sound(tmp_path / "b.mp4")
    with pytest.raises(GifError) as raised:
        read_gif(tmp_path / "b.mp4")
    path = tmp_path / "b.mp4"
    assert str(raised.value) == f"{path}: an MP4 video without a moving picture (only sound)"


def test_a_video_of_one_frame(tmp_path):
    for name in ("a.mp4", "a.mkv"):
        gif = read_gif(draw(tmp_path / name, 1))
        assert (gif.num_frames, gif.durations_ms) == (1, (100,))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_video_that_is_cut_off_gives_its_beginning(tmp_path, suffix):
    options = {"movflags": "faststart"} if suffix == ".mp4" else {}
    frames = moving_frames(30)
    path = draw(tmp_path / f"a{suffix}", frames, container_options=options, key_interval=8)
    whole = read_gif(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 7 // 10])
    gif = read_gif(path)
    assert 5 < gif.num_frames < 30
    assert gif.truncated == f"it ends inside frame {gif.num_frames + 1}"
    np.testing.assert_array_equal(gif.frames[:5], whole.frames[:5])
    assert scan_gif(path).num_frames == gif.num_frames
    assert read_gif(path, lambda durations_ms: [len(durations_ms) - 1]).num_frames > 5


@pytest.mark.parametrize("part", [0.02, 0.4])
def test_a_video_without_its_index_is_named(tmp_path, part):
    path = draw(tmp_path / "a.mp4", moving_frames(20))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])
    with pytest.raises(GifError, match="an MP4 video without a usable frame"):
        read_gif(path)


def damage_packet(path, number):
    """Invert bytes in the middle of a packet."""
    with av.open(str(path)) as container:
        packet = [packet for packet in container.demux(video=0) if packet.size][number]
        content = bytes(packet)
    data = path.read_bytes()
    assert data.count(content) == 1
    middle = len(content) // 3
    broken = bytes(255 - byte for byte in content[middle : middle + 20])
    broken = content[:middle] + broken + content[middle + len(broken) :]
    path.write_bytes(data.replace(content, broken))


def test_damage_inside_a_video_cuts_it(tmp_path):
    path = draw(tmp_path / "a.mp4", moving_frames(30), "mpeg4")
    whole = read_gif(path)
    damage_packet(path, 17)
    gif = read_gif(path)
    assert (gif.num_frames, gif.truncated) == (17, "frame 18 is damaged")
    np.testing.assert_array_equal(gif.frames, whole.frames[:17])
    asked = []
    read_gif(path, lambda durations_ms: asked.append(len(durations_ms)) or [len(durations_ms) - 5])
    assert asked == [30]  # the damage is before the key frame that frame 25 needs
    assert read_gif(path, [8]).truncated is None


def listing_with(**changes):
    """`list_frames` with other fields in what it returns; functions get the listing."""

    def list_frames(*arguments):
        listing = video_times.list_frames(*arguments)
        changed = {
            name: change(listing) if callable(change) else change
            for name, change in changes.items()
        }
        return replace(listing, **changed)

    return list_frames


def test_frames_that_a_decoder_drops_are_reported(tmp_path, monkeypatch):
    path = draw(tmp_path / "a.mp4", 10)
    listing = listing_with(
        times=lambda listing: (*listing.times, listing.times[-1] + 10**6),
        starts=lambda listing: (*listing.starts, listing.starts[-1]),
        durations_ms=lambda listing: (*listing.durations_ms, 100),
    )
    monkeypatch.setattr("gifdesc.gif.video.list_frames", listing)
    gif = read_gif(path)
    assert (gif.num_frames, gif.truncated) == (10, "1 of its frames cannot be decoded")


@pytest.mark.parametrize("codec", ["libx264", "libvpx-vp9", "mpeg4"])
def test_no_damage_raises_anything_but_a_gif_error(tmp_path, codec):
    data = draw(tmp_path / "a.mkv", moving_frames(12), codec).read_bytes()
    generator = np.random.default_rng(0)
    for _ in range(25):
        damaged = bytearray(data)
        for position in generator.integers(0, len(data), 6):
            damaged[position] = generator.integers(256)
        try:
            gif = read_gif(bytes(damaged), sampler("uniform", 4))
        except GifError:
            continue
        assert 1 <= len(gif.frames) <= 4


def test_an_encrypted_video_is_named(tmp_path):
    path = draw(
        tmp_path / "a.mp4", 6,
        container_options={
            "encryption_scheme": "cenc-aes-ctr",
            "encryption_key": "0" * 32,
            "encryption_kid": "1" * 32,
        },
    )  # fmt: skip
    with pytest.raises(GifError, match="an MP4 video that is encrypted"):
        read_gif(path)


def test_a_header_that_lies_about_the_duration_is_not_believed(tmp_path):
    path = draw(tmp_path / "a.mp4", 6)
    data = bytearray(path.read_bytes())
    for box in (b"mvhd", b"mdhd"):  # ISO/IEC 14496-12, sections 8.2.2 and 8.4.2
        start = data.index(box) + 20
        data[start : start + 4] = (10**8).to_bytes(4)
    assert sum(scan_gif(bytes(data)).durations_ms) == 600


def test_edit_lists_hide_frames(tmp_path):
    path = draw(tmp_path / "a.mp4", 12, times_ms=range(500, 1700, 100))
    gif = read_gif(path)
    assert gif.num_frames == 12
    assert np.abs(gif.frames[0, 9, 9].astype(int) - frame_colour(0)).max() <= 12


def test_frames_without_times_are_counted_by_decoding(tmp_path, monkeypatch):
    path = draw(tmp_path / "a.avi", 12, "mpeg4")
    whole = read_gif(path)
    listing = listing_with(times=None, starts=(), durations_ms=())
    monkeypatch.setattr("gifdesc.gif.video.list_frames", listing)
    gif = read_gif(path, [0, 5, 11])
    assert gif.durations_ms == whole.durations_ms
    np.testing.assert_array_equal(gif.frames, whole.frames[[0, 5, 11]])


def test_limits_come_before_frames_are_decoded(tmp_path, monkeypatch):
    path = draw(tmp_path / "a.mp4", 12)
    monkeypatch.setattr("gifdesc.gif.video_times.MAX_FRAMES", 5)
    gif = read_gif(path)
    assert (gif.num_frames, gif.truncated) == (5, "it has more than 5 frames")
    monkeypatch.setattr("gifdesc.gif.limits.MAX_CANVAS_PIXELS", 3000)
    with pytest.raises(GifError, match="too large"):
        read_gif(path)


def test_a_video_that_takes_too_long_gives_its_beginning(tmp_path, monkeypatch):
    path = draw(tmp_path / "a.mp4", moving_frames(30), options={"bf": "0"})
    ticks = iter(range(10**6))
    monkeypatch.setattr("gifdesc.gif.limits.time.thread_time", lambda: float(next(ticks)))
    monkeypatch.setattr("gifdesc.gif.video.MAX_VIDEO_SECONDS", 20.0)
    gif = read_gif(path)
    assert 5 < gif.num_frames < 25
    assert gif.truncated == f"decoding more than {gif.num_frames} of its frames takes too long"


def test_equal_frames_are_counted_despite_compression(tmp_path):
    still = moving_frames(1) * 15
    equal = count_equal_frames(draw(tmp_path / "still.mp4", still))
    assert (equal.num_equal, equal.num_frames) == (15, 15)
    assert count_equal_frames(draw(tmp_path / "moving.mp4", moving_frames(15))).num_equal < 3


def test_frames_are_in_memory_one_at_a_time(tmp_path):
    path = draw(tmp_path / "a.mp4", colour_frames(40, (640, 480)))
    tracemalloc.start()
    read_gif(path, reduce=lambda frame: frame[:4, :4].copy())
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 6 * 640 * 480 * 3


def test_ffmpeg_writes_nothing_to_stderr_and_a_gif_does_not_load_it(tmp_path):
    path = draw(tmp_path / "a.mp4", moving_frames(20), container_options={"movflags": "faststart"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    code = (
        "import sys, gifdesc.gif.reader as reader\n"
        "from gif_files import draw_gif\nfrom pathlib import Path\n"
        f"reader.read_gif(draw_gif(Path({str(tmp_path / 'b.gif')!r})))\n"
        "assert 'av' not in sys.modules\n"
        f"print(reader.read_gif({str(path)!r}).truncated)\n"
        "assert 'av' in sys.modules\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    assert run.stdout.startswith("it ends inside frame")
