"""`gifdesc search`: words, or a GIF, to the GIFs that fit best."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gifdesc.cli.console import (
    EXIT_FAILED,
    exit_on_error,
    info,
    print_error,
    print_line,
    stderr,
    warn,
)
from gifdesc.cli.given import refuse, warn_of_unused
from gifdesc.cli.help import INPUT, OUTPUT, SEARCH
from gifdesc.cli.options import (
    Debug,
    Device,
    Json,
    ModelDir,
    Quiet,
    Verbose,
    WeightsFile,
    user_path,
)
from gifdesc.data.arguments import is_url
from gifdesc.data.paths import check_features_dir
from gifdesc.errors import FeatureError
from gifdesc.model.folder import check_model_name
from gifdesc.system.device_name import check_device_name
from gifdesc.system.files import json_line
from gifdesc.system.waits import wait_for
from gifdesc.system.wording import counted, list_some

if TYPE_CHECKING:
    from gifdesc.search.results import SearchResult


def _local_path(value: str | Path) -> Path:
    """A path from the command line, which may not be a URL.

    Raises:
        typer.BadParameter: it is a URL, or empty.
    """
    if is_url(str(value)):
        raise typer.BadParameter("a URL: download the GIF first, for example with curl -O")
    return user_path(value)


def search(
    context: typer.Context,
    words: Annotated[
        str | None,
        typer.Argument(
            metavar="WORDS",
            help="What the GIF should show, in quotes; left out with --like.",
            show_default=False,
            rich_help_panel=INPUT,
        ),
    ] = None,
    features: Annotated[
        Path | None,
        typer.Argument(
            parser=user_path,
            metavar="FEATURES",
            help="Folder of feature files.",
            show_default="features",
            rich_help_panel=INPUT,
        ),
    ] = None,
    like: Annotated[
        Path | None,
        typer.Option(
            "--like",
            parser=_local_path,
            metavar="GIF",
            help="Find the GIFs whose features are nearest to those of this GIF: a file, or a name "
            "in FEATURES as the results have it (cat.gif); no model needed.",
            rich_help_panel=SEARCH,
        ),
    ] = None,
    captions: Annotated[
        Path | None,
        typer.Option(
            "--captions",
            parser=user_path,
            metavar="FILE",
            help="Search in these captions instead (BM25): lines of `caption --json`, or any "
            "file that --descriptions reads; no model and no features needed.",
            rich_help_panel=SEARCH,
        ),
    ] = None,
    model: ModelDir = Path("model"),
    weights: WeightsFile = None,
    top: Annotated[
        int,
        typer.Option("--top", min=1, help="GIFs to find.", rich_help_panel=SEARCH),
    ] = 10,
    exact: Annotated[
        bool,
        typer.Option(
            "--exact",
            help="Score all GIFs with the model, not only a shortlist of 300.",
            rich_help_panel=SEARCH,
        ),
    ] = False,
    json: Json = False,
    html: Annotated[
        Path | None,
        typer.Option(
            "--html",
            parser=user_path,
            metavar="FILE",
            help="Write a page of the GIFs found, with the frames that each word attended to.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    gifs: Annotated[
        Path | None,
        typer.Option(
            "--gifs",
            parser=user_path,
            metavar="DIR",
            help="Folder of the GIFs, if they were moved.",
            show_default="where extract read them",
            rich_help_panel=INPUT,
        ),
    ] = None,
    device: Device = "auto",
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Find GIFs by words, by another GIF, or in captions. Prints paths, the best first."""
    with exit_on_error(debug=debug, quiet=quiet, verbose=verbose, json=json) as errors:
        words, features = _given(context, words, features, like=like)
        captions = captions if like is None else None  # those of the settings file
        _check_unneeded(context, words, features, like=like, captions=captions)
        if html is not None:
            with wait_for("starting"):
                from gifdesc.pages.html import check_page_name, check_page_path

            check_page_name(html)
            check_page_path(html)
        features = features or Path("features")
        if captions is not None:
            warn_of_unused(context, ("model", "device"), "with --captions")
            from gifdesc.search.by_captions import search_captions

            result = search_captions(words or "", captions, top=top, gifs_dir=gifs)
        else:
            check_device_name(device)
            check_features_dir(features)
            if like is None:
                check_model_name(model)
            else:
                warn_of_unused(context, ("model",), "with --like")
            with wait_for("starting"):
                from gifdesc.search.by_features import search_like
                from gifdesc.search.by_words import search_by_words
            if like is not None:
                result = search_like(
                    like, features, top=top, weights=weights, device=device, gifs_dir=gifs
                )
            else:
                result = search_by_words(
                    words or "",
                    features,
                    model,
                    top=top,
                    exact=exact,
                    device=device,
                    gifs_dir=gifs,
                    with_words=html is not None,
                )
        if result.is_in_folder:
            warn_of_unused(context, ("weights", "device"), "for a GIF of the folder")
        for note in result.notes:
            warn(note)
        paths = [hit.path for hit in result.hits]
        _report_paths(paths, gifs, is_by_captions=captions is not None, json=json)
        for problem in result.problems:
            print_error(problem)
        errors.json = False  # stdout has its lines
        for hit in result.hits:
            print_line(json_line(hit.to_json()).rstrip("\n") if json else hit.path)
        if result.hits:
            info(_summary(result))
        if html is not None:
            _write_page(result, html, words or str(like), gifs)
        if result.problems:
            raise typer.Exit(EXIT_FAILED)


