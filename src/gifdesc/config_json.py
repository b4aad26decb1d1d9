"""Configurations as JSON objects, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields
from types import UnionType
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from gifdesc.config import ABSENT

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Config = TypeVar("Config", bound=DataclassInstance)


def to_json(config: DataclassInstance) -> dict[str, Any]:
    """A frozen dataclass of plain values as a JSON object."""
    return asdict(config)


def from_json(kind: type[Config], data: object) -> Config:
    """The dataclass that a JSON object holds, such as a configuration.

    A field that is not in the object has its default, or the value that its metadata names under
    `config.ABSENT`.

    Raises:
        ValueError: a field is unknown, missing, of another type, or out of its range.
    """
    if not isinstance(data, Mapping):
        raise ValueError(f"{kind.__name__} must be a JSON object")
    known = {one.name: one for one in fields(kind)}
    if unknown := sorted(set(data) - set(known)):
        raise ValueError(f"unknown field {unknown[0]!r}")
    absent = {
        name: one.metadata[ABSENT]
        for name, one in known.items()
        if ABSENT in one.metadata and name not in data
    }
    types = get_type_hints(kind)
    for name, one in known.items():
        if name not in data:
            if one.default is MISSING:
                raise ValueError(f"field {name!r} is missing")
        elif not _fits(data[name], types[name]):
            raise ValueError(f"field {name!r} cannot be {data[name]!r}")
    tuples = {name: tuple(data[name]) for name in data if get_origin(types[name]) is tuple}
    return kind(**{**data, **absent, **tuples})


def _fits(value: object, wanted: Any) -> bool:
    if get_origin(wanted) is tuple:
        kind = get_args(wanted)[0]
        return isinstance(value, (list, tuple)) and all(_fits(one, kind) for one in value)
    if isinstance(wanted, UnionType):
        return any(_fits(value, one) for one in get_args(wanted))
    if get_origin(wanted) is Literal:
        return value in get_args(wanted)
    if wanted is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if wanted is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, wanted)
