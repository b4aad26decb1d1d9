"""How many modules one optimizer step runs through: a reader must follow them all."""

import sys

from gifdesc import ModelConfig, TrainingConfig, prepare_data, train_captioner
from gifdesc.training.epochs import EpochLoop
from worlds import tiny_recipe, write_world


def test_an_optimizer_step_passes_at_most_12_modules_in_4_rooms(tmp_path, monkeypatch):
    world = write_world(tmp_path, recipe=tiny_recipe())
    config = TrainingConfig(epochs=1, batch_size=2, val_fraction=0, test_fraction=0)
    data = prepare_data(world.features_dir, world.descriptions_dir, config)
    steps, passed = EpochLoop.steps, set()

    def record(frame, event, _argument):
        name = frame.f_globals.get("__name__", "")
        if event == "call" and name.startswith("gifdesc."):
            passed.add(name.removeprefix("gifdesc."))

    def second_step_recorded(loop, *arguments):
        iterator = iter(steps(loop, *arguments))
        yield next(iterator)
        before = sys.getprofile()
        sys.setprofile(record)
        try:
            second = next(iterator)
        finally:
            sys.setprofile(before)
        yield second
        yield from iterator

    monkeypatch.setattr(EpochLoop, "steps", second_step_recorded)
    taken = []
    network = ModelConfig(hidden_size=8)
    train_captioner(data, tmp_path / "model", network, config, "cpu", on_step=taken.append)
    assert len(taken) == 3
    assert {"training.step", "model.network", "data.dataset"} <= passed
    assert {name.split(".")[0] for name in passed} == {"data", "model", "system", "training"}
    assert len(passed) <= 12, sorted(passed)
