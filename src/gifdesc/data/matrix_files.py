"""Read matrices from `.npy` files, without pickle; a header alone if that is enough."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
import numpy.typing as npt

from gifdesc.errors import FeatureError
from gifdesc.system.files import LFS_POINTER_START, reason
from gifdesc.system.json_files import check_regular

_MAGIC = b"\x93NUMPY"
_ZIP_MAGIC = b"PK\x03\x04"
_START_BYTES = 256
"""Read at once; numpy's header of a matrix takes 80 or 128 bytes."""

_MAX_FLOAT_BYTES = 8
"""Longer floating-point numbers differ from machine to machine."""

_MAX_HEADER_BYTES = 10_000
"""As in numpy, which parses no longer header."""

_HEADER_ERRORS = (
    ValueError,
    TypeError,
    EOFError,
    SyntaxError,
    TokenError,
    MemoryError,
    RecursionError,
)
"""Errors of numpy at a damaged header, which is a Python literal, and of Python's parser."""


@dataclass(frozen=True)
class MatrixHeader:
    """The header before the numbers of a matrix.

    Attributes:
        shape: rows and columns, each 1 or more.
        dtype: float16, float32 or float64, of either byte order.
        is_column_major: the columns are written one after the other.
        offset_bytes: the position of the numbers.
    """

    shape: tuple[int, int]
    dtype: np.dtype[Any]
    is_column_major: bool
    offset_bytes: int

    @property
    def end_bytes(self) -> int:
        """Where the numbers end."""
        return self.offset_bytes + self.dtype.itemsize * self.shape[0] * self.shape[1]


def read_matrix_header(path: Path) -> MatrixHeader:
    """The form of a matrix, by its header and the size of its file.

    Raises:
        FeatureError: the file cannot be read, is cut off, or contains anything else.
    """
    try:
        check_regular(path)
        descriptor = os.open(path, os.O_RDONLY)
        try:
            size_bytes = os.fstat(descriptor).st_size
            start = os.read(descriptor, _START_BYTES)
            missing = _header_end(path, start) - len(start)
            if missing > 0:
                start += os.read(descriptor, missing)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise _unreadable(path, error) from error
    return _header_of(path, start, size_bytes)


def read_matrix(path: Path) -> npt.NDArray[np.float32]:
    """A matrix, float32 for any type in the file, its rows one after the other in memory.

    A number that is too large for float32 becomes infinite.

    Raises:
        FeatureError: the file cannot be read, is cut off, or contains anything else.
    """
    try:
        check_regular(path)
        with path.open("rb", buffering=0) as file:
            data = np.empty(os.fstat(file.fileno()).st_size, np.uint8)
            num_read = 0
            while count := file.readinto(data.data[num_read:]):
                num_read += count
    except OSError as error:
        raise _unreadable(path, error) from error
    start = data[: _START_BYTES + _MAX_HEADER_BYTES].tobytes()
    header = _header_of(path, start, num_read)
    numbers = data[header.offset_bytes : header.end_bytes]
    if header.offset_bytes % header.dtype.itemsize:
        numbers = numbers.copy()  # numbers begin at multiples of their size
    with np.errstate(over="ignore"):
        matrix = numbers.view(header.dtype).astype(np.float32, copy=False)
    if header.is_column_major:
        return np.ascontiguousarray(matrix.reshape(header.shape[::-1]).T)
    return matrix.reshape(header.shape)


def _header_of(path: Path, start: bytes, size_bytes: int) -> MatrixHeader:
    """The header of a file that begins with `start`."""
    end = _header_end(path, start)
    try:
        shape, is_column_major, dtype = _parse(start[:end])
    except _HEADER_ERRORS as error:
        raise _damaged(path) from error
    if dtype.hasobject:
        raise _damaged(path)
    if dtype.kind != "f" or dtype.itemsize > _MAX_FLOAT_BYTES:
        raise FeatureError(f"{path}: holds {dtype}, not float32 (or float16, float64)")
    if len(shape) != 2 or min(shape) < 1 or any(type(length) is not int for length in shape):
        raise FeatureError(f"{path}: has shape {shape}, not (frames, features)")
    header = MatrixHeader((shape[0], shape[1]), dtype, is_column_major, end)
    if size_bytes < header.end_bytes:
        raise _damaged(path)
    return header


def _header_end(path: Path, start: bytes) -> int:
    """Where the header of a file that begins with `start` ends."""
    if start.startswith(_ZIP_MAGIC):
        raise FeatureError(f"{path}: an .npz archive, not a .npy file")
    if start.startswith(LFS_POINTER_START):
        raise FeatureError(f"{path}: a Git LFS pointer, not the features; fetch the file itself")
    if not start.startswith(_MAGIC) or len(start) < 12:
        raise _damaged(path)
    # Version 1 has a length of two bytes, later ones of four, the lowest byte first.
    length_end = 10 if start[6] == 1 else 12
    end = length_end + int.from_bytes(start[8:length_end], "little")
    if end > _MAX_HEADER_BYTES:
        raise _damaged(path)
    return end


@lru_cache(maxsize=1024)
def _parse(header: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """The fields of a header, parsed once: most files of a folder have the same header."""
    stream = BytesIO(header)
    version, _ = np.lib.format.read_magic(stream)
    # Version 3 differs from 2 in the encoding of field names alone, and a matrix has none.
    read = (
        np.lib.format.read_array_header_1_0 if version == 1 else np.lib.format.read_array_header_2_0
    )
    shape, is_column_major, dtype = read(stream)
    return shape, is_column_major, dtype


def _unreadable(path: Path, error: OSError) -> FeatureError:
    if isinstance(error, FileNotFoundError):
        return FeatureError(f"{path}: no such file")
    return FeatureError(f"{path}: cannot be read: {reason(error)}")


def _damaged(path: Path) -> FeatureError:
    return FeatureError(f"{path}: not a .npy file of plain numbers; extract it again")
