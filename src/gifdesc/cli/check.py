"""`gifdesc check`: problems of GIFs and descriptions, found before a long run."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from gifdesc.checks.findings import DESCRIPTION_KINDS, GIF_KINDS, KINDS, Finding, Kind
from gifdesc.cli.console import (
    EXIT_FAILED,
    exit_on_error,
    info,
    is_terminal,
    print_json,
    print_line,
    print_result,
    printable,
    stderr,
)
from gifdesc.cli.given import choose_one, warn_of_passed_over, warn_of_unused_descriptions_format
from gifdesc.cli.help import INPUT, OUTPUT, section
from gifdesc.cli.options import (
    Debug,
    DescriptionsFormat,
    Endings,
    Json,
    Paths,
    Quiet,
    Verbose,
    read_paths,
    user_path,
)
from gifdesc.data.arguments import STDIN
from gifdesc.system.waits import wait_for
from gifdesc.system.wording import counted

MAX_ROWS_PER_KIND = 20
"""The most findings of a kind on a terminal; a pipe, `--json` and `--list` get all of them."""
_MIN_TABLE_WIDTH = 60
"""The fewest columns of a terminal that shows the findings as a table."""
_MAX_PATH_WIDTH = 60
"""Width to which paths are padded where stdout is no terminal; longer paths are not cut."""

KINDS_HELP = section("Kinds of findings", (f"{kind:<22} {line}" for kind, line in KINDS.items()))
"""The end of the command's help."""


def check(
    context: typer.Context,
    paths: Paths,
    descriptions: Annotated[
        Path | None,
        typer.Option(
            "--descriptions",
            parser=user_path,
            metavar="PATH",
            help="Also check these: a folder of .txt files (one description per line), or a file "
            "of any form that train reads.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    descriptions_format: DescriptionsFormat = None,
    ext: Endings = None,
    null: Annotated[
        bool,
        typer.Option(
            "--null",
            "-0",
            help="Paths end with NUL: in the list on stdin, and in the output of --list.",
            rich_help_panel=INPUT,
        ),
    ] = False,
    kind: Annotated[
        Kind | None,
        typer.Option(
            "--list",
            metavar="KIND",
            help="Write only the paths that have findings of one kind, for xargs.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Report broken, still and duplicate GIFs and wrong descriptions. Exit code 1 if any."""
    with exit_on_error(debug=debug, quiet=quiet, verbose=verbose, json=json):
        if json and kind is not None:
            sentence = "--json and --list exclude each other"
            json = choose_one(context, ("json", "kind"), sentence) == "json"
            kind = None if json else kind
        if null and kind is None and STDIN not in paths:
            raise typer.BadParameter("-0 is for a list on stdin (give - as a PATH) or --list KIND")
        if descriptions is None and kind in DESCRIPTION_KINDS:
            raise typer.BadParameter(f"--list {kind} needs --descriptions PATH")
        warn_of_unused_descriptions_format(context, descriptions)
        arguments = read_paths(paths, null=null and STDIN in paths)
        from gifdesc.cli.progress import CheckProgress
        from gifdesc.data.gifs import PassedOver, find_gifs, searched_suffixes

        with wait_for("starting"):
            from gifdesc.checks.gifs import inspect_gifs

        passed_over = PassedOver()
        inputs = find_gifs(arguments, passed_over, searched_suffixes(ext or ()))
        findings: list[Finding] = []
        with CheckProgress(stderr) as progress:
            for inspection in inspect_gifs(inputs, descriptions, descriptions_format):
                findings += inspection.findings
                progress.advance(inspection)
        warn_of_passed_over(context, passed_over)
        counts = Counter(finding.kind for finding in findings)
        if json:
            kinds = GIF_KINDS if descriptions is None else tuple(KINDS)
            numbers = {"num_gifs": progress.num_gifs}
            if descriptions is not None:
                numbers["num_descriptions"] = progress.num_descriptions
            print_json(
                {
                    **numbers,
                    "findings": [finding.to_json() for finding in findings],
                    "counts": {name: counts[name] for name in kinds},
                }
            )
        elif kind is not None:
            listed = (finding.path for finding in findings if finding.kind == kind)
            _print_paths(listed, end=b"\0" if null else b"\n")
        elif findings:
            _print_table(findings)
        parts = ", ".join(f"{counts[name]} {name}" for name in KINDS if counts[name])
        checked = counted(progress.num_gifs, "GIF")
        if descriptions is not None:
            checked += f" and {counted(progress.num_descriptions, 'description')}"
        info(f"{checked} checked: {parts or 'nothing found'}")
        if findings:
            raise typer.Exit(EXIT_FAILED)


def _print_paths(paths: Iterable[Path | str], *, end: bytes) -> None:
    """Print each path once, as its bytes."""
    print_result(b"".join(os.fsencode(path) + end for path in dict.fromkeys(paths)))


def _print_table(findings: list[Finding]) -> None:
    """Print path, kind and detail, sorted by kind: on a terminal a table, elsewhere lines."""
    order = {kind: index for index, kind in enumerate(KINDS)}
    findings = sorted(findings, key=lambda finding: order[finding.kind])
    if is_terminal():
        _print_rich_table(findings)
        return
    rows = [(printable(str(row.path)), row.kind, printable(row.detail)) for row in findings]
    path_width = min(_MAX_PATH_WIDTH, max(len(path) for path, _, _ in rows))
    kind_width = max(len(kind) for _, kind, _ in rows)
    for path, kind, detail in rows:
        print_line(f"{path:<{path_width}}  {kind:<{kind_width}}  {detail}")


def _print_rich_table(findings: list[Finding]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("path", "kind", "detail", box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for column in table.columns:
        column.overflow = "fold"
    table.columns[1].no_wrap = True
    for kind in KINDS:
        rows = [finding for finding in findings if finding.kind == kind]
        for row in rows[:MAX_ROWS_PER_KIND]:
            path, detail = printable(str(row.path)), printable(row.detail)
            table.add_row(Text(path), Text(kind, style="bold yellow"), Text(detail))
        if num_more := len(rows[MAX_ROWS_PER_KIND:]):
            more = f"and {num_more} more: --list {kind}"
            table.add_row(Text(more, style="dim"), Text(kind, style="yellow"), "")
        if rows:
            table.add_section()
    console = Console()
    if console.width < _MIN_TABLE_WIDTH:
        _print_paragraphs(findings)
        return
    with console.capture() as capture:
        console.print(table)
    print_result(capture.get().strip("\n") + "\n", is_styled=True)


def _print_paragraphs(findings: list[Finding]) -> None:
    """Print findings on a terminal that is too narrow for a table: a kind, then its paths."""
    for kind in KINDS:
        rows = [finding for finding in findings if finding.kind == kind]
        if rows:
            print_line(f"{kind}:")
        for row in rows[:MAX_ROWS_PER_KIND]:
            print_line(f"  {row.path}: {row.detail}")
        if num_more := len(rows[MAX_ROWS_PER_KIND:]):
            print_line(f"  and {num_more} more: --list {kind}")
