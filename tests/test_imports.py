"""What may import what, and what loads when: the guards of the design."""

import ast
import importlib
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import gifdesc
from builders import process_environment, write_world

PACKAGE_DIR = Path(gifdesc.__file__).parent
MODULE_LINES = 250

# Imports run downwards only: a module may import those of the floors above it in this list.
# The package itself stands apart: its version is everybody's, its lazy names are the top's.
FLOORS = [
    # nothing below
    {"animation_chunks", "bert_files", "confidence", "config", "errors", "files", "findings"}
    | {"frame_grid", "function_words", "gif_sniff", "interruption", "looking"}
    | {"metrics.characters", "metrics.conversation", "metrics.lexicon", "positional"}
    | {"preprocessing", "read_ahead", "resnet", "scenes", "seeding", "style"},
    {"alt_text", "backbone", "charts", "config_json", "curves", "demo", "descriptions"}
    | {"device", "distributed", "dropout", "fusion", "gif_limits", "hub", "inputs", "locking"}
    | {"metrics.java", "metrics.rules", "npy", "optimisation", "pages", "presets", "sampling"}
    | {"sidecars", "standard_output", "tensor_files", "token_filters"},
    {"description_inspection", "features", "gif_blocks", "gif_source", "hypotheses"}
    | {"incremental", "metrics.tokenizer", "model_folder", "pictures", "predictions"}
    | {"runtime_torch", "tokenizer", "training_state", "vision_language_inputs"},
    {"attention_picture", "decoding", "feature_store", "gif_lzw", "metrics.captions", "model"}
    | {"pairing", "runtime_openvino", "vision_language_loading"},
    {"baselines", "checkpoint", "dataset", "decoding_sampling", "feature_statistics"}
    | {"gif_canvas", "metrics.metric", "runtime", "splits"},
    {"batching", "frame_batches", "generation", "gif_foreign", "metrics.bleu", "metrics.cider"}
    | {"metrics.meteor", "metrics.rouge", "model_card", "objective", "resuming", "training_data"},
    {"caption_result", "gif", "metrics.scoring", "publishing", "trainer", "training_files"}
    | {"training_results", "vision_language_generation"},
    {"caption_formats", "curve_log", "filmstrips", "gif_inspection", "metrics", "sources"},
    {"caption_inputs", "caption_output", "consensus", "diversity", "evaluation_page"}
    | {"explanation", "inspection", "resampling", "sampled", "scorer", "self_critical"}
    | {"validation"},
    {"explained", "extractor", "loader", "phases", "scored", "vision_language"},
    {"captioner", "evaluation", "evaluation_report", "extraction", "fitting"},
    {"captioners", "model_evaluation", "training_run"},
    {"caption_run", "demo_results", "describing", "training"},
    # the command line, above everything else
    {"cli.caption_arguments", "cli.console", "cli.inputs", "cli.options", "cli.progress"},
    {"cli.check_progress", "cli.demo", "cli.describe_progress", "cli.extract"}
    | {"cli.page_progress", "cli.score_table", "cli.training_run"},
    {"cli.caption", "cli.check", "cli.describe", "cli.evaluate", "cli.train"},
    {"cli"},
    {"__main__"},
]
FLOOR_OF = {name: floor for floor, names in enumerate(FLOORS) for name in names}


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


def test_every_module_stands_on_a_floor():
    assert set(FLOOR_OF) == set(MODULES) - {""}
    assert len(FLOOR_OF) == sum(map(len, FLOORS))


@pytest.mark.parametrize("name", sorted(FLOOR_OF))
def test_imports_run_downwards_only(name):
    if name not in MODULES:
        pytest.fail("no such module")
    floor = FLOOR_OF[name]
    imported = imports_of(MODULES[name].read_text(encoding="utf-8")) - {""}
    upwards = {other for other in imported if FLOOR_OF.get(other, sys.maxsize) >= floor}
    assert upwards == set()


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


def test_every_module_has_a_test_file_of_its_own():
    """But packages and `__main__`, which the command line's tests run."""
    wanted = {
        f"test_{name.replace('.', '_')}.py"
        for name, path in MODULES.items()
        if path.name not in ("__init__.py", "__main__.py")
    }
    assert {"test_gif.py", "test_cli_caption.py", "test_metrics_bleu.py"} <= wanted
    assert wanted - {path.name for path in Path(__file__).parent.glob("test_*.py")} == set()


def test_a_module_is_no_longer_than_a_person_can_read():
    long = {
        name: num_lines
        for name, path in MODULES.items()
        if (num_lines := len(path.read_text(encoding="utf-8").splitlines())) > MODULE_LINES
    }
    assert long == {}


HEAVY = {
    *("torch", "torchvision", "transformers", "tokenizers", "safetensors"),
    *("numpy", "imageio", "matplotlib", "PIL", "openvino"),
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
    names = watched.removeprefix("!src/gifdesc/{").removesuffix("}.py").split(",")
    loaded, _ = loaded_by("import gifdesc.cli, gifdesc.__main__")
    ours = {name.removeprefix("gifdesc.") for name in loaded if name.startswith("gifdesc.")}
    without_cli = {name for name in ours if name.split(".")[0] != "cli"}
    assert without_cli <= set(names)


def test_importing_the_package_loads_nothing_heavy():
    modules, _ = loaded_by("import gifdesc; assert gifdesc.__version__; dir(gifdesc)")
    assert modules & HEAVY == set()
    assert [name for name in modules if name.startswith("gifdesc.")] == []


def test_training_needs_neither_torchvision_nor_a_gif_decoder(tmp_path):
    """With torchvision and Pillow out of reach, a model is trained all the same."""
    world = write_world(tmp_path)
    folders = (world.features_dir, world.descriptions_dir, tmp_path / "model")
    script = f"""
import sys
for name in ("torchvision", "PIL", "imageio"):
    sys.modules[name] = None
from pathlib import Path
import torch
from gifdesc.config import TrainingConfig
from gifdesc.presets import PRESETS
from gifdesc.training import train
from gifdesc.training_data import prepare_data
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
    assert set(gifdesc.__all__) == {*gifdesc._LAZY, "__version__"}
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
