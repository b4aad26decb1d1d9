"""The GIF that a name means, in any spelling."""

import unicodedata

import pytest

from gifdesc.data.names import NameIndex, gif_key, match_names, name_problem


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("jump", "jump"),
        ("jump.gif", "jump"),
        ("jump.GIF", "jump"),
        ("jump.gif.npy", "jump"),
        ("jump.npy", "jump"),
        ("cats/jump.gif", "cats/jump"),
        ("./cats//jump.gif", "cats/jump"),
        ("cats\\jump.gif", "cats/jump"),
        ("v1.2/a.b.gif", "v1.2/a.b"),
        ("https://Media.tumblr.com/38a/tumblr_x1.gif", "//media.tumblr.com/38a/tumblr_x1"),
        ("http://example.org/a%20cat.gif?width=3#top", "//example.org/a cat"),
        ("gif_7_features_with_pe.npy", "gif_7"),
        ("description_7", "gif_7"),
        ("sub/gif_7_features_with_pe.npy", "sub/gif_7"),
        ("sub/description_7", "sub/gif_7"),
        ("gif_7.gif", "gif_7"),
        ("description_of_7", "description_of_7"),
        ("my_description_7", "my_description_7"),
    ],
)
def test_the_key_of_a_name(name, key):
    assert gif_key(name) == key


GIPHY = [f"https://media.giphy.com/media/{name}/giphy.gif" for name in ("aB1", "cD2", "eF3", "gH4")]


@pytest.mark.parametrize("root", ["", "gifs/", "media/", "/home/me/gifs/"])
def test_urls_with_equal_ends_are_distinguished_by_the_longest_common_end(root):
    gifs = [f"{root}{name}/giphy.gif" for name in ("eF3", "aB1", "other", "gH4", "cD2")]
    assert match_names(gifs, GIPHY).found == [GIPHY[2], GIPHY[0], None, GIPHY[3], GIPHY[1]]


def test_a_name_that_several_urls_could_mean_means_none_and_is_listed():
    matches = match_names(["giphy"], GIPHY[:2])
    assert matches.found == [None]
    assert matches.ambiguous == {GIPHY[0]: ["giphy"], GIPHY[1]: ["giphy"]}


@pytest.mark.parametrize(
    ("gif", "name"),
    [
        ("world-0000", "gifs/world-0000.gif"),
        ("world-0000", "../w/gifs/world-0000.gif"),
        ("world-0000", "/home/me/gifs/world-0000.gif"),
        ("world-0000", "C:\\Users\\me\\gifs\\world-0000.gif"),
        ("gifs/cats/jump", "cats/jump"),
        ("cats/jump", "https://x.example/sets/cats/jump.gif?w=1"),
        ("set/tumblr_x1", "https://38.media.tumblr.com/9f6/tumblr_x1.gif"),
        ("v1", "v1.mp4"),
        ("v1", "clips/v1.AVI"),
        ("v1.webm", "v1"),
        ("clips/v1.webm", "v1.jpg"),
        ("a.b", "a.b.mp4"),
        ("gif_7", "description_7"),
        (unicodedata.normalize("NFD", "café/gâteau"), unicodedata.normalize("NFC", "gâteau.gif")),
        (unicodedata.normalize("NFC", "über"), "https://x.example/u%CC%88ber.gif"),
    ],
)
def test_names_that_mean_one_gif_meet(gif, name):
    assert match_names([gif, "else"], ["more", name]).found == [name, None]
    assert NameIndex([gif, "else"]).find(name) == gif


@pytest.mark.parametrize(
    ("gif", "name"),
    [
        ("cats/jump", "dogs/jump"),
        ("new/cats/jump", "old/cats/jump"),
        ("jump", "jumps"),
        ("a.1", "a.2"),
        ("v1.2", "v1"),
        ("Jump", "jump"),
        ("", "jump"),
    ],
)
def test_names_of_two_gifs_do_not_meet(gif, name):
    assert match_names([gif], [name]).found == [None]
    assert NameIndex([gif]).find(name) is None


def test_a_whole_path_goes_before_all_others():
    names = ["jump", "cats/jump", "more/cats/jump"]
    assert match_names(["cats/jump"], names).found == ["cats/jump"]
    assert NameIndex(names).find("sets/cats/jump.gif") == "cats/jump"
    assert NameIndex(names).find("sets/more/cats/jump.gif") == "more/cats/jump"


