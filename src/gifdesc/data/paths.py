"""Whether the data of training and evaluation is there: checked before slow imports."""

from __future__ import annotations

from pathlib import Path

from gifdesc.errors import DescriptionError, FeatureError


def check_features_dir(features_dir: Path) -> None:
    """Make sure that a features folder is there.

    Raises:
        FeatureError: it is not.
    """
    if not features_dir.is_dir():
        raise FeatureError(
            f"{features_dir}: no such folder; make it with `gifdesc extract ./gifs`, or name "
            "another folder of features"
        )


def check_descriptions_path(path: Path) -> None:
    """Make sure that a folder or a file of descriptions is there.

    Raises:
        DescriptionError: it is not.
    """
    if not path.is_dir() and not path.is_file():
        raise DescriptionError(f"{path}: no such file or folder; name it with --descriptions")
