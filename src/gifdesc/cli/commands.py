"""The classes of the program and its commands: their help, their errors, their settings."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Sequence
from functools import partial
from typing import Any, cast

import typer
from typer.core import TyperCommand, TyperGroup

from gifdesc.cli.console import (
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_USAGE,
    info,
    note_origins,
    print_error,
    with_origin,
)
from gifdesc.cli.help import (
    RUN,
    fit_terminal,
    grouped,
    parameters_of,
    replace_no_breaks,
    row_of,
    summary_of,
    usage_of,
    write_rows,
)
from gifdesc.cli.settings import name_variables, sources_of
from gifdesc.cli.usage import TOO_LARGE, UsageError, nearest, remember_arguments, usage_sentence
from gifdesc.system.files import reason
from gifdesc.system.process import drop_standard_output

_CONFIG_HELP = (
    "Defaults of options, as TOML. [default: gifdesc.toml or pyproject.toml in this folder or the "
    "nearest above it] [env: GIFDESC_CONFIG]"
)


_TOO_LARGE = 2**63


class Command(TyperCommand):
    """A command whose help shows its options in groups, and whose errors are sentences."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the words of the command line, and keep them for errors about their values."""
        remember_arguments(ctx, args)
        try:
            rest = super().parse_args(ctx, args)
            for parameter in self.params:
                value = ctx.params.get(parameter.name)
                if isinstance(value, int) and abs(value) >= _TOO_LARGE:
                    raise typer.BadParameter(TOO_LARGE, ctx, cast(Any, parameter))
            return rest
        except UsageError as error:
            error.ctx = error.ctx or ctx  # the parser of the words has no command
            raise

    def invoke(self, ctx: Any) -> Any:
        """Run the command; errors name the settings that they come from."""
        if ctx.params["quiet"] and ctx.params["verbose"]:
            raise typer.BadParameter("--quiet and --verbose exclude each other", ctx)
        note_origins({line.partition(" (from ")[0]: line for line in sources_of(ctx, ctx.obj)})
        if ctx.params["debug"] or ctx.params["verbose"]:
            for line in sources_of(ctx, ctx.obj):
                info(f"option: {line}")
        return super().invoke(ctx)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help into the formatter."""
        fit_terminal(formatter)
        super().format_help(ctx, formatter)
        replace_no_breaks(formatter)

    def format_usage(self, ctx: Any, formatter: Any) -> None:
        """Write the usage line into the formatter."""
        formatter.write_usage(ctx.command_path, usage_of(self))

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments and options into the formatter, group by group."""
        for group, members in grouped(parameters_of(ctx.command)):
            rows = [row_of(parameter, formatter.width - 2) for parameter in members]
            if group == RUN:
                rows.append(("-h, --help", "Show this message and exit."))
            with formatter.section(group):
                write_rows(formatter, rows)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the sections at the end into the formatter, their lines wrapped one by one."""
        for text in (ctx.command.epilog or "").split("\n\n"):
            formatter.write_paragraph()
            for line in text.splitlines():
                wrapped = textwrap.fill(line, formatter.width, subsequent_indent=" " * 6)
                formatter.write(f"{wrapped}\n")


class Group(TyperGroup):
    """The program: its help has a line for each command, and its errors are sentences."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        name_variables(self.commands)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the words before the name of a command; all are remembered."""
        remember_arguments(ctx, args)
        return super().parse_args(ctx, args)

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run the program and exit; an error of usage is printed in one line."""
        run = partial(super().main, args, prog_name, complete_var, False, windows_expand_args)
        if not standalone_mode:
            return run(**extra)
        try:
            code = run(**extra)
        except UsageError as error:
            print_error(with_origin(usage_sentence(error)))
            sys.exit(EXIT_USAGE)
        except typer.Abort:
            sys.exit(EXIT_INTERRUPTED)
        except OSError as error:  # of a help page or the version, such as on a full disk
            drop_standard_output()
            print_error(f"standard output: cannot be written: {reason(error)}")
            sys.exit(EXIT_FAILED)
        sys.exit(code if isinstance(code, int) else 0)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that the words name; an unknown name is an error with the nearest one."""
        name = args[0]
        if self.get_command(ctx, name) is None and not ctx.resilient_parsing:
            hint = nearest(name, self.commands)
            raise typer.BadParameter(f"no command {name}{hint} (gifdesc -h lists all commands)")
        return super().resolve_command(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help into the formatter."""
        fit_terminal(formatter)
        super().format_help(ctx, formatter)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the options and commands into the formatter."""
        rows = [
            ("--config FILE", _CONFIG_HELP),
            ("--no-config", "Read no such file."),
            ("--install-completion", "Complete words by the Tab key in this shell from now on."),
            ("--show-completion", "Print the shell code that does this."),
            ("--version", "Show the version and exit."),
            ("-h, --help", "Show this message and exit."),
        ]
        with formatter.section("Options"):
            write_rows(formatter, rows)
        names = self.list_commands(ctx)
        commands = [(name, self.get_command(ctx, name)) for name in names]
        with formatter.section("Commands"):
            write_rows(formatter, [(name, summary_of(command)) for name, command in commands])
