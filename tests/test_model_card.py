import json

import huggingface_hub
import pytest

from builders import TINY, tiny_model, tiny_recipe, tiny_tokenizer, use_tiny_backbone, write_model
from gifdesc.captioner import Captioner
from gifdesc.checkpoint import Checkpoint, save_checkpoint
from gifdesc.config import TrainingConfig
from gifdesc.errors import HubError
from gifdesc.files import write_json, write_json_lines
from gifdesc.model_card import model_card
from helpers import draw_gif

SCORES = {
    "num_examples": 12,
    "metrics": {"bleu_1": 0.5, "bleu_4": 0.25, "meteor": None, "rouge_l": 0.625, "cider": 1.5},
    "blind": {"bleu_1": 0.125, "bleu_4": 0.0, "meteor": None, "rouge_l": 0.1, "cider": 0.2},
    "exact_match": 0.75,
}


@pytest.fixture(autouse=True)
def tiny_backbone(monkeypatch):
    use_tiny_backbone(monkeypatch)


def checkpoint_of(recipe=None, **training):
    tokenizer = tiny_tokenizer()
    model = tiny_model(config=TINY, vocab_size=tokenizer.vocab_size)
    return Checkpoint(model, tokenizer, recipe, TrainingConfig(**training))


def front_matter(card):
    """The metadata block, as the hub parses it: keys and values of a flat YAML."""
    _, block, rest = card.split("---\n", 2)
    assert card.startswith("---\n")
    assert rest.strip()
    lines = [line for line in block.splitlines() if not line.startswith("#")]
    keys = dict(line.split(":", 1) for line in lines if not line.startswith("-"))
    items = [line.removeprefix("- ") for line in lines if line.startswith("- ")]
    return {key: value.strip() for key, value in keys.items()}, items


def test_the_metadata_block_is_what_the_hub_reads():
    keys, tags = front_matter(model_card(checkpoint_of(tiny_recipe()), name="me/model"))
    assert keys == {"library_name": "gifdesc", "pipeline_tag": "image-to-text", "tags": ""}
    assert "gif" in tags
    hubs = huggingface_hub.ModelCard(model_card(checkpoint_of(tiny_recipe()), name="me/model"))
    assert hubs.data.library_name == "gifdesc"
    assert hubs.data.license is None


def test_an_untrained_backbone_is_said():
    card = model_card(checkpoint_of(tiny_recipe()), name="x")
    assert "**The ResNet50 is untrained (random weights).**" in card
    recipe = tiny_recipe(weights="imagenet1k-v1", weights_sha256="abc" * 20)
    card = model_card(checkpoint_of(recipe), name="x")
    assert "untrained" not in card
    assert "`imagenet1k-v1` (SHA-256 `abcabcabcabc`)" in card
    assert "not known" in model_card(checkpoint_of(None), name="x").split("## Features")[1][:90]


def test_what_is_not_known_is_said_to_be_so():
    card = model_card(checkpoint_of(tiny_recipe()), name="x")
    data, training, scores, licence = (
        card.split(f"## {title}\n")[1].split("\n## ")[0]
        for title in ("Data", "Training", "Scores", "Licence")
    )
    assert "Not stated" in data
    assert "best epoch" not in training
    assert "Not known" in scores
    assert "|" not in scores
    assert "Not stated yet" in licence


def test_data_scores_and_training_are_stated():
    history = [
        {"epoch": 1, "train_loss": 2.0, "val_loss": 1.75, "is_best": True},
        {"epoch": 2, "train_loss": 1.5, "val_loss": 1.25, "is_best": True},
        {"epoch": 3, "train_loss": 1.0, "val_loss": 1.5, "is_best": False},
    ]
    card = model_card(
        checkpoint_of(tiny_recipe(), epochs=3, seed=7),
        name="me/model",
        data="My own 400 GIFs.",
        scores=SCORES,
        history=history,
    )
    assert 'Captioner.from_pretrained("me/model")' in card
    assert "My own 400 GIFs." in card
    assert "Not stated:" not in card
    assert "seed 7" in card
    assert "best epoch 2, validation loss 1.2500" in card
    assert "On 12 held-out GIFs." in card
    assert "| BLEU-1 | 0.500 | 0.125 |" in card
    assert "| exact match | 0.750 | - |" in card
    assert "METEOR" not in card


def test_a_model_of_the_reports_loss_says_what_its_captions_are_worth():
    card = model_card(
        checkpoint_of(tiny_recipe(), objective="reconstruction", best_by="loss"), name="x"
    )
    assert "its captions mean nothing" in card


@pytest.fixture
def model_dir(tmp_path):
    folder = write_model(tmp_path / "model", recipe=tiny_recipe())
    write_json_lines(folder / "history.jsonl", [{"epoch": 4, "train_loss": 0.5, "is_best": True}])
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
    assert front_matter(card)[0]["license"] == "mit"
    assert "My own GIFs." in card
    assert 'from_pretrained("me/two")' in card
    assert "| BLEU-1 | 0.500 | 0.125 |" in card
    assert "Not known." not in card


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
    monkeypatch.setattr("gifdesc.hub.is_reachable", lambda: True)
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
    monkeypatch.setattr("gifdesc.hub.is_reachable", lambda: False)
    with pytest.raises(HubError, match="me/model: the Hugging Face hub cannot be reached"):
        Captioner.from_pretrained(model_dir, device="cpu").push_to_hub("me/model")
