"""`gifdesc extract`: GIFs to feature files."""

from __future__ import annotations

from itertools import dropwhile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gifdesc.cli.console import (
    EXIT_FAILED,
    counted,
    exit_on_error,
    info,
    list_some,
    print_error,
    print_json,
    stderr,
    warn,
)
from gifdesc.cli.options import (
    Debug,
    Device,
    Json,
    Null,
    Paths,
    read_paths,
    user_name,
    user_path,
    warn_of_passed_over,
)
from gifdesc.config import Framing, Precision, Sampling
from gifdesc.system.device_name import check_device_name
from gifdesc.system.iteration import non_empty
from gifdesc.system.waits import wait_for

if TYPE_CHECKING:
    from gifdesc.data.gifs import GifInput


def extract(
    paths: Paths,
    null: Null = False,
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", parser=user_path, metavar="DIR", help="Folder of feature files."
        ),
    ] = Path("features"),
    weights: Annotated[
        str,
        typer.Option(
            "--weights",
            parser=user_name,
            metavar="WEIGHTS",
            help="imagenet1k-v1, imagenet1k-v2, random (untrained), or a state dict: "
            ".safetensors or .pth.",
        ),
    ] = "imagenet1k-v1",
    sampling: Annotated[
        Sampling,
        typer.Option("--sampling", help="Which frames: spread evenly, by a step, or by time."),
    ] = "uniform",
    num_frames: Annotated[
        int, typer.Option("--num-frames", min=1, help="The most frames sampled from a GIF.")
    ] = 16,
    framing: Annotated[
        Framing,
        typer.Option(
            "--framing",
            help="How a frame fills the network's square: resized whole, letterboxed, or its "
            "central square.",
        ),
    ] = "whole",
    positional_encoding: Annotated[
        bool, typer.Option(help="Add the sine/cosine encoding of each frame's position.")
    ] = True,
    force: Annotated[bool, typer.Option("--force", help="Redo what is done.")] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Redo files that failed and have not changed.")
    ] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Remove features of GIFs that are gone.")
    ] = False,
    runtime: Annotated[
        Literal["auto", "torch", "openvino"],
        typer.Option(
            "--runtime",
            help="What computes: auto takes OpenVINO on the CPU if it is installed "
            "(gifdesc[openvino]) and the run is long enough.",
        ),
    ] = "auto",
    precision: Annotated[
        Precision,
        typer.Option("--precision", help="Of the arithmetic; 16 bits are faster on a GPU."),
    ] = "float32",
    num_workers: Annotated[
        int | None,
        typer.Option(
            "--num-workers",
            min=0,
            help="Processes that read GIFs, 0 for one thread; chosen by the device if left out.",
        ),
    ] = None,
    batch_frames: Annotated[
        int | None,
        typer.Option("--batch-frames", min=1, help="Frames that go through the network at once."),
    ] = None,
    device: Device = "auto",
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Turn GIFs into ResNet50 features, one .npy file each. A rerun skips what is done."""
    with exit_on_error(debug=debug, json=json):
        check_device_name(device)
        arguments = read_paths(paths, null=null)
        from gifdesc.data.gifs import BackgroundCount, PassedOver, find_gifs
        from gifdesc.features.results import ExtractionSummary

        passed_over = PassedOver()
        summary = ExtractionSummary()

        def is_failed(gif: GifInput) -> bool:
            if gif.error is not None:
                summary.add_failure(gif.name, gif.error)
                print_error(f"{gif.name}: {gif.error}")
            return gif.error is not None

        # Wrong paths at the start are reported before the network is loaded, and alone need none.
        inputs = non_empty(dropwhile(is_failed, find_gifs(arguments, passed_over)))
        if inputs is not None:
            from gifdesc.cli.progress import ExtractionProgress

            with wait_for("starting"):
                from gifdesc.config import UNTRAINED
                from gifdesc.features.encoder import OPENVINO_MIN_GIFS
                from gifdesc.features.extraction import extract as run
                from gifdesc.features.extraction import look_ahead
                from gifdesc.features.extractor import FeatureExtractor

            num_undone, inputs = look_ahead(inputs, output, OPENVINO_MIN_GIFS, force=force)
            with wait_for("loading ResNet50"):
                extractor = FeatureExtractor.create(
                    weights=weights,
                    num_frames=num_frames,
                    sampling=sampling,
                    framing=framing,
                    encoding="sinusoidal" if positional_encoding else "none",
                    device=device,
                    precision=precision,
                    runtime=runtime,
                    num_gifs=num_undone,
                )
            if batch_frames is not None:
                extractor.batch_frames = batch_frames
            if weights == UNTRAINED:
                warn(
                    "ResNet50 is untrained (random weights): its features carry no learned visual "
                    "information"
                )
            with ExtractionProgress(stderr, BackgroundCount(arguments), summary) as progress:
                events = run(
                    inputs,
                    output,
                    extractor,
                    force=force,
                    retry_failed=retry_failed,
                    num_workers=num_workers,
                )
                for event in events:
                    summary.add(event)
                    if event.error is not None:
                        print_error(f"{event.name}: {event.error}")
                    elif event.note is not None:
                        warn(f"{event.name}: {event.note}")
                    progress.advance()
            _report_long_names(summary.long_names)
            _report_orphans(output, prune=prune)
        warn_of_passed_over(passed_over)
        counts = summary.counts
        info(
            f"{counts['ok'] + counts['truncated']} extracted ({counts['truncated']} truncated), "
            f"{counts['skipped']} done before, {counts['failed']} failed -> {output}"
        )
        if json:
            print_json(summary.to_json(output))
        if counts["failed"]:
            raise typer.Exit(EXIT_FAILED)


def _report_long_names(names: list[str]) -> None:
    if names:
        verb = "has" if len(names) == 1 else "have"
        warn(
            f"the folder holds the features of GIFs from another folder, so "
            f"{counted(len(names), 'name')} {verb} more of the path: {list_some(names, 3)}"
        )


def _report_orphans(output: Path, *, prune: bool) -> None:
    """Report feature files whose GIFs are gone, or remove them."""
    from gifdesc.features.extraction import find_orphans, remove_orphans

    names = find_orphans(output)
    if not names:
        return
    files = counted(len(names), "feature file")
    if prune:
        remove_orphans(output, names)
        info(f"removed {files} whose GIF is gone: {list_some(names)}")
        return
    verb = "has" if len(names) == 1 else "have"
    warn(f"{files} {verb} no GIF any more: {list_some(names)}; remove with --prune")
