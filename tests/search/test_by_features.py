import numpy as np
import pytest

from gif_files import draw_gif
from gifdesc.errors import FeatureError
from gifdesc.features.extractor import FeatureExtractor
from gifdesc.search.by_features import search_like
from gifdesc.search.by_words import search_by_words
from worlds import run_here, tiny_recipe, write_model, write_world

UNTRAINED = "the features come from an untrained ResNet50 (random weights)"


def test_the_nearest_gif_is_first_and_the_gif_itself_is_left_out(world):
    near = np.load(world.features_dir / "b.npy") + np.float32(0.01)
    np.save(world.features_dir / "near.npy", near)
    for _ in range(2):  # the second time from the file of means
        result = search_like("b", world.features_dir, top=2)
        assert result.hits[0].path == "near"
        assert result.hits[0].score > 0.9 > result.hits[1].score
        assert result.num_gifs == 6


def test_a_gif_that_is_nowhere_is_named_with_those_of_its_name(coloured):
    draw_gif(coloured / "gifs" / "deep" / "pink.gif", [(240, 150, 150)])
    assert run_here("extract", "gifs", "--weights", "random").code == 0
    with pytest.raises(FeatureError, match=r"^pink\.gif: no such.*name are deep/pink\.gif$"):
        search_like("pink.gif", "features")
    with pytest.raises(FeatureError, match=r"^grey\.gif: no such file, and no GIF of features$"):
        search_like("grey.gif", "features")


def test_ties_that_are_cut_are_reported(world):
    for name in ("twin", "twin2"):
        np.save(world.features_dir / f"{name}.npy", np.load(world.features_dir / "b.npy"))
    result = search_like("b", world.features_dir, top=1)
    assert result.notes == ("1 more has the same score as the last GIF listed", UNTRAINED)
    assert search_like("b", world.features_dir, top=2).notes == (UNTRAINED,)


COLOURS = {"red": (240, 20, 20), "green": (20, 240, 20), "blue": (20, 20, 240)}


@pytest.fixture
def coloured(request, tmp_path, monkeypatch):
    """A working folder with a GIF of each colour, and their features."""
    request.getfixturevalue("tiny_backbone")
    monkeypatch.chdir(tmp_path)
    for name, colour in COLOURS.items():
        draw_gif(tmp_path / "gifs" / f"{name}.gif", [colour])
    assert run_here("extract", "gifs", "--weights", "random").code == 0
    return tmp_path


def test_a_file_that_changed_since_extract_is_another_gif(coloured):
    result = search_like("gifs/red.gif", "features")
    assert not [hit for hit in result.hits if "red" in hit.path]
    assert result.notes == (UNTRAINED,)
    draw_gif(coloured / "gifs" / "red.gif", [COLOURS["blue"]])
    result = search_like("gifs/red.gif", "features", top=1)
    assert (result.hits[0].path, result.num_gifs) == ("gifs/blue.gif", 3)
    assert result.notes == (UNTRAINED,)


STALE = (
    "gifs/green.gif: changed since `gifdesc extract` read it, so the features are of older "
    "content; extract again"
)


@pytest.mark.parametrize("frames", [[COLOURS["blue"]], [COLOURS["blue"], COLOURS["red"]]])
def test_gifs_that_are_found_by_an_older_content_are_reported(coloured, frames):
    write_model(coloured / "model", recipe=tiny_recipe())
    before = (coloured / "gifs" / "green.gif").stat().st_size
    draw_gif(coloured / "gifs" / "green.gif", frames)
    assert ((coloured / "gifs" / "green.gif").stat().st_size == before) == (len(frames) == 1)
    assert STALE in search_like("gifs/red.gif", "features").notes
    assert STALE in search_by_words("a red ball", "features", "model").notes
    # By its name in the folder, the GIF is compared by its features.
    assert STALE in search_like("green.gif", "features").notes