def _given(
    context: typer.Context, words: str | None, features: Path | None, *, like: Path | None
) -> tuple[str | None, Path | None]:
    """The words to look for, and the features folder; None for the default.

    With `--like` the first argument is the folder.

    Raises:
        typer.BadParameter: there is nothing to look for, or too much.
    """
    if like is None:
        if words is None:
            raise typer.BadParameter("write what the GIF should show, or name a GIF with --like")
        return words, features
    sentence = "--like takes the place of words and of --captions"
    refuse(context, ("captions",), sentence)
    if words is not None and features is not None:
        raise typer.BadParameter(sentence)
    if words is None:
        return None, features
    folder = user_path(words)
    if not folder.exists():
        raise typer.BadParameter(
            f"{words}: no such folder of features; to search by words, leave out --like {like}"
        )
    return None, folder


def _check_unneeded(
    context: typer.Context,
    words: str | None,
    features: Path | None,
    *,
    like: Path | None,
    captions: Path | None,
) -> None:
    """Refuse options of another kind of search, and a query of several words without quotes."""
    if like is not None:
        refuse(context, ("exact",), "--like compares with all GIFs: leave --exact out")
        return
    refuse(context, ("weights",), "--weights goes with --like, for a GIF outside FEATURES")
    if captions is not None:
        unneeded = "--captions needs no features and no --exact: leave them out"
        refuse(context, ("exact", "features"), unneeded)
    elif features is not None and not features.exists():
        query = shlex.quote(f"{words} {features}")
        raise FeatureError(
            f"{features}: no such folder; make features with `gifdesc extract ./gifs`, or "
            f"write several words in quotes: {query}"
        )


def _report_paths(
    paths: Sequence[str], gifs: Path | None, *, is_by_captions: bool, json: bool
) -> None:
    """Report paths that are no place of a GIF, and paths that contain a line end."""
    if gifs is not None:
        _report_moved(paths, gifs)
    elif not is_by_captions:
        unknown = [path for path in paths if not (is_url(path) or Path(path).exists())]
        if unknown:
            found = counted(len(unknown), "GIF")
            info(f"the place of {found} is not known; --gifs names the folder")
    if not json and any("\n" in path for path in paths):
        warn("a path has a line end within it; with --json each result is a line")


def _report_moved(paths: Sequence[str], gifs: Path) -> None:
    """Report names that the folder of `--gifs` lacks, and files that several names stand for."""
    missing = [path for path in paths if not _is_below(Path(path), gifs)]
    if missing:
        warn(f"{gifs}: has no GIF of these names: {list_some(missing)}")
    several = [path for path, number in Counter(paths).items() if number > 1]
    if several:
        names = list_some(several)
        warn(f"several GIFs have this name: {names}; name a folder above {gifs} that has them all")


def _is_below(path: Path, folder: Path) -> bool:
    return path.is_relative_to(folder) and path.exists()


def _summary(result: SearchResult) -> str:
    scores = [hit.score for hit in result.hits]
    gifs = counted(result.num_gifs, "GIF")
    if len(scores) == 1:
        return f"the best of {gifs}, score {scores[0]:.3f}"
    return f"the best {len(scores)} of {gifs}, scores {scores[0]:.3f} to {scores[-1]:.3f}"


def _write_page(result: SearchResult, path: Path, query: str, gifs: Path | None) -> None:
    from gifdesc.cli.progress import PageProgress
    from gifdesc.pages.search import write_search_page

    with PageProgress(stderr) as progress:
        page = write_search_page(result, path, query=query, on_gif=progress.advance)
    best = "the best " if page.num_shown < len(result.hits) else ""
    info(f"wrote a page of {best}{counted(page.num_shown, 'GIF')} -> {path}")
    shown = result.hits[: page.num_shown]
    if gifs is None and shown and not any(Path(hit.path).exists() for hit in shown):
        warn("the page shows no GIFs: name their folder with --gifs")
    elif page.warning:
        warn(page.warning)
