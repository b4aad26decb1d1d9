"""`gifdesc caption`: GIFs to captions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gifdesc.cli.caption_options import (
    check_alt_text_paths,
    choose_format,
    decoding_options,
    fields_of,
)
from gifdesc.cli.caption_pages import CaptionPages
from gifdesc.cli.console import (
    EXIT_FAILED,
    exit_on_error,
    info,
    is_terminal,
    print_error,
    stderr,
    warn,
)
from gifdesc.cli.given import refuse, warn_of_passed_over, warn_of_unused, warn_of_unused_chunk_size
from gifdesc.cli.help import DECODING, OUTPUT
from gifdesc.cli.loading import choose_engine, load_captioner_on
from gifdesc.cli.options import (
    AltTextLength,
    ChunkSize,
    Debug,
    Device,
    Endings,
    Engine,
    Json,
    ModelName,
    Null,
    NumWorkers,
    Paths,
    Prompt,
    Quiet,
    RayAddress,
    Revision,
    Seed,
    Verbose,
    WeightsFile,
    check_null,
    stdin_bytes,
    user_path,
)
from gifdesc.config import CaptionFormat
from gifdesc.system.device_name import check_device_name
from gifdesc.system.iteration import non_empty
from gifdesc.system.process import drop_standard_output
from gifdesc.system.waits import wait_for
from gifdesc.system.wording import counted
from gifdesc.text.english import DEFAULT_CHARACTERS, to_alt_text

if TYPE_CHECKING:
    from gifdesc.captioning.run import CaptionRun


def caption(
    context: typer.Context,
    paths: Paths,
    ext: Endings = None,
    null: Null = False,
    model: ModelName = "model",
    prompt: Prompt = None,
    revision: Revision = None,
    weights: WeightsFile = None,
    beam: Annotated[
        int | None,
        typer.Option(
            "--beam",
            min=1,
            help="Captions kept at every token of the search; 1 is greedy search.",
            show_default="5; 1 for a vision-language model",
            rich_help_panel=DECODING,
        ),
    ] = None,
    length_penalty: Annotated[
        float,
        typer.Option(
            "--length-penalty",
            help="Above 1 favours long captions, below 1 short captions.",
            rich_help_panel=DECODING,
        ),
    ] = 1.0,
    num_captions: Annotated[
        int,
        typer.Option(
            "--num-captions",
            min=1,
            help="Alternative captions (n-best), below each other or in the JSON.",
            rich_help_panel=DECODING,
        ),
    ] = 1,
    max_length: Annotated[
        int | None,
        typer.Option(
            "--max-length",
            min=1,
            help="Most tokens of a caption.",
            show_default="1.5 times the longest training caption; 64 for a vision-language model",
            rich_help_panel=DECODING,
        ),
    ] = None,
    no_repeat_ngram: Annotated[
        int,
        typer.Option(
            "--no-repeat-ngram",
            metavar="N",
            min=0,
            help="Never repeat N tokens in a row (0: off).",
            rich_help_panel=DECODING,
        ),
    ] = 0,
    sample: Annotated[
        bool,
        typer.Option(
            "--sample",
            help="Draw captions at random instead of searching.",
            rich_help_panel=DECODING,
        ),
    ] = False,
    temperature: Annotated[
        float,
        typer.Option(
            "--temperature",
            min=0.0,
            help="Sampling temperature: below 1 is safer, above 1 more varied.",
            rich_help_panel=DECODING,
        ),
    ] = 1.0,
    top_p: Annotated[
        float,
        typer.Option(
            "--top-p",
            min=0.0,
            max=1.0,
            help="Sample from the likeliest tokens that together have this probability.",
            rich_help_panel=DECODING,
        ),
    ] = 1.0,
    format_name: Annotated[
        CaptionFormat | None,
        typer.Option(
            "--format",
            help="Format of the captions.",
            show_default="by the suffix of FILE (.json, .jsonl, .tsv, .csv), else text",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    json: Json = False,
    fields: Annotated[
        str | None,
        typer.Option(
            "--fields",
            metavar="NAMES",
            help="What a line of json, csv or tsv contains, such as path,caption,score.",
            show_default="all but the weights per word; for csv and tsv less",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    weights_per_word: Annotated[
        bool,
        typer.Option(
            "--weights-per-word",
            help="Also write how much each word attended to each frame, into JSON.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            parser=user_path,
            metavar="FILE",
            help="Write captions to FILE instead of stdout.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    skip_done: Annotated[
        bool,
        typer.Option(
            "--skip-done",
            help="Continue --output FILE: skip the GIFs that it contains.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    write_sidecar: Annotated[
        bool,
        typer.Option(
            "--write-sidecar",
            help="Also write each caption to a .txt file beside its GIF.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Overwrite FILE and .txt files that exist.", rich_help_panel=OUTPUT
        ),
    ] = False,
    explain: Annotated[
        Path | None,
        typer.Option(
            "--explain",
            parser=user_path,
            metavar="FILE",
            help="Show which frames each word attended to, as a page (.html) or a picture (.png).",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            "--html",
            parser=user_path,
            metavar="FILE",
            help="Also write a page (.html) of the captions beside their moving GIFs.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    alt_text: Annotated[
        bool,
        typer.Option(
            "--alt-text",
            help="Write captions as alternative text: one sentence, cut at a word.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    alt_text_length: AltTextLength = DEFAULT_CHARACTERS,
    engine: Engine = "local",
    ray_address: RayAddress = None,
    num_workers: NumWorkers = None,
    chunk_size: ChunkSize = None,
    device: Device = "auto",
    seed: Seed = 0,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Write a caption for every GIF, in input order, as soon as it is ready."""
    chosen = choose_format(format_name, output, json=json)
    is_json_on_stdout = json or (chosen == "json" and output is None)
    with exit_on_error(debug=debug, quiet=quiet, verbose=verbose, json=is_json_on_stdout) as errors:
        if json and format_name != "json":
            refuse(context, ("format_name",), "--json is --format json; give one of the two")
        if output is None:
            refuse(context, ("skip_done",), "--skip-done continues a file: give --output FILE")
            skip_done = False
        check_null(paths, null=null)
        if chosen != "json" or fields is not None:
            sentence = "--weights-per-word is for --json without --fields"
            refuse(context, ("weights_per_word",), sentence)
            weights_per_word = False
        if alt_text:
            check_alt_text_paths(paths)
        elif html is None and alt_text_length != DEFAULT_CHARACTERS:
            sentence = "--alt-text-length is for --alt-text: give both"
            refuse(context, ("alt_text_length",), sentence)
        with wait_for("starting"):
            from gifdesc.captioning.inputs import caption_inputs, may_be_many
            from gifdesc.captioning.lines import CaptionLines
            from gifdesc.captioning.output import open_sink
            from gifdesc.captioning.run import CaptionRun
            from gifdesc.captioning.sidecars import Sidecars
            from gifdesc.data.gifs import PassedOver, searched_suffixes
        on_engine = choose_engine(context, engine, ray_address, num_workers)
        decoding = decoding_options(
            context,
            beam=beam,
            num_captions=num_captions,
            length_penalty=length_penalty,
            max_length=max_length,
            no_repeat_ngram=no_repeat_ngram,
            sample=sample,
            temperature=temperature,
            top_p=top_p,
            seed=seed,
        )
        pages = CaptionPages(
            explain=explain,
            html=html,
            output=output,
            skip_done=skip_done,
            alt_text_length=alt_text_length,
        )
        check_device_name(device)
        warn_of_unused_chunk_size(context, engine)
        if output is None and not write_sidecar:
            warn_of_unused(context, ("force",), "without --output or --write-sidecar")
        elif skip_done and not write_sidecar:
            warn_of_unused(context, ("force",), "with --skip-done")
        if not sample:
            warn_of_unused(context, ("seed",), "without --sample")
        lines = CaptionLines(
            chosen,
            fields=fields_of(context, fields, chosen, skip_done=skip_done, alt_text=alt_text),
            shorten=partial(to_alt_text, max_characters=alt_text_length) if alt_text else None,
            with_path=output is not None or may_be_many(paths),
            with_weights=weights_per_word,
        )
        passed_over = PassedOver()
        # Wrong arguments are reported before a file is begun and a model is loaded.
        inputs = non_empty(
            caption_inputs(
                paths,
                stdin_bytes(),
                is_null_separated=null,
                passed_over=passed_over,
                suffixes=searched_suffixes(ext or ()),
            )
        )
        with open_sink(output, lines, skip_done=skip_done, overwrite=force) as sink:
            run = CaptionRun(
                sink=sink,
                lines=lines,
                warn=warn,
                report_error=print_error,
                sidecars=Sidecars(overwrite=force) if write_sidecar else None,
                collectors=pages.collectors,
            )
            captioner = None
            inputs = non_empty(sink.undone(inputs or iter(())))
            if inputs is not None:
                captioner = load_captioner_on(
                    on_engine,
                    partial(on_engine.folder_beside, output),
                    model,
                    device=device,
                    weights=weights,
                    prompt=prompt,
                    revision=revision,
                    chunk_size=chunk_size,
                    resume=skip_done,
                )
                errors.json = False  # from here on, stdout has a line for each input
                with _progress_of(run, is_shown=output is not None or not is_terminal()):
                    try:
                        run.run(captioner, inputs, decoding.complete(captioner.default_decoding))
                    except BrokenPipeError:  # the reader (such as `head`) has closed the pipe
                        drop_standard_output()
                        pages.is_cut_off = True
        errors.json = False
        warn_of_passed_over(context, passed_over)
        if output is not None:
            chunks_dir = on_engine.folder_beside(output)
            if (left := on_engine.unused_chunks(chunks_dir)) is not None:
                warn(left)
        if captioner is None and not sink.num_done:
            info("no GIFs: the list on stdin is empty")
        elif output is not None:
            info(_summary(run, output, sink.num_done))
        pages.write(model, captioner, sink.num_done)
        if run.num_failed:
            raise typer.Exit(EXIT_FAILED)


@contextmanager
def _progress_of(run: CaptionRun, *, is_shown: bool) -> Iterator[None]:
    """Show the run's progress, unless its captions on the terminal show it."""
    if not is_shown:
        yield
        return
    from gifdesc.cli.progress import CaptionProgress

    with CaptionProgress(stderr) as progress:
        run.advance = progress.advance
        yield


def _summary(run: CaptionRun, output: Path, num_done: int) -> str:
    before = f", {counted(num_done, 'line')} there before" if num_done else ""
    failed = f", {run.num_failed} failed" if run.num_failed else ""
    return f"{counted(run.num_captioned, 'GIF')} captioned into {output}{failed}{before}"
