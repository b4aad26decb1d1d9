"""The errors that a file, a folder or an option can cause: a sentence each.

GifdescError
├── GifError          a GIF that gives no frames
├── FeatureError      a feature file or feature folder that cannot be used
├── DescriptionError  a description file that cannot be used
├── WeightsError      backbone weights that are missing or do not fit
├── CheckpointError   a model folder that is incomplete, damaged or too new
├── HubError          the Hugging Face hub does not give or take a model
├── DownloadError     a file that cannot be downloaded
├── TrainingError     a training run that cannot start or continue
├── MeteorError       METEOR cannot be computed here; the other scores can
└── UsageError        a request that no file can satisfy (exit code 2)

A message names the path, what is wrong and what to do. The command line turns any of these
into ``error: ...`` and an exit code; a caller's own mistakes stay `ValueError`/`TypeError`.
"""

import re

_LONGEST_NAME = 200
"""Characters of a name or a value in a message; file systems allow 255 bytes, users read less."""

_LONGEST_MESSAGE = 4000

_LONG_NAME = re.compile(rf"\S{{{_LONGEST_NAME + 1},}}")


def cut_long(message: str) -> str:
    """A message whose long names and values lack their middles: 200 characters of each are kept.

    A value with spaces, such as a caption of a megabyte, is cut where the message gets too long.
    """
    short = _LONG_NAME.sub(lambda match: _cut(match[0], _LONGEST_NAME), message)
    return _cut(short, _LONGEST_MESSAGE)


def _cut(text: str, length: int) -> str:
    """Beginning and end of a text, of equal length, around an ellipsis."""
    half = (length - 1) // 2
    return text if len(text) <= length else f"{text[:half]}\u2026{text[-half:]}"


class GifdescError(Exception):
    """An error that a user, a file or a folder caused.

    Attributes:
        commands: command lines that help, to be shown below the message.
    """

    commands: tuple[str, ...] = ()

    def __str__(self) -> str:
        return cut_long(super().__str__())


class GifError(GifdescError):
    """A GIF gives no frame at all."""


class FeatureError(GifdescError):
    """A feature file or folder is damaged, of another recipe, or missing."""


class DescriptionError(GifdescError):
    """A description file cannot be read or contains no usable description."""


class WeightsError(GifdescError):
    """Backbone weights are not available, or do not fit the backbone."""


class CheckpointError(GifdescError):
    """A model folder is incomplete, damaged, or of a newer format."""


class HubError(GifdescError):
    """The Hugging Face hub cannot be reached, or does not give or take a model."""


class DownloadError(GifdescError):
    """A file cannot be downloaded."""


class TrainingError(GifdescError):
    """A training run cannot start or continue."""


class MeteorError(GifdescError):
    """METEOR cannot be computed: its program or Java is missing, or failed."""


class UsageError(GifdescError):
    """An option asks for something that is not available, such as a missing device."""
