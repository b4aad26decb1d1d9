import json
import os
from pathlib import Path

import pytest

from gif_files import draw_broken_gif, draw_gif
from gifdesc.captioning.describe import Origin, describe, description_name
from gifdesc.captions import Caption, GeneratedCaption
from gifdesc.config import DecodingConfig
from gifdesc.data.descriptions import read_descriptions
from gifdesc.data.feature_files import features_name
from gifdesc.data.gifs import GifInput, find_gifs
from gifdesc.data.names import gif_key
from gifdesc.errors import DescriptionError

ORIGIN = Origin("someone/model")


class Echo:
    """A captioner that reads some GIFs ahead; its captions are the names of the GIFs."""

    warnings = ()
    default_decoding = DecodingConfig(num_beams=2, num_captions=2)

    def __init__(self, ahead=3):
        self.ahead = ahead
        self.seen = []

    def caption(self, source, config=None):
        raise NotImplementedError

    def caption_many(self, sources, config=None):
        assert config is not None
        waiting = []
        for source in sources:
            self.seen.append(source.name)
            waiting.append(source)
            if len(waiting) == self.ahead:
                yield from map(self._say, waiting)
                waiting = []
        yield from map(self._say, waiting)

    def _say(self, path):
        if b"GIF" not in path.read_bytes()[:3]:
            return Caption(str(path), error="not a GIF")
        said = [f"this  is\n{path.stem}", f"some {path.stem}", f"some {path.stem}"]
        alternatives = tuple(GeneratedCaption(one, -1.0, ()) for one in said)
        return Caption(str(path), caption=said[0], alternatives=alternatives)


class EchoOfPipes(Echo):
    """Its captions are the same for all."""

    def _say(self, source):
        return Caption(source.name, caption="something")


@pytest.fixture
def gifs(tmp_path):
    for name in ("a", "b", "deep/c", "deep/d", "e"):
        draw_gif(tmp_path / "gifs" / f"{name}.gif", 2)
    return tmp_path / "gifs"


def run(paths, output_dir, captioner=None, origin=ORIGIN, **options):
    inputs = find_gifs([Path(one) for one in paths])
    return list(describe(inputs, output_dir, captioner or Echo(), origin, **options))


def texts(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for path in folder.rglob("*.txt")
    }


def test_every_gif_gets_a_file_beside_its_path(gifs, tmp_path):
    events = run([gifs], tmp_path / "out")
    assert [one.source for one in events] == [
        "a.gif", "b.gif", "deep/c.gif", "deep/d.gif", "e.gif",
    ]  # fmt: skip
    assert all(one.error is None and not one.is_skipped for one in events)
    assert texts(tmp_path / "out") == {
        f"{name}.txt": f"this is {Path(name).name}\nsome {Path(name).name}\n"
        for name in ("a", "b", "deep/c", "deep/d", "e")
    }
    found = read_descriptions(tmp_path / "out")
    assert found.problems == []
    assert found.captions["deep/c"] == ["this is c", "some c"]


def test_a_file_exists_when_its_event_is_yielded(gifs, tmp_path):
    events = describe(find_gifs([gifs]), tmp_path / "out", Echo(ahead=1), ORIGIN)
    next(events)
    assert set(texts(tmp_path / "out")) == {"a.txt"}
    events.close()
    again = run([gifs], tmp_path / "out")
    assert [one.is_skipped for one in again] == [True, False, False, False, False]


@pytest.mark.parametrize("ahead", [1, 2, 7])
def test_a_rerun_describes_missing_gifs_in_order(gifs, tmp_path, ahead):
    run([gifs], tmp_path / "out")
    (tmp_path / "out" / "b.txt").unlink()
    (tmp_path / "out" / "deep" / "d.txt").unlink()
    (tmp_path / "out" / "a.txt").write_text("people wrote this\n")
    draw_broken_gif(gifs / "bb.gif")
    captioner = Echo(ahead)
    events = run([gifs], tmp_path / "out", captioner)
    assert captioner.seen == ["b.gif", "bb.gif", "d.gif"]
    assert [(one.source, one.is_skipped, one.error) for one in events] == [
        ("a.gif", True, None),
        ("b.gif", False, None),
        ("bb.gif", False, "not a GIF"),
        ("deep/c.gif", True, None),
        ("deep/d.gif", False, None),
        ("e.gif", True, None),
    ]
    assert texts(tmp_path / "out")["a.txt"] == "people wrote this\n"
    assert "bb.txt" not in texts(tmp_path / "out")


