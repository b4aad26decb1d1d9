"""A model put into a folder for others, or on the hub: what goes along, and its card."""

import json
from types import SimpleNamespace

import huggingface_hub
import pytest

from gif_files import draw_gif
from gifdesc.captioning.captioner import Captioner
from gifdesc.config import TrainingConfig
from gifdesc.errors import HubError
from gifdesc.model.checkpoint import save_checkpoint
from gifdesc.system.files import write_json, write_json_lines
from worlds import (
    SCORES,
    TINY,
    tiny_model,
    tiny_recipe,
    tiny_tokenizer,
    write_model,
)

pytestmark = pytest.mark.usefixtures("tiny_backbone")


@pytest.fixture
def model_dir(tmp_path):
    folder = write_model(tmp_path / "model", recipe=tiny_recipe())
    write_json_lines(folder / "history.jsonl", [{"epoch": 4, "train_loss": 0.5, "is_best": True}])
    record = folder / "training_data.json"
    write_json(record, {"format_version": 1, "train": ["gif:1"], "val": []})
    return folder


def test_a_saved_model_has_a_card_with_what_its_folder_knows(model_dir, tmp_path):
    write_json(model_dir / "evaluation.json", SCORES)
    Captioner.from_pretrained(model_dir, device="cpu").save_pretrained(tmp_path / "copy")
    card = (tmp_path / "copy" / "README.md").read_text()
    assert card.split("---\n", 2)[2].strip().startswith("# copy")
    assert "best epoch 4, training loss 0.5000" in card
    assert "| CIDEr | 1.500 | 0.200 |" in card
    assert json.loads((tmp_path / "copy" / "evaluation.json").read_text()) == SCORES
    assert (tmp_path / "copy" / "history.jsonl").is_file()
    assert (tmp_path / "copy" / "training_data.json").read_bytes() == (
        model_dir / "training_data.json"
    ).read_bytes()


def test_an_empty_file_of_scores_does_not_go_along(model_dir, tmp_path):
    (model_dir / "evaluation.json").touch()
    Captioner.from_pretrained(model_dir, device="cpu").save_pretrained(tmp_path / "copy")
    assert not (tmp_path / "copy" / "evaluation.json").exists()


@pytest.mark.parametrize("damage", ["", "{", "[1]", '{"metrics": 1}'])
def test_scores_that_are_none_are_left_out(model_dir, tmp_path, damage):
    (model_dir / "evaluation.json").write_text(damage)
    Captioner.from_pretrained(model_dir, device="cpu").save_pretrained(tmp_path / "copy")
    assert "Not known." in (tmp_path / "copy" / "README.md").read_text()


def test_what_its_owner_changed_in_a_card_stays(model_dir, tmp_path):
    first = Captioner.from_pretrained(model_dir, device="cpu")
    first.save_pretrained(tmp_path / "copy", data="My own GIFs.")
    path = tmp_path / "copy" / "README.md"
    path.write_text(path.read_text().replace("# license: yours", "license: mit\n# yours"))
    write_json(tmp_path / "copy" / "evaluation.json", SCORES)
    Captioner.from_pretrained(tmp_path / "copy").save_pretrained(tmp_path / "two", name="me/two")
    card = (tmp_path / "two" / "README.md").read_text()
    assert "license: mit" in card.split("---\n")[1].splitlines()
    assert "My own GIFs." in card
    assert 'from_pretrained("me/two")' in card
    assert "| BLEU-1 | 0.500 | 0.125 |" in card
    assert "Not known." not in card


def test_a_picture_of_examples_is_shown_and_goes_along(model_dir, tmp_path):
    Captioner.from_pretrained(model_dir).save_pretrained(tmp_path / "without")
    assert "examples.png" not in (tmp_path / "without" / "README.md").read_text()
    (model_dir / "examples.png").write_bytes(b"picture")
    (model_dir / "README.md").write_text((tmp_path / "without" / "README.md").read_text())
    for folder in (tmp_path / "copy", model_dir):  # another folder, and onto itself
        Captioner.from_pretrained(model_dir).save_pretrained(folder)
        assert (folder / "examples.png").read_bytes() == b"picture"
        assert (folder / "README.md").read_text().count("](examples.png)") == 1
    tokenizer = tiny_tokenizer()
    model = tiny_model(seed=1, config=TINY, vocab_size=tokenizer.vocab_size)
    save_checkpoint(model_dir, model, tokenizer, tiny_recipe(), TrainingConfig())
    assert not (model_dir / "examples.png").exists(), "it is of the weights before"


def test_the_scores_of_the_metadata_block_are_renewed(model_dir, tmp_path):
    Captioner.from_pretrained(model_dir).save_pretrained(tmp_path / "copy")
    load = huggingface_hub.ModelCard.load
    assert load(tmp_path / "copy" / "README.md").data.eval_results is None
    write_json(tmp_path / "copy" / "evaluation.json", SCORES)
    Captioner.from_pretrained(tmp_path / "copy").save_pretrained(tmp_path / "two")
    results = load(tmp_path / "two" / "README.md").data.eval_results
    assert [each.metric_value for each in results] == [0.5, 0.25, 0.625, 1.5, 0.75]


