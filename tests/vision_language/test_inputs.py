import numpy as np
import pytest
import torch

import tiny_models
from gifdesc.vision_language.inputs import (
    GRID_INTRODUCTION,
    GRID_START,
    QUESTION,
    STILL_QUESTION,
    Clip,
    FrameStack,
    GridChat,
    GridStart,
    VideoChat,
    choose_form,
    frame_grid,
)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    home = tmp_path_factory.mktemp("vlms")
    return {
        name: tiny_models.load(write(home / name)) for name, write in tiny_models.FAMILIES.items()
    }


def clip_of(num_frames, times_ms=None, duration_ms=None):
    frames = np.random.default_rng(0).integers(0, 256, (num_frames, 56, 60, 3), np.uint8)
    times_ms = times_ms or tuple(range(0, 100 * num_frames, 100))
    return Clip(frames, tuple(times_ms), duration_ms or times_ms[-1] + 100)


def form_of(models, name, prompt=None):
    return choose_form(models[name].model, models[name].processor, prompt)


def text_of(models, name, inputs):
    """The text of the inputs, without the tokens of pictures and padding."""
    tokenizer = models[name].processor.tokenizer
    text = tokenizer.decode(inputs["input_ids"][0])
    for token in ("<image>", "<|image_pad|>", "<|video_pad|>"):
        text = text.replace(token, "")
    return text


@pytest.mark.parametrize(
    ("name", "kind", "num_frames"),
    [
        ("blip", GridStart, 4),
        ("git", GridStart, 4),
        ("git-video", FrameStack, 6),
        ("llava", GridChat, 9),
        ("qwen2-vl", VideoChat, 16),
        ("qwen2.5-vl", VideoChat, 16),
        ("smolvlm2", VideoChat, 16),
    ],
)
def test_each_family_gets_its_form_of_input(models, name, kind, num_frames):
    form = form_of(models, name)
    assert type(form) is kind
    picked = form.pick([100] * 40)
    assert len(picked) == num_frames
    assert picked == sorted(set(picked))


def test_a_model_trained_on_a_number_of_frames_gets_that_number(models):
    form = form_of(models, "git-video")
    assert form.pick([100, 200]) == [0, 0, 1, 1, 1, 1]
    pixels = form.prepare([clip_of(6), clip_of(6)])["pixel_values"]
    assert pixels.shape == (2, 6, 3, 32, 32)
    assert torch.equal(pixels[0], form.prepare([clip_of(6)])["pixel_values"][0])
    assert not torch.equal(pixels[0, 0], pixels[0, 1])


def test_a_template_for_pictures_only_gets_a_grid(models):
    processor = models["qwen2-vl"].processor
    template = processor.chat_template
    processor.chat_template = template.replace("part['type'] == 'video'", "false").replace(
        "{% else %}{{ part['text'] }}", "{% elif part['type'] == 'text' %}{{ part['text'] }}"
    )
    try:
        assert type(form_of(models, "qwen2-vl")) is GridChat
    finally:
        processor.chat_template = template


def test_a_template_of_the_tokenizer_is_found(models):
    processor = models["qwen2-vl"].processor
    template, processor.chat_template = processor.chat_template, None
    processor.tokenizer.chat_template = template
    try:
        assert type(form_of(models, "qwen2-vl")) is VideoChat
        processor.chat_template = None
        processor.tokenizer.chat_template = "{{ messages[0]['role'] }}:"  # supports no pictures
        assert type(form_of(models, "qwen2-vl")) is GridStart
    finally:
        processor.chat_template = template


# Times


def test_the_metadata_have_the_time_of_each_frame(models, monkeypatch):
    """Delays differ between frames, which no frame rate can express."""
    told = []
    processor = models["qwen2.5-vl"].processor.video_processor
    preprocess = type(processor).preprocess

    def note(self, videos, **options):
        found = preprocess(self, videos, **options)
        told.extend(found["video_metadata"])
        return found

    monkeypatch.setattr(type(processor), "preprocess", note)
    clip = clip_of(4, times_ms=(0, 70, 1570, 1600), duration_ms=2000)
    inputs = form_of(models, "qwen2.5-vl").prepare([clip])
    [metadata] = told
    assert metadata.timestamps == [0.0, 0.07, 1.57, 1.6]
    assert metadata.duration == 2.0
    assert metadata.sampled_fps == 2.0
    assert (metadata.height, metadata.width) == (56, 60)
    # Frames go in pairs: two seconds' four frames are one second a pair.
    assert inputs["second_per_grid_ts"].tolist() == [1.0]


