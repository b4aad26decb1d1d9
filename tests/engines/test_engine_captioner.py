"""Captions by an engine: those of the captioner itself, in its order, and resumed by chunk."""

import itertools
from contextlib import nullcontext

import numpy as np
import pytest

from gif_files import draw_broken_gif, draw_gif, truncate
from gifdesc.captioning.describe import Origin, describe
from gifdesc.captioning.loading import load_captioner
from gifdesc.captions import Caption, GeneratedCaption, Word
from gifdesc.config import DecodingConfig
from gifdesc.data.gifs import GifInput
from gifdesc.engines.captioner import EngineCaptioner, ModelChoice, from_record, to_record
from gifdesc.engines.in_process import InProcessEngine
from gifdesc.engines.results import ChunkResults
from gifdesc.errors import GifdescError
from gifdesc.gif.sources import CaptionInput
from worlds import tiny_recipe, write_model

pytestmark = pytest.mark.usefixtures("tiny_backbone")

SHORT = DecodingConfig(num_beams=2, num_captions=2, max_tokens=8)


class BackwardsEngine(InProcessEngine):
    """Finishes the chunks in the opposite order."""

    def map(self, work, chunks, folder):
        yield from super().map(work, reversed(list(chunks)), folder)


class CountingEngine(InProcessEngine):
    """Notes the chunks that were finished before, and stops after a number of chunks."""

    def __init__(self, limit=None):
        self.limit = limit
        self.num_found = 0
        self.num_mapped = 0

    def map(self, work, chunks, folder):
        for chunk in chunks:
            self.num_found += ChunkResults(folder).has(chunk.id)
            self.num_mapped += 1
            yield from super().map(work, [chunk], folder)
            if self.num_mapped == self.limit:
                raise KeyboardInterrupt


class LosingEngine(InProcessEngine):
    """Ends as if all were done."""

    def map(self, work, chunks, folder):
        yield from super().map(work, list(chunks)[:1], folder)


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("model"), recipe=tiny_recipe())


@pytest.fixture(scope="module")
def gif_paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gifs")
    paths = [draw_gif(folder / f"{n}.gif", n, durations_ms=10 * n) for n in range(1, 14)]
    cut = truncate(draw_gif(folder / "cut.gif", 8), 300)
    return [*paths, draw_broken_gif(folder / "broken.gif"), cut, folder / "missing.gif"]


def on_engine(model_dir, folder, engine=None, *, chunk_size=3, resume=False):
    model = ModelChoice.of(str(model_dir), device="cpu")
    opened = engine or InProcessEngine()
    return EngineCaptioner(
        model,
        model.load(),
        lambda: nullcontext(opened),
        folder,
        chunk_size=chunk_size,
        resume=resume,
    )


def rows(captions):
    """As records, without the numbers whose last bits depend on which GIFs share a batch."""
    return [_without_scores(to_record(caption)) for caption in captions]


def _without_scores(value):
    if isinstance(value, dict):
        kept = value.keys() - {"score", "log_prob", "frame_weights"}
        return {name: _without_scores(value[name]) for name in kept}
    return [_without_scores(one) for one in value] if isinstance(value, tuple | list) else value


def scores(captions):
    return [caption.score or 0.0 for caption in captions]


@pytest.mark.parametrize("engine", [InProcessEngine(), BackwardsEngine()])
@pytest.mark.parametrize("chunk_size", [1, 3, 100])
def test_captions_are_those_of_the_captioner_in_its_order(
    model_dir, gif_paths, tmp_path, engine, chunk_size
):
    wanted = list(load_captioner(model_dir, device="cpu").caption_many(gif_paths * 2, SHORT))
    captioner = on_engine(model_dir, tmp_path / "chunks", engine, chunk_size=chunk_size)
    found = list(captioner.caption_many(gif_paths * 2, SHORT))
    assert rows(found) == rows(wanted)
    assert scores(found) == pytest.approx(scores(wanted), abs=1e-5)
    assert sum(caption.error is not None for caption in found) == 4
    assert not (tmp_path / "chunks").exists()


def test_captions_of_equal_batches_are_equal_to_the_bit(model_dir, gif_paths, tmp_path):
    wanted = load_captioner(model_dir, device="cpu")
    captioner = on_engine(model_dir, tmp_path / "chunks", chunk_size=1)
    found = list(captioner.caption_many(gif_paths[:5], SHORT))
    assert found == [wanted.caption(path, SHORT) for path in gif_paths[:5]]


def test_sampled_captions_are_those_of_the_captioner(model_dir, gif_paths, tmp_path):
    config = DecodingConfig(num_beams=1, num_captions=2, max_tokens=8, sample=True, seed=3)
    wanted = load_captioner(model_dir, device="cpu").caption_many(gif_paths[:6], config)
    found = on_engine(model_dir, tmp_path / "chunks").caption_many(gif_paths[:6], config)
    assert rows(found) == rows(wanted)


