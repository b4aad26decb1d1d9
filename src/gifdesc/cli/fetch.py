"""`gifdesc fetch`: a list of URLs to a folder of GIFs."""

from __future__ import annotations

import shlex
from contextlib import closing
from pathlib import Path
from typing import Annotated, get_args

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
from gifdesc.cli.help import INPUT, OUTPUT, RUN
from gifdesc.cli.options import (
    Debug,
    Json,
    Quiet,
    Verbose,
    user_path,
)
from gifdesc.data.forms.form_names import FormName
from gifdesc.system.waits import wait_for
from gifdesc.system.wording import counted


def fetch(
    url_list: Annotated[
        Path,
        typer.Argument(
            parser=user_path,
            metavar="LIST",
            help="A file with a URL per line, or descriptions that name GIFs by URLs, of any form "
            "that train reads (TGIF's TSV).",
            rich_help_panel=INPUT,
        ),
    ],
    list_format: Annotated[
        FormName | None,
        typer.Option(
            "--list-format",
            metavar="NAME",
            help=f"Form of LIST: {', '.join(get_args(FormName))}.",
            show_default="recognised by its content",
            rich_help_panel=INPUT,
        ),
    ] = None,
    splits: Annotated[
        Path | None,
        typer.Option(
            "--splits",
            parser=user_path,
            metavar="DIR",
            help="Folder with train.txt, val.txt and test.txt: a GIF's name or URL per line.",
            show_default="the splits that LIST names",
            rich_help_panel=INPUT,
        ),
    ] = None,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            parser=user_path,
            metavar="DIR",
            help="Folder of GIFs.",
            rich_help_panel=OUTPUT,
        ),
    ] = Path("gifs"),
    keep_stills: Annotated[
        bool,
        typer.Option(
            "--keep-stills",
            help="Also keep pictures that do not move.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    retry_failed: Annotated[
        bool,
        typer.Option(
            "--retry-failed",
            help="Ask again for URLs that failed or were refused before.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    json: Json = False,
    concurrency: Annotated[
        int,
        typer.Option(
            "--concurrency",
            min=1,
            max=64,
            help="Files that are downloaded at once.",
            rich_help_panel=RUN,
        ),
    ] = 4,
    rate: Annotated[
        float,
        typer.Option(
            "--rate",
            min=0.0,
            help="Most requests per second to each server (0: no limit).",
            rich_help_panel=RUN,
        ),
    ] = 10.0,
    retries: Annotated[
        int,
        typer.Option(
            "--retries",
            min=0,
            max=10,
            help="Further attempts after a failure that may pass.",
            rich_help_panel=RUN,
        ),
    ] = 3,
    max_mb: Annotated[
        float,
        typer.Option(
            "--max-mb", min=0.001, max=1000, help="Largest file, in MB.", rich_help_panel=RUN
        ),
    ] = 100.0,
    timeout: Annotated[
        float,
        typer.Option(
            "--timeout",
            min=0.1,
            help="Seconds without an answer after which an attempt fails.",
            rich_help_panel=RUN,
        ),
    ] = 30.0,
    max_seconds: Annotated[
        float,
        typer.Option(
            "--max-seconds",
            min=0.1,
            max=86400,
            help="Seconds after which an attempt fails although data arrive.",
            rich_help_panel=RUN,
        ),
    ] = 300.0,
    allow_private: Annotated[
        bool,
        typer.Option(
            "--allow-private",
            help="Allow servers on private addresses, such as localhost.",
            rich_help_panel=RUN,
        ),
    ] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Download a list of GIFs, with their descriptions. A rerun skips finished files."""
    with exit_on_error(debug=debug, quiet=quiet, verbose=verbose, json=json):
        from gifdesc.cli.progress import FetchProgress
        from gifdesc.data.url_lists import read_url_list
        from gifdesc.fetching.companions import descriptions_in
        from gifdesc.fetching.results import FetchSummary
        from gifdesc.fetching.run import FetchConfig
        from gifdesc.fetching.run import fetch as run
        from gifdesc.system.http import HttpLimits

        with wait_for(f"reading {url_list}"):
            listed = read_url_list(url_list, list_format, splits_dir=splits)
        for problem in listed.problems:
            print_error(problem)
        for note in listed.notes:
            warn(note)
        config = FetchConfig(
            limits=HttpLimits(
                max_bytes=round(max_mb * 1e6), silence_seconds=timeout, total_seconds=max_seconds
            ),
            concurrency=concurrency,
            requests_per_second=rate or None,
            retries=retries,
            retry_failed=retry_failed,
            keep_stills=keep_stills,
            allow_private=allow_private,
        )
        summary = FetchSummary()
        with (
            FetchProgress(stderr, len(listed.urls), summary) as progress,
            closing(run(listed.urls, output, config)) as events,
        ):
            for event in events:
                summary.add(event)
                if event.is_failure and not event.is_old:
                    print_error(f"{event.entry.url}: {event.entry.error}")
                elif event.remark is not None:
                    warn(f"{event.entry.url}: {event.remark}")
                progress.advance()
        if summary.num_old_failures:
            urls = counted(summary.num_old_failures, "URL")
            warn(f"{urls} failed in an earlier run; ask again with --retry-failed")
        counts = summary.counts
        info(
            f"{summary.num_kept} fetched ({summary.num_bytes / 1e6:.1f} MB), "
            f"{counts['skipped']} done before, {counts['still']} still, {counts['refused']} "
            f"refused, {counts['failed']} failed -> {output}"
        )
        if summary.num_kept + counts["skipped"]:
            suggest(f"gifdesc extract {shlex.quote(str(output))}")
        descriptions = descriptions_in(output)
        if json:
            print_json(summary.to_json(output, descriptions, listed.problems))
        if summary.failures or listed.problems:
            raise typer.Exit(EXIT_FAILED)
