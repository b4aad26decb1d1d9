"""JSON that strangers made: limits, types, and a single reader."""

import os
import re
from pathlib import Path

import pytest

import gifdesc
from gifdesc.config import DecodingConfig, TrainingConfig
from gifdesc.system.json_files import check_regular, from_json, is_finite, parse_json, read_json


def test_no_other_module_parses_json_by_itself():
    package = Path(gifdesc.__file__).parent
    found = [
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        if re.search(r"\bjson\.loads?\b", path.read_text(encoding="utf-8"))
    ]
    assert found == ["system/json_files.py"]


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a": ' * 100_000, "9" * 5000, "", "{", b"\xff"])
def test_what_cannot_be_parsed_is_a_value_error(text):
    with pytest.raises(ValueError, match=r"\w"):
        parse_json(text)


def test_a_large_file_is_refused_before_it_is_parsed(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("[" + "1," * 100 + "1]")
    assert len(read_json(path, max_bytes=203)) == 101
    with pytest.raises(ValueError, match="larger than"):
        read_json(path, max_bytes=202)


def test_folders_and_named_pipes_are_refused_and_open_streams_are_not(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="not a regular file"):
        check_regular(tmp_path / "pipe")
    with pytest.raises(IsADirectoryError):
        check_regular(tmp_path)
    reading, writing = os.pipe()
    check_regular(Path(f"/dev/fd/{reading}"))
    os.close(reading)
    os.close(writing)


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (DecodingConfig, {"num_beams": 2**70}),
        (DecodingConfig, {"length_penalty": 10**400}),
        (DecodingConfig, {"length_penalty": float("nan")}),
        (TrainingConfig, {"seed": -(2**64)}),
        (TrainingConfig, {"optimizer": []}),
        (TrainingConfig, {"max_tokens": 20_000}),
    ],
)
def test_numbers_out_of_range_are_refused(kind, data):
    with pytest.raises(ValueError, match=next(iter(data))):
        from_json(kind, data)


def test_a_float_may_be_any_number_that_a_float_can_be():
    assert all(map(is_finite, (1, -1.5, 10**300)))
    assert not any(map(is_finite, (True, "1", None, 10**400, float("inf"), float("nan"))))
