import threading
from contextlib import closing
from multiprocessing import active_children

import numpy as np
import pytest
import torch

import gifdesc
from deadly_transform import DeadlyTransform
from gif_files import draw_broken_gif, draw_gif, truncate
from gifdesc.captioning import reading
from gifdesc.captioning.captioner import Captioner
from gifdesc.captioning.reading import ReadAhead
from gifdesc.captions import Caption, GeneratedCaption
from gifdesc.config import DecodingConfig, TrainingConfig
from gifdesc.data.caption_statistics import CaptionStatistics
from gifdesc.data.gifs import find_gifs
from gifdesc.data.training_data import prepare_data
from gifdesc.errors import CheckpointError, FeatureError, GifError, UsageError
from gifdesc.features.extraction import extract
from gifdesc.features.extractor import FeatureExtractor
from gifdesc.features.loader import GifReaders
from gifdesc.gif.reader import read_gif
from gifdesc.gif.sources import CaptionInput
from gifdesc.model.checkpoint import load_checkpoint, save_checkpoint
from gifdesc.model.generation import CaptionGenerator
from gifdesc.system.workers import CRASHED
from gifdesc.training.run import train
from worlds import (
    ALL_FOR_TRAINING,
    CPU,
    TINY,
    World,
    tiny_recipe,
    write_model,
)

SHORT = DecodingConfig(num_beams=3, max_tokens=8)


pytestmark = pytest.mark.usefixtures("tiny_backbone")


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("model"), recipe=tiny_recipe())


@pytest.fixture(scope="module")
def gif_paths(tmp_path_factory):
    """GIFs of 1 to 11 frames."""
    folder = tmp_path_factory.mktemp("gifs")
    return [draw_gif(folder / f"{n}.gif", n, durations_ms=10 * n) for n in range(1, 12)]


@pytest.fixture
def captioner(model_dir):
    return Captioner.from_pretrained(model_dir, device="cpu")


def test_many_gifs_are_captioned_in_order_as_one_by_one(captioner, gif_paths):
    backwards = gif_paths[::-1]
    together = list(captioner.caption_many(backwards, SHORT))
    assert [one.path for one in together] == list(map(str, backwards))
    for path, found in zip(backwards, together, strict=True):
        alone = captioner.caption(path, SHORT)
        assert (found.caption, found.sampled_frames) == (alone.caption, alone.sampled_frames)
        assert found.score == pytest.approx(alone.score, abs=1e-5)
        assert [word.word for word in found.words] == [word.word for word in alone.words]
        for word, wanted in zip(found.words, alone.words, strict=True):
            assert word.frame_weights == pytest.approx(wanted.frame_weights, abs=1e-5)


def test_captions_are_yielded_as_soon_as_gifs_are_read(captioner, gif_paths):
    consumed = []

    def paths():
        for path in gif_paths * 3:
            consumed.append(path)
            yield path

    next(captioner.caption_many(paths(), SHORT))
    # Two batches of one GIF, those that wait, and one in the thread's hand; not all 33.
    assert len(consumed) <= 2 + reading._NUM_AHEAD + 1


def test_a_slow_source_does_not_delay_finished_captions(captioner, gif_paths):
    more = threading.Event()

    def paths():
        yield from gif_paths[:3]
        more.wait(timeout=60)
        yield gif_paths[3]

    found = captioner.caption_many(paths(), SHORT)
    first = [next(found).path for _ in range(3)]
    more.set()
    assert first + [one.path for one in found] == list(map(str, gif_paths[:4]))


def test_ten_thousand_inputs_are_captioned_in_order_without_holding_them(captioner):
    """Every input has a result, and the number of GIFs read ahead is bounded."""
    num_gifs, num_taken, num_done, farthest = 10_000, 0, 0, 0

    def names():
        nonlocal num_taken
        for number in range(num_gifs):
            num_taken += 1
            yield CaptionInput(f"{number}", error="not there")

    for number, one in enumerate(captioner.caption_many(names(), SHORT)):
        num_done += 1
        farthest = max(farthest, num_taken - num_done)
        assert one.path == str(number)
        assert one.error is not None
    assert num_done == num_gifs
    # In the network, in the next batch, waiting, and in the thread's hand.
    assert farthest <= 2 * 64 + 16 + 1


