import huggingface_hub

from gifdesc.config import TrainingConfig
from gifdesc.model.card import model_card
from gifdesc.model.checkpoint import Checkpoint
from gifdesc.model.folder import network_in_words
from worlds import SCORES, TINY, tiny_model, tiny_recipe, tiny_tokenizer


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


def test_the_hub_finds_the_scores_in_the_metadata_block():
    card = model_card(checkpoint_of(tiny_recipe()), name='me/"model"', scores=SCORES)
    results = huggingface_hub.ModelCard(card).data.eval_results
    found = [(each.metric_type, each.metric_name, each.metric_value) for each in results]
    assert found == [
        ("bleu", "BLEU-1", 0.5),
        ("bleu", "BLEU-4", 0.25),
        ("rouge", "ROUGE-L", 0.625),
        ("cider", "CIDEr", 1.5),
        ("exact_match", "exact match", 0.75),
    ]
    assert results[0].dataset_name == "12 held-out GIFs"
    assert huggingface_hub.ModelCard(card).data.model_name == 'me/"model"'
    for unknown in (None, {}, {"metrics": {"cider": None}}):
        card = model_card(checkpoint_of(tiny_recipe()), name="x", scores=unknown)
        assert huggingface_hub.ModelCard(card).data.eval_results is None


def test_a_card_names_the_parts_of_the_network():
    checkpoint = checkpoint_of(tiny_recipe())
    assert f"- {network_in_words(checkpoint.model.config)}; " in model_card(checkpoint, name="x")


def test_a_card_names_the_commands_to_install_and_to_use_it():
    card = model_card(checkpoint_of(tiny_recipe()), name="me/model")
    assert "pip install gifdesc" in card
    assert "gifdesc caption funny.gif --model me/model" in card


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


def test_all_phases_of_the_training_are_stated():
    card = model_card(checkpoint_of(tiny_recipe(), epochs=1, passes=8, scst_epochs=2), name="x")
    assert "- 1 epoch of 8 passes, 2 epochs of self-critical training, learning rate" in card
    assert "- 3 epochs, learning rate" in model_card(checkpoint_of(epochs=3), name="x")


def test_a_model_of_the_reports_loss_says_what_its_captions_are_worth():
    card = model_card(
        checkpoint_of(tiny_recipe(), objective="reconstruction", best_by="loss"), name="x"
    )
    assert "its captions mean nothing" in card
