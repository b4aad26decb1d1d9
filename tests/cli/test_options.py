"""Options that several commands share."""

from typing import get_type_hints

import pytest
import typer

from gifdesc.cli import app, options
from worlds import run_here

SHARED = {name: value for name, value in vars(options).items() if hasattr(value, "__metadata__")}
HINTS = {
    one.callback.__name__: get_type_hints(one.callback, include_extras=True)
    for one in app.registered_commands
}
COMMANDS = typer.main.get_command(app).commands


@pytest.mark.parametrize("name", sorted(SHARED))
def test_shared_options_are_used_by_several_commands(name):
    users = [command for command, hints in HINTS.items() if SHARED[name] in hints.values()]
    assert len(users) > 1


@pytest.mark.parametrize("flag", ["--device", "--json", "--debug", "--features", "--splits"])
def test_an_option_means_the_same_in_every_command(flag):
    helps = [
        one.help for command in COMMANDS.values() for one in command.params if flag in one.opts
    ]
    assert len(helps) > 1
    assert len(set(helps)) == 1


def test_an_option_has_one_name_only():
    flags = {
        name: value.__metadata__[0].default for name, value in SHARED.items() if name != "Paths"
    }
    assert all(flag.startswith("--") for flag in flags.values())
    twice = {name for name, flag in flags.items() if list(flags.values()).count(flag) > 1}
    assert twice == {"ModelName", "ModelDir"}  # where a name will do, and where a folder is written


def value_of(command, name, *arguments):
    """What a command understands of an option, without being run."""
    return COMMANDS[command].make_context(command, list(map(str, arguments))).params[name]


@pytest.mark.parametrize(
    ("command", "flag", "name", "value"),
    [
        ("demo", "--seed", "seed", 0),
        ("demo", "--seed", "seed", 2**63 - 1),
        ("evaluate", "--beam", "beam", 1),
        ("evaluate", "--max-length", "max_length", 1),
    ],
)
def test_the_least_and_the_greatest_number_are_accepted(command, flag, name, value):
    assert value_of(command, name, flag, value) == value


@pytest.mark.parametrize(
    ("command", "flag", "name", "value"),
    [
        ("demo", "--seed", "seed", -1),
        ("demo", "--seed", "seed", 2**63),
        ("evaluate", "--beam", "beam", 0),
        ("evaluate", "--max-length", "max_length", 0),
    ],
)
def test_a_number_out_of_range_is_refused(command, flag, name, value):
    with pytest.raises(typer.BadParameter):
        value_of(command, name, flag, value)


PATH_METAVARS = {"DIR", "[DIR]", "FILE", "PATH", "WEIGHTS", "MODEL", "IN", "OUT"}
PATH_PARAMETERS = [
    (name, parameter)
    for name, command in COMMANDS.items()
    for parameter in command.params
    if parameter.metavar in PATH_METAVARS or parameter.name == "tokenizer"
]


@pytest.mark.parametrize(
    ("command", "parameter"),
    [pytest.param(*pair, id=f"{pair[0]}-{pair[1].name}") for pair in PATH_PARAMETERS],
)
def test_a_path_is_never_empty_and_its_tilde_is_expanded(command, parameter, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    if (
        parameter.multiple or parameter.nargs == -1
    ) and command != "alt":  # GIFs: arguments.expand_arguments
        done = run_here(command, "", *(("--model", "model") if command == "describe" else ()))
        assert (done.code, "an argument is empty" in done.err) == (2, True)
        return
    required = {"caption": ["x.gif"], "check": ["x.gif"], "extract": ["x.gif"]}
    required["describe"] = ["x.gif", "--model", "model"]
    required["convert"] = ["in.tsv", "out.tsv"]
    required["fetch"] = ["urls.txt"]
    required["info"] = ["model"]
    required["alt"] = ["a.md"]
    before, after = required.get(command, []), []
    if parameter.param_type_name != "argument":
        before = [*before, max(parameter.opts, key=len)]
    elif command in ("convert", "fetch", "info", "alt"):
        place = ["path", "output"].index(parameter.name) if command == "convert" else 0
        before, after = before[:place], before[place + 1 :]
    value = value_of(command, parameter.name, *before, "~/here", *after)
    [value] = value if isinstance(value, list) else [value]
    assert str(value) == str(tmp_path / "here")
    with pytest.raises(typer.BadParameter, match="it is empty"):
        value_of(command, parameter.name, *before, "", *after)


def test_there_are_paths_in_every_command():
    assert {name for name, _ in PATH_PARAMETERS} == set(COMMANDS) - {"models"}