def test_the_facts_of_the_model_are_those_of_the_captioner(model_dir, tmp_path):
    captioner = on_engine(model_dir, tmp_path / "chunks")
    plain = load_captioner(model_dir, device="cpu")
    assert captioner.warnings == plain.warnings != ()
    assert (captioner.commit, captioner.default_decoding) == (None, plain.default_decoding)


def test_one_gif_is_captioned_or_raises(model_dir, gif_paths, tmp_path):
    captioner = on_engine(model_dir, tmp_path / "chunks")
    plain = load_captioner(model_dir, device="cpu")
    assert captioner.caption(gif_paths[0], SHORT) == plain.caption(gif_paths[0], SHORT)
    with pytest.raises(GifdescError, match=r"missing.gif: "):
        captioner.caption(gif_paths[-1], SHORT)


def test_bytes_and_temporary_files_travel_as_copies(model_dir, gif_paths, tmp_path):
    data = gif_paths[3].read_bytes()
    inputs = [
        CaptionInput("-", data),
        CaptionInput("https://example.org/x.gif", gif_paths[4]),
        CaptionInput("-", b"GIF89a no GIF"),
        CaptionInput("nothing", error="no such file or folder"),
    ]
    wanted = list(load_captioner(model_dir, device="cpu").caption_many(inputs, SHORT))
    found = list(on_engine(model_dir, tmp_path / "chunks").caption_many(inputs, SHORT))
    assert rows(found) == rows(wanted)
    assert not (tmp_path / "chunks").exists()


def test_copies_are_removed_with_their_last_chunk(model_dir, gif_paths, tmp_path):
    data = gif_paths[3].read_bytes()
    inputs = [CaptionInput(name, data) for name in ("a", "b")]
    inputs.append(CaptionInput("c", gif_paths[4].read_bytes()))
    copies = ChunkResults(tmp_path / "chunks").copies_dir

    class WholeEngine(InProcessEngine):
        def map(self, work, chunks, folder):
            yield from super().map(work, list(chunks), folder)

    captioner = on_engine(model_dir, tmp_path / "chunks", WholeEngine(), chunk_size=1)
    num_copies = [len(list(copies.iterdir())) for _ in captioner.caption_many(inputs, SHORT)]
    assert num_copies == [2, 2, 1]


def test_describe_copies_the_gifs_of_urls_and_pipes_and_no_others(model_dir, gif_paths, tmp_path):
    chunks = tmp_path / "chunks"
    paths = []

    class NotingEngine(InProcessEngine):
        def map(self, work, chunks, folder):
            for chunk in chunks:
                paths.extend(row["path"] for row in chunk.rows)
                yield from super().map(work, [chunk], folder)

    spooled = GifInput(gif_paths[0], "stdin", name="/dev/stdin", is_spooled=True)
    inputs = [spooled, GifInput(gif_paths[1], "2.gif")]
    captioner = on_engine(model_dir, chunks, NotingEngine())
    events = list(describe(inputs, tmp_path / "out", captioner, Origin("m"), SHORT))
    assert [event.error for event in events] == [None, None]
    assert [path.startswith(str(chunks)) for path in paths] == [True, False]


def test_frames_in_memory_are_refused(model_dir, tmp_path):
    frames = np.zeros((2, 4, 4, 3), np.uint8)
    with pytest.raises(TypeError, match="not frames in memory"):
        list(on_engine(model_dir, tmp_path / "chunks").caption_many([frames], SHORT))


def test_a_run_that_was_interrupted_is_resumed_by_chunk(model_dir, gif_paths, tmp_path):
    folder = tmp_path / "chunks"
    wanted = rows(load_captioner(model_dir, device="cpu").caption_many(gif_paths, SHORT))
    assert len(wanted) == len(gif_paths)
    first = on_engine(model_dir, folder, CountingEngine(limit=2), resume=True)
    before = []
    with pytest.raises(KeyboardInterrupt):
        before.extend(first.caption_many(gif_paths, SHORT))
    assert folder.is_dir()
    assert rows(before) == wanted[: len(before)] != []
    engine = CountingEngine()
    second = on_engine(model_dir, folder, engine, resume=True)
    assert rows(second.caption_many(gif_paths, SHORT)) == wanted
    assert engine.num_found == 2
    assert not folder.exists()


def test_an_interrupted_run_that_is_not_to_be_resumed_leaves_nothing(
    model_dir, gif_paths, tmp_path
):
    captioner = on_engine(model_dir, tmp_path / "chunks", CountingEngine(limit=1))
    with pytest.raises(KeyboardInterrupt):
        list(captioner.caption_many(gif_paths, SHORT))
    assert not (tmp_path / "chunks").exists()


