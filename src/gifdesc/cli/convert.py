"""`gifdesc convert`: descriptions of any form to another form."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gifdesc.cli.console import EXIT_FAILED, exit_on_error, info, print_error, print_json, warn
from gifdesc.cli.help import INPUT, OUTPUT
from gifdesc.cli.options import Debug, DescriptionsFormat, Json, user_path
from gifdesc.data.forms.form_names import OutputForm
from gifdesc.system.waits import wait_for
from gifdesc.system.wording import counted


def convert(
    path: Annotated[
        Path,
        typer.Argument(
            parser=user_path,
            metavar="IN",
            help="A file of descriptions, of any form that train reads, or a folder of such files.",
            rich_help_panel=INPUT,
        ),
    ],
    output: Annotated[
        Path,
        typer.Argument(
            parser=user_path,
            metavar="OUT",
            help="The file to write: .tsv, .jsonl, or .json for COCO captions; without an ending, "
            "a folder of .txt files.",
            rich_help_panel=OUTPUT,
        ),
    ],
    descriptions_format: DescriptionsFormat = None,
    to: Annotated[
        OutputForm | None,
        typer.Option(
            "--to",
            help="Form of OUT.",
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
            help="Overwrite OUT and the lists of --write-splits if they exist.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Convert descriptions to another form, such as a data set's file to COCO captions."""
    with exit_on_error(debug=debug, json=json):
        from gifdesc.data.conversion import convert as run
        from gifdesc.data.forms.writing import OUTPUT_SUFFIXES

        form = to or OUTPUT_SUFFIXES.get(output.suffix.lower())
        if form is None:
            raise typer.BadParameter(f"{output}: choose its form with --to")
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