def test_smolvlm2_reads_the_time_of_every_frame(models):
    clip = clip_of(4, times_ms=(0, 900, 1000, 65_000), duration_ms=70_000)
    text = text_of(models, "smolvlm2", form_of(models, "smolvlm2").prepare([clip]))
    assert "series of four frames from a 0:01:10 [H:MM:SS] video" in text
    times = [part.split(":<")[0] for part in text.split("Frame from ")[1:]]
    assert times == ["00:00", "00:00", "00:01", "01:05"]


def test_every_frame_is_in_the_inputs(models):
    clips = [clip_of(4), clip_of(4)]
    inputs = form_of(models, "smolvlm2").prepare(clips)
    assert inputs["pixel_values"].shape == (2, 4, 3, 32, 32)
    inputs = form_of(models, "qwen2-vl").prepare(clips)
    assert inputs["video_grid_thw"][:, 0].tolist() == [2, 2]  # in pairs


# Words


@pytest.mark.parametrize("name", ["qwen2-vl", "qwen2.5-vl", "smolvlm2"])
def test_a_video_model_is_asked_what_happens(models, name):
    form = form_of(models, name)
    text = text_of(models, name, form.prepare([clip_of(3)]))
    assert QUESTION in text
    assert "grid" not in text
    still = text_of(models, name, form.prepare([clip_of(1)]))
    assert STILL_QUESTION in still
    assert "video" not in still.lower()


def test_the_question_to_a_picture_model_mentions_the_grid(models):
    form = form_of(models, "llava")
    text = text_of(models, "llava", form.prepare([clip_of(9)]))
    assert "a grid of 9 frames of one animated GIF" in text
    assert QUESTION in text
    still = text_of(models, "llava", form.prepare([clip_of(1)]))
    assert "grid" not in still
    assert STILL_QUESTION in still


@pytest.mark.parametrize("name", ["blip", "git"])
def test_a_model_that_continues_a_text_gets_a_start(models, name):
    form = form_of(models, name)
    tokenizer = models[name].processor.tokenizer
    ids = form.prepare([clip_of(4)] * 2)["input_ids"]
    assert ids.shape[0] == 2
    assert ids[0, 0] == tokenizer.cls_token_id
    assert tokenizer.decode(ids[0], skip_special_tokens=True) == GRID_START
    # BLIP itself drops the last token; GIT would take an end for the end.
    assert (int(ids[0, -1]) == tokenizer.sep_token_id) == (name == "blip")
    assert "input_ids" not in form.prepare([clip_of(1)])


@pytest.mark.parametrize("name", sorted(set(tiny_models.FAMILIES) - {"git-video"}))
def test_a_prompt_replaces_the_question(models, name):
    form = form_of(models, name, "what does the dog over the sofa")
    for num_frames in (1, 4):
        text = text_of(models, name, form.prepare([clip_of(num_frames)]))
        assert "what does the dog over the sofa" in text
        assert not any(usual in text for usual in (QUESTION, STILL_QUESTION, GRID_START))
        assert ("grid of 4 frames" in text) == (name == "llava" and num_frames == 4)


@pytest.mark.parametrize("name", ["blip", "git", "llava"])
def test_picture_models_see_the_grid(models, name):
    clip = clip_of(4)
    processor = models[name].processor
    wanted = processor.image_processor([frame_grid(clip.frames)], return_tensors="pt")
    found = form_of(models, name).prepare([clip])
    assert torch.equal(found["pixel_values"], wanted["pixel_values"])


def test_the_start_token_of_a_template_is_not_doubled(models):
    tokenizer = models["smolvlm2"].processor.tokenizer
    ids = form_of(models, "smolvlm2").prepare([clip_of(2)])["input_ids"][0]
    assert int((ids == tokenizer.bos_token_id).sum()) == 1


@pytest.mark.parametrize(
    ("model_type", "prompt", "num_frames", "asked"),
    [
        ("unheard-of", None, 4, f"{GRID_INTRODUCTION.format(num_frames=4)} {QUESTION}"),
        ("unheard-of", "Why?", 4, f"{GRID_INTRODUCTION.format(num_frames=4)} Why?"),
        ("unheard-of", None, 1, STILL_QUESTION),
        ("unheard-of", "Why?", 1, "Why?"),
        ("blip", None, 4, GRID_START),
        ("blip", "a cat", 4, "a cat"),
        ("paligemma", None, 4, "caption en"),
        ("florence2", None, 1, "<CAPTION>"),
    ],
)
def test_the_text_for_a_family_without_a_chat_template(model_type, prompt, num_frames, asked):
    given = {}

    def processor(**inputs):
        given.update(inputs)
        return {}

    GridStart(processor, model_type, prompt).prepare([clip_of(num_frames)])
    assert given["text"] == [asked]
