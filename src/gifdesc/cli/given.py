"""The options that a command line gives: refused, reported, and named in messages."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path

import typer

from gifdesc.cli.console import warn
from gifdesc.config import EngineName, FeatureFormat
from gifdesc.data.gifs import PassedOver
from gifdesc.system.wording import joined


def is_on_command_line(context: typer.Context, name: str) -> bool:
    """Whether a parameter's value is from the command line, and no default or setting."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def flags_on_command_line(context: typer.Context, names: Collection[str]) -> list[str]:
    """Of some parameters of a command, the options that the command line has, as they are spelt.

    Args:
        context: of the command.
        names: of its parameters.
    """
    flags = _flags_of(context)
    return [flags[name] for name in names if is_on_command_line(context, name)]


def refuse(context: typer.Context, names: Collection[str], sentence: str) -> None:
    """Refuse options of the command line that do not fit what is asked for.

    Values of settings are for the runs that they fit.

    Args:
        context: of the command.
        names: of the parameters that do not fit.
        sentence: what they are for.

    Raises:
        typer.BadParameter: the command line has one of them.
    """
    if flags_on_command_line(context, names):
        raise typer.BadParameter(sentence)


def choose_one(context: typer.Context, names: tuple[str, str], sentence: str) -> str:
    """Of two parameters that exclude each other, the one that the command line has.

    The other is of a settings file or an environment variable, for other runs.

    Args:
        context: of the command.
        names: of the parameters.
        sentence: why they exclude each other.

    Raises:
        typer.BadParameter: both are on the command line, or neither is.
    """
    given = [name for name in names if is_on_command_line(context, name)]
    if len(given) != 1:
        raise typer.BadParameter(sentence)
    return given[0]


def as_options(context: typer.Context, message: str, renamed: Mapping[str, str]) -> str:
    """A message about fields of a configuration, with the command's options in their place.

    Only names with an underscore are replaced: others may be words of the sentence.

    Args:
        context: of the command.
        message: the message.
        renamed: the command's parameter for each field that has another name.
    """
    flags = _flags_of(context)

    def option(field: re.Match[str]) -> str:
        return flags.get(renamed.get(field[0], field[0]), field[0])

    return re.sub(r"\b[a-z]+(?:_[a-z]+)+\b", option, message)


def _flags_of(context: typer.Context) -> dict[str, str]:
    """The longest spelling of each parameter of a command, by the parameter's name."""
    return {
        parameter.name: max(parameter.opts, key=len)
        for parameter in context.command.params
        if parameter.name is not None
    }


def warn_of_unused(context: typer.Context, names: Collection[str], condition: str) -> None:
    """Report options of the command line that a run does not use.

    Options that change what is asked for are refused where they do not fit. These only cause a
    warning: scripts give a device or a model to every command. Values of a settings file or an
    environment variable are for other runs too, and may be unused.

    Args:
        context: of the command.
        names: of its parameters that have no effect.
        condition: when they have none, such as `with --captions`.
    """
    if flags := flags_on_command_line(context, names):
        verb = "has" if len(flags) == 1 else "have"
        warn(f"{joined(flags)} {verb} no effect {condition}")


def warn_of_unused_chunk_size(
    context: typer.Context, engine: EngineName, form: FeatureFormat = "npy"
) -> None:
    """Report `--chunk-size` where there are neither workers of an engine nor shards."""
    if engine == "local" and form == "npy":
        shards = " or --format shards" if context.command.name == "extract" else ""
        warn_of_unused(context, ("chunk_size",), f"without --engine ray{shards}")


def warn_of_unused_descriptions_format(context: typer.Context, descriptions: Path | None) -> None:
    """Report `--descriptions-format` where there are no descriptions, or only text files."""
    name = "descriptions_format"
    if not is_on_command_line(context, name):
        return
    from gifdesc.data.descriptions import has_only_text_files

    if descriptions is None:
        warn_of_unused(context, (name,), "without --descriptions")
    elif descriptions.is_dir() and has_only_text_files(descriptions):
        warn_of_unused(context, (name,), "for a folder of .txt files")


def warn_of_passed_over(context: typer.Context, passed_over: PassedOver) -> None:
    """Report what a search of folders left out, and `--ext` if no folder was searched."""
    for sentence in passed_over.sentences():
        warn(sentence)
    if not passed_over.num_folders:
        warn_of_unused(context, ("ext",), "without a folder")
