import os
import stat
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from gif_files import is_mapped
from gifdesc.system import replacement
from gifdesc.system.tensor_files import all_finite, empty_weights, read_tensors, save_tensors


def test_tensors_are_read_back_with_their_metadata(tmp_path):
    path = tmp_path / "new" / "some.safetensors"
    turned = torch.arange(6.0).reshape(2, 3).T  # not contiguous, which safetensors refuses
    tensors = {"a": turned, "b": torch.ones(2, requires_grad=True), "c": torch.tensor(3)}
    save_tensors(path, tensors, {"version": "1"})
    found = load_file(path)
    assert found.keys() == tensors.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in tensors.items())
    with safe_open(path, framework="pt") as file:
        assert file.metadata() == {"version": "1"}
    before = path.read_bytes()
    save_tensors(path, dict(reversed(tensors.items())), {"version": "1"})
    assert path.read_bytes() == before


def test_files_are_for_all_whom_the_umask_allows(tmp_path):
    path = tmp_path / "some.safetensors"
    before = os.umask(0o027)
    try:
        save_tensors(path, {"a": torch.zeros(1)}, {})
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_the_file_that_is_locked_is_the_file_that_is_written(tmp_path, monkeypatch):
    """Another process would take an unlocked temporary file for one of a dead process."""
    inodes = []
    replace = Path.replace

    def watched(self, target):
        inodes.append(self.stat().st_ino)
        return replace(self, target)

    locked = []
    new_file = replacement._new_locked_file

    def made(folder):
        path, lock = new_file(folder)
        locked.append(os.fstat(lock).st_ino)
        return path, lock

    monkeypatch.setattr(replacement, "_new_locked_file", made)
    monkeypatch.setattr(Path, "replace", watched)
    save_tensors(tmp_path / "some.safetensors", {"a": torch.zeros(1)}, {})
    assert inodes == locked


def test_a_full_disk_is_an_os_error_and_leaves_the_file_before(tmp_path, monkeypatch):
    path = tmp_path / "some.safetensors"
    save_tensors(path, {"a": torch.zeros(1)}, {})
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "disk is full")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="full"):
        save_tensors(path, {"a": torch.ones(1)}, {})
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_tensors_that_were_read_keep_no_file_mapped(tmp_path):
    path = tmp_path / "some.safetensors"
    save_tensors(path, {"a": torch.arange(100_000.0), "b": torch.tensor(3)}, {"version": "1"})
    viewed = load_file(path)
    assert is_mapped(path)  # what safetensors itself does
    del viewed
    found = read_tensors(path)
    assert not is_mapped(path)
    assert torch.equal(found["a"], torch.arange(100_000.0))
    assert found["b"] == 3


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_one_number_that_is_not_finite_is_found(dtype):
    for bad in (float("nan"), float("inf"), float("-inf")):
        tensor = torch.ones(40, 30, dtype=dtype)
        assert all_finite(tensor)
        tensor[3, 7] = bad
        assert not all_finite(tensor)


def test_parameters_that_are_trained_are_checked_without_a_warning():
    assert all_finite(torch.nn.Parameter(torch.ones(3)))
    assert not all_finite(torch.nn.Parameter(torch.tensor([1.0, float("nan")])))


def test_infinities_of_both_signs_do_not_cancel():
    assert not all_finite(torch.tensor([float("inf"), float("-inf"), 1.0]))


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_finite_numbers_whose_sum_is_infinite_are_finite(dtype):
    assert all_finite(torch.full((100,), torch.finfo(dtype).max, dtype=dtype))


def filled():
    """Layers whose constructors draw numbers in several ways."""
    layer = torch.nn.Linear(3, 4)
    torch.nn.init.normal_(layer.weight, std=0.1)
    torch.nn.init.kaiming_normal_(layer.weight, mode="fan_out")
    layers = [layer, torch.nn.Embedding(5, 3), torch.nn.GRU(3, 4), torch.nn.BatchNorm2d(2)]
    return torch.nn.ModuleList(layers)


def test_empty_weights_have_the_shapes_of_others():
    usual = {name: tensor.shape for name, tensor in filled().state_dict().items()}
    with empty_weights():
        empty = filled().state_dict()
    assert {name: tensor.shape for name, tensor in empty.items()} == usual
    assert all(tensor.is_meta for tensor in empty.values())
    assert not any(tensor.is_meta for tensor in filled().state_dict().values())
