"""What may import what, and what loads when: the guards of the design."""

import ast
import graphlib
import importlib
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

import gifdesc
from worlds import process_environment, write_world

PACKAGE_DIR = Path(gifdesc.__file__).parent


def module_paths():
    """Every module under its name without the package's; the package itself is ''."""
    paths = {}
    for path in sorted(PACKAGE_DIR.rglob("*.py")):
        parts = path.relative_to(PACKAGE_DIR).with_suffix("").parts
        paths[".".join(part for part in parts if part != "__init__")] = path
    return paths


MODULES = module_paths()


def imports_of(source):
    """The package's modules that a source imports, anywhere in it and for any reason."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            for alias in node.names:
                full_name = f"{node.module}.{alias.name}"
                is_module = full_name.removeprefix("gifdesc.") in MODULES
                found.add(full_name if is_module else node.module)
    ours = {name for name in found if name.split(".")[0] == "gifdesc"}
    return {name.removeprefix("gifdesc").removeprefix(".") for name in ours}


LADDER = [
    {"errors", "config", "captions", "positional", "unspaced", "version"},
    {"sampling", "system", "gif"},
    {"metrics"},
    {"text"},
    {"data"},
    {"features", "model", "checks", "fetching"},
    {"evaluation", "vision_language", "info", "search"},
    {"pages"},
    {"training", "captioning"},
    {"engines"},
    {"demo"},
    {"cli"},
    {"__main__"},
]
"""The rooms, lowest first: a room imports only rooms on lower rungs, never one on its own."""

RUNG = {room: rung for rung, rooms in enumerate(LADDER) for room in rooms}


def test_rooms_import_only_lower_rooms():
    upwards = {
        (name, other)
        for name in MODULES.keys() - {""}
        for other in imports_of(MODULES[name].read_text(encoding="utf-8")) - {""}
        if (room := name.split(".")[0]) != (lower := other.split(".")[0])
        and RUNG[lower] >= RUNG[room]
    }
    assert upwards == set()


def test_nothing_imports_the_package_itself():
    """Its names are lazy, and at the top: an import of them would run against every rung."""
    users = {
        name
        for name in MODULES.keys() - {"", "__main__"}
        if "" in imports_of(MODULES[name].read_text(encoding="utf-8"))
    }
    assert users == set()


def test_no_modules_import_each_other_in_a_circle():
    graph = {
        name: imports_of(path.read_text(encoding="utf-8")) - {name, ""}
        for name, path in MODULES.items()
    }
    graphlib.TopologicalSorter(graph).prepare()


def test_imports_are_found_wherever_they_stand():
    source = """
from gifdesc import __version__, cli
import gifdesc.model
if TYPE_CHECKING:
    from gifdesc.errors import GifError
def f():
    from gifdesc.metrics import score
    import torch
"""
    assert imports_of(source) == {"", "cli", "model", "errors", "metrics"}


HEAVY = {
    *("torch", "torchvision", "transformers", "tokenizers", "safetensors"),
    *("av", "numpy", "matplotlib", "PIL", "openvino", "urllib3"),
}


def loaded_by(statement):
    """The modules in memory after a statement that ran in a process of its own."""
    script = f"""
import sys
try:
    {statement}
except SystemExit as end:
    assert not end.code, end.code
print(*sys.modules, file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        env=process_environment(),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.split()), done.stdout


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["train", "--help"]])
def test_help_and_version_load_nothing_heavy(arguments):
    call = f"sys.argv[1:] = {arguments}; import gifdesc.cli; gifdesc.cli.main()"
    modules, shown = loaded_by(call)
    assert modules & HEAVY == set()
    assert {"typer", "gifdesc.cli.train"} <= modules
    assert shown


def test_what_a_command_line_is_built_of_may_import_nothing_heavy():
    """Ruff's TID253 is switched off for all other modules, so a new one must not slip through."""
    pyproject = Path(__file__).parents[1] / "pyproject.toml"
    rules = tomllib.loads(pyproject.read_text(encoding="utf-8"))["tool"]["ruff"]["lint"]
    (watched,) = [one for one in rules["per-file-ignores"] if one.startswith("!src/gifdesc/{")]
    patterns = watched.removeprefix("!src/gifdesc/{").removesuffix("}.py").split(",")
    loaded, _ = loaded_by("import gifdesc.cli, gifdesc.__main__")
    ours = {name.removeprefix("gifdesc.") for name in loaded if name.startswith("gifdesc.")}
    paths = {
        MODULES[name].relative_to(PACKAGE_DIR).with_suffix("").as_posix()
        for name in ours
        if name.split(".")[0] != "cli"
    }
    unwatched = {path for path in paths if not any(fnmatch(path, one) for one in patterns)}
    assert unwatched == set()


def test_importing_the_package_loads_nothing_heavy():
    modules, _ = loaded_by("import gifdesc; assert gifdesc.__version__; dir(gifdesc)")
    assert modules & HEAVY == set()
    assert [name for name in modules if name.startswith("gifdesc.")] == ["gifdesc.version"]


def test_training_needs_neither_torchvision_nor_a_gif_decoder(tmp_path):
    """With torchvision, Pillow and PyAV out of reach, a model is trained all the same."""
    world = write_world(tmp_path)
    folders = (world.features_dir, world.descriptions_dir, tmp_path / "model")
    script = f"""
import sys
for name in ("torchvision", "PIL", "av"):
    sys.modules[name] = None
from pathlib import Path
import torch
from gifdesc.config import TrainingConfig
from gifdesc.config import PRESETS
from gifdesc.training.run import train
from gifdesc.data.training_data import prepare_data
config = TrainingConfig(epochs=1)
features_dir, descriptions_dir, model_dir = map(Path, {tuple(map(str, folders))!r})
data = prepare_data(features_dir, descriptions_dir, config)
train(data, model_dir, PRESETS["attention"].model, config, torch.device("cpu"))
print(*(name for name in sys.modules if "gif" in name.removeprefix("gifdesc")))
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        env=process_environment(),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []
    assert (tmp_path / "model" / "model.safetensors").is_file()


def test_the_packages_public_names_are_all_there():
    assert set(gifdesc.__all__) == {*gifdesc._HOMES, "__version__"}
    for name in gifdesc.__all__:
        assert getattr(gifdesc, name) is not None
        assert name in dir(gifdesc)


@pytest.mark.parametrize(
    "name",
    [name for name, path in MODULES.items() if "__all__ =" in path.read_text(encoding="utf-8")],
)
def test_a_list_of_public_names_is_complete(name):
    module = importlib.import_module(f"gifdesc.{name}".removesuffix("."))
    assert sorted(set(module.__all__)) == sorted(module.__all__)
    missing = [public for public in module.__all__ if not hasattr(module, public)]
    assert missing == []
    defined = {
        public
        for public, value in vars(module).items()
        if getattr(value, "__module__", None) == module.__name__ and not public.startswith("_")
    }
    assert defined <= set(module.__all__)


def test_the_metrics_package_lists_what_it_imports():
    metrics = importlib.import_module("gifdesc.metrics")
    submodules = {name.removeprefix("metrics.") for name in MODULES if name.startswith("metrics.")}
    public = {name for name in vars(metrics) if not name.startswith("_")} - submodules
    assert public == set(metrics.__all__)
