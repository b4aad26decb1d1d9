"""Names of devices, on machines that have and have not got them."""

import pytest
import torch

from gifdesc.errors import TrainingError, UsageError
from gifdesc.system.device import (
    BatchLimit,
    cpu_streams,
    exact_float32,
    num_shares_of,
    resolve_device,
)


@pytest.fixture
def machine(monkeypatch):
    """Makes PyTorch report so many CUDA GPUs and an Apple GPU or none."""

    def pretend(num_cuda: int = 0, has_mps: bool = False) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: num_cuda > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: num_cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: has_mps)

    return pretend


@pytest.mark.parametrize(
    ("num_cuda", "has_mps", "wanted"),
    [(0, False, "cpu"), (0, True, "mps"), (1, False, "cuda"), (2, True, "cuda")],
)
def test_auto_takes_cuda_else_mps_else_cpu(machine, num_cuda, has_mps, wanted):
    machine(num_cuda, has_mps)
    assert resolve_device("auto") == torch.device(wanted)


def test_the_cpu_is_always_there(machine):
    machine(num_cuda=2)
    assert resolve_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "cuda:1"])
def test_an_available_gpu(machine, name):
    machine(num_cuda=2)
    assert resolve_device(name) == torch.device(name)


def test_an_available_apple_gpu(machine):
    machine(has_mps=True)
    assert resolve_device("mps") == torch.device("mps")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cuda", "--device cuda: PyTorch finds no CUDA GPU here; use auto or cpu"),
        ("cuda:0", "--device cuda:0: PyTorch finds no CUDA GPU here; use auto or cpu"),
        ("mps", "--device mps: PyTorch finds no Apple GPU here; use auto or cpu"),
    ],
)
def test_a_missing_device_is_a_one_sentence_error(machine, name, message):
    machine()
    with pytest.raises(UsageError) as caught:
        resolve_device(name)
    assert str(caught.value) == message


def test_a_gpu_beyond_the_last_is_refused(machine):
    machine(num_cuda=2)
    with pytest.raises(UsageError, match="cuda:2: there are 2 GPUs here, counted from 0"):
        resolve_device("cuda:2")


@pytest.mark.parametrize(
    "name",
    ["gpu", "", "CPU", "cpu:0", "cpu:", "cuda:", "cuda:-1", "cuda:x", "cuda:²", "mps:0", "cuda 1"],
)
def test_no_device_of_that_name(machine, name):
    machine(num_cuda=1, has_mps=True)
    with pytest.raises(UsageError, match="not a device; use auto, cpu, cuda, cuda:N or mps"):
        resolve_device(name)


@pytest.mark.parametrize(
    ("num_threads", "wanted"), [(1, (1, 1)), (2, (2, 1)), (8, (8, 1)), (9, (4, 2)), (64, (8, 8))]
)
def test_a_cpus_threads_are_shared_out_among_few_streams(monkeypatch, num_threads, wanted):
    monkeypatch.setattr(torch, "get_num_threads", lambda: num_threads)
    monkeypatch.setattr("gifdesc.system.device.available_cores", lambda: 99)
    assert cpu_streams() == wanted


def test_there_are_no_more_streams_than_usable_cores(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 64)
    monkeypatch.setattr("gifdesc.system.device.available_cores", lambda: 3)
    assert cpu_streams() == (3, 1)


def tf32_settings():
    """The settings of PyTorch for TF32, the older and the newer ones."""
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    found = []
    for one in (cudnn, matmul):
        try:
            found.append(one.allow_tf32)
        except RuntimeError:
            found.append("mixed")
    return [*found, cudnn.rnn.fp32_precision, cudnn.conv.fp32_precision, matmul.fp32_precision]


