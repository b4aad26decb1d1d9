"""Options from the environment and from a file: for what a user would give again and again.

The command line wins, then the environment, then the file.
"""

from __future__ import annotations

import os
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gifdesc.cli.help import ParameterHelp, parameters_by_name
from gifdesc.cli.usage import nearest, variables_of
from gifdesc.errors import UsageError
from gifdesc.system.files import reading

FILE_NAME = "gifdesc.toml"
_PROJECT_FILE_NAME = "pyproject.toml"
_PREFIX = "GIFDESC_"
_OWN_FLAGS = {"--help", "--version", "--install-completion", "--show-completion"}

_SHARED = {"model": ("describe", "caption", "alt")}
"""Options of one name with different texts, and the commands that share them all the same. `train`
writes its model, and `evaluate` scores it: these are not the model for captions."""

Commands = Mapping[str, Any]
"""The commands by name, as `typer.main.get_command` makes them."""

Values = dict[str, dict[str, Any]]
"""By command and parameter: a value of a settings file, as the command line would have it."""


def name_variables(commands: Commands) -> None:
    """Give every option its environment variables: `GIFDESC_COMMAND_OPTION` and `GIFDESC_OPTION`.

    An option that means different things in two commands, such as `--output`, has the first only.
    """
    shared = _sharing(commands)
    for command_name, command in commands.items():
        for parameter in _options(command):
            name = _name_of(parameter)
            variables = [_variable(command_name, name)]
            if command_name in shared.get(name, ()):
                variables.append(_variable(name))
            parameter.envvar = variables


def find_settings(folder: Path) -> Path | None:
    """The settings file for a working folder: in it or in the nearest folder above it.

    `gifdesc.toml` counts before a `pyproject.toml` beside it, and this only if it has a table
    `tool.gifdesc`. The search ends at the root of a repository and at the home folder, and files of
    other users do not count: they could switch on `--force` for whoever works below them.
    """
    for each in (folder, *folder.parents):
        if _is_own(path := each / FILE_NAME):
            return path
        path = each / _PROJECT_FILE_NAME
        if _is_own(path) and _has_settings(path):
            return path
        if (each / ".git").exists() or each == Path.home():
            break
    return None


def _is_own(path: Path) -> bool:
    """Whether it is a file of this user or of the system's administrator."""
    if not path.is_file():
        return False
    getuid = getattr(os, "getuid", None)  # not on Windows
    return getuid is None or path.stat().st_uid in (0, getuid())


def _has_settings(path: Path) -> bool:
    """Whether a `pyproject.toml` has settings of gifdesc; others' mistakes in it do not matter."""
    try:
        return _table_of(path) is not None
    except UsageError:
        return "[tool.gifdesc" in path.read_text(encoding="utf-8", errors="replace")


def read_settings(path: Path, commands: Commands) -> Values:
    """The values of a settings file.

    Top-level keys count for all commands in which the option means the same; the keys of a
    command's table for this command. Paths are relative to the file's folder.

    Raises:
        UsageError: the file is not TOML, or has an unknown key or a value of another type.
        GifdescError: it cannot be read.
    """
    table = _table_of(path)
    if table is None:
        raise UsageError(f"{path}: has no table tool.gifdesc")
    shared = _sharing(commands)
    values: Values = {name: {} for name in commands}
    tables = {key: value for key, value in table.items() if isinstance(value, dict)}
    for key, value in table.items():
        if key in tables:
            continue
        if key in commands:
            raise UsageError(f"{path}: {key}: a command; write its options in the table [{key}]")
        name = key.replace("_", "-")
        owners = [each for each in commands if name in _by_name(commands[each])]
        if not owners:
            known = {name for command in commands.values() for name in _by_name(command)}
            raise UsageError(f"{path}: {key}: no such option{nearest(name, known)}")
        if name not in shared:
            raise UsageError(
                f"{path}: {key}: means different things in {', '.join(owners)}; write it in a "
                f"table, such as [{owners[0]}]"
            )
        for owner in shared[name]:
            _set(values, path, commands[owner], owner, key, value)
    for command_name, entries in tables.items():
        if command_name not in commands:
            raise UsageError(
                f"{path}: [{command_name}]: no such command{nearest(command_name, commands)}"
            )
        command = commands[command_name]
        for key, value in entries.items():
            name = key.replace("_", "-")
            if name not in _by_name(command):
                hint = nearest(name, _by_name(command))
                raise UsageError(f"{path}: [{command_name}] {key}: no such option{hint}")
            _set(values, path, command, command_name, key, value)
    return values


