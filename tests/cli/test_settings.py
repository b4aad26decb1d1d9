"""Options from a file and from the environment, and which of them counts."""

from pathlib import Path

import pytest
import typer

from gifdesc.cli import app
from gifdesc.cli.settings import find_settings, read_settings
from gifdesc.errors import UsageError
from worlds import run_here

COMMANDS = typer.main.get_command(app).commands


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def settings(text: str, name: str = "gifdesc.toml") -> Path:
    path = Path(name).absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def options_of(*arguments: str) -> list[str]:
    """The options that `--debug` names as not from the command line."""
    done = run_here("caption", "gone.gif", "--debug", *arguments)
    start = "option: "
    return [line.removeprefix(start) for line in done.err.splitlines() if line.startswith(start)]


def test_the_command_line_wins_then_the_environment_then_the_file(monkeypatch):
    path = settings('device = "cpu"\n[caption]\nbeam = 2\nmax-length = 7\nlength_penalty = 2\n')
    monkeypatch.setenv("GIFDESC_BEAM", "3")
    monkeypatch.setenv("GIFDESC_MAX_LENGTH", "9")
    assert options_of("--max-length", "11") == [
        "--beam 3 (from GIFDESC_BEAM)",
        f"--length-penalty 2.0 (from {path})",
        f"--device cpu (from {path})",
    ]


def test_a_variable_of_a_command_wins_over_that_of_all_commands(monkeypatch):
    monkeypatch.setenv("GIFDESC_BEAM", "3")
    monkeypatch.setenv("GIFDESC_CAPTION_BEAM", "4")
    monkeypatch.setenv("GIFDESC_EVALUATE_BEAM", "5")
    assert options_of() == ["--beam 4 (from GIFDESC_CAPTION_BEAM)"]


def test_every_option_has_a_variable_of_its_own():
    for name, command in COMMANDS.items():
        for parameter in command.params:
            if parameter.param_type_name == "option":
                start = f"GIFDESC_{name.upper()}_"
                assert [v.startswith(start) for v in parameter.envvar][:1] == [True]


def test_options_that_mean_different_things_share_no_variable():
    by_flag = {
        flag: parameter.envvar
        for parameter in COMMANDS["extract"].params
        for flag in parameter.opts
    }
    assert by_flag["--output"] == ["GIFDESC_EXTRACT_OUTPUT"]
    assert by_flag["--device"] == ["GIFDESC_EXTRACT_DEVICE", "GIFDESC_DEVICE"]


def test_a_model_for_captions_is_not_where_train_writes():
    settings('model = "default"\n')
    values = read_settings(Path("gifdesc.toml").absolute(), COMMANDS)
    assert {name for name, found in values.items() if found} == {"caption", "describe", "alt"}
    variables = {
        name: parameter.envvar
        for name, command in COMMANDS.items()
        for parameter in command.params
        if "--model" in parameter.opts
    }
    with_model = {name for name, found in variables.items() if "GIFDESC_MODEL" in found}
    assert with_model == {"caption", "describe", "alt"}


def test_help_shows_the_variables():
    shown = " ".join(run_here("caption", "--help").out.split())
    assert "[env: GIFDESC_DEVICE]" in shown
    assert "[env: GIFDESC_CAPTION_OUTPUT]" in shown


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("GIFDESC_BEAM", "x", "GIFDESC_BEAM=x (for --beam): not a whole number of 1 or more"),
        (
            "GIFDESC_CAPTION_FORMAT",
            "jsn",
            "GIFDESC_CAPTION_FORMAT=jsn (for --format): not one of text, json, tsv, csv; did you "
            "mean json?",
        ),
        (
            "GIFDESC_DEVICE",
            "gpu",
            "--device gpu: not a device; use auto, cpu, cuda, cuda:N or mps [--device gpu (from "
            "GIFDESC_DEVICE)]",
        ),
        ("GIFDESC_JSON", "maybe", "GIFDESC_JSON=maybe (for --json): not 1 or 0"),
    ],
)
def test_a_variable_with_a_wrong_value_is_named(variable, value, sentence, monkeypatch):
    monkeypatch.setenv(variable, value)
    done = run_here("caption", "x.gif")
    assert (done.code, done.err) == (2, f"error: {sentence}\n")


# The file


def test_the_nearest_file_counts(folder):
    outer = settings("", "gifdesc.toml")
    assert find_settings(folder / "a" / "b") == outer
    project = settings("[tool.gifdesc]\n", "a/pyproject.toml")
    assert find_settings(folder / "a" / "b") == project
    settings("[tool.other]\n", "a/b/pyproject.toml")
    assert find_settings(folder / "a" / "b") == project
    beside = settings("", "a/gifdesc.toml")
    assert find_settings(folder / "a" / "b") == beside


def test_paths_are_relative_to_the_file(folder, monkeypatch):
    path = settings('[train]\nfeatures = "f"\n[caption]\nmodel = "m"\noutput = "c.jsonl"\n')
    (folder / "m").mkdir()
    (folder / "sub").mkdir()
    assert read_settings(path, COMMANDS)["caption"]["model"] == "m"
    monkeypatch.chdir(folder / "sub")
    values = read_settings(path, COMMANDS)
    assert values["train"]["features"] == str(folder / "f")
    assert values["caption"]["model"] == str(folder / "m")
    assert values["caption"]["output"] == str(folder / "c.jsonl")