def test_a_search_beside_the_network_has_one_thread_and_leaves_the_callers(
    captioner, gif_paths, monkeypatch
):
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    seen = []
    generate = captioner._generate

    def watched(features, config):
        seen.append(torch.get_num_threads())
        return generate(features, config)

    monkeypatch.setattr(captioner, "_generate", watched)
    try:
        between = [torch.get_num_threads() for _ in captioner.caption_many(gif_paths, SHORT)]
    finally:
        torch.set_num_threads(before)
    assert set(seen) == {1}
    assert set(between) == {3}


def test_processes_read_many_gifs_as_a_thread_does(model_dir, captioner, gif_paths, monkeypatch):
    monkeypatch.setattr(reading, "_MANY_GIFS", 2)
    paths = gif_paths * 4
    with_processes = Captioner.from_pretrained(model_dir, device="cpu", num_workers=1)
    started = threading.Event()
    submitted = []
    submit = GifReaders.submit

    def watched(self, task):
        submitted.append(task)
        return submit(self, task)

    def sources():
        yield from paths[:2]
        assert started.wait(timeout=60)
        yield from paths[2:]

    class Started(GifReaders):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            started.set()

    monkeypatch.setattr(reading, "GifReaders", Started)
    monkeypatch.setattr(GifReaders, "submit", watched)
    found = list(with_processes.caption_many(sources(), SHORT))
    assert [one.path for one in found] == list(map(str, paths))
    for one, wanted in zip(found, captioner.caption_many(paths, SHORT), strict=True):
        assert one.caption == wanted.caption
        assert one.score == pytest.approx(wanted.score, abs=1e-5)
    assert len(submitted) >= len(paths) - 3  # the start is over a moment after the event
    assert not active_children()


def test_a_run_that_ends_while_processes_start_leaves_none(model_dir, gif_paths, monkeypatch):
    begun = threading.Event()

    class Begun(GifReaders):
        def __init__(self, *arguments):
            begun.set()
            super().__init__(*arguments)

    monkeypatch.setattr(reading, "_MANY_GIFS", 1)
    monkeypatch.setattr(reading, "GifReaders", Begun)
    captioner = Captioner.from_pretrained(model_dir, device="cpu", num_workers=2)
    results = captioner.caption_many(gif_paths, SHORT)
    next(results)
    results.close()
    assert begun.is_set()
    assert not active_children()


def test_a_gif_that_kills_its_process_is_an_error(model_dir, gif_paths, tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "_MANY_GIFS", 1)
    captioner = Captioner.from_pretrained(model_dir, device="cpu", num_workers=1)
    size = captioner._extractor.transform
    deadly = DeadlyTransform(resize_size=size.resize_size, image_size=size.image_size)
    captioner._extractor.transform = deadly
    path = draw_gif(tmp_path / "deadly.gif", size=(12, 13))
    with closing(ReadAhead(captioner._extractor, 1)) as read:
        read(gif_paths[0])
        read._readers.result()
        waits = [read(each) for each in (gif_paths[1], path, gif_paths[2])]
        found = [wait() for wait in waits]
    assert [each.error for each in found] == [None, CRASHED, None]
    assert found[1].name == str(path)


def test_bytes_and_errors_keep_their_names(captioner, gif_paths):
    whole = gif_paths[5].read_bytes()
    inputs = [
        CaptionInput("pipe", data=whole),
        CaptionInput("nothing", error="no such file or folder"),
        CaptionInput("cut", data=whole[:-40]),
        CaptionInput("text", data=b"hello"),
        CaptionInput(str(gif_paths[5])),
    ]
    piped, missing, cut, text, file = captioner.caption_many(inputs, SHORT)
    assert (piped.path, piped.caption) == ("pipe", file.caption)
    assert (missing.path, missing.error) == ("nothing", "no such file or folder")
    assert cut.caption is not None
    assert cut.note
    assert text.error.startswith("not a GIF")


