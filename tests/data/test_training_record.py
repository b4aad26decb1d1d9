"""The record of a model's training GIFs in its folder."""

import json
from pathlib import Path

import pytest

from gifdesc.data.examples import Example
from gifdesc.data.training_record import RECORD_VERSION, TrainingRecord, read_record, write_record
from gifdesc.errors import CheckpointError

RECORD = TrainingRecord(frozenset({"gif:1", "features:1"}), frozenset({"gif:2"}))


def example(name: str, *digests: str) -> Example:
    return Example(name, Path(f"{name}.npy"), ("x",), digests)


def test_a_record_is_read_as_it_was_written(tmp_path):
    assert read_record(tmp_path) is None
    write_record(tmp_path, RECORD)
    assert read_record(tmp_path) == RECORD
    row = json.loads((tmp_path / "training_data.json").read_text())
    assert row == {
        "format_version": RECORD_VERSION,
        "train": ["features:1", "gif:1"],
        "val": ["gif:2"],
    }


def test_a_record_is_of_the_splits_of_a_run():
    splits = {
        "train": [example("a", "gif:1", "features:1")],
        "val": [example("b", "gif:2")],
        "test": [example("c", "gif:3")],
    }
    assert TrainingRecord.of(splits) == RECORD
    other = TrainingRecord(frozenset({"gif:9"}), frozenset())
    assert other.joined(RECORD).train == {"gif:1", "features:1", "gif:9"}


def test_gifs_of_earlier_splits_are_not_held_out():
    examples = [example("a", "features:1", "gif:8"), example("b", "gif:2"), example("c", "gif:3")]
    assert RECORD.held_out(examples, "test") == examples[2:]
    assert RECORD.held_out(examples, "val") == examples[1:]
    assert RECORD.held_out(examples, "train") == examples


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "damaged"),
        ("[]", "damaged"),
        ('{"format_version": 1, "train": []}', "damaged"),
        ('{"format_version": 99}', "of a newer gifdesc"),
    ],
)
def test_a_record_that_cannot_be_read_is_named(tmp_path, text, problem):
    (tmp_path / "training_data.json").write_text(text)
    with pytest.raises(CheckpointError, match=rf"training_data\.json: {problem}"):
        read_record(tmp_path)
