"""JSON of files that strangers may have made: parsed within limits, checked against dataclasses."""

from __future__ import annotations

import errno
import json
import os
import stat
import sys
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from functools import cache
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from gifdesc.config import ABSENT

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Record = TypeVar("Record", bound=DataclassInstance)

MAX_JSON_BYTES = 1 << 28
"""Largest JSON file that is read whole: the digests of the GIFs of 2 million training captions."""

_MIN_INTEGER, _MAX_INTEGER = -(2**63), 2**64 - 1
"""The integers that a processor can compute with, signed or not; seeds use all of them."""

_STREAMS = ("/dev/", "/proc/")
"""Folders of streams that are open already, such as `/dev/fd/63` of a shell's `<(...)`."""


def parse_json(text: str | bytes, decode: Callable[[Any], Any] = json.loads) -> Any:
    """The value of a JSON text.

    Args:
        text: the JSON; bytes are UTF-8.
        decode: another parser.

    Raises:
        ValueError: it is not JSON, or its brackets are nested about 1,000 deep.
    """
    try:
        return decode(text)
    except RecursionError:
        raise ValueError("too many brackets within each other") from None


def read_json(path: Path, max_bytes: int = MAX_JSON_BYTES) -> Any:
    """The value of a JSON file.

    Raises:
        FileNotFoundError: there is no such file.
        OSError: it cannot be read, or is no regular file.
        ValueError: it is not UTF-8 or not JSON, or is too large.
    """
    return parse_json(read_limited(path, max_bytes).decode("utf-8"))


def read_limited(path: Path, max_bytes: int) -> bytes:
    """The bytes of a regular file.

    Raises:
        OSError: it cannot be read, or is no regular file.
        ValueError: it is larger than `max_bytes`.
    """
    check_regular(path)
    with path.open("rb") as file:
        data = file.read(min(max_bytes, os.fstat(file.fileno()).st_size) + 1)
        data += file.read(max_bytes - len(data) + 1) if len(data) <= max_bytes else b""
    if len(data) > max_bytes:
        raise ValueError(f"larger than {max_bytes >> 20} MB")
    return data


def check_regular(path: Path) -> None:
    """Refuse a folder, and a named pipe or a device, whose reader might wait forever.

    Raises:
        OSError: there is no such file, or it is neither a regular file nor an open stream.
    """
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR).lower())
    if not stat.S_ISREG(mode) and not str(path).startswith(_STREAMS):
        raise OSError("not a regular file")


def from_json(kind: type[Record], data: object) -> Record:
    """A dataclass, such as a configuration, from its JSON object.

    A field that the object lacks gets its default, or the value of its metadata's key `ABSENT`.

    Raises:
        ValueError: a field is unknown, missing, of another type, or out of its range.
    """
    if not isinstance(data, Mapping):
        raise ValueError(f"{kind.__name__} must be a JSON object")
    known = {each.name: each for each in fields(kind)}
    if unknown := sorted(set(data) - set(known)):
        raise ValueError(f"unknown field {unknown[0]!r}")
    absent = {
        name: known_field.metadata[ABSENT]
        for name, known_field in known.items()
        if ABSENT in known_field.metadata and name not in data
    }
    for name, known_field in known.items():
        if (
            name not in data
            and known_field.default is MISSING
            and known_field.default_factory is MISSING
        ):
            raise ValueError(f"field {name!r} is missing")
    return kind(**{**checked(kind, data), **absent})


def checked(kind: type[DataclassInstance], data: Mapping[str, object]) -> dict[str, Any]:
    """The values of a JSON object for fields of a dataclass; lists become tuples where it has them.

    Raises:
        ValueError: a field is of another type, or a number that no processor computes with.
    """
    types = _types_of(kind)
    for name, value in data.items():
        if not _fits(value, types[name]):
            raise ValueError(f"field {name!r} cannot be {value!r}")
    return {
        name: tuple(value) if isinstance(value, list) and _wants_tuple(types[name]) else value
        for name, value in data.items()
    }


@cache
def _types_of(kind: type[DataclassInstance]) -> dict[str, Any]:
    return get_type_hints(kind)


@cache
def _wants_tuple(wanted: Any) -> bool:
    return tuple in (get_origin(wanted), *map(get_origin, get_args(wanted)))


def _fits(value: object, wanted: Any) -> bool:
    return _check_of(wanted)(value)


@cache
def _check_of(wanted: Any) -> Callable[[object], bool]:
    """Whether a value is of a type, as a function: a manifest has a million values of few types."""
    if wanted is Any:
        return lambda _: True
    if wanted is int:
        return _is_int
    if wanted is float:
        return _is_float
    origin = get_origin(wanted)
    if origin is None:
        return lambda value: isinstance(value, wanted)
    kinds = get_args(wanted)
    if origin is Literal:
        return lambda value: isinstance(value, str) and value in kinds
    checks = [_check_of(kind) for kind in kinds]
    if origin is UnionType:
        return lambda value: any(check(value) for check in checks)
    if issubclass(origin, Mapping):
        is_key, is_item = checks
        return lambda value: (
            isinstance(value, Mapping)
            and all(map(is_key, value))
            and all(map(is_item, value.values()))
        )
    is_element = checks[0]
    return lambda value: isinstance(value, (list, tuple)) and all(map(is_element, value))


def _is_int(value: object) -> bool:
    return type(value) is int and _MIN_INTEGER <= value <= _MAX_INTEGER


def _is_float(value: object) -> bool:
    """Also refuses NaN and infinity; integers of any size can be compared with a float."""
    return (
        isinstance(value, (int, float))
        and not isinstance(value, bool)
        and abs(value) <= sys.float_info.max
    )


def is_finite(value: object) -> bool:
    """Whether a value of a JSON text is a number that a float can be."""
    return _is_float(value)