@pytest.fixture
def settings():
    """Sets TF32 as a program around would, and takes it back."""
    before = tf32_settings()
    yield
    torch.backends.fp32_precision = "none"
    torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before[:2]
    torch.backends.cudnn.rnn.fp32_precision = before[2]
    torch.backends.cudnn.conv.fp32_precision = before[3]
    torch.backends.cuda.matmul.fp32_precision = before[4]
    assert tf32_settings() == before


AROUND = {
    "as they are": lambda: None,
    "older, none": lambda: setattr(torch.backends.cudnn, "allow_tf32", False),
    "older, products": lambda: setattr(torch.backends.cuda.matmul, "allow_tf32", True),
    "newer, products": lambda: setattr(torch.backends.cuda.matmul, "fp32_precision", "tf32"),
    "newer, RNNs": lambda: setattr(torch.backends.cudnn.rnn, "fp32_precision", "ieee"),
    "newer, all": lambda: setattr(torch.backends, "fp32_precision", "tf32"),
}


@pytest.mark.parametrize("around", AROUND.values(), ids=AROUND)
@pytest.mark.usefixtures("settings")
def test_float32_is_exact_inside_and_settings_are_restored(around):
    around()
    before = tf32_settings()
    with exact_float32(torch.device("cuda")):
        assert tf32_settings() == [False, False, "ieee", "ieee", "ieee"]
    assert tf32_settings()[2:] == before[2:]
    if "mixed" not in before:
        assert tf32_settings() == before
    with pytest.raises(KeyError), exact_float32(torch.device("cuda")):
        raise KeyError
    assert tf32_settings()[2:] == before[2:]


@pytest.mark.parametrize("options", [{"if_true": False}, {}])
def test_nothing_is_set_for_other_precisions_and_devices(options):
    before = tf32_settings()
    with exact_float32(torch.device("cuda" if options else "cpu"), **options):
        assert tf32_settings() == before


def computing(room, asked):
    """A computation that doubles numbers and has memory for so many at once."""

    def compute(numbers):
        asked.append(len(numbers))
        if len(numbers) > room:
            raise MemoryError
        return [2 * number for number in numbers]

    return compute


def test_batches_are_halved_until_they_fit_and_stay_small(caplog):
    limit, asked = BatchLimit("GIF", "end other programs"), []
    for _ in range(2):
        assert limit.map(computing(3, asked), range(10)) == [2 * number for number in range(10)]
    assert asked == [10, 5, 3, 3, 3, 1, 3, 3, 3, 1]
    assert [record.message for record in caplog.records] == [
        f"out of memory: continuing with batches of {number} GIFs" for number in (5, 3)
    ]


def test_a_batch_below_the_limit_that_fails_late_leaves_the_limit():
    limit = BatchLimit("frame", "", size=8)
    assert limit.attempt(lambda: computing(8, [])(range(9)), 9) is None
    assert limit.size == 8
    assert limit.attempt(lambda: computing(2, [])(range(3)), 3) is None
    assert limit.size == 2


def test_one_item_that_does_not_fit_is_an_error():
    limit = BatchLimit("example", "choose another --device", error_class=TrainingError)
    with pytest.raises(TrainingError, match="not enough memory for one example; choose another"):
        limit.map(computing(0, []), [1, 2])


def test_other_errors_leave_the_limit():
    limit = BatchLimit("GIF", "")
    with pytest.raises(RuntimeError, match="a defect"):
        limit.attempt(lambda: (_ for _ in ()).throw(RuntimeError("a defect")), 4)
    assert limit.size > 10**6


@pytest.mark.parametrize(
    ("num_frames", "num_streams", "core_frames", "wanted"),
    [(1, 2, 16, 1), (15, 2, 16, 1), (16, 2, 16, 2), (32, 2, 16, 2), (16, 8, 16, 2), (9, 8, 4, 4)],
)
def test_a_batch_is_divided_among_streams_if_each_gets_enough(
    num_frames, num_streams, core_frames, wanted
):
    assert num_shares_of(num_frames, num_streams, core_frames) == wanted
