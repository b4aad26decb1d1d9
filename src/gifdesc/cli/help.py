"""The help of the commands: options in named groups, with readable types and defaults.

`--help` prints it, and docs/generate_cli.py writes it into docs/cli.md.
"""

from __future__ import annotations

import inspect
import shutil
import types
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

INPUT = "Input"
MODEL = "Model"
FEATURES = "Features"
TRAINING = "Training"
DECODING = "Decoding"
SEARCH = "Search"
SCORES = "Scores"
OUTPUT = "Output"
ENGINE = "Engine"
RUN = "Run"
GROUPS = (INPUT, MODEL, FEATURES, TRAINING, DECODING, SEARCH, SCORES, OUTPUT, ENGINE, RUN)
"""The groups of options, in the order in which every command shows them."""

_MAX_WIDTH = 80
_NARROW_WIDTH = 60
"""Below this many columns, the text of an option is under its name, not beside it."""
_NAME_WIDTH = 26
_NO_BREAK = "\u00a0"
"""Printed as a space at which no line is broken."""
_TYPE_NAMES = {int: "INTEGER", float: "FLOAT", str: "TEXT", Path: "PATH"}


@dataclass(frozen=True, kw_only=True)
class ParameterHelp:
    """An argument or an option of a command, as help and documents show it.

    Attributes:
        flags: its names, such as `-o, --output` or `--[no-]meteor`; of an argument, its value.
        value: what it takes, such as `INTEGER`, `N` or `text|json`; empty for a switch.
        type_name: the type of its value, such as `INTEGER` also for `N`.
        text: what it does.
        default: its default value in words, None where there is none to show.
        limits: the least and the greatest number, in words; empty where there are none.
        group: one of `GROUPS`.
        is_argument: whether it is given by its place and not by a name.
        is_required: whether the command cannot run without it.
        is_switch: whether it takes no value.
        is_list: whether it takes several values.
        variable: the shortest of its environment variables; empty if it has none.
    """

    flags: str
    value: str
    type_name: str
    text: str
    default: str | None
    limits: str
    group: str
    is_argument: bool
    is_required: bool
    is_switch: bool = False
    is_list: bool = False
    variable: str = ""

    @property
    def usage(self) -> str:
        """Its names and its value."""
        return self.flags if self.is_argument else f"{self.flags} {self.value}".rstrip()

    @property
    def details(self) -> str:
        """The text with the default and the environment variable."""
        notes = []
        if self.is_required:
            notes.append("[required]")
        elif self.default is not None:
            notes.append(f"[default:{_NO_BREAK}{self.default}]")
        if self.variable:
            notes.append(f"[env:{_NO_BREAK}{self.variable}]")
        return "  ".join([self.text, " ".join(notes)]).rstrip()


def parameters_of(command: Any) -> list[ParameterHelp]:
    """The arguments and options of a command, arguments first, `--help` left out.

    Args:
        command: as `typer.main.get_command` makes it.
    """
    return sorted(parameters_by_name(command).values(), key=lambda shown: not shown.is_argument)


def parameters_by_name(command: Any) -> dict[str, ParameterHelp]:
    """The same by the names of the parameters in Python."""
    hints = get_type_hints(inspect.unwrap(command.callback), include_extras=True)
    return {
        parameter.name: _parameter_help(parameter, hints[parameter.name])
        for parameter in command.params
    }


def grouped(parameters: list[ParameterHelp]) -> Iterator[tuple[str, list[ParameterHelp]]]:
    """The groups that have parameters, each with its parameters."""
    for group in GROUPS:
        members = [parameter for parameter in parameters if parameter.group == group]
        if members:
            yield group, members


def usage_of(command: Any) -> str:
    """What follows the name of a command in its usage line."""
    pieces = ["[OPTIONS]"]
    for parameter in parameters_of(command):
        if parameter.is_argument:
            pieces.append(parameter.flags if parameter.is_required else f"[{parameter.flags}]")
    return " ".join(pieces)


