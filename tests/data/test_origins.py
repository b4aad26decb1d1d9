"""Names of GIFs in a folder of results: one name, one GIF."""

from pathlib import Path

import pytest

from gifdesc.data.gifs import GifInput, find_gifs
from gifdesc.data.origins import Origins, origin_of


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def named(origins: Origins, *arguments: Path) -> list[str]:
    """The names that a run gives, as a run does: each is in use from then on."""
    names = []
    for gif in find_gifs(arguments):
        name = origins.name_of(gif)
        origins.add(name, gif)
        names.append(name)
    return names


@pytest.fixture
def two_folders(tmp_path) -> Path:
    touch(tmp_path, "cats/1.gif", "cats/2.gif", "dogs/1.gif", "dogs/2.gif")
    return tmp_path


def test_in_a_new_folder_names_are_paths_under_the_arguments(two_folders):
    assert named(Origins({}), two_folders / "cats") == ["1.gif", "2.gif"]
    assert named(Origins({}), two_folders) == [
        "cats/1.gif",
        "cats/2.gif",
        "dogs/1.gif",
        "dogs/2.gif",
    ]


def test_a_second_folder_is_kept_apart(two_folders):
    cats = {name: str(two_folders / "cats" / name) for name in ("1.gif", "2.gif")}
    origins = Origins(cats)
    assert named(origins, two_folders / "dogs") == ["dogs/1.gif", "dogs/2.gif"]
    assert named(origins, two_folders / "cats") == ["1.gif", "2.gif"]
    assert named(origins, two_folders) == ["1.gif", "2.gif", "dogs/1.gif", "dogs/2.gif"]


def test_a_name_does_not_depend_on_the_other_gifs_of_a_run(two_folders):
    """As with `xargs -n 2`."""
    cats, dogs = two_folders / "cats", two_folders / "dogs"
    touch(two_folders, *(f"dogs/{index}.gif" for index in range(3, 9)))
    known: dict[str, str | None] = {}
    batches = [
        *[[cats / "1.gif", cats / "2.gif"], [dogs / "1.gif", dogs / "2.gif"]],
        *[[dogs / f"{index}.gif" for index in range(3, 9)], [cats / "3.gif", dogs / "1.gif"]],
    ]
    touch(two_folders, "cats/3.gif")
    for batch in batches:
        names = named(Origins(known), *batch)
        known |= dict(zip(names, map(str, batch), strict=True))
    assert sorted(known) == sorted(
        [f"{index}.gif" for index in (1, 2, 3)] + [f"dogs/{index}.gif" for index in range(1, 9)]
    )


def test_a_part_of_the_folder_keeps_its_names(two_folders):
    all_names = named(origins := Origins({}), two_folders)
    assert named(origins, two_folders / "dogs") == all_names[2:]
    assert named(origins, two_folders / "cats" / "2.gif") == all_names[1:2]


def test_a_folder_that_was_moved_keeps_its_names(two_folders):
    before = {name: str(two_folders / "old" / name) for name in ("1.gif", "2.gif")}
    assert named(Origins(before), two_folders / "cats") == ["1.gif", "2.gif"]


def test_a_name_that_is_taken_gets_more_of_the_path(tmp_path):
    touch(tmp_path, "x/cats/1.gif", "x/cats/dogs/1.gif", "x/dogs/1.gif")
    origins = Origins({})
    assert named(origins, tmp_path / "x" / "cats") == ["1.gif", "dogs/1.gif"]
    assert named(origins, tmp_path / "x" / "dogs") == ["x/dogs/1.gif"]


def test_names_from_before_paths_were_recorded_are_given_again(two_folders):
    origins = Origins({"1.gif": None, "2.gif": None})
    assert named(origins, two_folders / "cats") == ["1.gif", "2.gif"]
    assert named(origins, two_folders / "dogs") == ["dogs/1.gif", "dogs/2.gif"]


def test_a_gif_from_a_pipe_has_no_origin(tmp_path):
    gif = GifInput(tmp_path / "spool.gif", "stdin", name="-", is_spooled=True)
    assert origin_of(gif) is None
    assert Origins({}).name_of(gif) == "stdin"


def test_apart_never_gives_a_name_in_use(tmp_path):
    touch(tmp_path, "dogs/1.gif")
    [gif] = find_gifs([tmp_path / "dogs"])
    parts = (tmp_path / "dogs" / "1.gif").parts[1:]
    longer = {"/".join(parts[-length:]): "/elsewhere" for length in range(1, len(parts) + 1)}
    assert Origins(longer).apart(gif, "1.gif") == "1.gif~2"
    assert Origins({**longer, "1.gif~2": None}).apart(gif, "1.gif") == "1.gif~3"


def test_where_a_gif_is_expected(two_folders):
    known = {"1.gif": str(two_folders / "cats" / "1.gif"), "2.gif": None}
    origins = Origins(known)
    assert origins.expected_path("1.gif") == known["1.gif"]
    assert origins.expected_path("2.gif") == str(two_folders / "cats" / "2.gif")
    assert Origins({"2.gif": None}).expected_path("2.gif") is None
