"""The descriptions and lists of splits beside fetched files, by the names of the files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from gifdesc.config import Split
from gifdesc.data.forms.base import CaptionSource
from gifdesc.data.forms.registry import read_captions
from gifdesc.data.forms.writing import DescribedGif, write_tsv
from gifdesc.data.splits import SPLITS, write_split_lists
from gifdesc.data.text_files import read_text_lines
from gifdesc.data.url_lists import ListedUrl

DESCRIPTIONS_NAME = "descriptions.tsv"
SPLITS_NAME = "splits"


def write_companions(
    folder: Path, listed: Iterable[ListedUrl], files: Mapping[str, str | None]
) -> None:
    """Write `descriptions.tsv` and `splits/` for the files of a list, if the list has any.

    Lines of other files, from a list that was fetched into the same folder before, are kept.

    Args:
        folder: of the files.
        listed: the URLs of the list.
        files: URL -> the name of its file; None if it has none.

    Raises:
        DescriptionError: an earlier file is damaged.
        OSError: a file cannot be written.
    """
    named = [(name, each) for each in listed if (name := files.get(each.url)) is not None]
    if any(each.captions for _, each in named):
        gifs = _earlier_descriptions(folder / DESCRIPTIONS_NAME)
        gifs |= {name: DescribedGif(name, each.captions) for name, each in named if each.captions}
        write_tsv(folder / DESCRIPTIONS_NAME, list(gifs.values()))
    if any(each.split for _, each in named):
        splits: dict[str, Split | None] = dict(_earlier_splits(folder / SPLITS_NAME))
        splits |= {name: each.split for name, each in named}
        write_split_lists(folder / SPLITS_NAME, splits.items())


def descriptions_in(folder: Path) -> Path | None:
    """The file of descriptions in a folder of fetched files; None if there is none."""
    path = folder / DESCRIPTIONS_NAME
    return path if path.is_file() else None


def _earlier_descriptions(path: Path) -> dict[str, DescribedGif]:
    gifs: dict[str, DescribedGif] = {}
    if path.is_file():
        for line in read_captions(CaptionSource(path), "tsv"):
            gifs.setdefault(line.name, DescribedGif(line.name)).captions += line.captions
    return gifs


def _earlier_splits(folder: Path) -> Iterator[tuple[str, Split]]:
    for split in SPLITS:
        path = folder / f"{split}.txt"
        if path.is_file():
            yield from ((name, split) for name in read_text_lines(path))
