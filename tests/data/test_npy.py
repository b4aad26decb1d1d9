"""Matrices in .npy files: the header alone tells what reading all would tell."""

import io
import os
import random

import numpy as np
import pytest

from gifdesc.data.matrix_files import read_matrix, read_matrix_header
from gifdesc.errors import FeatureError

MATRIX = np.arange(12, dtype=np.float32).reshape(3, 4) / 7


def npy_bytes(array: np.ndarray, version: tuple[int, int] | None = None) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, version=version, allow_pickle=False)
    return stream.getvalue()


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_matrix_of_any_version_and_order_is_read(tmp_path, version, order):
    (tmp_path / "a.npy").write_bytes(npy_bytes(np.asarray(MATRIX, order=order), version))
    assert read_matrix_header(tmp_path / "a.npy").shape == (3, 4)
    matrix = read_matrix(tmp_path / "a.npy")
    assert matrix.dtype == np.float32
    assert matrix.flags.c_contiguous
    np.testing.assert_array_equal(matrix, MATRIX)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<f2", ">f2", ">f4", "<f8", ">f8"])
def test_floats_of_another_length_or_byte_order_become_float32(tmp_path, dtype, order):
    (tmp_path / "a.npy").write_bytes(npy_bytes(np.asarray(MATRIX, dtype=dtype, order=order)))
    header = read_matrix_header(tmp_path / "a.npy")
    assert (header.shape, header.dtype) == ((3, 4), np.dtype(dtype))
    matrix = read_matrix(tmp_path / "a.npy")
    assert matrix.dtype == np.float32
    assert matrix.flags.c_contiguous
    np.testing.assert_array_equal(matrix, MATRIX.astype(dtype).astype(np.float32))


def test_a_number_too_large_for_float32_becomes_infinite(tmp_path):
    (tmp_path / "a.npy").write_bytes(npy_bytes(np.array([[1e300, 1.0]])))
    np.testing.assert_array_equal(read_matrix(tmp_path / "a.npy"), [[np.inf, 1.0]])


@pytest.mark.parametrize("header_bytes", [71, 73, 118, 500, 3000])
def test_a_header_of_any_length_is_read(tmp_path, header_bytes):
    # Programs other than numpy need not align the numbers.
    header = "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }".ljust(header_bytes - 1)
    data = b"\x93NUMPY\x01\x00" + header_bytes.to_bytes(2, "little") + header.encode() + b"\n"
    (tmp_path / "a.npy").write_bytes(data + MATRIX.tobytes())
    assert read_matrix_header(tmp_path / "a.npy").shape == (3, 4)
    np.testing.assert_array_equal(read_matrix(tmp_path / "a.npy"), MATRIX)
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), MATRIX)


def test_bytes_behind_the_numbers_are_left(tmp_path):
    (tmp_path / "a.npy").write_bytes(npy_bytes(MATRIX) + b"more")
    assert read_matrix_header(tmp_path / "a.npy").shape == (3, 4)
    np.testing.assert_array_equal(read_matrix(tmp_path / "a.npy"), MATRIX)


def outcome(read, path):
    """What comes of reading: a shape, or a refusal in words."""
    try:
        result = read(path)
    except FeatureError as error:
        return str(error)
    return result.shape


def test_reading_the_header_finds_the_same_damage_as_reading_all(tmp_path):
    chance = random.Random(0)
    path = tmp_path / "a.npy"
    outcomes = set()
    for array in (MATRIX, MATRIX[0], MATRIX.astype(np.float64), MATRIX[:0]):
        whole = npy_bytes(array)
        for _ in range(100):
            damaged = bytearray(whole)
            for _ in range(chance.randrange(3)):
                damaged[chance.randrange(min(len(damaged), 80))] = chance.randrange(256)
            path.write_bytes(damaged[: chance.choice([None, chance.randrange(len(damaged))])])
            found = outcome(read_matrix_header, path)
            assert found == outcome(read_matrix, path)
            outcomes.add(found)
    assert {(3, 4), f"{path}: not a .npy file of plain numbers; extract it again"} < outcomes


@pytest.mark.parametrize(
    "literal",
    [
        "{b'descr': 1, 'fortran_order': 0, 'shape': 2}",
        "{[]: 1}",
        "{'descr': '<,f2', 'fortran_order': False, 'shape': (2, 4)}",
    ],
)
@pytest.mark.parametrize("read", [read_matrix, read_matrix_header])
def test_a_header_that_fuzzing_found_is_damage(tmp_path, read, literal):
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\x01\x00v\x00" + literal.ljust(118).encode())
    assert "not a .npy file of plain numbers" in outcome(read, tmp_path / "a.npy")


@pytest.mark.parametrize("read", [read_matrix, read_matrix_header])
def test_paths_that_are_no_files_are_refused(tmp_path, read):
    assert outcome(read, tmp_path / "gone.npy") == f"{tmp_path / 'gone.npy'}: no such file"
    assert outcome(read, tmp_path) == f"{tmp_path}: cannot be read: is a directory"


def test_a_header_is_read_without_the_numbers(tmp_path):
    path = tmp_path / "sparse.npy"
    num_rows = 2**28  # 16 GiB of numbers that take no room on the disk
    whole = npy_bytes(np.zeros((1, 16), np.float32))
    path.write_bytes(whole[:128].replace(b"(1, 16), }        ", b"(268435456, 16), }"))
    with path.open("r+b") as file:
        os.truncate(file.fileno(), 128 + 4 * 16 * num_rows)
    assert read_matrix_header(path).shape == (num_rows, 16)
