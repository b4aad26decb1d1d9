"""Files that no program would write: each ends in a sentence about the file, never in a defect."""

import json
import os
import resource
import subprocess
import sys

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torchvision.models import resnet18

from gif_files import draw_gif
from training_configs import ALL, train_here
from worlds import process_environment, run_here, tiny_recipe, write_world

DEEP = "[" * 100_000 + "]" * 100_000
HUGE = 2**70


def edit(path, change):
    """Apply a change to a JSON file; numbers of any size are written."""
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def assert_is_no_defect(done):
    text = done.err + done.out
    assert "defect" not in text
    assert "Traceback" not in text
    assert len(done.err) < 5000


def setting(*keys, value):
    """A change that gives the value at the end of keys."""

    def change(data):
        for key in keys[:-1]:
            data = data[key]
        data[keys[-1]] = value

    return change


def peak_memory_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def repeat_id(data):
    vocabulary = data["model"]["vocab"]
    names = list(vocabulary)
    vocabulary[names[-1]] = vocabulary[names[-2]]


MODEL_SIZES = ("feature_size", "vocab_size", "projection_size", "hidden_size", "embedding_size")

MODEL_DAMAGE = {
    **{
        f"config {name} of 2^70": ("config.json", setting("model", name, value=HUGE))
        for name in MODEL_SIZES
    },
    **{
        f"config {name} of 100,000": ("config.json", setting("model", name, value=100_000))
        for name in MODEL_SIZES
    },
    "config num_frames of 2^70": ("config.json", setting("features", "num_frames", value=HUGE)),
    "config image_size of 2^70": ("config.json", setting("features", "image_size", value=HUGE)),
    "config encoding is a list": ("config.json", setting("features", "encoding", value=[])),
    "config fusion is an object": ("config.json", setting("model", "fusion", value={})),
    "config dropout of 10^400": ("config.json", setting("model", "dropout", value=10**400)),
    "config rate of 10^400": ("config.json", setting("training", "learning_rate", value=10**400)),
    "config epochs of 2^70": ("config.json", setting("training", "epochs", value=HUGE)),
    "config threshold of 10^400": ("config.json", setting("confidence_threshold", value=10**400)),
    "config version of 10^400": ("config.json", setting("format_version", value=10**400)),
    "config version is true": ("config.json", setting("format_version", value=True)),
    "config longest of 2^70": (
        "config.json",
        setting("captions", value={"longest": HUGE, "repeats": 1, "repeated_pairs": 0.5}),
    ),
    "config is deep": ("config.json", DEEP),
    "config has 10,000 digits": ("config.json", '{"format_version": ' + "9" * 10_000 + "}"),
    "tokenizer is deep": ("tokenizer.json", DEEP),
    "tokenizer settings are deep": ("tokenizer_config.json", DEEP),
    "tokenizer settings are a list": ("tokenizer_config.json", "[]"),
    "tokenizer has equal ids": ("tokenizer.json", repeat_id),
    "tokenizer ids are text": (
        "tokenizer.json",
        setting("model", "vocab", "[UNK]", value="1"),
    ),
    "tokenizer id of 2^70": ("tokenizer.json", setting("model", "vocab", "[UNK]", value=HUGE)),
    "tokenizer vocabulary is a list": ("tokenizer.json", setting("model", "vocab", value=[])),
    "tokenizer rules are a number": (
        "tokenizer_config.json",
        lambda data: data.update({"gifdesc_spelling": 7}),
    ),
    "record is deep": ("training_data.json", DEEP),
    "scores are deep": ("evaluation.json", DEEP),
    "history is deep": ("history.jsonl", DEEP + "\n{}\n"),
}
"""Name -> (file of a model folder, its content or a change of its JSON)."""


def damage(folder, name):
    file_name, change = MODEL_DAMAGE[name]
    path = folder / file_name
    path.write_text(change) if isinstance(change, str) else edit(path, change)