def test_a_public_name_of_a_model_is_no_path(folder, monkeypatch):
    path = settings('model = "user/model"\n')
    (folder / "sub").mkdir()
    monkeypatch.chdir(folder / "sub")
    assert read_settings(path, COMMANDS)["caption"]["model"] == "user/model"


def test_a_table_of_pyproject(folder):
    settings("[tool.gifdesc.caption]\nsample = true\n", "pyproject.toml")
    assert options_of() == [f"--sample True (from {folder / 'pyproject.toml'})"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('devise = "cpu"', "devise: no such option; did you mean device?"),
        ("[captoin]", "[captoin]: no such command; did you mean caption?"),
        ("[caption]\nbaem = 3", "[caption] baem: no such option; did you mean beam?"),
        ('[caption]\nbeam = "x"', "[caption] beam: not a whole number: 'x'"),
        ("[caption]\nbeam = true", "[caption] beam: not a whole number: True"),
        ("[caption]\nbeam = 1.5", "[caption] beam: not a whole number: 1.5"),
        ("[caption]\nsample = 1", "[caption] sample: not true or false: 1"),
        ("[caption]\nmodel = 3", "[caption] model: not a text: 3"),
        ("[caption]\next = [1]", "[caption] ext: not a text or a list of texts: 1"),
        ("[train]\nlr = []", "[train] lr: not a number: []"),
        ('caption = "x"', "caption: a command; write its options in the table [caption]"),
        (
            'output = "x"',
            "output: means different things in fetch, extract, describe, caption; write it in a "
            "table, such as [fetch]",
        ),
        ("output =", "not TOML: Invalid value (at end of document)"),
    ],
)
def test_a_wrong_file_is_refused_with_its_key(text, sentence):
    path = settings(text)
    with pytest.raises(UsageError) as caught:
        read_settings(path, COMMANDS)
    assert str(caught.value) == f"{path}: {sentence}"
    done = run_here("caption", "x.gif")
    assert (done.code, done.err) == (2, f"error: {path}: {sentence}\n")


def test_a_number_of_a_file_that_is_too_small_is_refused_with_the_file():
    path = settings("[caption]\nbeam = 0\n")
    done = run_here("caption", "x.gif")
    assert done.err == f"error: {path}: --beam 0: not a whole number of 1 or more\n"


def test_the_search_ends_at_a_repository_and_at_the_home_folder(folder, monkeypatch):
    settings("")
    (folder / "a" / "b" / ".git").mkdir(parents=True)
    assert find_settings(folder / "a" / "b") is None
    assert find_settings(folder / "a") == folder / "gifdesc.toml"
    monkeypatch.setenv("HOME", str(folder / "a"))
    assert find_settings(folder / "a") is None


def test_a_file_of_another_user_does_not_count(folder, monkeypatch):
    settings("")
    monkeypatch.setattr("gifdesc.cli.settings.os.getuid", lambda: 4321, raising=False)
    own = find_settings(folder)
    assert (own is None) == (Path("gifdesc.toml").stat().st_uid not in (0, 4321))


def test_mistakes_of_others_in_pyproject_do_not_matter(folder):
    settings("nonsense", "pyproject.toml")
    assert find_settings(folder) is None
    settings("[tool.gifdesc]\nnonsense", "pyproject.toml")
    done = run_here("caption", "x.gif")
    assert (done.code, "pyproject.toml: not TOML" in done.err) == (2, True)


def test_a_byte_order_mark_is_read_and_other_encodings_are_named(folder):
    path = folder / "gifdesc.toml"
    path.write_bytes(b"\xef\xbb\xbf[caption]\nbeam = 2\n")
    assert read_settings(path, COMMANDS)["caption"] == {"beam": 2}
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="not UTF-8"):
        read_settings(path, COMMANDS)


def test_a_length_for_alt_does_not_disturb_caption(monkeypatch):
    monkeypatch.setenv("GIFDESC_ALT_TEXT_LENGTH", "50")
    assert "--alt-text-length is for" not in run_here("caption", "x.gif").err


def test_a_wrong_file_does_not_keep_help_from_being_shown():
    settings("nonsense")
    assert run_here("caption", "--help").code == 0


def test_another_file_or_none(monkeypatch):
    settings("nonsense")
    other = settings("[caption]\nbeam = 2\n", "other.toml")
    done = run_here("--config", "other.toml", "caption", "gone.gif", "--debug")
    assert f"option: --beam 2 (from {other.name})" in done.err
    assert "option: " not in run_here("--no-config", "caption", "gone.gif", "--debug").err
    monkeypatch.setenv("GIFDESC_CONFIG", "other.toml")
    assert options_of() == ["--beam 2 (from other.toml)"]
    assert "option: " not in run_here("--no-config", "caption", "gone.gif", "--debug").err
    done = run_here("--config", "gone.toml", "caption", "x.gif")
    assert (done.code, done.err) == (
        2,
        "error: gone.toml: cannot be read: no such file or directory\n",
    )
