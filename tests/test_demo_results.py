from PIL import Image

from gifdesc.caption_result import Caption
from gifdesc.config import TrainingConfig
from gifdesc.demo import draw_world
from gifdesc.demo_results import draw_captions, held_out_gifs
from gifdesc.splits import hash_split


def test_those_held_out_are_those_that_training_does_not_see(tmp_path):
    draw_world(tmp_path, num_gifs=40, seed=0)
    training = TrainingConfig(seed=5)
    splits = {
        path: hash_split(
            path.stem,
            seed=5,
            val_fraction=training.val_fraction,
            test_fraction=training.test_fraction,
        )
        for path in sorted((tmp_path / "gifs").glob("*.gif"))
    }
    assert "test" in splits.values()
    assert "train" in splits.values()
    wanted = [path for path, split in splits.items() if split == "test"]
    assert held_out_gifs(tmp_path, seed=5) == wanted


class Knowing:
    """Says what is true of every GIF but those it is to be wrong about."""

    def __init__(self, world_dir, wrong):
        self.world_dir = world_dir
        self.wrong = wrong

    def caption_many(self, paths):
        for path in paths:
            truth = (self.world_dir / "descriptions" / f"{path.stem}.txt").read_text().strip()
            said = "a lie" if path in self.wrong else truth
            yield Caption(str(path), caption=said, sampled_frames=(0, 1, 2))


def test_a_picture_has_a_row_for_each_gif_and_tells_right_from_wrong(tmp_path):
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