def test_files_that_cannot_be_compared_are_not_reported(coloured, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as patched:
        patched.setattr("gifdesc.system.files.sha256_of", refuse)
        assert search_like("gifs/red.gif", "features").notes == (UNTRAINED,)
    # Another file of the name, not where `extract` read the GIF.
    (coloured / "gifs").rename(coloured / "moved")
    draw_gif(coloured / "green.gif", [COLOURS["blue"]])
    assert search_like("red.gif", "features").notes == (UNTRAINED,)
    (coloured / "moved" / "green.gif").rename(coloured / "moved" / "green.webp")
    assert search_like("red.gif", "features", gifs_dir="moved").notes == (UNTRAINED,)
    draw_gif(coloured / "moved" / "blue.gif", [COLOURS["red"]])
    note, _ = search_like("red.gif", "features", gifs_dir="moved").notes
    assert note.startswith("moved/blue.gif: changed since")


@pytest.mark.usefixtures("tiny_backbone")
def test_features_of_another_size_than_the_recipes_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    draw_gif(tmp_path / "gifs" / "a.gif", [(240, 20, 20)])
    assert run_here("extract", "gifs", "--weights", "random").code == 0
    np.save(tmp_path / "features" / "a.gif.npy", np.ones((2, 3), np.float32))
    draw_gif(tmp_path / "mine.gif", [(30, 200, 40)])
    with pytest.raises(FeatureError, match=r"features: has 3 features a frame, its recipe\.json"):
        search_like("mine.gif", "features")


def test_the_number_of_frames_does_not_matter(tmp_path):
    from gifdesc.positional import sinusoidal_encoding

    world = write_world(tmp_path, recipe=tiny_recipe())
    content = np.load(world.features_dir / "a.npy")[:1]
    for name, frames in (("few", 2), ("many", 14)):
        repeated = np.repeat(content, frames, axis=0) + sinusoidal_encoding(frames, 48)
        np.save(world.features_dir / f"{name}.npy", repeated.astype(np.float32))
    [hit] = search_like("few", world.features_dir, top=1).hits
    assert hit.path == "many"
    assert hit.score == pytest.approx(1, abs=1e-4)


def test_a_gif_of_another_folder_is_extracted_by_the_recipe(coloured):
    draw_gif(coloured / "mine.gif", [(30, 200, 40)])
    found = run_here("search", "--like", "mine.gif", "--top", 1)
    assert (found.code, found.out) == (0, "gifs/green.gif\n")
    named = ("--top", 1, "--weights", "random")  # a name or a file, as for `caption`
    assert run_here("search", "--like", "mine.gif", *named).out == found.out
    others = run_here("search", "--like", "mine.gif", "--weights", "imagenet1k-v1")
    assert "not the weights that the features were made with" in others.error
    assert "name the right file with --weights" in others.error
    own = run_here("search", "--like", "gifs/green.gif", "--top", 9)
    assert sorted(own.out.splitlines()) == ["gifs/blue.gif", "gifs/red.gif"]


@pytest.mark.usefixtures("tiny_backbone")
@pytest.mark.parametrize("factor", [np.nan, 1e30])
def test_features_that_cannot_be_used_are_an_error(tmp_path, monkeypatch, factor):
    monkeypatch.chdir(tmp_path)
    draw_gif(tmp_path / "gifs" / "a.gif", [(240, 20, 20)])
    assert run_here("extract", "gifs", "--weights", "random").code == 0
    draw_gif(tmp_path / "mine.gif", [(30, 200, 40)])
    encode = FeatureExtractor.encode
    monkeypatch.setattr(
        FeatureExtractor,
        "encode",
        lambda self, gifs: [each * np.float32(factor) for each in encode(self, gifs)],
    )
    with pytest.raises(FeatureError, match=r"mine\.gif: the output of the network cannot be used"):
        search_like("mine.gif", "features", device="cpu")


def test_fewer_gifs_than_one_cannot_be_asked_for(tmp_path):
    with pytest.raises(ValueError, match="top must be 1 or more, not -1"):
        search_like("mine.gif", tmp_path, top=-1)


def test_without_a_recipe_only_gifs_of_the_folder_can_be_asked_for(tmp_path):
    world = write_world(tmp_path)
    result = search_like("a", world.features_dir)
    assert result.num_gifs == 5
    assert result.notes == (
        f"{world.features_dir}: has no recipe.json, so its features count as without a positional "
        "encoding",
    )
    with pytest.raises(FeatureError, match=r"has no recipe\.json"):
        search_like(draw_gif(tmp_path / "other.gif", 2), world.features_dir)


def test_too_few_gifs_to_compare_are_reported(world):
    for path in sorted(world.features_dir.glob("*.npy"))[2:]:
        path.unlink()
    _, note = search_like("a", world.features_dir).notes
    assert note.startswith("the folder has 2 usable GIFs: too few")


@pytest.mark.parametrize("place", [0, -4])
def test_damage_that_leaves_the_file_of_means_its_size_is_noticed(world, place):
    first = search_like("b", world.features_dir, top=2)
    path = world.features_dir / "search" / "means.safetensors"
    whole = path.read_bytes()
    begin = 8 + int.from_bytes(whole[:8], "little") if place == 0 else len(whole) + place
    path.write_bytes(whole[:begin] + b"\xff" * 4 + whole[begin + 4 :])
    assert search_like("b", world.features_dir, top=2) == first
    assert path.read_bytes() == whole