def sources_of(ctx: Any, path: Path | None) -> Iterator[str]:
    """A line for each option of a command that does not come from the command line.

    Args:
        ctx: of the command.
        path: the settings file.
    """
    for parameter in _options(ctx.command):
        source = ctx.get_parameter_source(parameter.name)
        value = ctx.params.get(parameter.name)
        flag = max(parameter.opts, key=len)
        if source is not None and source.name == "ENVIRONMENT":
            variable = next(each for each in variables_of(parameter) if os.environ.get(each))
            yield f"{flag} {value} (from {variable})"
        elif source is not None and source.name == "DEFAULT_MAP":
            yield f"{flag} {value} (from {path})"


def _table_of(path: Path) -> dict[str, Any] | None:
    """The settings in a file; None if a `pyproject.toml` has none.

    Raises:
        UsageError: the file is not TOML.
        GifdescError: it cannot be read.
    """
    with reading(path):
        content = path.read_bytes()
    try:
        table = tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: not TOML: {error}") from error
    if path.name != _PROJECT_FILE_NAME:
        return table
    tools = table.get("tool")
    settings = tools.get("gifdesc") if isinstance(tools, dict) else None
    if settings is not None and not isinstance(settings, dict):
        raise UsageError(f"{path}: tool.gifdesc: not a table")
    return settings


def _set(values: Values, path: Path, command: Any, command_name: str, key: str, value: Any) -> None:
    parameter, shown = _by_name(command)[key.replace("_", "-")]
    where = f"{path}: [{command_name}] {key}"
    values[command_name][parameter.name] = _checked(value, shown, path.parent, where)


def _checked(value: Any, shown: ParameterHelp, folder: Path, where: str) -> Any:
    """A value of a file as the command line would have it.

    Raises:
        UsageError: it is of another type.
    """
    if shown.is_switch:
        return _of_type(value, (bool,), "true or false", where)
    if shown.is_list:
        values = value if isinstance(value, list) else [value]
        return [_of_type(each, (str,), "a text or a list of texts", where) for each in values]
    if shown.type_name == "INTEGER":
        return _of_type(value, (int,), "a whole number", where)
    if shown.type_name == "FLOAT":
        return _of_type(value, (int, float), "a number", where)
    text: str = _of_type(value, (str,), "a text", where)
    # A model may be a folder or a public name.
    is_path = shown.type_name == "PATH" or (shown.group == "Model" and (folder / text).exists())
    return str(folder / Path(text).expanduser()) if is_path and folder != Path.cwd() else text


def _of_type(value: Any, types: tuple[type, ...], wanted: str, where: str) -> Any:
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        raise UsageError(f"{where}: not {wanted}: {value!r}")
    return value


def _sharing(commands: Commands) -> dict[str, tuple[str, ...]]:
    """For each option that means the same in several commands, or is in one only: the commands."""
    texts: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for command_name, command in commands.items():
        for parameter in _options(command):
            texts[_name_of(parameter)][command_name] = parameter.help or ""
    found = {name: tuple(by) for name, by in texts.items() if len(set(by.values())) == 1}
    return found | _SHARED


def _options(command: Any) -> Iterator[Any]:
    for parameter in command.params:
        if parameter.param_type_name == "option" and not _OWN_FLAGS & set(parameter.opts):
            yield parameter


def _by_name(command: Any) -> dict[str, tuple[Any, ParameterHelp]]:
    """The options of a command by their names without dashes, such as `num-frames`."""
    shown = parameters_by_name(command)
    return {
        _name_of(parameter): (parameter, shown[parameter.name]) for parameter in _options(command)
    }


def _name_of(parameter: Any) -> str:
    return str(max(parameter.opts, key=len)).lstrip("-")


def _variable(*names: str) -> str:
    return _PREFIX + "_".join(names).replace("-", "_").upper()
