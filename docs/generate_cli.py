"""Write docs/cli.md from the options that the program itself has.

Run it after an option changed: `python docs/generate_cli.py`. A test compares the two.
"""

from __future__ import annotations

from inspect import cleandoc
from pathlib import Path
from typing import Any

from typer.main import get_command

from gifdesc.cli import app
from gifdesc.cli.help import ParameterHelp, grouped, parameters_of, usage_of

CLI_PATH = Path(__file__).with_name("cli.md")

_INTRODUCTION = """# Command line reference

Every command prints its options with `--help` (`-h`). `--version` prints the version of gifdesc.
Options that you give again and again can be in [a file or in variables](configuration.md).
`python docs/generate_cli.py` writes this page.
"""


def render() -> str:
    """The text of docs/cli.md."""
    commands = get_command(app).commands  # type: ignore[attr-defined]
    contents = "\n".join(f"- [`{name}`](#gifdesc-{name})" for name in commands)
    sections = [_section(name, command) for name, command in commands.items()]
    return "\n".join([_INTRODUCTION, contents, "", *sections])


def _section(name: str, command: Any) -> str:
    usage = f"gifdesc {name} {usage_of(command)}"
    parts = [f"## gifdesc {name}", cleandoc(command.help), f"```text\n{usage}\n```"]
    for group, parameters in grouped(parameters_of(command)):
        rows = "\n".join(map(_row, parameters))
        head = f"| {group} | value | default | meaning |\n| --- | --- | --- | --- |"
        parts.append(f"{head}\n{rows}")
    for section in command.epilog.split("\n\n"):
        title, *lines = [line.removeprefix("  ") for line in section.splitlines()]
        language = "sh" if title == "Example:" else "text"
        parts.append("\n".join([title, "", f"```{language}", *lines, "```"]))
    return "\n\n".join(parts) + "\n"


def _row(parameter: ParameterHelp) -> str:
    value = "" if parameter.is_argument or not parameter.value else f"`{parameter.value}`"
    if parameter.limits:
        value += f", {parameter.limits}"
    default = "required" if parameter.is_required else parameter.default or ""
    cells = [f"`{parameter.flags}`", value, _escape(default), _escape(parameter.text)]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _escape(text: str) -> str:
    return text.replace("<", "&lt;").replace("*", "\\*")


if __name__ == "__main__":
    CLI_PATH.write_text(render(), encoding="utf-8")