def test_force_describes_all_again(gifs, tmp_path):
    run([gifs], tmp_path / "out")
    (tmp_path / "out" / "a.txt").write_text("old\n")
    events = run([gifs], tmp_path / "out", force=True)
    assert not any(one.is_skipped for one in events)
    assert texts(tmp_path / "out")["a.txt"] == "this is a\nsome a\n"


def test_inputs_without_a_file_keep_their_place(gifs, tmp_path):
    (tmp_path / "empty").mkdir()
    paths = [tmp_path / "missing.gif", gifs / "a.gif", tmp_path / "empty", gifs / "b.gif"]
    events = run(paths, tmp_path / "out")
    assert [one.path for one in events] == paths
    assert [one.error for one in events] == [
        "no such file or folder",
        None,
        "no GIF in this folder",
        None,
    ]


def test_a_gif_given_twice_is_described_once(gifs, tmp_path):
    captioner = Echo()
    for force in (False, True):
        captioner.seen.clear()
        twice = [*find_gifs([gifs / "a.gif"])] * 2
        events = list(describe(twice, tmp_path / "out", captioner, ORIGIN, force=force))
        assert captioner.seen == ["a.gif"]
        assert [one.is_skipped for one in events] == [False, True]


def test_two_gifs_never_share_a_description(gifs, tmp_path):
    (gifs / "a.GIF").write_bytes((gifs / "a.gif").read_bytes())
    events = run([gifs], tmp_path / "out")
    by_source = {one.source: one.error for one in events}
    if len(by_source) == 5:
        pytest.skip("this file system does not tell upper from lower case")
    assert by_source["a.GIF"] is None
    assert "would share its description file a.txt with a.GIF" in by_source["a.gif"]


def test_a_folder_records_its_model_and_refuses_another(gifs, tmp_path):
    config = DecodingConfig(num_beams=1, max_tokens=9)
    run([gifs / "a.gif"], tmp_path / "out", origin=Origin("one", "what?"), config=config)
    row = json.loads((tmp_path / "out" / "origin.json").read_text())
    assert (row["format_version"], row["model"], row["prompt"]) == (1, "one", "what?")
    assert row["decoding"]["max_tokens"] == 9
    for other, name in ((Origin("two", "what?"), "model"), (Origin("one"), "prompt")):
        with pytest.raises(DescriptionError, match=f"its descriptions have another {name}"):
            run([gifs], tmp_path / "out", origin=other)
    run([gifs], tmp_path / "out", origin=Origin("two"), force=True)
    assert json.loads((tmp_path / "out" / "origin.json").read_text())["model"] == "two"


def test_another_search_than_the_recorded_one_is_reported(gifs, tmp_path, caplog):
    out = tmp_path / "out"
    run([gifs / "a.gif"], out, config=DecodingConfig(num_beams=3))
    row = json.loads((out / "origin.json").read_text())
    del row["decoding"]["exact_search"]  # as an earlier version wrote it
    (out / "origin.json").write_text(json.dumps(row))
    run([gifs / "a.gif"], out, config=DecodingConfig(num_beams=3))
    assert caplog.messages == []
    other = DecodingConfig(num_beams=1)
    for paths in ([gifs / "a.gif"], [gifs / "a.gif", gifs / "b.gif"], [gifs / "a.gif"]):
        run(paths, out, config=other)
        assert json.loads((out / "origin.json").read_text()) == row
        assert caplog.messages == [
            f"{out}: its first descriptions are of another search (num_beams 3, not 1), and stay; "
            "redo all with --force"
        ]
        caplog.clear()
    run([gifs / "a.gif"], out, config=other, force=True)
    assert json.loads((out / "origin.json").read_text())["decoding"]["num_beams"] == 1
    assert caplog.messages == [
        f"{out}: keeps 1 description of an earlier model or search, or of people"
    ]