def test_a_card_of_ones_own_is_not_touched(model_dir, tmp_path):
    (model_dir / "README.md").write_text("# Mine\n")
    write_json(model_dir / "evaluation.json", SCORES)
    Captioner.from_pretrained(model_dir).save_pretrained(tmp_path / "copy", data="New.")
    assert (tmp_path / "copy" / "README.md").read_text() == "# Mine\n"


def test_a_best_epoch_without_a_loss_is_stated_without_one(model_dir, tmp_path):
    """As after `train --scst-epochs N --val-fraction 0`."""
    row = {"epoch": 9, "train_loss": None, "val_loss": None, "is_best": True}
    write_json_lines(model_dir / "history.jsonl", [row])
    Captioner.from_pretrained(model_dir).save_pretrained(tmp_path / "copy")
    assert "- best epoch 9\n" in (tmp_path / "copy" / "README.md").read_text()


def test_scores_and_training_of_the_weights_before_do_not_stay(model_dir):
    write_json(model_dir / "evaluation.json", SCORES)
    Captioner.from_pretrained(model_dir).save_pretrained(model_dir)
    card = (model_dir / "README.md").read_text()
    assert "| CIDEr | 1.500 |" in card
    assert (model_dir / "evaluation.json").is_file(), "saved onto itself, it is the same model"
    (model_dir / "evaluation.json").unlink()
    Captioner.from_pretrained(model_dir).save_pretrained(model_dir)
    assert (model_dir / "README.md").read_text() == card, "nor are scores of these weights lost"

    write_json(model_dir / "evaluation.json", SCORES)
    tokenizer = tiny_tokenizer()
    model = tiny_model(seed=1, config=TINY, vocab_size=tokenizer.vocab_size)
    save_checkpoint(model_dir, model, tokenizer, tiny_recipe(), TrainingConfig(seed=77))
    assert not (model_dir / "evaluation.json").exists()
    Captioner.from_pretrained(model_dir).save_pretrained(model_dir)
    card = (model_dir / "README.md").read_text()
    assert "CIDEr" not in card
    assert "Not known." in card
    assert "seed 77" in card


class FakeHub:
    """A hub that holds what was uploaded to it, under this machine's folder."""

    def __init__(self, folder):
        self.folder = folder
        self.private = {}

    def api(self):
        hub = self

        class Api:
            def create_repo(self, name, *, private, exist_ok):
                assert exist_ok
                hub.private[name] = private
                return f"https://hub.invalid/{name}"

            def repo_info(self, name):
                return SimpleNamespace(private=hub.private[name])

            def upload_folder(self, *, repo_id, folder_path, commit_message):
                assert "gifdesc" in commit_message
                (hub.folder / repo_id).parent.mkdir(parents=True, exist_ok=True)
                for path in sorted(folder_path.rglob("*")):
                    target = hub.folder / repo_id / path.relative_to(folder_path)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(path.read_bytes())

        return Api()

    def download(self, name, *, allow_patterns, local_files_only):
        assert not local_files_only
        assert "model.safetensors" in allow_patterns or allow_patterns == ["config.json"]
        return str(self.folder / name)


@pytest.fixture
def hub(monkeypatch, tmp_path):
    fake = FakeHub(tmp_path / "hub")
    monkeypatch.setattr(huggingface_hub, "HfApi", fake.api)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", fake.download)
    monkeypatch.setattr("gifdesc.system.hub.is_reachable", lambda: True)
    return fake


def test_a_model_goes_to_the_hub_and_comes_back(hub, model_dir, tmp_path):
    here = Captioner.from_pretrained(model_dir, device="cpu")
    address = here.push_to_hub("me/model", private=True, data="Drawn.", scores=SCORES)
    assert address == "https://hub.invalid/me/model"
    assert hub.private == {"me/model": True}
    names = {path.name for path in (hub.folder / "me/model").iterdir()}
    assert {"README.md", "config.json", "model.safetensors", "tokenizer.json"} <= names
    card = (hub.folder / "me/model" / "README.md").read_text()
    assert "Drawn." in card
    assert 'from_pretrained("me/model")' in card
    assert "| BLEU-4 | 0.250 | 0.000 |" in card
    there = Captioner.from_pretrained("me/model", device="cpu")
    gif = draw_gif(tmp_path / "x.gif", 3)
    assert there.caption(gif) == here.caption(gif)


def test_a_hub_that_is_out_of_reach_is_one_sentence(hub, model_dir, monkeypatch):  # noqa: ARG001
    monkeypatch.setattr("gifdesc.system.hub.is_reachable", lambda: False)
    with pytest.raises(HubError, match="me/model: the Hugging Face hub cannot be reached"):
        Captioner.from_pretrained(model_dir, device="cpu").push_to_hub("me/model")
