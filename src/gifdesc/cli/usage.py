"""Wrong usage in one sentence: what is wrong, the nearest right spelling, where a value is from."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Sequence
from typing import Any

import typer

from gifdesc.cli.help import ParameterHelp, parameters_by_name, usage_of

UsageError: Any = typer.BadParameter.__mro__[1]
"""The base class of all errors of usage, which typer does not export."""

TOO_LARGE = "too large"
"""The problem of a whole number that no computation could take."""

_ARGUMENTS = "gifdesc.arguments"


def remember_arguments(ctx: Any, arguments: Sequence[str]) -> None:
    """Keep the words of a command line, for errors about their values."""
    ctx.meta[_ARGUMENTS] = list(arguments)


def arguments_of(ctx: Any) -> list[str]:
    """The words of a command line, as they were remembered."""
    return list(ctx.meta.get(_ARGUMENTS, []))


def usage_sentence(error: Any) -> str:
    """The sentence for a `UsageError`."""
    ctx = error.ctx
    parameter = getattr(error, "param", None)
    if ctx is None:
        return str(error.message)
    if (name := getattr(error, "option_name", None)) is not None:
        return _option_sentence(str(name), ctx)
    if parameter is None:
        return _other_sentence(error)
    shown = parameters_by_name(ctx.command)[parameter.name]
    if type(error) is not typer.BadParameter:  # the only subclass is that of missing values
        what = shown.flags if shown.is_argument else shown.flags.split(", ")[-1]
        return f"{what} is missing: {ctx.command_path} {usage_of(ctx.command)}"
    value = _value_of(parameter, ctx)
    return f"{_named(parameter, shown, value, ctx)}: {_problem(shown, value, error.message)}"


def nearest(name: str, names: Iterable[str]) -> str:
    """`; did you mean X?` for the name that is spelt most like another; empty if none is."""
    found = difflib.get_close_matches(name, list(names), n=1)
    return f"; did you mean {found[0]}?" if found else ""


def _option_sentence(name: str, ctx: Any) -> str:
    """An option that does not exist, lacks its value, or takes none."""
    for parameter in ctx.command.params:
        if name in (*parameter.opts, *parameter.secondary_opts):
            shown = parameters_by_name(ctx.command)[parameter.name]
            if not shown.value:
                return f"{name} takes no value"
            limits = f", {shown.limits}" if shown.limits else ""
            return f"{name} needs a value: {shown.value}{limits}"
    if (elsewhere := _place_of(name, ctx)) is not None:
        return elsewhere
    flags = [
        flag
        for parameter in ctx.command.params
        for flag in (*parameter.opts, *parameter.secondary_opts)
        if flag.startswith("--")
    ]
    return f"no option {name}{nearest(name, flags)} ({ctx.command_path} -h lists all options)"


def _place_of(name: str, ctx: Any) -> str | None:
    """Where an option belongs that the program has before its command, or only after it."""
    program = ctx.find_root()
    if ctx is not program:
        if any(name in parameter.opts for parameter in program.command.params):
            return f"{name} comes before the command: {program.command_path} {name} ..."
    elif any(
        name in parameter.opts
        for command in program.command.commands.values()
        for parameter in command.params
    ):
        return f"{name} comes after the command: {program.command_path} COMMAND {name} ..."
    return None


def _other_sentence(error: Any) -> str:
    """Too many arguments, or an error that a command itself raised."""
    if isinstance(error, typer.BadParameter):
        return str(error.message)
    text = str(error.message)
    sentence = f"{text[:1].lower()}{text[1:]}".rstrip(".")
    is_query = error.ctx is not None and error.ctx.command.name == "search"
    if is_query and "extra argument" in sentence:
        sentence += "; write several words in quotes"
    return sentence


def _value_of(parameter: Any, ctx: Any) -> str | None:
    """A parameter's value as the user wrote it; None if it cannot be found."""
    source = ctx.get_parameter_source(parameter.name).name
    if source == "ENVIRONMENT":
        return next(filter(None, map(os.environ.get, variables_of(parameter))), None)
    if source != "COMMANDLINE":
        return str(ctx.lookup_default(parameter.name))
    words = arguments_of(ctx)
    found = None  # of an option that is given twice, the last value counts
    for number, word in enumerate(words):
        flag, equals, value = word.partition("=")
        if flag in parameter.opts:
            found = value if equals else next(iter(words[number + 1 :]), None)
    return found


def variables_of(parameter: Any) -> list[str]:
    """The environment variables of an option, the first that is set counts."""
    variables = parameter.envvar or []
    return [variables] if isinstance(variables, str) else list(variables)


def _named(parameter: Any, shown: ParameterHelp, value: str | None, ctx: Any) -> str:
    """The parameter with its value and, unless this is the command line, where it is from."""
    flag = shown.flags if shown.is_argument else max(parameter.opts, key=len)
    source = ctx.get_parameter_source(parameter.name).name
    if source == "ENVIRONMENT":
        variable = next(each for each in variables_of(parameter) if os.environ.get(each))
        return f"{variable}={value} (for {flag})"
    start = f"{ctx.obj}: " if source == "DEFAULT_MAP" else ""
    return f"{start}{flag}" if value is None else f"{start}{flag} {value}"


def _problem(shown: ParameterHelp, value: str | None, message: str) -> str:
    """What is wrong with a value."""
    if message == TOO_LARGE:
        return message
    if shown.is_switch:
        return "not 1 or 0"
    if "|" in shown.type_name:
        choices = shown.type_name.split("|")
        return f"not one of {', '.join(choices)}{nearest(value or '', choices)}"
    limits = f" of {shown.limits}" if shown.limits else ""
    if shown.type_name == "INTEGER":
        return f"not a whole number{limits}"
    if shown.type_name == "FLOAT":
        return f"not a number{limits}"
    return message