def test_another_model_in_the_same_folder_uses_no_earlier_chunk(model_dir, gif_paths, tmp_path):
    folder = tmp_path / "chunks"
    with pytest.raises(KeyboardInterrupt):
        list(
            on_engine(model_dir, folder, CountingEngine(limit=2), resume=True).caption_many(
                gif_paths, SHORT
            )
        )
    other = write_model(tmp_path / "model", recipe=tiny_recipe(), seed=1)
    (model_dir / "model.safetensors").write_bytes((other / "model.safetensors").read_bytes())
    engine = CountingEngine()
    list(on_engine(model_dir, folder, engine, resume=True).caption_many(gif_paths, SHORT))
    assert engine.num_found == 0


def test_gifs_that_an_engine_loses_are_listed(model_dir, gif_paths, tmp_path):
    captioner = on_engine(model_dir, tmp_path / "chunks", LosingEngine(), chunk_size=1)
    with pytest.raises(
        GifdescError, match=r"lost 15 GIFs: .*2.gif, .* and 5 more \(.* lists all\); run .* again"
    ):
        list(captioner.caption_many(gif_paths, SHORT))


def test_many_gifs_that_an_engine_loses_are_all_in_a_file(model_dir, gif_paths, tmp_path):
    folder = tmp_path / ".out.jsonl.chunks"
    captioner = on_engine(model_dir, folder, LosingEngine(), chunk_size=1)
    with pytest.raises(GifdescError, match=r"\(.*/out.jsonl.chunks.missing lists all\)"):
        list(captioner.caption_many(gif_paths, SHORT))
    listed = (tmp_path / "out.jsonl.chunks.missing").read_text().splitlines()
    assert listed == [str(path) for path in gif_paths[1:]]
    list(on_engine(model_dir, folder, chunk_size=1).caption_many(gif_paths[:1], SHORT))
    assert list(tmp_path.iterdir()) == []


def test_an_engine_that_stops_taking_inputs_is_an_error(model_dir, gif_paths, tmp_path):
    class StoppingEngine(InProcessEngine):
        def map(self, work, chunks, folder):
            yield from super().map(work, itertools.islice(chunks, 2), folder)

    captioner = on_engine(model_dir, tmp_path / "chunks", StoppingEngine(), chunk_size=1)
    with pytest.raises(GifdescError, match=r"stopped before .*3.gif and processed none of the"):
        list(captioner.caption_many(gif_paths, SHORT))


def test_a_result_file_with_too_few_results_is_named(model_dir, gif_paths, tmp_path):
    class Shortening(InProcessEngine):
        def map(self, work, chunks, folder):
            for chunk in super().map(work, chunks, folder):
                ChunkResults(folder).write(chunk.id, [])
                yield chunk

    captioner = on_engine(model_dir, tmp_path / "chunks", Shortening(), chunk_size=10**9)
    with pytest.raises(GifdescError, match=r"has 0 results of 16 GIFs"):
        list(captioner.caption_many(gif_paths, SHORT))


def test_a_record_keeps_every_bit_of_a_caption():
    words = (Word("ä", -1 / 3, (0.1, 2 / 3), 40), Word("b", -0.0, None))
    best = GeneratedCaption("ä b", -1e-17, words, is_cut=True, tokens=(5, 6))
    caption = Caption(
        "\udcff.gif",
        caption="ä b",
        score=-2 / 7,
        low_confidence=True,
        doubts=("it is cut",),
        alternatives=(best, best),
        num_frames=3,
        duration_ms=70,
        sampled_frames=(0, 2),
        sampled_times_ms=(0, 40),
        words=words,
        note="odd",
    )
    for one in (caption, Caption("a.gif", error="no")):
        assert from_record(to_record(one)) == one


def test_a_record_survives_its_file(tmp_path):
    caption = Caption("\udcff\u2028.gif", caption="x", score=float("-inf"))
    results = ChunkResults(tmp_path)
    results.write("c", [to_record(caption)])
    assert list(map(from_record, results.read("c"))) == [caption]


def test_a_resumed_run_tries_failed_gifs_again_and_captions_replaced_ones(model_dir, tmp_path):
    paths = [draw_gif(tmp_path / f"{n}.gif", n) for n in range(1, 4)]
    broken = draw_broken_gif(tmp_path / "broken.gif")
    folder = tmp_path / "chunks"
    first = on_engine(model_dir, folder, CountingEngine(limit=4), chunk_size=1, resume=True)
    with pytest.raises(KeyboardInterrupt):
        list(first.caption_many([*paths, broken], SHORT))
    draw_gif(paths[0], 9)
    engine = CountingEngine()
    again = on_engine(model_dir, folder, engine, chunk_size=1, resume=True)
    captions = list(again.caption_many([*paths, broken], SHORT))
    assert engine.num_found == 2
    assert [caption.num_frames for caption in captions[:3]] == [9, 2, 3]
