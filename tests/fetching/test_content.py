"""What is kept of the files that servers send."""

import pytest

from gifdesc.fetching.content import judge
from gifdesc.gif.sniff import VIDEO_KINDS, describe_beginning
from video_files import draw_sound, draw_video

CODECS = {".mp4": "libx264", ".mov": "libx264", ".webm": "libvpx-vp9", ".mkv": "libx264"}


@pytest.mark.parametrize("ending", [*CODECS, ".avi"])
def test_a_video_is_kept_under_the_ending_of_its_content(tmp_path, ending):
    path = draw_video(tmp_path / f"a{ending}", 4, codec=CODECS.get(ending, "mpeg4"))
    data = path.read_bytes()
    assert describe_beginning(data) in VIDEO_KINDS
    judgement = judge(data)
    assert (judgement.status, judgement.num_frames, judgement.ending) == ("ok", 4, ending)


def test_a_sound_and_a_video_of_one_frame_are_not_kept(tmp_path):
    sound = judge(draw_sound(tmp_path / "a.mp4").read_bytes())
    assert sound.status == "refused"
    assert sound.error == "an MP4 video without a moving picture (only sound)"
    assert judge(draw_video(tmp_path / "b.mp4", 1).read_bytes()).status == "still"