def test_a_name_that_several_gifs_could_have_belongs_to_none():
    matches = match_names(["x/jump", "y/jump"], ["x/jump", "jump"])
    assert (matches.found, matches.ambiguous) == (["x/jump", None], {"jump": ["x/jump", "y/jump"]})
    assert match_names(["jump", "y/jump"], ["x/jump", "jump"]).found == ["jump", None]
    assert match_names(["a/x/jump", "b/x/jump"], ["x/jump"]).found == [None, None]


def test_an_ending_decides_where_names_are_equal_apart_from_it():
    assert match_names(["v1.mp4", "v1.webm"], ["x/v1.webm", "x/v1.mp4"]).found == [
        "x/v1.mp4",
        "x/v1.webm",
    ]
    assert match_names(["v1"], ["v1.avi", "v1.gif"]).found == ["v1.gif"]
    assert match_names(["v1"], ["v1.avi", "v1.mp4"]).found == [None]


@pytest.mark.parametrize("folder", ["", "sets/", "sets/cats/"])
def test_a_gif_beside_a_video_of_the_same_name(folder):
    gifs = ["sets/cats/x", "sets/cats/x.mp4"]
    stem = f"{folder}x" if folder != "sets/" else "cats/x"
    assert match_names(gifs, [f"{stem}.gif"]).found == [f"{stem}.gif", None]
    assert match_names(gifs, [f"{stem}.MP4"]).found == [None, f"{stem}.MP4"]
    unclear = match_names(gifs, [stem])
    assert (unclear.found, unclear.ambiguous) == ([None, None], {stem: gifs})
    # The video has a name of its own, so the other name is the GIF's.
    names = [stem, f"{stem}.mp4"]
    assert match_names(gifs, names).found == names


def test_a_name_without_ending_is_not_taken_for_the_gif_where_a_video_could_be_meant():
    index = NameIndex(["a/x.gif", "a/x.mp4", "b/y.gif"])
    assert index.candidates("a/x") == index.candidates("x") == ["a/x.gif", "a/x.mp4"]
    assert index.candidates("./a//x.gif") == index.candidates("set/a/x.gif") == ["a/x.gif"]
    assert index.candidates("x.gif.npy") == ["a/x.gif"]
    assert index.candidates("https://x.example/a/x.mp4?w=1") == ["a/x.mp4"]
    assert index.find("y") == "b/y.gif"


def test_a_gif_meets_a_name_without_ending_before_that_of_a_video():
    assert NameIndex(["x", "x.mp4"]).find("x.gif") == "x"
    assert NameIndex(["x", "x.mp4"]).find("set/x.gif") == "x"


def test_two_feature_files_of_one_name_both_have_it():
    assert match_names(["a", "a"], ["a"]).found == ["a", "a"]
    assert match_names(["x/a", "x/a"], ["a"]).found == ["a", "a"]


def test_candidates_are_the_possible_meanings_of_a_name():
    index = NameIndex(["a/x", "b/x", "c/x", "d/x", "y"])
    assert index.candidates("x.gif") == ["a/x", "b/x", "c/x"]
    assert index.candidates("z") == []
    assert NameIndex(["a.gif", "a.GIF"]).candidates("a") == ["a.gif", "a.GIF"]
    assert NameIndex(["a.gif", "a.GIF"]).candidates("a.GIF") == ["a.GIF"]


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("http://[::1", "not a URL: http://[::1"),
        ("https://x.example/", "a URL without a file: https://x.example/"),
        (".gif", "not the name of a GIF: .gif"),
        ("a/..", "not the name of a GIF: a/.."),
        ("http://[::1]/a.gif", None),
        ("https://x.example/a%zz.gif?x=%", None),
        ("7", None),
    ],
)
def test_a_name_that_can_mean_no_gif_is_reported(name, problem):
    assert name_problem(name) == problem
    assert isinstance(gif_key(name), str)


def test_across_folders_the_longest_common_end_decides_for_paths_too():
    names = ["data/cats/jump.jpg", "data/dogs/jump.jpg", "data/run.jpg"]
    gifs = ["gifs/cats/jump", "gifs/dogs/jump", "gifs/run", "gifs/x/jump"]
    matches = match_names(gifs, names)
    assert (matches.found, matches.by) == ([None] * 4, "names")
    matches = match_names(gifs, names, across_folders=True)
    assert (matches.found, matches.by) == ([*names, None], "ends")
