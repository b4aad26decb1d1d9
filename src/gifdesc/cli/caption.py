"""`gifdesc caption`: GIFs to captions."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Annotated

import typer

from gifdesc.cli.console import EXIT_FAILED, print_json, print_line, speaking_plainly, warn
from gifdesc.cli.inputs import gif_inputs
from gifdesc.cli.options import Debug, Device, Json, MaxTokens, ModelName, NumBeams, Prompt


def caption(
    paths: Annotated[
        list[str],
        typer.Argument(metavar="PATH", help="GIFs, folders of GIFs, or - for a list on stdin."),
    ],
    model: ModelName = "model",
    prompt: Prompt = None,
    beam: NumBeams = 5,
    num_captions: Annotated[
        int, typer.Option("--num-captions", min=1, help="Alternatives in the JSON (n-best).")
    ] = 1,
    max_length: MaxTokens = 40,
    weights: Annotated[
        str | None,
        typer.Option(
            "--weights",
            metavar="FILE",
            help="The backbone's weights, if the model's features were made from a file.",
        ),
    ] = None,
    device: Device = "auto",
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Write a caption for every GIF, in input order: text, or with --json one object a line."""
    with speaking_plainly(debug=debug):
        if num_captions > beam:
            raise typer.BadParameter("--num-captions cannot exceed --beam")
        inputs = gif_inputs(paths)
        from gifdesc.captioner import Caption
        from gifdesc.captioners import load_captioner
        from gifdesc.config import DecodingConfig

        captioner = load_captioner(model, device=device, weights=weights, prompt=prompt)
        for sentence in captioner.warnings:
            warn(sentence)
        config = DecodingConfig(num_beams=beam, num_captions=num_captions, max_tokens=max_length)

        def captions() -> Iterator[Caption]:
            # Inputs that are no file keep their place among the captions.
            for is_bad, group in groupby(inputs, key=lambda one: one.error is not None):
                if is_bad:
                    yield from (Caption(str(one.path), error=one.error) for one in group)
                else:
                    yield from captioner.caption_many((one.path for one in group), config)

        num_failed = 0
        shown_paths = len(paths) > 1 or Path(paths[0]).is_dir() or paths == ["-"]
        for result in captions():
            num_failed += result.error is not None
            if result.error is not None or result.note is not None:
                warn(f"{result.path}: {result.error or result.note}")
            if json:
                print_json(result.to_json())
            elif result.error is None:
                prefix = f"{result.path}\t" if shown_paths else ""
                print_line(f"{prefix}{result.caption}")
        if num_failed:
            raise typer.Exit(EXIT_FAILED)
