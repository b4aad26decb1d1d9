"""`gifdesc caption`: GIFs to captions."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from itertools import chain, filterfalse
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gifdesc.cli.console import (
    EXIT_FAILED,
    counted,
    exit_on_error,
    info,
    is_terminal,
    print_error,
    stderr,
    warn,
)
from gifdesc.cli.options import (
    Debug,
    Device,
    Json,
    ModelName,
    Null,
    Paths,
    Prompt,
    Revision,
    Seed,
    check_null,
    stdin_bytes,
    user_name,
    user_path,
    warn_of_passed_over,
)
from gifdesc.config import CAPTION_FORMAT_BY_SUFFIX, CaptionFormat, DecodingConfig
from gifdesc.system.device_name import check_device_name
from gifdesc.system.process import drop_standard_output
from gifdesc.system.waits import wait_for
from gifdesc.text.english import DEFAULT_CHARACTERS, to_alt_text

if TYPE_CHECKING:
    from gifdesc.captioning.captioner import GifCaptioner
    from gifdesc.pages.explanation import Explained


def caption(
    paths: Paths,
    null: Null = False,
    model: ModelName = "model",
    prompt: Prompt = None,
    revision: Revision = None,
    format_name: Annotated[
        CaptionFormat | None,
        typer.Option(
            "--format",
            help="Form of the output.  [default: by the ending of FILE (.json, .jsonl, .tsv, "
            ".csv), else text]",
        ),
    ] = None,
    json: Json = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            parser=user_path,
            metavar="FILE",
            help="Write there instead of to stdout.",
        ),
    ] = None,
    skip_done: Annotated[
        bool,
        typer.Option("--skip-done", help="Go on with --output FILE: skip the GIFs in it."),
    ] = False,
    write_sidecar: Annotated[
        bool,
        typer.Option("--write-sidecar", help="Write each caption to a .txt beside its GIF, too."),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite sidecars and FILE that are there.")
    ] = False,
    explain: Annotated[
        Path | None,
        typer.Option(
            "--explain",
            parser=user_path,
            metavar="FILE",
            help="Draw which frames every word attended to: a page (.html) or a picture (.png).",
        ),
    ] = None,
    alt_text: Annotated[
        bool,
        typer.Option(
            "--alt-text", help="Write captions as alternative text: one sentence, cut at a word."
        ),
    ] = False,
    alt_text_length: Annotated[
        int,
        typer.Option(
            "--alt-text-length", min=1, help="The most characters of an alternative text."
        ),
    ] = DEFAULT_CHARACTERS,
    beam: Annotated[
        int | None,
        typer.Option(
            "--beam",
            min=1,
            help="Beams kept while searching; 1 is greedy.  [default: 5, of a vision-language "
            "model 1]",
        ),
    ] = None,
    length_penalty: Annotated[
        float,
        typer.Option("--length-penalty", help="Above 1 favours long captions, below short ones."),
    ] = 1.0,
    num_captions: Annotated[
        int, typer.Option("--num-captions", min=1, help="Alternatives in the JSON (n-best).")
    ] = 1,
    max_length: Annotated[
        int | None,
        typer.Option(
            "--max-length",
            min=1,
            help="Tokens after which a caption is cut.  [default: half as many again as the "
            "longest training caption has; of a vision-language model 64]",
        ),
    ] = None,
    no_repeat_ngram: Annotated[
        int,
        typer.Option(
            "--no-repeat-ngram",
            metavar="N",
            min=0,
            help="Repeat no N tokens in a row; 0 allows it.",
        ),
    ] = 0,
    sample: Annotated[
        bool, typer.Option("--sample", help="Draw captions at random instead of searching.")
    ] = False,
    temperature: Annotated[
        float,
        typer.Option("--temperature", min=0.0, help="Of --sample: below 1 surer, above 1 wilder."),
    ] = 1.0,
    top_p: Annotated[
        float,
        typer.Option(
            "--top-p", min=0.0, max=1.0, help="Of --sample: share of probability drawn from."
        ),
    ] = 1.0,
    seed: Seed = 0,
    weights: Annotated[
        str | None,
        typer.Option(
            "--weights",
            parser=user_name,
            metavar="FILE",
            help="The backbone's weights, if the model's features were made from a file.",
        ),
    ] = None,
    device: Device = "auto",
    debug: Debug = False,
) -> None:
    """Write a caption for every GIF, in input order, each as soon as it is there."""
    chosen = format_name or "text"
    if json:
        chosen = "json"
    elif format_name is None and output is not None:
        chosen = CAPTION_FORMAT_BY_SUFFIX.get(output.suffix.lower(), "text")
    with exit_on_error(debug=debug, json=chosen == "json"):
        if json and format_name not in (None, "json"):
            raise typer.BadParameter("--json is --format json; give one of the two")
        if skip_done and output is None:
            raise typer.BadParameter("--skip-done continues a file: give --output FILE")
        check_null(paths, null=null)
        if not alt_text and alt_text_length != DEFAULT_CHARACTERS:
            raise typer.BadParameter("--alt-text-length is for --alt-text: give both")
        for number in filter(str.isdecimal, paths if alt_text else ()):
            if not Path(number).exists():  # a number was once the value of --alt-text
                raise typer.BadParameter(
                    f"{number}: no such file or folder; for the length of alternative texts, give "
                    f"--alt-text-length {number}"
                )
        if not sample and (temperature != 1.0 or top_p != 1.0):
            raise typer.BadParameter("--temperature and --top-p are for --sample")

        def decoding(defaults: DecodingConfig) -> DecodingConfig:
            return DecodingConfig(
                num_beams=beam or max(defaults.num_beams, num_captions),
                num_captions=num_captions,
                length_penalty=length_penalty,
                max_tokens=max_length or defaults.max_tokens,
                no_repeat_ngram=no_repeat_ngram,
                sample=sample,
                temperature=temperature,
                top_p=top_p,
                seed=seed,
            )

        try:
            decoding(DecodingConfig())
        except ValueError as error:
            raise typer.BadParameter(str(error).replace("_", "-")) from None
        explained = None
        if explain is not None:
            from gifdesc.pages.explanation import Explained

            explained = Explained(explain)
        with wait_for("starting"):
            from gifdesc.captioning.inputs import caption_inputs, may_be_many
            from gifdesc.captioning.output import CaptionFile, StdoutSink
            from gifdesc.data.gifs import PassedOver

        check_device_name(device)

        passed_over = PassedOver()
        inputs = caption_inputs(
            paths, stdin_bytes(), is_null_separated=null, passed_over=passed_over
        )
        # What is wrong with the arguments is reported before the model is loaded.
        first_input = next(inputs, None)
        inputs = iter(()) if first_input is None else chain([first_input], inputs)
        file = None
        if output is not None:
            file = CaptionFile(output, chosen, skip_done=skip_done, overwrite=force)
        with file or StdoutSink(chosen) as sink:
            if file is not None:
                inputs = filterfalse(lambda one: file.take_done(one.name), inputs)
            num_captioned = num_failed = 0
            if (first := next(inputs, None)) is not None:
                captioner = _load(model, device, weights, prompt, revision)
                from gifdesc.captioning.run import CaptionRun, Sidecars

                run = CaptionRun(
                    sink=sink,
                    format_name=chosen,
                    warn=warn,
                    report_error=print_error,
                    with_path=file is not None or may_be_many(paths),
                    shorten=partial(to_alt_text, max_characters=alt_text_length)
                    if alt_text
                    else None,
                    sidecars=Sidecars(overwrite=force) if write_sidecar else None,
                    explained=explained,
                )
                config = decoding(captioner.default_decoding)
                with ExitStack() as stack:  # stdout has a line for each input from here
                    stack.enter_context(exit_on_error(debug=debug))
                    if file is not None or not is_terminal():
                        from gifdesc.cli.progress import CaptionProgress

                        run.advance = stack.enter_context(CaptionProgress(stderr)).advance
                    try:
                        run.go(captioner, chain([first], inputs), config)
                    except BrokenPipeError:  # the reader (`head`, say) has what it wanted
                        drop_standard_output()
                num_captioned, num_failed = run.num_captioned, run.num_failed
        with exit_on_error(debug=debug):
            warn_of_passed_over(passed_over)
            if file is not None:
                before = f", {counted(file.num_done, 'line')} there before" if file.num_done else ""
                failed = f", {num_failed} failed" if num_failed else ""
                info(f"{counted(num_captioned, 'GIF')} captioned into {output}{failed}{before}")
            if explain is not None and explained is not None:
                _write_explanation(explained, explain)
        if num_failed:
            raise typer.Exit(EXIT_FAILED)


def _load(
    model: str, device: str, weights: str | None, prompt: str | None, revision: str | None
) -> GifCaptioner:
    """The captioner, and what a person must know of it."""
    from gifdesc.model.folder import check_model_name

    check_model_name(model)  # before imports that take seconds
    with wait_for("starting"):
        from gifdesc.captioning.captioner import load_captioner

    captioner = load_captioner(
        model, device=device, weights=weights, prompt=prompt, revision=revision
    )
    if captioner.commit is not None:
        info(f"{model}: commit {captioner.commit}")
    for sentence in captioner.warnings:
        warn(sentence)
    return captioner


def _write_explanation(explained: Explained, path: Path) -> None:
    from gifdesc.cli.progress import PageProgress

    if not explained.num_captions:
        warn(f"{path}: not written, for there is no caption to explain")
        return
    with PageProgress(stderr) as progress:
        sentences = explained.write(progress.advance)
    for sentence in sentences:
        warn(sentence)
    info(f"explained {counted(explained.num_shown, 'GIF')} -> {path}")
