"""What `--help` and docs/cli.md show of the commands."""

import importlib.util
import re
import shlex
from pathlib import Path

import pytest
import typer

from gifdesc.cli import app
from gifdesc.cli.help import GROUPS, parameters_of, usage_of
from worlds import run_here

COMMANDS = typer.main.get_command(app).commands
DOCS_DIR = Path(__file__).parents[2] / "docs"
PARAMETERS = [
    pytest.param(parameter, id=f"{name}: {parameter.flags}")
    for name, command in COMMANDS.items()
    for parameter in parameters_of(command)
]


def help_of(*command, columns, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    done = run_here(*command, "--help")
    assert (done.code, done.err) == (0, "")
    return done.out.splitlines()


@pytest.mark.parametrize("columns", [40, 80])
@pytest.mark.parametrize("command", [(), *((name,) for name in COMMANDS)])
def test_help_fits_the_terminal(command, columns, monkeypatch):
    lines = help_of(*command, columns=columns, monkeypatch=monkeypatch)
    assert [line for line in lines if len(line.rstrip()) > columns] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_options_are_in_groups_and_groups_in_one_order(name, monkeypatch):
    lines = help_of(name, columns=80, monkeypatch=monkeypatch)
    shown = [line.removesuffix(":") for line in lines if re.fullmatch(r"[A-Z][a-z]+:", line)]
    assert shown[:-1] == [group for group in GROUPS if group in shown]
    assert shown[-1] == "Example"


@pytest.mark.parametrize("name", COMMANDS)
def test_help_ends_with_an_example_that_can_be_run(name, monkeypatch):
    lines = help_of(name, columns=80, monkeypatch=monkeypatch)
    assert lines[-2] == "Example:"
    program, command, *arguments = shlex.split(lines[-1].partition(" > ")[0])
    assert (program, command) == ("gifdesc", name)
    COMMANDS[name].make_context(name, arguments)


@pytest.mark.parametrize("parameter", PARAMETERS)
def test_every_option_has_a_readable_value_and_a_default_in_its_own_place(parameter):
    assert re.fullmatch(r"(|[A-Z]+|[a-z0-9_]+(\|[a-z0-9_]+)+)", parameter.value)
    assert parameter.text.endswith(".")
    assert "default" not in parameter.text
    assert not (parameter.default or "").startswith(("(", "["))


def test_switches_with_an_opposite_show_both_and_their_default():
    [meteor] = [one for one in parameters_of(COMMANDS["evaluate"]) if "meteor" in one.flags]
    assert (meteor.usage, meteor.default) == ("--[no-]meteor", "--meteor")


def test_numbers_have_their_limits():
    limits = {one.flags: one.limits for one in parameters_of(COMMANDS["caption"])}
    assert limits["--beam"] == "1 or more"
    assert limits["--top-p"] == "0 to 1"
    assert limits["--seed"] == "0 or more"
    assert limits["--length-penalty"] == ""


def test_an_argument_that_may_be_left_out_is_in_brackets():
    assert usage_of(COMMANDS["demo"]) == "[OPTIONS] [DIR]"
    assert usage_of(COMMANDS["check"]) == "[OPTIONS] PATH..."


def test_the_reference_page_equals_the_generated_text():
    spec = importlib.util.spec_from_file_location("generate_cli", DOCS_DIR / "generate_cli.py")
    generator = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generator)
    written = (DOCS_DIR / "cli.md").read_text(encoding="utf-8")
    assert written == generator.render(), "run: python docs/generate_cli.py"