@pytest.mark.parametrize("name", MODEL_DAMAGE)
def test_a_model_folder(world, model_dir, name):
    damage(model_dir, name)
    memory = peak_memory_mb()
    done = run_here("info", model_dir, "--json")
    assert_is_no_defect(done)
    assert "NaN" not in done.out
    if MODEL_DAMAGE[name][0] in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        done = run_here("evaluate", *world.options, "--model", model_dir, "--split", "train")
        assert_is_no_defect(done)
        assert done.code == 1
    assert peak_memory_mb() < memory + 1000


def test_weights_so_large_that_scores_are_no_numbers(world, model_dir):
    path = model_dir / "model.safetensors"
    tensors = {
        name: torch.full_like(tensor, 3e38) if tensor.is_floating_point() else tensor
        for name, tensor in load_file(path).items()
    }
    save_file(tensors, path, {"format_version": "3"})
    done = run_here("evaluate", *world.options, "--model", model_dir, "--split", "train", "--json")
    assert_is_no_defect(done)
    assert done.code == 1
    assert "not finite" in done.error


MANIFEST_ROWS = {
    "features is a number": {"source": "a.gif", "status": "ok", "features": 7},
    "features is a list": {"source": "a.gif", "status": "ok", "features": ["a"]},
    "source is a number": {"source": 7, "status": "ok", "features": "a.npy"},
    "source is a list": {"source": [], "status": "ok", "features": "a.npy"},
    "status is an object": {"source": "a.gif", "status": {}, "features": "a.npy"},
    "status is unknown": {"source": "a.gif", "status": "fine", "features": "a.npy"},
    "frames are a number": {"source": "a.gif", "status": "ok", "sampled_frames": 7},
    "frames are text": {"source": "a.gif", "status": "ok", "sampled_frames": ["a"]},
    "digest is a number": {"source": "a.gif", "status": "ok", "sha256": 7},
    "labels are numbers": {"source": "a.gif", "status": "ok", "labels": [1]},
    "origin is a list": {"source": "a.gif", "status": "ok", "origin": [1]},
}


@pytest.mark.parametrize("name", [*MANIFEST_ROWS, "deep"])
@pytest.mark.parametrize("command", ["train", "info", "extract"])
@pytest.mark.usefixtures("tiny_backbone")
def test_a_manifest(tmp_path, world, name, command):
    line = DEEP if name == "deep" else json.dumps(MANIFEST_ROWS[name])
    (world.features_dir / "manifest.jsonl").write_text(f"{line}\n{{}}\n")
    if command == "train":
        done = train_here(world, tmp_path / "model", *ALL)
    elif command == "info":
        done = run_here("info", world.features_dir, "--json")
    else:
        (tmp_path / "gifs").mkdir()
        done = run_here(
            *("extract", tmp_path / "gifs", "--output", world.features_dir),
            *("--weights", "random", "--json"),
        )
    assert_is_no_defect(done)


