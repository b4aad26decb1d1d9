"""`gifdesc extract`: GIFs to feature files."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from gifdesc.cli.console import EXIT_FAILED, print_json, say, speaking_plainly, talk, warn
from gifdesc.cli.inputs import input_paths
from gifdesc.cli.options import Debug, Device, Json
from gifdesc.config import Framing, Precision, Sampling


def extract(
    paths: Annotated[
        list[str],
        typer.Argument(metavar="PATH", help="GIFs, folders of GIFs, or - for a list on stdin."),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Folder of feature files.")
    ] = Path("features"),
    weights: Annotated[
        str,
        typer.Option(
            "--weights",
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
    with speaking_plainly(debug=debug, json=json):
        listed = input_paths(paths)
        from gifdesc.backbone import UNTRAINED
        from gifdesc.cli.progress import ExtractionProgress
        from gifdesc.device import resolve_device
        from gifdesc.extraction import extract as run
        from gifdesc.extraction import look_ahead
        from gifdesc.extractor import FeatureExtractor
        from gifdesc.inputs import BackgroundCount, find_gifs
        from gifdesc.loader import default_num_workers
        from gifdesc.runtime import OPENVINO_MIN_GIFS

        num_undone, inputs = look_ahead(find_gifs(listed), output, OPENVINO_MIN_GIFS, force=force)
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
        if num_workers is None:
            num_workers = default_num_workers(resolve_device(device).type)
        if weights == UNTRAINED:
            warn("ResNet50 is untrained (random weights): its features know nothing of the world")
        counts: Counter[str] = Counter()
        failures: list[dict[str, Any]] = []
        with ExtractionProgress(talk, BackgroundCount(listed)) as progress:
            events = run(
                inputs,
                output,
                extractor,
                force=force,
                retry_failed=retry_failed,
                num_workers=num_workers,
            )
            for event in events:
                is_failed = event.entry.status == "failed"
                is_skipped = event.skipped and not is_failed
                counts["skipped" if is_skipped else event.entry.status] += 1
                if is_failed:
                    failures.append({"path": str(event.path), "error": event.entry.error})
                    warn(f"{event.path}: {event.entry.error}")
                elif not event.skipped and (remark := event.entry.error or event.entry.note):
                    warn(f"{event.path}: {remark}")
                progress.advance(event)
        say(
            f"{counts['ok'] + counts['truncated']} extracted ({counts['truncated']} truncated), "
            f"{counts['skipped']} done before, {counts['failed']} failed -> {output}"
        )
        if json:
            summary = {"output": str(output), "failures": failures}
            print_json({**{key: counts[key] for key in STATUSES}, **summary})
        if counts["failed"]:
            raise typer.Exit(EXIT_FAILED)


STATUSES = ("ok", "truncated", "skipped", "failed")
