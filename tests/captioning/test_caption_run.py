import pytest

from gif_files import draw_gif
from gifdesc.captioning.lines import CaptionLines
from gifdesc.captioning.output import CaptionFile
from gifdesc.captioning.run import CaptionRun
from gifdesc.captioning.sidecars import Sidecars
from gifdesc.captions import Caption
from gifdesc.config import DecodingConfig
from gifdesc.errors import GifdescError
from gifdesc.gif.sources import CaptionInput


class Parrot:
    """Captions every input with its name, and fails where the input has failed."""

    def caption_many(self, inputs, config):
        assert isinstance(config, DecodingConfig)
        for one in inputs:
            if one.error is not None:
                yield Caption(one.name, error=one.error)
            else:
                yield Caption(one.name, caption=f"this is {one.name}", note="odd")


def run_of(sink, shorten=None, **options):
    said = []
    run = CaptionRun(
        sink=sink,
        lines=CaptionLines("tsv", shorten=shorten),
        warn=said.append,
        report_error=said.append,
        **options,
    )
    return run, said


def go(run, *inputs):
    run.run(Parrot(), iter(inputs), DecodingConfig())


def test_each_input_has_a_line_and_failures_are_counted_and_reported(tmp_path):
    with CaptionFile(tmp_path / "out", CaptionLines("tsv")) as sink:
        run, said = run_of(sink)
        go(run, CaptionInput("a"), CaptionInput("b", error="gone"), CaptionInput("c"))
    assert (tmp_path / "out").read_text() == "a\tthis is a\nb\t\nc\tthis is c\n"
    assert said == ["a: odd", "b: gone", "c: odd"]
    assert (run.num_captioned, run.num_failed) == (2, 1)


def test_shortened_captions_are_written_to_sidecars_and_failures_are_counted(tmp_path):
    good, bad = draw_gif(tmp_path / "good.gif", 2), draw_gif(tmp_path / "bad.gif", 2)
    (tmp_path / "bad.txt").mkdir()
    with CaptionFile(tmp_path / "out", CaptionLines("tsv")) as sink:
        run, said = run_of(sink, str.upper, sidecars=Sidecars(overwrite=True))
        go(run, CaptionInput(str(good)), CaptionInput(str(bad)))
    assert (tmp_path / "good.txt").read_text() == f"this is {good}\n".upper()
    assert (run.num_captioned, run.num_failed) == (2, 1)
    assert any(one.startswith(f"{tmp_path / 'bad.txt'}: cannot be written") for one in said)


@pytest.mark.parametrize(
    ("format_name", "is_reported"), [("tsv", True), ("text", True), ("json", False), ("csv", False)]
)
def test_a_doubtful_caption_is_reported_where_lines_have_no_field(
    tmp_path, format_name, is_reported
):
    class Doubtful(Parrot):
        def caption_many(self, inputs, config):  # noqa: ARG002
            for one in inputs:
                yield Caption(one.name, caption="cat cat", low_confidence=True, doubts=("x", "y"))

    with CaptionFile(tmp_path / "out", CaptionLines(format_name)) as sink:
        said = []
        run = CaptionRun(
            sink=sink, lines=CaptionLines(format_name), warn=said.append, report_error=pytest.fail
        )
        run.run(Doubtful(), iter([CaptionInput("a")]), DecodingConfig())
    assert said == (["a: low confidence: x and y"] if is_reported else [])


def test_lines_written_before_an_error_are_kept(tmp_path):
    def inputs():
        yield CaptionInput("a")
        raise GifdescError("no more")

    with CaptionFile(tmp_path / "out", CaptionLines("tsv")) as sink:
        run, _ = run_of(sink)
        with pytest.raises(GifdescError, match="no more"):
            run.run(Parrot(), inputs(), DecodingConfig())
    assert (tmp_path / "out").read_text() == "a\tthis is a\n"
    assert run.num_captioned == 1


@pytest.mark.parametrize("name", ["/dev/stdin", "/dev/fd/3", "/proc/self/fd/0"])
def test_a_stream_has_no_sidecar(tmp_path, monkeypatch, name):
    """After `caption /dev/stdin < x.gif` the stream's name is that of a file."""
    monkeypatch.setattr("gifdesc.captioning.sidecars.Path.is_file", lambda _: True)
    written = []
    monkeypatch.setattr(
        "gifdesc.captioning.sidecars.write_text", lambda path, _: written.append(path)
    )
    with CaptionFile(tmp_path / "out", CaptionLines("tsv")) as sink:
        run, said = run_of(sink, sidecars=Sidecars(overwrite=True))
        go(run, CaptionInput(name), CaptionInput(name), CaptionInput("x.gif"))
    assert [str(path) for path in written] == ["x.txt"]
    assert sum("no .txt file was written beside it" in one for one in said) == 1
    assert run.num_failed == 0


def test_a_closed_pipe_ends_the_threads_of_the_run(tmp_path):
    ended = []

    class Endless(Parrot):
        def caption_many(self, inputs, config):
            try:
                yield from super().caption_many(inputs, config)
            finally:
                ended.append(True)

    class Gone(CaptionFile):
        def write(self, _line):
            raise BrokenPipeError

    with Gone(tmp_path / "out", CaptionLines("tsv")) as sink:
        run, _ = run_of(sink)
        failed = pytest.raises(BrokenPipeError)
        with failed as caught:
            run.run(Endless(), iter([CaptionInput("a"), CaptionInput("b")]), DecodingConfig())
        assert ended, "though the error still holds the frames that began it"
        assert caught.value.__traceback__ is not None
