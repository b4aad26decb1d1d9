"""Public vision-language models, loaded by the real code from folders with random weights."""

import numpy as np
import pytest
import torch

import tiny_models
from gif_files import draw_broken_gif, draw_gif, truncate
from gifdesc.captioning.captioner import Captioner
from gifdesc.captioning.loading import GifCaptioner
from gifdesc.config import DecodingConfig
from gifdesc.errors import GifdescError, GifError, UsageError
from gifdesc.gif.reader import read_gif
from gifdesc.vision_language.captioner import DEFAULT_DECODING, VisionLanguageCaptioner

SHORT = DecodingConfig(num_beams=1, max_tokens=6)
BEAMS = DecodingConfig(num_beams=3, num_captions=2, max_tokens=6)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A folder of each family."""
    home = tmp_path_factory.mktemp("vlms")
    return {name: write(home / name) for name, write in tiny_models.FAMILIES.items()}


@pytest.fixture(scope="module")
def captioners(folders):
    return {
        name: VisionLanguageCaptioner.from_pretrained(folder, device="cpu")
        for name, folder in folders.items()
    }


@pytest.fixture(params=sorted(tiny_models.FAMILIES))
def family(request):
    return request.param


@pytest.fixture
def captioner(captioners, family):
    return captioners[family]


@pytest.fixture(scope="module")
def gif_paths(tmp_path_factory):
    """GIFs of 1 to 20 frames, in several sizes, each frame shown for a time of its own."""
    folder = tmp_path_factory.mktemp("gifs")
    sizes = [(40, 30), (30, 40), (64, 64)]
    return [
        draw_gif(
            folder / f"{n}.gif",
            n,
            size=sizes[n % 3],
            durations_ms=[20 + 10 * (i % 5) for i in range(n)],
        )
        for n in (1, 2, 5, 9, 20, 3, 5, 20)
    ]


def test_every_family_has_a_caption_for_every_gif(captioner, gif_paths):
    found = list(captioner.caption_many(gif_paths, SHORT))
    assert [one.path for one in found] == list(map(str, gif_paths))
    for path, one in zip(gif_paths, found, strict=True):
        gif = read_gif(path)
        assert one.error is None
        assert one.caption
        assert (one.num_frames, one.duration_ms) == (gif.num_frames, sum(gif.durations_ms))
        assert set(one.sampled_frames) <= set(range(gif.num_frames))
        starts_ms = [sum(gif.durations_ms[:index]) for index in one.sampled_frames]
        assert list(one.sampled_times_ms) == starts_ms
        assert [list(row) for row in one.to_json()["alternatives"]] == [["caption", "score"]]


def test_captions_depend_on_the_frames(captioner, gif_paths):
    found = {one.score for one in captioner.caption_many(gif_paths[2:], SHORT)}
    assert len(found) > 2


def test_batches_give_the_same_captions_as_single_gifs(captioners, family, gif_paths):
    alone = captioners[family]
    together = VisionLanguageCaptioner(alone._loaded, batch_gifs=3)
    for config in (SHORT, BEAMS):
        for path, found in zip(gif_paths, together.caption_many(gif_paths, config), strict=True):
            wanted = alone.caption(path, config)
            assert (found.caption, found.sampled_frames) == (wanted.caption, wanted.sampled_frames)
            assert found.score == pytest.approx(wanted.score, abs=1e-4)


def test_the_best_of_several_comes_first(captioner, gif_paths):
    found = captioner.caption(gif_paths[4], BEAMS)
    first, second = found.alternatives
    assert found.caption == first.caption != second.caption
    assert found.score == first.score >= second.score
    assert found.words == first.words


def test_words_spell_the_caption_and_make_up_its_score(captioner, gif_paths):
    for found in captioner.caption_many(gif_paths[:4], SHORT):
        joined = "".join(word.word for word in found.words)
        assert joined == found.caption.replace(" ", "")
        assert all(word.log_prob <= 0 for word in found.words)
        assert all(word.frame_weights is None for word in found.words)
        assert found.score < 0


def test_paths_bytes_and_frames_are_the_same_gif(captioner, gif_paths):
    gif = read_gif(gif_paths[2])
    sources = [gif_paths[2], gif_paths[2].read_bytes(), (gif.frames, gif.durations_ms)]
    first, *others = captioner.caption_many(sources, SHORT)
    assert [one.caption for one in others] == [first.caption] * 2
    assert [one.duration_ms for one in others] == [first.duration_ms] * 2


def test_a_bad_file_keeps_its_place_and_does_not_stop_the_others(captioners, gif_paths, tmp_path):
    bad = draw_broken_gif(tmp_path / "bad.gif")
    cut = truncate(draw_gif(tmp_path / "cut.gif", 6), 60)
    sources = [gif_paths[0], bad, cut, tmp_path / "missing.gif", gif_paths[1]]
    found = list(captioners["git"].caption_many(sources, SHORT))
    assert [one.path for one in found] == list(map(str, sources))
    assert [one.error is None for one in found] == [True, False, True, False, True]
    assert found[1].to_json() == {"path": str(bad), "error": found[1].error}
    assert "not a GIF" in found[1].error
    assert found[2].note
    assert found[3].error == "no such file"
    with pytest.raises(GifError, match=r"bad\.gif: not a GIF"):
        captioners["git"].caption(bad, SHORT)


@pytest.mark.parametrize("size", [(1, 1), (500, 3), (3, 500), (700, 10)])
def test_a_gif_of_an_odd_shape_is_captioned_by_every_family(captioner, tmp_path, size):
    path = draw_gif(tmp_path / "thin.gif", 3, size=size)
    assert captioner.caption(path, SHORT).caption


def test_a_gif_that_the_model_cannot_process_fails_alone(captioners, monkeypatch):
    alone = captioners["blip"]
    together = VisionLanguageCaptioner(alone._loaded, batch_gifs=4)
    prepare = together._form.prepare

    def fail_at_wide_ones(clips):
        if any(clip.frames.shape[2] > 64 for clip in clips):
            raise RuntimeError("shapes do not fit\nand much more")
        return prepare(clips)

    monkeypatch.setattr(together._form, "prepare", fail_at_wide_ones)
    sources = [np.zeros((2, 60, width, 3), np.uint8) for width in (60, 100, 62)]
    found = list(together.caption_many(sources, SHORT))
    assert [one.error for one in found] == [
        None,
        "the model cannot process the GIF: shapes do not fit",
        None,
    ]
    with pytest.raises(
        GifdescError, match="these frames: the model cannot process the GIF: shapes"
    ):
        together.caption(sources[1], SHORT)


def test_without_memory_for_a_batch_gifs_are_captioned_one_by_one(
    captioners, gif_paths, monkeypatch
):
    alone = captioners["blip"]
    together = VisionLanguageCaptioner(alone._loaded, batch_gifs=4)
    generate = alone._loaded.model.generate
    sizes = []

    def generate_small(**inputs):
        sizes.append(len(inputs["pixel_values"]))
        if sizes[-1] > 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate ...")
        return generate(**inputs)

    monkeypatch.setattr(alone._loaded.model, "generate", generate_small)
    same = [gif_paths[4], gif_paths[7]]
    found = list(together.caption_many(same, SHORT))
    assert sizes == [2, 1, 1]
    assert all(one.caption for one in found)


def test_an_empty_reply_is_an_error(captioners, gif_paths):
    captioner = captioners["blip"]
    decoder = captioner._loaded.model.text_decoder
    end_id = captioner._loaded.model.config.text_config.sep_token_id
    with torch.no_grad():
        bias = decoder.cls.predictions.decoder.bias
        before = bias.clone()
        bias[end_id] = 1e6
        try:
            [found] = captioner.caption_many(gif_paths[:1], SHORT)
        finally:
            bias.copy_(before)
    assert found.error == "the model wrote nothing"


def test_sampling_depends_on_the_seed_and_not_on_other_gifs(captioners, gif_paths):
    alone = captioners["git"]
    together = VisionLanguageCaptioner(alone._loaded, batch_gifs=4)
    before = torch.random.get_rng_state()

    def draw(seed):
        config = DecodingConfig(sample=True, temperature=2.0, max_tokens=6, seed=seed)
        return [one.caption for one in together.caption_many(gif_paths[2:4] * 2, config)]

    first = draw(seed=1)
    assert first[:2] == first[2:]
    assert first == draw(seed=1) != draw(seed=2)
    config = DecodingConfig(sample=True, temperature=2.0, max_tokens=6, seed=1)
    assert alone.caption(gif_paths[3], config).caption == first[1]
    assert torch.equal(torch.random.get_rng_state(), before)


def test_no_repeat_ngram_is_respected(captioners, gif_paths):
    config = DecodingConfig(num_beams=1, max_tokens=30, no_repeat_ngram=1)
    for captioner in (captioners["blip"], captioners["git"]):
        tokenizer = captioner._loaded.processor.tokenizer
        found = captioner.caption(gif_paths[2], config)
        ids = tokenizer(found.caption, add_special_tokens=False)["input_ids"]
        assert len(ids) > 10
        assert len(found.words) > 1
        assert len(set(ids)) == len(ids)


def test_every_family_runs_in_the_precision_of_a_gpu(folders, family, gif_paths, monkeypatch):
    monkeypatch.setattr(
        "gifdesc.vision_language.loading._dtype_on", lambda _: torch.bfloat16
    )  # a CPU computes in it too, if slowly
    captioner = VisionLanguageCaptioner.from_pretrained(folders[family], device="cpu")
    assert {one.dtype for one in captioner._loaded.model.parameters()} == {torch.bfloat16}
    for found in captioner.caption_many(gif_paths[:3], BEAMS):
        assert found.error is None
        assert found.caption


def test_a_missing_device_is_an_error_before_loading(tmp_path):
    with pytest.raises(UsageError, match="--device abacus: not a device"):
        VisionLanguageCaptioner.from_pretrained(tmp_path, device="abacus")


def test_it_has_the_interface_of_a_captioner(captioners):
    calls = {name for name in vars(GifCaptioner) if not name.startswith("_")}
    assert {"caption", "caption_many", "warnings", "default_decoding"} <= calls
    for kind in (Captioner, VisionLanguageCaptioner):
        assert all(hasattr(kind, name) for name in calls)
    assert captioners["blip"].warnings == ()
    assert captioners["blip"].default_decoding is DEFAULT_DECODING