def test_the_weights_of_a_folder_decide_whether_a_model_is_the_same(gifs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, content in (("model", b"one"), ("copy", b"one"), ("other", b"two")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.safetensors").write_bytes(content)
    out = tmp_path / "out"
    run([gifs / "a.gif"], out, origin=Origin.of("model", None, None))
    for same in ("./model", tmp_path / "model", "copy"):
        run([gifs], out, origin=Origin.of(same, None, None))
    for other in ("model", "other"):
        (tmp_path / "model" / "model.safetensors").write_bytes(b"two")
        with pytest.raises(DescriptionError, match=r"have another (version|model)"):
            run([gifs], out, origin=Origin.of(other, None, None))


def test_what_a_forced_run_of_some_gifs_keeps_is_reported(gifs, tmp_path, caplog):
    out = tmp_path / "out"
    run([gifs], out)
    run([gifs / "a.gif"], out, force=True)
    assert not caplog.messages
    run([gifs / "a.gif"], out, origin=Origin("other"), force=True)
    [message] = caplog.messages
    assert message == f"{out}: keeps 4 descriptions of an earlier model or search, or of people"


def test_a_folder_that_cannot_be_written_is_reported_before_the_work(gifs, tmp_path):
    (tmp_path / "file").write_text("")
    captioner = Echo()
    for folder in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/none")):
        with pytest.raises(DescriptionError, match="cannot be written"):
            run([gifs], folder, captioner)
    assert captioner.seen == []


def test_a_folder_without_a_description_is_of_no_model(tmp_path):
    bad = draw_broken_gif(tmp_path / "bad.gif")
    run([bad, tmp_path / "gone.gif"], tmp_path / "out")
    assert not (tmp_path / "out").exists()
    good = draw_gif(tmp_path / "good.gif", 2)
    [event] = run([good], tmp_path / "out", origin=Origin("other"))
    assert event.error is None
    assert json.loads((tmp_path / "out" / "origin.json").read_text())["model"] == "other"


def test_another_gif_of_a_pipe_is_named(gifs, tmp_path, caplog):
    def piped(path):
        given = GifInput(path, "stdin", name="/dev/stdin", is_spooled=True)
        return list(describe([given], tmp_path / "out", EchoOfPipes(), ORIGIN))

    piped(gifs / "a.gif")
    piped(gifs / "a.gif")
    assert not caplog.messages
    draw_gif(gifs / "b.gif", 3)
    assert piped(gifs / "b.gif")[0].is_skipped
    [message] = caplog.messages
    assert message.startswith("/dev/stdin: changed since described")


def test_a_damaged_origin_is_a_one_sentence_error(gifs, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "origin.json").write_text("{")
    with pytest.raises(DescriptionError, match=r"origin\.json: damaged"):
        run([gifs], tmp_path / "out")


def test_a_folder_that_cannot_be_written_is_a_one_sentence_error(gifs, tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(DescriptionError, match="out: cannot be written: "):
        run([gifs], tmp_path / "out")


def test_a_full_disk_stops_the_run_and_keeps_finished_files(gifs, tmp_path, monkeypatch):
    from gifdesc.captioning import describe as describing

    write = describing.write_text

    def fail_at_c(path, text):
        if path.name == "c.txt":
            raise OSError(28, "No space left on device")
        write(path, text)

    monkeypatch.setattr(describing, "write_text", fail_at_c)
    with pytest.raises(DescriptionError, match="no space left on device; finished files are kept"):
        run([gifs], tmp_path / "out")
    assert set(texts(tmp_path / "out")) == {"a.txt", "b.txt"}


def test_a_name_that_is_too_long_fails_alone(gifs, tmp_path):
    source = "x" * 300 + ".gif"
    inputs = [GifInput(gifs / "a.gif", source), GifInput(gifs / "b.gif", "b.gif")]
    first, second = describe(inputs, tmp_path / "out", Echo(), ORIGIN)
    assert first.error.startswith("its description file cannot be written: ")
    assert second.error is None


@pytest.mark.parametrize(
    "source",
    ["a.gif", "cats/jump.gif", "A.GIF", "a.b.gif", "a.gif.gif", "gif_7.gif", "description_7.gif",
     "frame.webp", "a.npy.gif", "no suffix", "deep/.gif", "x.txt", "a.gif.npy.gif"],
)  # fmt: skip
def test_the_reader_finds_a_description_by_the_features_name(tmp_path, source):
    path = tmp_path / description_name(source)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("words\n")
    [key] = read_descriptions(tmp_path).captions
    assert key == gif_key(features_name(source))


def test_two_folders_are_described_one_after_the_other(tmp_path):
    for folder in ("cats", "dogs"):
        draw_gif(tmp_path / folder / "1.gif", 2)
    first = run([tmp_path / "cats"], tmp_path / "out")
    second = run([tmp_path / "dogs"], tmp_path / "out")
    assert [event.source for event in first + second] == ["1.gif", "dogs/1.gif"]
    assert set(texts(tmp_path / "out")) == {"1.txt", "dogs/1.txt"}
    again = run([tmp_path / "dogs"], tmp_path / "out") + run([tmp_path / "cats"], tmp_path / "out")
    assert all(event.is_skipped for event in again)
    assert [event.source for event in again] == ["dogs/1.gif", "1.gif"]


def test_a_gif_that_changed_since_it_was_described_is_named(gifs, tmp_path, caplog):
    run([gifs], tmp_path / "out")
    before = texts(tmp_path / "out")
    run([gifs, gifs], tmp_path / "out")
    assert not caplog.messages
    draw_gif(gifs / "b.gif", 3)
    events = run([gifs, gifs], tmp_path / "out")
    assert all(event.is_skipped for event in events)
    assert texts(tmp_path / "out") == before
    [message] = caplog.messages
    assert message == (
        f"{gifs / 'b.gif'}: changed since described; to describe it again, give it alone with "
        "--force"
    )
    run([gifs / "b.gif"], tmp_path / "out", force=True)
    caplog.clear()
    run([gifs], tmp_path / "out")
    assert not caplog.messages


def test_gifs_that_an_earlier_version_described_are_taken_for_the_same(gifs, tmp_path, caplog):
    run([gifs], tmp_path / "out")
    path = tmp_path / "out" / ".gifs.origins"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    lines = [json.dumps({"source": row["source"], "origin": row["origin"]}) for row in rows]
    with path.open("a") as file:  # an earlier version ran last
        file.write("\n".join(lines))
    draw_gif(gifs / "b.gif", 3)
    assert all(event.is_skipped for event in run([gifs], tmp_path / "out"))
    assert not caplog.messages


def test_a_gif_that_changes_or_disappears_while_it_is_described(gifs, tmp_path, caplog):
    class Slow(Echo):
        def caption_many(self, sources, config=None):
            for caption in super().caption_many(sources, config):
                if caption.path == str(gifs / "a.gif"):
                    (gifs / "a.gif").unlink()
                    draw_gif(gifs / "b.gif", 3)
                yield caption

    events = run([gifs], tmp_path / "out", Slow())
    assert [event.error for event in events] == [None] * 5
    run([gifs], tmp_path / "out")
    [message] = caplog.messages
    assert message.startswith(f"{gifs / 'b.gif'}: changed since described")


def test_a_gif_that_was_touched_is_the_same(gifs, tmp_path, caplog):
    run([gifs], tmp_path / "out")
    os.utime(gifs / "b.gif", ns=(0, 0))
    run([gifs], tmp_path / "out")
    assert not caplog.messages


def test_half_a_line_of_origins_is_skipped(tmp_path):
    draw_gif(tmp_path / "cats" / "1.gif", 2)
    draw_gif(tmp_path / "dogs" / "1.gif", 2)
    run([tmp_path / "cats"], tmp_path / "out")
    path = tmp_path / "out" / ".gifs.origins"
    path.write_bytes(path.read_bytes() + b'{"source": "x.gif", "ori')
    run([tmp_path / "dogs"], tmp_path / "out")
    assert set(texts(tmp_path / "out")) == {"1.txt", "dogs/1.txt"}
    assert run([tmp_path / "dogs"], tmp_path / "out")[0].is_skipped
