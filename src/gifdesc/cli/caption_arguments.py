"""What the options of `gifdesc caption` take beyond the usual: a number that may be left out."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand

from gifdesc.alt_text import DEFAULT_CHARACTERS


class CaptionCommand(TyperCommand):
    """Lets `--alt-text` go without its number."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Give `--alt-text` its number, from the argument after it or the default."""
        return super().parse_args(ctx, _with_alt_text_length(args))


def _with_alt_text_length(arguments: list[str]) -> list[str]:
    """`--alt-text 80` as `--alt-text=80`, and `--alt-text x.gif` as `--alt-text=125 x.gif`."""
    if "--alt-text" not in arguments:
        return arguments
    place = arguments.index("--alt-text")
    if "--" in arguments[:place]:
        return arguments
    number, *rest = arguments[place + 1 :] or [""]
    if number.isdecimal():
        return [*arguments[:place], f"--alt-text={number}", *rest]
    return [*arguments[:place], f"--alt-text={DEFAULT_CHARACTERS}", *arguments[place + 1 :]]