STATE_CHANGES = {
    "epoch is text": {"epoch": "two"},
    "epoch is a list": {"epoch": []},
    "epoch is below 1": {"epoch": -(2**40)},
    "epoch is 2^70": {"epoch": HUGE},
    "epoch is a fraction": {"epoch": 1.5},
    "history is a number": {"history": 7},
    "history is an object": {"history": {"a": 1}},
    "history is of text": {"history": ["a"]},
    "phase is a list": {"phase": []},
    "phase is unknown": {"phase": "rest"},
    "sums are a list": {"sums": []},
    "scaler is text": {"scaler": "a"},
    "scaler is of text": {"scaler": {"scale": "a"}},
    "digest is a list": {"data_sha256": []},
    "version is text": {"format_version": "3"},
    "version is a list": {"format_version": []},
    "model is text": {"model": "a"},
    "model asks for 8 GB": {"model": {"hidden_size": 20_000, "embedding_size": 20_000}},
    "training is a number": {"training": 7},
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    world = write_world(folder / "world", recipe=tiny_recipe())
    assert train_here(world, folder / "model", *ALL).code == 0
    return world, folder / "model"


@pytest.mark.parametrize("name", [*STATE_CHANGES, "deep", "no JSON object"])
def test_a_run_state(trained, name):
    world, model_dir = trained
    path = model_dir / "last" / "state.safetensors"
    before = path.read_bytes()
    with safe_open(path, framework="pt") as file:
        row = json.loads(file.metadata()["progress"])
    texts = {"deep": DEEP, "no JSON object": "[]"}
    changes = dict(STATE_CHANGES.get(name, {}))
    if isinstance(changes.get("model"), dict):
        changes["model"] = {**row["model"], **changes["model"]}
    text = texts.get(name) or json.dumps({**row, **changes})
    memory = peak_memory_mb()
    save_file(load_file(path), path, {"progress": text})
    try:
        done = run_here("train", *world.options, "--model", model_dir, *ALL, "--resume")
    finally:
        path.write_bytes(before)
    assert_is_no_defect(done)
    assert done.code == 1
    assert "state.safetensors: " in done.error
    assert peak_memory_mb() < memory + 1000


def npy(header, body=b""):
    text = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + body


def matrix(shape="(2, 24)", descr="'<f4'", order="False"):
    return npy(
        f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}", b"\0" * 24 * 8
    )


FEATURE_FILES = {
    "a shape of bools": matrix("(True, True)"),
    "a shape of a bool": matrix("(True, 24)"),
    "a shape of 2^70": matrix(f"({HUGE}, 1)"),
    "a negative shape": matrix("(-1, -24)"),
    "a shape of fractions": matrix("(2.0, 24)"),
    "an order that is a number": matrix(order="1"),
    "a type that is a list": matrix(descr="[('a', '<f4')]"),
    "a type that is nested": matrix(descr="('<f4', (2,))"),
    "brackets": npy("(" * 60 + ")" * 50),
    "an unclosed text": npy("{'descr"),
    "a NUL": npy("{'descr': '\0'}"),
}


@pytest.mark.parametrize("name", FEATURE_FILES)
@pytest.mark.parametrize("command", ["train", "info"])
def test_a_feature_file(tmp_path, world, name, command):
    path = sorted(world.features_dir.glob("*.npy"))[0]
    path.write_bytes(FEATURE_FILES[name])
    if command == "train":
        done = train_here(world, tmp_path / "new", *ALL)
    else:
        done = run_here("info", world.features_dir)
    assert_is_no_defect(done)


DESCRIPTION_FILES = {
    "a JSON document that is deep": (".json", DEEP),
    "JSON lines that are deep": (".jsonl", f'{{"id": "red", "caption": "a"}}\n{DEEP}\n'),
    "numbers of 10,000 digits": (".jsonl", f'{{"id": {"9" * 10_000}, "caption": "a"}}\n'),
    "a deep id": (".jsonl", f'{{"id": {DEEP}, "caption": "a"}}\n'),
    "a field over 131,072 characters": (
        ".csv",
        f'file_name,caption\nred.gif,"{"a" * 200_000}"\n',
    ),
    "a head over 131,072 characters": (".csv", f"file_name,caption,{'a' * 200_000}\nred.gif,a,b\n"),
    "quoted lines over 131,072 characters": (
        ".csv",
        'file_name,caption\nred.gif,"' + ("b" * 20_000 + "\n") * 9 + '"\nblue.gif,a\n',
    ),
    "captions of over 131,072 characters": (
        ".csv",
        f'path,caption,score\nred.gif,"{"a" * 200_000}",1\n',
    ),
    "a caption of 1 MB": (".txt", "a" * 1_000_000 + "\n"),
    "a caption of 1 MB of words": (".tsv", "red\t" + "a b " * 250_000 + "\n"),
    "tabs": (".tsv", "red\t" + "\t".join("a" * 100_000) + "\n"),
    "a name of 1 MB": (".tsv", "n" * 1_000_000 + "\ta\n"),
    "a file of nothing but quotes": (".csv", 'file_name,caption\n"' + '"' * 200_001),
}


