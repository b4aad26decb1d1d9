"""Configurations as JSON, and back; what is refused with its field's name."""

import json

import pytest

from gifdesc.config import DecodingConfig, FeatureRecipe, ModelConfig, TrainingConfig, to_json
from gifdesc.system.json_files import from_json

RECIPE = FeatureRecipe(weights_sha256="ab" * 32, gifdesc_version="1.2.3")


@pytest.mark.parametrize(
    "config", [RECIPE, ModelConfig(), TrainingConfig(seed=7), DecodingConfig(num_beams=2)]
)
def test_a_configuration_survives_json(config):
    assert from_json(type(config), json.loads(json.dumps(to_json(config)))) == config


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([1], "DecodingConfig must be a JSON object"),
        (None, "DecodingConfig must be a JSON object"),
        ({"num_beam": 3}, "unknown field 'num_beam'"),
        ({"num_beams": "3"}, "field 'num_beams' cannot be '3'"),
        ({"num_beams": True}, "field 'num_beams' cannot be True"),
        ({"num_beams": 3.0}, "field 'num_beams' cannot be 3.0"),
        ({"length_penalty": True}, "field 'length_penalty' cannot be True"),
        ({"num_beams": 0}, "num_beams and max_tokens must be 1 or more"),
    ],
)
def test_wrong_json_is_refused_with_its_field(data, message):
    with pytest.raises(ValueError, match=message):
        from_json(DecodingConfig, data)


def test_a_float_field_takes_a_whole_number():
    assert from_json(DecodingConfig, {"length_penalty": 1}).length_penalty == 1


def test_a_recipe_from_before_framings_was_cropped():
    recipe = to_json(RECIPE)
    del recipe["framing"]
    assert from_json(FeatureRecipe, recipe).framing == "crop"
    assert RECIPE.framing == "whole"


def test_a_missing_field_is_named():
    with pytest.raises(ValueError, match="field 'weights_sha256' is missing"):
        from_json(FeatureRecipe, {"gifdesc_version": "1"})


@pytest.mark.parametrize("field", ["sampling", "framing", "encoding"])
def test_a_closed_choice_is_checked_in_json(field):
    with pytest.raises(ValueError, match=f"field '{field}' cannot be 'other'"):
        from_json(FeatureRecipe, {**to_json(RECIPE), field: "other"})
