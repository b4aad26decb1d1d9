"""`gifdesc describe`: GIFs to description files, written by a captioning model."""

from __future__ import annotations

import shlex
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from gifdesc.cli.console import (
    EXIT_FAILED,
    exit_on_error,
    info,
    print_error,
    print_json,
    stderr,
    suggest,
    warn,
)
from gifdesc.cli.given import warn_of_passed_over, warn_of_unused_chunk_size
from gifdesc.cli.help import DECODING, OUTPUT
from gifdesc.cli.loading import choose_engine, load_captioner_on
from gifdesc.cli.options import (
    ChunkSize,
    Debug,
    Device,
    Endings,
    Engine,
    Json,
    ModelName,
    Null,
    NumBeams,
    NumWorkers,
    Paths,
    Prompt,
    Quiet,
    RayAddress,
    Revision,
    Verbose,
    read_paths,
    user_path,
)
from gifdesc.data.arguments import is_stream
from gifdesc.model.public_models import full_name
from gifdesc.system.device_name import check_device_name


def describe(
    context: typer.Context,
    paths: Paths,
    model: ModelName,
    ext: Endings = None,
    null: Null = False,
    prompt: Prompt = None,
    revision: Revision = None,
    beam: NumBeams = 1,
    num_captions: Annotated[
        int,
        typer.Option(
            "--num-captions",
            min=1,
            help="Descriptions of each GIF (n-best).",
            rich_help_panel=DECODING,
        ),
    ] = 1,
    max_length: Annotated[
        int,
        typer.Option(
            "--max-length", min=1, help="Most tokens of a caption.", rich_help_panel=DECODING
        ),
    ] = 64,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            parser=user_path,
            metavar="DIR",
            help="Folder of description files.",
            rich_help_panel=OUTPUT,
        ),
    ] = Path("descriptions"),
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Describe all GIFs again, also finished ones.", rich_help_panel=OUTPUT
        ),
    ] = False,
    json: Json = False,
    engine: Engine = "local",
    ray_address: RayAddress = None,
    num_workers: NumWorkers = None,
    chunk_size: ChunkSize = None,
    device: Device = "auto",
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Write a description file for every GIF, to train on. A rerun skips finished GIFs."""
    with exit_on_error(debug=debug, quiet=quiet, verbose=verbose, json=json):
        if num_captions > beam:
            raise typer.BadParameter("--num-captions cannot exceed --beam")
        from gifdesc.captioning.results import DescribingSummary
        from gifdesc.data.gifs import PassedOver, find_gifs, searched_suffixes

        on_engine = choose_engine(context, engine, ray_address, num_workers)
        warn_of_unused_chunk_size(context, engine)
        suffixes = searched_suffixes(ext or ())
        passed_over = PassedOver()
        check_device_name(device)
        arguments = read_paths(paths, null=null)
        inputs = list(find_gifs(arguments, passed_over, suffixes))
        warn_of_passed_over(context, passed_over)
        summary = DescribingSummary()
        if inputs:
            captioner = load_captioner_on(
                on_engine,
                partial(on_engine.folder_in, output),
                model,
                device=device,
                prompt=prompt,
                revision=revision,
                chunk_size=chunk_size,
                resume=not force,
            )
            from gifdesc.captioning.describe import Origin
            from gifdesc.captioning.describe import describe as run
            from gifdesc.cli.progress import DescribingProgress
            from gifdesc.config import DecodingConfig

            config = DecodingConfig(
                num_beams=beam, num_captions=num_captions, max_tokens=max_length
            )
            origin = Origin.of(full_name(model), prompt, captioner.commit)
            with DescribingProgress(stderr, len(inputs), summary) as progress:
                for event in run(inputs, output, captioner, origin, config, force=force):
                    summary.add(event)
                    if event.error is not None:
                        print_error(f"{event.name}: {event.error}")
                    elif event.caption is not None and event.caption.note is not None:
                        warn(f"{event.name}: {event.caption.note}")
                    if event.caption is not None and event.caption.doubts:
                        doubts = " and ".join(event.caption.doubts)
                        warn(f"{event.name}: low confidence: {doubts}")
                    progress.advance()
        if (sentence := on_engine.unused_chunks(on_engine.folder_in(output))) is not None:
            warn(sentence)
        counts = summary.counts
        info(
            f"{counts['ok']} described, {counts['skipped']} done before, "
            f"{counts['failed']} failed -> {output}"
        )
        if counts["ok"] + counts["skipped"] and not any(map(is_stream, paths)):
            train = f" && gifdesc train --descriptions {shlex.quote(str(output))}"
            is_default = output == Path("descriptions")
            suggest(f"gifdesc extract {shlex.join(paths)}{'' if is_default else train}")
        if json:
            print_json(summary.to_json(output))
        if counts["failed"]:
            raise typer.Exit(EXIT_FAILED)