@pytest.mark.parametrize("name", DESCRIPTION_FILES)
@pytest.mark.parametrize("command", ["train", "check", "info", "evaluate"])
def test_a_description_file(tmp_path, world, name, command):
    suffix, text = DESCRIPTION_FILES[name]
    path = tmp_path / f"captions{suffix}"
    path.write_text(text)
    if command == "train":
        done = run_here(
            *("train", "--features", world.features_dir, "--descriptions", path),
            *("--model", tmp_path / "new", "--hidden-size", 8, "--epochs", 1, *ALL),
        )
    elif command == "check":
        (tmp_path / "gifs").mkdir()
        done = run_here("check", tmp_path / "gifs", "--descriptions", path, "--json")
    elif command == "info":
        done = run_here("info", path, "--json")
    else:
        done = run_here(
            *("evaluate", "--predictions", path, "--descriptions", world.descriptions_dir, "--json")
        )
    assert_is_no_defect(done)


SPECIAL_TENSORS = {
    "sparse": torch.Tensor.to_sparse,
    "sparse rows": lambda tensor: tensor.flatten(1).to_sparse_csr(),
    "quantized": lambda tensor: torch.quantize_per_tensor(tensor, 0.1, 0, torch.qint8),
    "complex": lambda tensor: tensor.to(torch.complex64),
    "without memory": lambda tensor: tensor.to("meta"),
    "not numbers": lambda tensor: torch.full_like(tensor, torch.nan),
}


@pytest.fixture
def gifs_dir(tmp_path):
    (tmp_path / "gifs").mkdir()
    draw_gif(tmp_path / "gifs" / "a.gif")
    return tmp_path / "gifs"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", SPECIAL_TENSORS)
def test_a_file_of_weights(tmp_path, gifs_dir, name):
    state = resnet18().state_dict()
    state["conv1.weight"] = SPECIAL_TENSORS[name](state["conv1.weight"])
    path = tmp_path / "weights.pth"
    torch.save(state, path)
    done = run_here(
        *("extract", gifs_dir, "--output", tmp_path / "features"),
        *("--backbone", "resnet18", "--weights", path, "--device", "cpu"),
    )
    assert_is_no_defect(done)
    assert done.code != 0
    assert done.error.startswith(f"error: {path}: ")


def test_standard_input_that_is_closed(tmp_path):
    command = [sys.executable, "-m", "gifdesc", "extract", "-", "--output", tmp_path / "features"]
    done = subprocess.run(
        ["sh", "-c", '"$@" <&-', "sh", *map(str, command)],
        capture_output=True,
        text=True,
        env=process_environment(),
        check=False,
    )
    assert done.returncode == 0  # an empty list
    assert done.stderr.startswith("0 extracted")


@pytest.mark.parametrize("kind", ["fifo", "folder"])
@pytest.mark.parametrize("command", ["descriptions", "config", "features", "gif", "predictions"])
def test_no_regular_file(tmp_path, world, model_dir, kind, command):
    def put(path):
        path.unlink(missing_ok=True)
        os.mkfifo(path) if kind == "fifo" else path.mkdir()
        return path

    if command == "descriptions":
        done = run_here("check", "--descriptions", put(tmp_path / "a.tsv"))
    elif command == "predictions":
        done = run_here(
            *("evaluate", "--predictions", put(tmp_path / "a.tsv")),
            *("--descriptions", world.descriptions_dir),
        )
    elif command == "gif":
        done = run_here("info", put(tmp_path / "a.gif"))
    else:
        put(
            model_dir / "config.json"
            if command == "config"
            else sorted(world.features_dir.glob("*.npy"))[0]
        )
        options = ("--model", model_dir) if command == "config" else ()
        done = (
            train_here(world, tmp_path / "new", *ALL)
            if not options
            else run_here("evaluate", *world.options, *options, "--split", "train")
        )
    assert_is_no_defect(done)
