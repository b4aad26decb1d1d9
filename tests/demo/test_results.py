from PIL import Image

from gifdesc.captions import Caption
from gifdesc.config import TrainingConfig
from gifdesc.data.feature_files import write_features
from gifdesc.data.training_data import prepare_data
from gifdesc.demo.results import draw_captions, held_out_gifs
from gifdesc.demo.world import draw_world
from worlds import random_features


def test_held_out_gifs_are_not_in_the_training_split(tmp_path):
    draw_world(tmp_path, num_gifs=20, seed=0)
    for index in range(20):
        features = random_features(2, seed=index)
        write_features(tmp_path / "features" / f"world-{index:04d}.gif.npy", features)
    data = prepare_data(tmp_path / "features", tmp_path / "descriptions", TrainingConfig(seed=5))
    held_out = held_out_gifs(tmp_path)
    assert 0 < len(held_out) < 10
    assert held_out == [tmp_path / "gifs" / f"{one.name}.gif" for one in data.splits["test"]]


class Knowing:
    """Returns the reference of every GIF, except for the GIFs that it shall caption wrongly."""

    def __init__(self, world_dir, wrong):
        self.world_dir = world_dir
        self.wrong = wrong

    def caption_many(self, paths):
        for path in paths:
            truth = (self.world_dir / "descriptions" / f"{path.stem}.txt").read_text().strip()
            said = "a lie" if path in self.wrong else truth
            yield Caption(str(path), caption=said, sampled_frames=(0, 1, 2))


def test_a_picture_has_a_row_for_each_gif_and_marks_wrong_captions(tmp_path):
    draw_world(tmp_path, num_gifs=2, seed=0)
    paths = sorted((tmp_path / "gifs").glob("*.gif"))
    pixels = []
    for wrong in ([], paths[1:]):
        draw_captions(Knowing(tmp_path, wrong), paths, tmp_path, tmp_path / "drawn.png")
        with Image.open(tmp_path / "drawn.png") as picture:
            pixels.append(picture.convert("RGB").tobytes())
    assert pixels[0] != pixels[1]
    draw_captions(Knowing(tmp_path, []), paths[:1], tmp_path, tmp_path / "one.png")
    with Image.open(tmp_path / "one.png") as one, Image.open(tmp_path / "drawn.png") as two:
        assert one.height < two.height
