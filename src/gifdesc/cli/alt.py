"""`gifdesc alt`: missing alternative texts of GIFs in HTML and Markdown."""

from __future__ import annotations

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
    print_result,
    warn,
)
from gifdesc.cli.help import INPUT, OUTPUT
from gifdesc.cli.loading import load_captioner
from gifdesc.cli.options import (
    AltTextLength,
    Debug,
    Device,
    Json,
    ModelName,
    Prompt,
    Quiet,
    Revision,
    Verbose,
    user_path,
)
from gifdesc.system.device_name import check_device_name
from gifdesc.system.waits import wait_for
from gifdesc.system.wording import counted
from gifdesc.text.english import DEFAULT_CHARACTERS, to_alt_text


def alt(
    documents: Annotated[
        list[Path],
        typer.Argument(
            parser=user_path,
            metavar="FILE",
            help="HTML (.html, .htm, .xhtml) or Markdown (.md, .markdown).",
            rich_help_panel=INPUT,
        ),
    ],
    root: Annotated[
        Path | None,
        typer.Option(
            "--root",
            parser=user_path,
            metavar="DIR",
            help="Folder of the site: where paths that begin with / start.",
            show_default="the folder of the document",
            rich_help_panel=INPUT,
        ),
    ] = None,
    model: ModelName = "model",
    prompt: Prompt = None,
    revision: Revision = None,
    write: Annotated[
        bool,
        typer.Option(
            "--write",
            help="Write the texts into the files; without it, only show the changes.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    alt_text_length: AltTextLength = DEFAULT_CHARACTERS,
    json: Json = False,
    device: Device = "auto",
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Fill in missing alternative texts of GIFs in HTML and Markdown. Other text stays as it is."""
    with exit_on_error(debug=debug, quiet=quiet, verbose=verbose, json=json):
        check_device_name(device)
        from gifdesc.captioning.alt_texts import fill, read_document

        read = [read_document(path, root) for path in documents]
        num_gifs = sum(len(each.places) + len(each.unplaced) for each in read)
        if num_gifs:
            captioner = load_captioner(model, device=device, prompt=prompt, revision=revision)
            shorten = partial(to_alt_text, max_characters=alt_text_length)
            with wait_for("captioning", unit="GIFs") as advance:
                fill(read, captioner, shorten, root=root, advance=advance)
        num_filled = num_failed = 0
        for document in read:
            for gif in document.filled:
                where = f"{document.path}:{gif.line}: {gif.source}"
                if gif.error is not None:
                    print_error(f"{where}: {gif.error}")
                elif gif.doubts:
                    warn(f"{where}: low confidence: {' and '.join(gif.doubts)}")
                num_failed += gif.error is not None
                num_filled += gif.error is None
            if write:
                document.write()
            elif not json:
                print_result(document.diff)
        if json:
            rows = [
                {"path": str(each.path), "gifs": [gif.to_json() for gif in each.filled]}
                for each in read
            ]
            print_json({"written": write, "documents": rows})
        failed = f", {num_failed} failed" if num_failed else ""
        done = "filled in" if write else "to fill in with --write"
        info(f"{counted(num_filled, 'alternative text')} {done}{failed}")
        if num_failed:
            raise typer.Exit(EXIT_FAILED)