@pytest.mark.parametrize(("threshold", "is_low"), [(-100.0, False), (0.0, True), (None, None)])
def test_a_low_score_is_low_confidence(tmp_path, gif_paths, threshold, is_low):
    folder = write_model(tmp_path / "model", recipe=tiny_recipe())
    one = load_checkpoint(folder)
    save_checkpoint(folder, one.model, one.tokenizer, one.recipe, one.training, threshold)
    captioner = Captioner.from_pretrained(folder, device="cpu")
    found = captioner.caption(gif_paths[3], SHORT)
    assert ("its score is below the model's threshold" in found.doubts) == bool(is_low)
    captioner.save_pretrained(tmp_path / "copy")
    assert load_checkpoint(tmp_path / "copy").confidence_threshold == threshold


def with_captions(folder, **changes):
    """The captioner of a model folder that states what its training captions are like."""
    one = load_checkpoint(folder)
    captions = CaptionStatistics(**{"longest": 4, "repeats": 99, "repeated_pairs": 1.0, **changes})
    save_checkpoint(folder, one.model, one.tokenizer, one.recipe, one.training, None, captions)
    return Captioner.from_pretrained(folder, device="cpu")


def test_a_caption_cut_at_the_models_limit_is_low_confidence(tmp_path, gif_paths):
    folder = write_model(tmp_path / "model", recipe=tiny_recipe())
    old = Captioner.from_pretrained(folder, device="cpu")
    assert old.default_decoding.max_tokens == 40
    captioner = with_captions(folder)
    assert captioner.default_decoding.max_tokens == 6
    found = captioner.caption(gif_paths[3])
    assert found.alternatives[0].is_cut
    assert len(found.alternatives[0].tokens) <= 6
    assert found.low_confidence
    assert found.doubts == ("it ran into the length limit",)
    captioner.save_pretrained(tmp_path / "copy")
    copied = Captioner.from_pretrained(tmp_path / "copy", device="cpu")
    assert copied.default_decoding.max_tokens == 6


def test_a_repetitive_caption_is_low_confidence(tmp_path, gif_paths, monkeypatch):
    said = [GeneratedCaption("cat cat cat", -0.1, (), tokens=(5, 5, 5))]
    monkeypatch.setattr(CaptionGenerator, "__call__", lambda *_: [said])
    captioner = with_captions(write_model(tmp_path / "model", recipe=tiny_recipe()), repeats=2)
    found = captioner.caption(gif_paths[3])
    assert found.low_confidence
    assert found.doubts == ("it repeats itself more than the training captions do",)
    captioner = with_captions(tmp_path / "model", repeats=3)
    assert captioner.caption(gif_paths[3]).low_confidence is None, "the model has no threshold"


def test_a_bad_file_keeps_its_place_and_does_not_stop_the_others(captioner, gif_paths, tmp_path):
    bad = draw_broken_gif(tmp_path / "bad.gif")
    missing = tmp_path / "missing.gif"
    found = list(captioner.caption_many([gif_paths[3], bad, gif_paths[4], missing], SHORT))
    assert [one.error is None for one in found] == [True, False, True, False]
    assert found[1].to_json() == {"path": str(bad), "error": found[1].error}
    assert "not a GIF" in found[1].error
    assert str(bad) not in found[1].error
    assert found[3].error == "no such file"
    assert found[0].caption == captioner.caption(gif_paths[3], SHORT).caption


def test_a_single_bad_file_raises(captioner, tmp_path):
    with pytest.raises(GifError, match=r"bad\.gif: not a GIF"):
        captioner.caption(draw_broken_gif(tmp_path / "bad.gif"))


@pytest.mark.parametrize("factor", [np.nan, np.inf, 1e30])
def test_features_that_cannot_be_used_are_an_error_of_that_gif(
    captioner, gif_paths, monkeypatch, factor
):
    submit = captioner._extractor.submit

    def overflow(gifs):
        wait = submit(gifs)
        return lambda: [
            each * np.float32(factor) if len(gif.order) == 3 else each
            for gif, each in zip(gifs, wait(), strict=True)
        ]

    lengths = [len(captioner._extractor.sample(path).order) for path in gif_paths]
    assert 0 < lengths.count(3) < len(lengths)
    monkeypatch.setattr(captioner._extractor, "submit", overflow)
    captions = list(captioner.caption_many(gif_paths))
    for caption, length in zip(captions, lengths, strict=True):
        assert (caption.error is not None) == (length == 3)
    bad = gif_paths[lengths.index(3)]
    with pytest.raises(FeatureError, match="the network cannot be used"):
        captioner.caption(bad)


