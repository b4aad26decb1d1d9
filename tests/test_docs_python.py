"""The Python that the documents show runs, in a folder as the documents describe it."""

import ast
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import pytest

import gifdesc
import tiny_models
from gif_files import draw_broken_gif, draw_gif
from http_server import serving
from worlds import tiny_recipe, use_tiny_backbone, write_model

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])


def python_blocks(path):
    """The fenced blocks of Python, each behind so many empty lines that its lines keep their
    numbers."""
    text = path.read_text(encoding="utf-8")
    for match in re.finditer(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        yield "\n" * text.count("\n", 0, match.start(1)) + match[1]


SHOWN = [path for path in DOCUMENTS if list(python_blocks(path))]


class Api:
    """Takes what is put on the hub."""

    uploads: list[tuple[str, set[str]]] = []  # noqa: RUF012

    def create_repo(self, name, *, private, exist_ok):
        assert private
        assert exist_ok
        return f"https://hub.invalid/{name}"

    def repo_info(self, _name):
        return SimpleNamespace(private=True)

    def upload_folder(self, *, repo_id, folder_path, commit_message):
        assert commit_message
        self.uploads.append((repo_id, {path.name for path in folder_path.iterdir()}))


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A folder with a model, GIFs, a list of URLs, and a hub within reach that has a SmolVLM2."""
    use_tiny_backbone(monkeypatch)
    # The SHA-256 that the stand-in for ResNet50 has for any weights but the random ones.
    recipe = tiny_recipe(weights="imagenet1k-v1", weights_sha256="6")
    write_model(tmp_path / "model", recipe=recipe)
    for name, num_frames in (("funny", 7), ("gifs/a", 1), ("gifs/deep/b", 20)):
        draw_gif(tmp_path / f"{name}.gif", num_frames, durations_ms=40)
    draw_broken_gif(tmp_path / "gifs" / "broken.gif")
    for name, description in (("a", "a red square"), ("deep/b", "a square changes its colour")):
        path = tmp_path / "descriptions" / f"{name}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{description}\n", encoding="utf-8")
    smolvlm_dir = tiny_models.write_smolvlm(tmp_path / "hub")

    def snapshot_download(name, *, allow_patterns, local_files_only):
        assert name == "HuggingFaceTB/SmolVLM2-500M-Video-Instruct"
        assert allow_patterns
        assert not local_files_only
        return str(smolvlm_dir)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    monkeypatch.setattr("gifdesc.system.hub.is_reachable", lambda: True)
    monkeypatch.setattr(Api, "uploads", [])
    monkeypatch.chdir(tmp_path)
    # The local server stands in for servers of the public internet.
    monkeypatch.setattr("gifdesc.system.http.is_public", lambda _address: True)
    with serving() as server:
        server.answers["/funny.gif"] = (tmp_path / "funny.gif").read_bytes()
        urls = [server.url(path) for path in ("/funny.gif", "/removed.gif")]
        (tmp_path / "list.tsv").write_text("".join(f"{url}\ta square\n" for url in urls))
        yield tmp_path


def run_blocks(path):
    names = {}
    for block in python_blocks(path):
        exec(compile(block, str(path), "exec"), names)
    return names


@pytest.mark.parametrize("path", SHOWN, ids=[path.name for path in SHOWN])
def test_the_python_of_a_document_runs(path, home, capsys):
    before = set(home.rglob("*"))
    run_blocks(path)
    assert capsys.readouterr().out or set(home.rglob("*")) > before  # it says or makes something


def test_the_page_on_python_shows_every_public_name():
    imported = {
        alias.name
        for block in python_blocks(ROOT / "docs" / "python.md")
        for node in ast.walk(ast.parse(block))
        if isinstance(node, ast.ImportFrom) and node.module == "gifdesc"
        for alias in node.names
    }
    assert imported == set(gifdesc.__all__) - {"__version__"}


def test_the_page_on_python_shows_what_it_says(home, capsys):
    names = run_blocks(ROOT / "docs" / "python.md")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == names["found"].caption != ""
    assert "gifs/broken.gif: not a GIF (it starts like text)" in lines
    assert sum(line.startswith("gifs/broken.gif not a GIF") for line in lines) == 2
    assert "700" in lines
    statuses = [line.partition(".gif ")[2] for line in lines if line.startswith("http://")]
    assert sorted(statuses) == ["failed the server answers 404 Not Found", "ok funny.gif"]
    assert "funny.gif\ta square" in lines
    assert len(names["several"].__dataclass_fields__) > 3
    assert Api.uploads[0][0] == "me/cat-captioner"
    assert {"README.md", "model.safetensors", "config.json"} <= Api.uploads[0][1]
    card = (home / "copy" / "README.md").read_text()
    assert "400 GIFs of my cat" in card
    shutil.rmtree(home / "model")
    with pytest.raises(names["GifdescError"], match="no model folder"):
        run_blocks(ROOT / "docs" / "python.md")