def example(*lines: str) -> str:
    """The end of a command's help: command lines that can be run."""
    return section("Example", lines)


def section(title: str, lines: Iterable[str]) -> str:
    """A section at the end of a command's help; each line begins a line of its own."""
    return "\n".join([f"{title}:", *(f"  {line}" for line in lines)])


def _parameter_help(parameter: Any, hint: Any) -> ParameterHelp:
    if get_origin(hint) is not Annotated:
        raise TypeError(f"{parameter.name}: not Annotated with an option or an argument")
    annotation, info = get_args(hint)[:2]
    is_argument = parameter.param_type_name == "argument"
    type_name = "" if annotation is bool else _type_name(annotation)
    value = (info.metavar or type_name) if type_name else ""
    names = ", ".join(sorted(parameter.opts, key=len))
    if parameter.secondary_opts:
        names = names.replace("--", "--[no-]", 1)
    return ParameterHelp(
        flags=value + ("..." if parameter.nargs == -1 else "") if is_argument else names,
        value=value,
        type_name=type_name,
        text=info.help or "",
        default=_default_of(parameter, info.show_default),
        limits=_limits(info.min, info.max),
        group=info.rich_help_panel or RUN,
        is_argument=is_argument,
        is_required=parameter.required,
        is_switch=annotation is bool,
        is_list=parameter.nargs == -1 or (not is_argument and parameter.multiple),
        variable=min(parameter.envvar or [""], key=len),
    )


def _type_name(annotation: Any) -> str:
    if get_origin(annotation) in (Union, types.UnionType):
        [annotation] = [member for member in get_args(annotation) if member is not type(None)]
    if get_origin(annotation) is Literal:
        return "|".join(map(str, get_args(annotation)))
    if get_origin(annotation) is list:
        return _type_name(*get_args(annotation))
    return _TYPE_NAMES[annotation]


def _default_of(parameter: Any, show_default: bool | str) -> str | None:
    if isinstance(show_default, str):
        return show_default
    default = parameter.default
    if isinstance(default, bool):
        names = parameter.opts if default else parameter.secondary_opts
        return str(names[0]) if parameter.secondary_opts else None
    return None if default is None or parameter.required else str(default)


def _limits(minimum: float | None, maximum: float | None) -> str:
    if minimum is not None and maximum is not None and maximum < 2**31:
        return f"{minimum:g} to {maximum:g}"
    if minimum is not None:
        return f"{minimum:g} or more"
    return "" if maximum is None or maximum >= 2**31 else f"{maximum:g} or less"


def fit_terminal(formatter: Any) -> None:
    """Use the terminal's width also below 50 columns, where click does not."""
    formatter.width = min(shutil.get_terminal_size().columns, _MAX_WIDTH) - 2


def replace_no_breaks(formatter: Any) -> None:
    """Write spaces where `ParameterHelp.details` allows no break of a line."""
    formatter.buffer[:] = [text.replace(_NO_BREAK, " ") for text in formatter.buffer]


def row_of(parameter: ParameterHelp, width: int) -> tuple[str, str]:
    """The names and the text of a parameter; long choices are in the text."""
    if len(parameter.usage) <= width:
        return parameter.usage, parameter.details
    return parameter.flags, f"{parameter.value}: {parameter.details}"


def write_rows(formatter: Any, rows: list[tuple[str, str]]) -> None:
    """Write rows of names and texts into a formatter."""
    is_narrow = formatter.width < _NARROW_WIDTH - 2
    formatter.write_dl(rows, col_max=4 if is_narrow else _NAME_WIDTH)


def summary_of(command: Any) -> str:
    """The first sentence of a command's help."""
    first_paragraph = " ".join(inspect.cleandoc(command.help or "").split("\n\n")[0].split())
    return first_paragraph.split(". ")[0].rstrip(".") + "."