def test_a_truncated_gif_is_captioned_with_a_note(captioner, tmp_path):
    cut = truncate(draw_gif(tmp_path / "cut.gif", 6), 60)
    found = captioner.caption(cut, SHORT)
    assert found.error is None
    assert found.caption
    assert found.note
    assert found.to_json()["note"] == found.note
    assert 0 < found.num_frames < 6


def test_the_json_of_a_caption(captioner, tmp_path):
    gif = draw_gif(tmp_path / "clip.gif", 20, durations_ms=50)
    config = DecodingConfig(num_beams=4, num_captions=3, max_tokens=6)
    row = captioner.caption(gif, config).to_json()
    assert list(row) == [
        "path",
        "caption",
        "score",
        "low_confidence",
        "alternatives",
        "num_frames",
        "duration_ms",
        "sampled_frames",
        "sampled_times_ms",
        "words",
    ]
    assert row["path"] == str(gif)
    assert (row["num_frames"], row["duration_ms"]) == (20, 1000)
    assert row["sampled_frames"] == [i * 20 // 16 + (i * 20 % 16 + 10) // 16 for i in range(16)]
    assert [list(one) for one in row["alternatives"]] == [["caption", "score"]] * 3
    assert row["alternatives"][0] == {"caption": row["caption"], "score": row["score"]}
    assert row["score"] <= 0
    assert row["sampled_times_ms"] == [50 * index for index in row["sampled_frames"]]
    keys = ["word", "log_prob", "time_ms", "frame_weights"]
    assert [list(word) for word in row["words"]] == [keys] * len(row["words"])
    for word in row["words"]:
        most = word["frame_weights"].index(max(word["frame_weights"]))
        assert word["time_ms"] == row["sampled_times_ms"][most]
    assert row["low_confidence"] is True, "it ran into the length limit"


def test_words_have_log_probabilities_and_weights_over_the_sampled_frames(captioner, gif_paths):
    for found in captioner.caption_many(gif_paths, SHORT):
        assert found.words
        for word in found.words:
            assert word.log_prob < 0
            assert len(word.frame_weights) == len(found.sampled_frames)
            assert sum(word.frame_weights) == pytest.approx(1, abs=1e-5)
        said = sum(word.log_prob for word in found.words)
        # The score is a mean over the tokens, and over the end token where it was reached.
        assert said / found.score >= len(found.words) - 1


def test_a_model_without_attention_has_no_frame_weights(tmp_path, gif_paths):
    folder = write_model(tmp_path, recipe=tiny_recipe(), fusion="add")
    row = Captioner.from_pretrained(folder, device="cpu").caption(gif_paths[2], SHORT).to_json()
    assert {(word["frame_weights"], word["time_ms"]) for word in row["words"]} == {(None, None)}


def test_gifs_are_sampled_by_the_recipe_of_the_model(tmp_path, gif_paths):
    recipe = tiny_recipe(num_frames=3, sampling="step")
    captioner = Captioner.from_pretrained(write_model(tmp_path, recipe=recipe), device="cpu")
    assert captioner.caption(gif_paths[10], SHORT).sampled_frames == (0, 3, 6)


def test_a_model_trained_on_feature_files_captions_the_gifs(tmp_path):
    """One way from GIF to features: training and captioning see the same numbers."""
    red, green, blue = (250, 30, 30), (30, 200, 30), (40, 60, 240)
    wanted = {
        "first": ("red turns green", [red, green] * 2),
        "second": ("green turns red", [green, red] * 2),
        "third": ("blue turns red", [blue, red] * 2),
    }
    descriptions_dir = tmp_path / "descriptions"
    descriptions_dir.mkdir()
    for name, (caption, colours) in wanted.items():
        draw_gif(tmp_path / "gifs" / f"{name}.gif", colours)
        (descriptions_dir / f"{name}.txt").write_text(caption)
    world = World(tmp_path / "features", descriptions_dir)
    extractor = FeatureExtractor.create(weights="random", device="cpu")
    list(extract(find_gifs([tmp_path / "gifs"]), world.features_dir, extractor))
    config = TrainingConfig(epochs=60, learning_rate=2e-2, batch_size=3, **ALL_FOR_TRAINING)
    data = prepare_data(world.features_dir, world.descriptions_dir, config)
    train(data, tmp_path / "model", TINY, config, CPU)
    captioner = Captioner.from_pretrained(tmp_path / "model", device="cpu")
    for name, (caption, _) in wanted.items():
        assert captioner.caption(tmp_path / "gifs" / f"{name}.gif").caption == caption


def test_features_can_be_captioned_without_gifs(captioner, gif_paths):
    extractor = FeatureExtractor.for_recipe(tiny_recipe(), device="cpu")
    features = extractor.encode([extractor.sample(path) for path in gif_paths[:3]])
    found = captioner.caption_features(features, SHORT)
    wanted = captioner.caption_many(gif_paths[:3], SHORT)
    assert [best.caption for [best] in found] == [one.caption for one in wanted]


def test_a_model_of_unknown_features_is_refused(tmp_path):
    folder = write_model(tmp_path, recipe=None)
    with pytest.raises(CheckpointError, match=r"an unknown recipe.*gifdesc extract"):
        Captioner.from_pretrained(folder)


def test_weights_other_than_the_models_are_refused(tmp_path):
    recipe = tiny_recipe(weights="imagenet1k-v1", weights_sha256="a" * 64)
    folder = write_model(tmp_path, recipe=recipe)
    with pytest.raises(CheckpointError, match=r"mine\.pth: not the weights that.*wanted aaaaaaaa"):
        Captioner.from_pretrained(folder, weights="mine.pth")


def test_a_missing_device_is_an_error_before_loading(tmp_path):
    with pytest.raises(UsageError, match="--device abacus: not a device"):
        Captioner.from_pretrained(tmp_path / "no model here", device="abacus")


def test_a_captioner_reports_an_untrained_backbone(tmp_path, captioner):
    assert captioner.is_untrained_backbone
    recipe = tiny_recipe(weights="mine.pth", weights_sha256="6")
    folder = write_model(tmp_path, recipe=recipe)
    assert not Captioner.from_pretrained(folder, weights="mine.pth").is_untrained_backbone


def test_a_saved_captioner_gives_the_same_captions(captioner, gif_paths, tmp_path):
    captioner.save_pretrained(tmp_path / "copy")
    copy = Captioner.from_pretrained(tmp_path / "copy", device="cpu")
    assert copy.caption(gif_paths[5], SHORT) == captioner.caption(gif_paths[5], SHORT)


def test_the_package_gives_the_captioner_on_first_use():
    assert gifdesc.Captioner is Captioner
    assert gifdesc.Caption is Caption
    assert "Captioner" in dir(gifdesc)
    with pytest.raises(AttributeError, match="Captionner"):
        _ = gifdesc.Captionner


def test_the_features_of_one_gif(gif_paths):
    features = gifdesc.extract_features(gif_paths[4], weights="random", encoding="none")
    assert (features.shape, features.dtype) == ((5, 48), np.float32)


def test_bytes_and_frames_are_captioned_as_the_file_is(captioner, gif_paths):
    path = gif_paths[4]
    gif = read_gif(path)
    wanted = captioner.caption(path, SHORT)
    sources = [path.read_bytes(), (gif.frames, gif.durations_ms), b"no GIF", path]
    found = list(captioner.caption_many(sources, SHORT))
    assert [one.path for one in found] == ["these bytes", "these frames", "these bytes", str(path)]
    assert [one.caption for one in found] == [wanted.caption, wanted.caption, None, wanted.caption]
    assert found[1].duration_ms == wanted.duration_ms
    assert found[2].error == "not a GIF (it starts like text)"
    assert captioner.caption(gif.frames, SHORT).caption == wanted.caption


def test_features_of_bytes_and_frames_are_those_of_the_file(gif_paths):
    wanted = gifdesc.extract_features(gif_paths[4], weights="random")
    frames = read_gif(gif_paths[4]).frames
    for source in (gif_paths[4].read_bytes(), frames):
        assert np.array_equal(gifdesc.extract_features(source, weights="random"), wanted)
