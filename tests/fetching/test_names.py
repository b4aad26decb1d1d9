"""File names for URLs."""

import re

import pytest

from gifdesc.data.names import NameIndex, gif_key, match_names
from gifdesc.data.url_names import path_of, safe_part, stem_of
from gifdesc.fetching.names import FileNames


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("https://a.example/x/jump.gif", ("jump", ".gif")),
        ("https://a.example/x/jump.GIF?size=1#top", ("jump", ".gif")),
        ("https://a.example/jump.mp4", ("jump", ".mp4")),
        ("https://a.example/get.php?id=7", ("get.php", "")),
        ("https://a.example/", ("_", "")),
        ("https://a.example/..", ("_", "")),
        ("https://a.example/a%2Fb%20c%00.gif", ("b_c_", ".gif")),
        ("https://a.example/.hidden.gif", ("hidden", ".gif")),
        ("https://a.example/-rf.gif", ("rf", ".gif")),
        ("https://a.example/caf%C3%A9.gif", ("café", ".gif")),
        ("https://a.example/con.gif", ("_con", ".gif")),
        ("https://a.example/lpt1.x.gif", ("_lpt1.x", ".gif")),
    ],
)
def test_a_stem_is_safe(url, found):
    assert stem_of(url) == found


@pytest.mark.parametrize("text", ["x" * 500, "é" * 500, "e\u0301" * 500, "猫" * 300])
def test_a_long_name_is_cut(text):
    assert 100 < len(safe_part(text).encode()) <= 120


def test_no_two_urls_have_one_name():
    names = FileNames(["taken.gif"])
    stems = [
        names.give(url)
        for url in (
            "https://a.example/cat.gif",
            "https://b.example/cat.gif",
            "https://b.example/cat.gif?2",
            "https://c.example/CAT.mp4",
            "https://c.example/taken.webp",
            "https://c.example/description_7.gif",
            "https://c.example/gif_7.gif",
        )
    ]
    assert stems[0] == "cat"
    assert [stem.rpartition("-")[0] for stem in stems[1:5]] == ["cat", "cat", "CAT", "taken"]
    assert stems[5] == "description_7"
    assert stems[6].startswith("gif_7-")  # descriptions would take the two names for one GIF
    assert len({stem.casefold() for stem in stems}) == len(stems)


def test_the_names_of_a_list_are_always_the_same():
    urls = [f"https://{letter}.example/cat.gif" for letter in "abc"]
    assert [*map(FileNames().give, urls)] == [*map(FileNames().give, urls)]


def test_a_path_is_the_url_where_it_can_be():
    assert path_of("https://a.example/x/y/cat.gif") == "a.example/x/y/cat.gif"


def test_no_two_urls_have_one_path():
    urls = [
        "https://a.example/cat.gif",
        "https://a.example/cat.gif?1",
        "https://a.example/cat.gif?2",
        "https://a.example/../cat.gif",
        "https://a.example//cat.gif",
        "https://a.example/CAT.gif",
        "https://a.example/c%20t.gif",
        "https://a.example/c_t.gif",
        "https://a.example:80/cat.gif",
        "https://a.example/",
    ]
    paths = [*map(path_of, urls)]
    assert len({*paths}) == len(urls)
    assert all(".." not in path.split("/") and "//" not in path for path in paths)


def test_a_port_is_part_of_the_host_and_no_hash_is_needed():
    url = "http://a.example:8913/x/cat.gif"
    assert path_of(url) == "a.example_8913/x/cat.gif" != path_of(url.replace(":8", "_8"))
    index = NameIndex(["a.example_8913/x/cat"])
    assert index.find("http://a.example:8913/x/cat.gif") == "a.example_8913/x/cat"


def test_a_url_with_a_query_is_found_by_its_url_and_by_the_end_of_its_path():
    url = "https://media.example/m/aB1/giphy.gif?cid=7&rid=giphy.gif"
    path = path_of(url)
    assert re.fullmatch(r"media\.example_[0-9a-f]{10}/m/aB1/giphy\.gif", path)
    others = ["media.example/m/cD2/giphy", "other.example/m/aB1/giphy.mp4"]
    index = NameIndex([path, *others])
    for name in (url, url.partition("?")[0], "media.example/m/aB1/giphy.gif"):
        assert index.find(name) == path
        assert match_names([*others, gif_key(path)], [name]).found == [None, None, name]
    assert NameIndex([path]).find("giphy.gif") == NameIndex([path]).find("aB1/giphy") == path
    both = ["https://media.example/m/aB1/giphy.gif", "https://other.example/m/aB1/giphy.gif"]
    assert NameIndex(both).find(path) == both[0]


def test_urls_that_only_their_queries_tell_apart_are_ambiguous():
    url = "https://a.example/cat.gif"
    paths = [path_of(f"{url}?{number}") for number in (1, 2)]
    assert NameIndex(paths).candidates(url) == paths
    assert NameIndex([path_of(url), *paths]).find(url) == "a.example/cat.gif"
