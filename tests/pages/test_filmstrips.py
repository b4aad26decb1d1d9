import io

import numpy as np
import pytest
from PIL import Image

from gif_files import draw_broken_gif, draw_gif, frame_colour, truncate
from gifdesc.errors import GifdescError, GifError
from gifdesc.pages.filmstrips import FilmSize, GifFolder, Shrinker, film_size, read_filmstrip


def cell_colours(film):
    """The colour in the middle of each of a filmstrip's cells."""
    picture = Image.open(io.BytesIO(film.image))
    assert picture.format == "WEBP"
    width, height = film.cell_width, film.cell_height
    assert picture.size == (film.num_columns * width, film.num_rows * height)
    pixels = np.asarray(picture.convert("RGBA")).astype(int)
    places = [divmod(place, film.num_columns) for place in range(film.num_columns * film.num_rows)]
    return [tuple(pixels[r * height + height // 2, c * width + width // 2]) for r, c in places]


def assert_shows(film, indices):
    colours = cell_colours(film)
    for colour, index in zip(colours, indices, strict=False):
        np.testing.assert_allclose(colour[:3], frame_colour(index), atol=40)
        assert colour[3] == 255
    assert all(colour[3] == 0 for colour in colours[len(indices) :])


def test_a_filmstrip_holds_the_frames_asked_for_with_their_times(tmp_path):
    path = draw_gif(tmp_path / "a.gif", 7, durations_ms=[100, 200, 300, 400, 500, 600, 700])
    film = read_filmstrip(path, [0, 2, 3, 5, 6], size=FilmSize(20), num_columns=4)
    assert film.frames == (0, 2, 3, 5, 6)
    assert film.times_ms == (0, 300, 600, 1500, 2100)
    assert (film.num_frames, film.duration_ms) == (7, 2800)
    assert (film.num_columns, film.num_rows) == (4, 2)
    assert (film.cell_width, film.cell_height) == (24, 24)
    assert_shows(film, [0, 2, 3, 5, 6])


def test_without_frames_asked_for_some_of_all_are_shown(tmp_path):
    film = read_filmstrip(draw_gif(tmp_path / "a.gif", 64), num_columns=None)
    assert len(film.frames) == film.num_columns == 16
    assert film.frames[0] == 2
    assert film.frames[-1] == 62
    assert_shows(film, film.frames)


def test_a_frame_that_stays_is_shown_as_often_as_it_is_asked_for(tmp_path):
    film = read_filmstrip(draw_gif(tmp_path / "a.gif", 2), [0, 0, 1, 1])
    assert_shows(film, [0, 0, 1, 1])


def test_a_filmstrip_of_bytes_is_that_of_the_file(tmp_path):
    path = draw_gif(tmp_path / "a.gif", 3)
    assert read_filmstrip(path.read_bytes()) == read_filmstrip(path)


def test_a_truncated_gif_gives_its_beginning_and_a_note(tmp_path):
    film = read_filmstrip(truncate(draw_gif(tmp_path / "a.gif", 6, size=(60, 50)), 40))
    assert film.num_frames < 6
    assert film.note


def test_a_large_picture_is_made_coarser(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (80, 100, 3), dtype=np.uint8)
    frames = [Image.fromarray(np.roll(noise, shift, 1)) for shift in range(16)]
    path = tmp_path / "noise.gif"
    frames[0].save(path, save_all=True, append_images=frames[1:])
    films = [
        read_filmstrip(path, size=FilmSize(88, limit), num_columns=4) for limit in (None, 80_000, 1)
    ]
    sizes = [len(film.image) for film in films]
    assert sizes[0] > 80_000 >= sizes[1] > sizes[2] > 1


@pytest.mark.parametrize(
    ("height", "width", "cell"),
    [(50, 100, (40, 80)), (100, 50, (40, 24)), (1, 4000, (24, 80)), (4000, 1, (40, 24))],
)
def test_frames_of_any_form_are_made_small(height, width, cell):
    frame = np.full((height, width, 3), (200, 0, 0), np.uint8)
    small = Shrinker(40)(frame)
    assert small.shape == (*cell, 3)
    assert (small == (200, 0, 0)).all(axis=2).any()


def folder_of(tmp_path, *names):
    for name in names:
        draw_gif(tmp_path / "gifs" / name)
    return GifFolder(tmp_path / "gifs")


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("cats/jump", "cats/jump.gif"),
        ("cats/jump.gif", "cats/jump.gif"),
        ("https://example.org/x/nap.gif", "cats/nap.GIF"),
        ("nap", "cats/nap.GIF"),
        ("set/cats/nap", "cats/nap.GIF"),
        ("dogs/nap", None),
        ("jump", None),  # two have this name
        ("description_7", "gif_7.gif"),
        ("fly", None),
        ("", None),
        ("../secret", None),
        ("/etc/secret", None),
    ],
)
def test_a_gif_is_found_by_any_of_its_names(tmp_path, name, found):
    draw_gif(tmp_path / "secret.gif")
    folder = folder_of(tmp_path, "cats/jump.gif", "dogs/jump.gif", "cats/nap.GIF", "gif_7.gif")
    gif = folder.find(name)
    assert (gif and gif.path) == (found and tmp_path / "gifs" / found)
    assert gif is None or folder.shown_path(gif) == f"gifs/{found}"


def test_a_gif_that_is_missing_or_broken_is_a_note(tmp_path):
    folder = folder_of(tmp_path, "good.gif")
    draw_broken_gif(tmp_path / "gifs" / "bad.gif")
    folder = GifFolder(tmp_path / "gifs")
    film, missing = folder.filmstrip("good", [1, 2])
    assert film.frames == (1, 2)
    assert missing is None
    film, missing = folder.filmstrip("gone")
    assert film is None
    assert missing.startswith("GIF missing")
    film, missing = folder.filmstrip("bad")
    assert film is None
    assert missing.startswith("GIF cannot be shown: not a GIF")
    assert str(tmp_path) not in missing


def test_a_gif_with_fewer_frames_than_its_features_has_a_note(tmp_path):
    film, missing = folder_of(tmp_path, "short.gif").filmstrip("short", [0, 90])
    assert film is None
    assert missing.endswith("has fewer frames than before: the file has changed")
    assert str(tmp_path) not in missing


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(GifdescError, match="no such folder; name the GIFs' folder with --gifs"):
        GifFolder(tmp_path / "gifs")
    with pytest.raises(GifError):
        read_filmstrip(draw_broken_gif(tmp_path / "bad.gif"))


def test_the_poster_of_a_gif_is_not_an_empty_frame(tmp_path):
    images = [Image.new("RGB", (40, 40), (10 * n, 0, 0)) for n in range(5)]
    images[3].paste("white", (10, 10, 30, 30))
    path = tmp_path / "blinks.gif"
    images[0].save(path, save_all=True, append_images=images[1:], duration=100)
    assert read_filmstrip(path).poster == 3


def test_a_page_of_very_many_gifs_has_smaller_pictures():
    sizes = [film_size(num_gifs) for num_gifs in (1, 500, 5_000)]
    assert sizes == sorted(sizes, key=lambda size: -size.frame_height)
    assert all(num * film_size(num).max_bytes <= 40e6 for num in (200, 1_000, 5_000))
