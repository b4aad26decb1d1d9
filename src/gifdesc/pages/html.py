"""The parts that pages share: templates that escape, one style, one script, no external files."""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from gifdesc.errors import UsageError
from gifdesc.metrics.scoring import metric_label
from gifdesc.pages.attention import attends, describe_attention, moment, probability, seconds
from gifdesc.pages.style import DARK, LIGHT, baseline_label
from gifdesc.system.files import check_replaceable, writing
from gifdesc.system.replacement import replacing
from gifdesc.system.wording import counted
from gifdesc.version import __version__

# Characters that HTML forbids, and halves of surrogate pairs, which UTF-8 cannot hold.
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


PAGE_SUFFIXES = (".html", ".htm")

SCRIPTS = ("film.js", "words.js", "examples.js", "copy.js")
"""The page's script in parts: moving frames; words and their frames; search, filters and order;
copying."""


@dataclass(frozen=True)
class WrittenPage:
    """The contents of a page in numbers.

    Attributes:
        num_shown: GIFs that it shows.
        num_without_frames: GIFs that have no filmstrip; the page gives the reasons.
        changed: the names of GIFs that have other content than what the page says of them.
    """

    num_shown: int
    num_without_frames: int
    changed: tuple[str, ...] = ()

    @property
    def warning(self) -> str | None:
        """A sentence about GIFs without a filmstrip."""
        if not self.num_without_frames:
            return None
        gifs = counted(self.num_without_frames, "GIF")
        return f"{gifs} cannot be shown; the page gives the reason"


def write_page(path: Path, template: str, content: Mapping[str, Any]) -> None:
    """Fill a template and write the page: a single file that needs no network.

    Text that is not marked as HTML is escaped. A policy in the page lets a browser run the
    page's own script and load nothing.

    Args:
        path: of the page.
        template: its name in `templates/`.
        content: the values of the template, by name.

    Raises:
        GifdescError: the file cannot be written.
    """
    script = "\n".join(map(_source, SCRIPTS))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    common = {
        "style": Markup(_source("page.css")),
        "script": Markup(script),
        "script_sha256": digest,
        "light": LIGHT,
        "dark": DARK,
        "version": __version__,
    }
    stream = _environment().get_template(template).stream({**common, **content})
    stream.enable_buffering(64)
    with writing(path), replacing(path) as aside:
        stream.dump(str(aside), encoding="utf-8")


def check_page_name(path: Path) -> None:
    """Check that a file has the ending of a page.

    Raises:
        UsageError: it has another ending.
    """
    if path.suffix.lower() not in PAGE_SUFFIXES:
        raise UsageError(f"{path}: a page is a .html file; choose such a name")


def is_own_page(start: bytes) -> bool:
    """Whether a file that begins so is a page of gifdesc."""
    return b'<meta name="generator" content="gifdesc ' in start


def check_page_path(path: Path, option: str = "") -> None:
    """Check, before long work, that a page can be written there; its folder is made.

    Args:
        path: of the page; a page of gifdesc is replaced, another file is not.
        option: the name of an option, for the message.

    Raises:
        GifdescError: it cannot be written, or another file is there.
    """
    with writing(f"{option} {path}".strip()):
        check_replaceable(path, is_own_page)


def data_uri(content: bytes | str, kind: str) -> Markup:
    """A file inside a page, such as a picture of the kind `image/webp`."""
    encoded = content.encode() if isinstance(content, str) else content
    return Markup(f"data:{kind};base64,{base64.b64encode(encoded).decode()}")


def link_to(path: Path, page_path: Path) -> str:
    """The address of a file for a link in a page: relative, so that both may move together."""
    try:
        relative = os.path.relpath(path, page_path.parent)
    except ValueError:  # on another drive
        return path.absolute().as_uri()
    return quote(os.fsencode(relative.replace(os.sep, "/")))


def replace_unprintable(value: Any) -> Any:
    """Text with a replacement for each character that HTML forbids; other values unchanged."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", value)
    return value


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("gifdesc.pages", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=replace_unprintable,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        metric_label=metric_label,
        baseline_label=baseline_label,
        attends=attends,
        attention=describe_attention,
        moment=moment,
        probability=probability,
        seconds=seconds,
        hex_weights=_hex_weights,
        signed="{:+.3f}".format,
        webp=lambda image: data_uri(image, "image/webp"),
    )
    return environment


def _source(name: str) -> str:
    """The text of a file of `templates/`."""
    environment = _environment()
    assert environment.loader is not None
    return environment.loader.get_source(environment, name)[0]


def _hex_weights(weights: list[float]) -> str:
    """Weights for the script: two hexadecimal digits each, ff for 1."""
    return bytes(round(255 * min(weight, 1.0)) for weight in weights).hex()
