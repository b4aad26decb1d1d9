import pytest

from gifdesc.description_inspection import DescriptionInspector
from gifdesc.descriptions import description_files, read_descriptions
from gifdesc.errors import UsageError
from gifdesc.inputs import find_gifs
from helpers import draw_gif


def kinds_of(inspector):
    return [(one.path.name, one.kind) for one in inspector.findings()]


def test_a_gif_asks_for_its_description_and_what_nobody_asks_for_is_an_orphan(tmp_path):
    gifs, texts = tmp_path / "gifs", tmp_path / "texts"
    draw_gif(gifs / "cats" / "a.gif")
    draw_gif(gifs / "b.gif")
    (texts / "cats").mkdir(parents=True)
    (texts / "cats" / "a.txt").write_text("a cat jumps\n", encoding="utf-8")
    (texts / "gone.txt").write_text("a dog runs home\n", encoding="utf-8")
    inspector = DescriptionInspector(texts)
    missing = [found.kind for one in find_gifs([gifs]) for found in inspector.inspect_gif(one)]
    assert missing == ["missing_description"]
    assert kinds_of(inspector) == [("gone.txt", "orphan_description")]


def test_the_files_are_those_that_are_read_for_training(tmp_path):
    folder = tmp_path / "texts"
    (folder / "cats").mkdir(parents=True)
    for name in ("b.TXT", "cats/a.txt", "notes.md", ".txt"):
        (folder / name).write_text("one two three\n", encoding="utf-8")
    assert [name for _, name in description_files(folder)] == ["b", "cats/a"]
    assert set(read_descriptions(folder).captions) == {"b", "cats/a"}
    assert {path for path, _ in kinds_of(DescriptionInspector(folder))} == {"b.TXT", "a.txt"}


def test_one_file_is_looked_at_by_itself(tmp_path):
    path = tmp_path / "all.tsv"
    path.write_text("a\tone two three\nb\t\nc\n", encoding="utf-8")
    kinds = [kind for _, kind in kinds_of(DescriptionInspector(path))]
    assert kinds == ["empty_description", "bad_description", "orphan_description"]


def test_a_path_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UsageError, match="name it with --descriptions"):
        DescriptionInspector(tmp_path / "missing")
