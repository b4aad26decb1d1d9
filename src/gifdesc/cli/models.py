"""`gifdesc models`: the public models with short names."""

from __future__ import annotations

import textwrap
from shutil import get_terminal_size

from gifdesc.cli.console import exit_on_error, info, print_json, print_result
from gifdesc.cli.options import Debug, Json, Quiet, Verbose
from gifdesc.model.public_models import DEFAULT_NAME, PUBLIC_MODELS, RECOMMENDED, PublicModel

_LEAST_WIDTH = 30


def models(
    json: Json = False, quiet: Quiet = False, verbose: Verbose = False, debug: Debug = False
) -> None:
    """List the public models that have short names for --model."""
    with exit_on_error(debug=debug, quiet=quiet, verbose=verbose, json=json):
        if json:
            print_json({"models": [model.to_json() for model in PUBLIC_MODELS]})
            return
        print_result("\n\n".join(map(_paragraph, PUBLIC_MODELS)) + "\n")
        info(f"gifdesc caption funny.gif --model {DEFAULT_NAME}")


def _paragraph(model: PublicModel) -> str:
    names = [model.short_name, *([DEFAULT_NAME] if model is RECOMMENDED else [])]
    size = f"{model.download_mb / 1000:.1f} GB"
    needs = f", needs gifdesc[{model.extra}]" if model.extra else ""
    text = f"{size}, {model.licence}; shown {model.shown}{needs}"
    width = max(get_terminal_size().columns, _LEAST_WIDTH)
    wrapped = textwrap.fill(text, width, initial_indent="  ", subsequent_indent="  ")
    return f"{', '.join(names)}\n  {model.name}\n{wrapped}"
