"""What every form is read from and into: a source, and lines of captions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from gifdesc.config import Split
from gifdesc.data.forms.form_names import FormName
from gifdesc.data.forms.repeated_keys import RepeatedKeyError, parse_unique, remarks_on_keys
from gifdesc.data.text_files import TextFile
from gifdesc.system.json_files import parse_json

_SAMPLE_CHARACTERS = 1 << 16
_SPLIT_NAMES: dict[str, Split] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "validate", "validation", "valid", "dev"), "val"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), "test"),
}
"""What data sets call the splits."""


@dataclass(frozen=True, slots=True)
class CaptionLine:
    """A line of a file of captions.

    Attributes:
        number: counted from 1.
        name: of the GIF, as the file has it.
        captions: as the file has them; an empty text for each that is null.
        has_text: whether the file has a text for the caption, be it empty.
        is_list: whether these come from a list, even of a single caption.
        problem: why the line cannot be used; None if it can.
        is_empty: whether all that the line lacks is a caption.
        is_misnamed: whether its name can mean no GIF.
        gif_id: the data set's own id of the GIF, where the file has such ids beside names.
        split: the split that the file names; None if it names none.
        other_split: a second split that the file names for the same GIF, which does not count.
        unknown_split: what the file calls the split, if no split is called so.
        url: where the file says that the GIF is, if that is not its name.
        left_out: why the captions are not used although nothing is wrong with them, such as `in
            Chinese`; None if they are used.
        unit: what the file consists of.
    """

    number: int
    name: str = ""
    captions: tuple[str, ...] = ()
    has_text: bool = True
    is_list: bool = False
    problem: str | None = None
    is_empty: bool = False
    is_misnamed: bool = False
    gif_id: str = ""
    split: Split | None = None
    other_split: Split | None = None
    unknown_split: str = ""
    url: str = ""
    left_out: str | None = None
    unit: str = "line"

    def place(self, path: Path) -> str:
        """The file with the number, for messages."""
        if self.unit == "line":
            return f"{path}:{self.number}"
        return f"{path}: {self.unit} {self.number}"


class CaptionSource(TextFile):
    """A file of captions, as forms recognise and read it.

    Args:
        path: the file.
        name: its path under the folder that was given, without its ending; None for a file that
            was given itself.

    Raises:
        DescriptionError: the file cannot be read or is not UTF-8.
    """

    def __init__(self, path: Path, name: str | None = None) -> None:
        super().__init__(path)
        self._repeated_keys: list[str] = []
        self.name = PurePosixPath(path.name).with_suffix("").as_posix() if name is None else name

    @cached_property
    def suffix(self) -> str:
        """The ending of the file's name, in small letters."""
        return self.path.suffix.lower()

    @cached_property
    def sample(self) -> list[str]:
        """The first lines that are not empty; a first line that is very long is cut."""
        with self.open() as file:
            text = file.read(_SAMPLE_CHARACTERS)
            is_whole = not file.read(1)
        lines = [line for line in text.split("\n") if line.strip()]
        return lines if is_whole or len(lines) < 2 else lines[:-1]

    @property
    def starts_like_json(self) -> bool:
        """Whether the first character begins a JSON object or list."""
        return bool(self.sample) and self.sample[0].lstrip().startswith(("{", "["))

    @cached_property
    def document(self) -> Any:
        """The JSON value that the whole file is; None for JSON lines and for other text."""
        if not self.starts_like_json or (
            len(self.sample) > 1 and parsed(self.sample[0]) is not None
        ):
            return None
        with self.open() as file:
            text = file.read()
        try:
            return parse_unique(text)
        except RepeatedKeyError as error:
            # The decoder gives up at the object: what follows it need not be JSON.
            document = parsed(text)
            if document is not None:
                self._repeated_keys = remarks_on_keys(text, self.path, error)
            return document
        except ValueError:
            return None

    @property
    def repeated_keys(self) -> list[str]:
        """Remarks about objects of the document that have a key twice, with different values."""
        return self._repeated_keys if self.document is not None else []


@dataclass(frozen=True, kw_only=True)
class CaptionForm:
    """A form of files of captions.

    Attributes:
        name: of the form, for options.
        title: what messages call a file of the form.
        recognises: whether a file's content is of the form. Every form examines a file, so this is
            true only for content that the form would read without a doubt.
        read: the lines of a file that are not empty, usable or not.
    """

    name: FormName
    title: str
    recognises: Callable[[CaptionSource], bool]
    read: Callable[[CaptionSource], Iterator[CaptionLine]]


def parsed(text: str) -> Any:
    """A JSON value; None for invalid JSON."""
    try:
        return parse_json(text)
    except ValueError:
        return None


def split_named(value: object) -> Split | None:
    """The split that a data set calls so; None for other values."""
    return _SPLIT_NAMES.get(value.strip().lower()) if isinstance(value, str) else None


def unknown_split(value: object) -> str:
    """What a data set calls a split that no split is called; empty for known splits and none."""
    return value.strip() if isinstance(value, str) and split_named(value) is None else ""
