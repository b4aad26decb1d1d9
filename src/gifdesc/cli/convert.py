"""`gifdesc convert`: descriptions to another form, and features to another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, cast, get_args

import typer

from gifdesc.cli.console import EXIT_FAILED, exit_on_error, info, print_error, print_json, warn
from gifdesc.cli.given import refuse, warn_of_unused_descriptions_format
from gifdesc.cli.help import INPUT, OUTPUT
from gifdesc.cli.options import (
    ChunkSize,
    Debug,
    DescriptionsFormat,
    Dtype,
    Json,
    Quiet,
    Verbose,
    user_path,
)
from gifdesc.config import DEFAULT_CHUNK_SIZE, FeatureDtype, FeatureFormat
from gifdesc.data.forms.form_names import OutputForm
from gifdesc.system.waits import wait_for
from gifdesc.system.wording import counted


def convert(
    context: typer.Context,
    path: Annotated[
        Path,
        typer.Argument(
            parser=user_path,
            metavar="IN",
            help="A file of descriptions, of any form that train reads, or a folder of such files; "
            "or a folder of features.",
            rich_help_panel=INPUT,
        ),
    ],
    output: Annotated[
        Path,
        typer.Argument(
            parser=user_path,
            metavar="OUT",
            help="The file to write: .tsv, .jsonl, or .json for COCO captions; without an ending, "
            "a folder of .txt files, or of features.",
            rich_help_panel=OUTPUT,
        ),
    ],
    descriptions_format: DescriptionsFormat = None,
    to: Annotated[
        Literal[OutputForm, FeatureFormat] | None,
        typer.Option(
            "--to",
            help="Form of OUT: npy and shards for features, the others for descriptions.",
            show_default="by the ending of OUT",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    write_splits: Annotated[
        Path | None,
        typer.Option(
            "--write-splits",
            parser=user_path,
            metavar="DIR",
            help="Also write the splits that IN names, as train.txt, val.txt and test.txt in DIR.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Overwrite OUT and the lists of --write-splits if they exist; of features, "
            "convert also those that OUT contains.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    dtype: Dtype = "float32",
    chunk_size: ChunkSize = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Convert descriptions or features to another form, such as a data set's file to COCO's."""
    with exit_on_error(debug=debug, quiet=quiet, verbose=verbose, json=json):
        if to != "shards":
            if chunk_size is not None or dtype != "float32":
                sentence = "--dtype and --chunk-size are for --to shards"
                refuse(context, ("dtype", "chunk_size"), sentence)
            dtype, chunk_size = "float32", None  # settings are for shards
        if to in get_args(FeatureFormat):
            sentence = "--write-splits and --descriptions-format are for descriptions, not features"
            refuse(context, ("write_splits", "descriptions_format"), sentence)
            _convert_features(
                path,
                output,
                cast(FeatureFormat, to),
                dtype=dtype,
                chunk_size=chunk_size or DEFAULT_CHUNK_SIZE,
                force=force,
                json=json,
            )
            return
        warn_of_unused_descriptions_format(context, path)
        from gifdesc.data.conversion import convert as run
        from gifdesc.data.feature_files import RECIPE_NAME
        from gifdesc.data.feature_shards import find_shards
        from gifdesc.data.forms.writing import OUTPUT_SUFFIXES, WRITERS

        has_features = path.is_dir() and ((path / RECIPE_NAME).is_file() or find_shards(path))
        if to is None and has_features:
            raise typer.BadParameter(f"{path}: contains features; give --to npy or --to shards")
        form = cast(OutputForm | None, to) or OUTPUT_SUFFIXES.get(output.suffix.lower())
        if form is None:
            raise typer.BadParameter(
                f"{output}: its ending decides no form; choose with --to {'|'.join(WRITERS)} (text "
                "for a folder of .txt files)"
            )
        with wait_for(f"converting {path}"):
            result = run(
                path, output, form, form=descriptions_format, splits_dir=write_splits, force=force
            )
        for problem in result.problems:
            print_error(problem)
        for count in result.left_out_counts():
            warn(f"left out: {count}")
        captions, gifs = counted(result.num_captions, "caption"), counted(result.num_gifs, "GIF")
        info(f"wrote {captions} of {gifs} as {form} -> {output}")
        if json:
            print_json(result.to_json())
        if result.problems:
            raise typer.Exit(EXIT_FAILED)


def _convert_features(
    path: Path,
    output: Path,
    form: FeatureFormat,
    *,
    dtype: FeatureDtype,
    chunk_size: int,
    force: bool,
    json: bool,
) -> None:
    from gifdesc.features.conversion import convert_features

    result = convert_features(path, output, form, dtype=dtype, chunk_size=chunk_size, force=force)
    for problem in result.problems:
        print_error(problem)
    done = f", {result.num_done} there before" if result.num_done else ""
    failed = f", {result.num_failed} without features" if result.num_failed else ""
    info(f"wrote features of {counted(result.num_gifs, 'GIF')} as {form}{done}{failed} -> {output}")
    if json:
        print_json(result.to_json())
    if result.problems:
        raise typer.Exit(EXIT_FAILED)
