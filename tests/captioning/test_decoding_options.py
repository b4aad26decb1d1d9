import pytest

from gifdesc.captioning.decoding_options import DecodingOptions
from gifdesc.config import DecodingConfig


def test_options_left_out_follow_the_model():
    defaults = DecodingConfig(num_beams=3, max_tokens=17)
    assert DecodingOptions().complete(defaults) == defaults


def test_given_options_override_the_model():
    options = DecodingOptions(num_beams=2, max_tokens=9, length_penalty=0.5, seed=4)
    found = options.complete(DecodingConfig(num_beams=3, max_tokens=17))
    assert found == DecodingConfig(num_beams=2, max_tokens=9, length_penalty=0.5, seed=4)


def test_beams_are_at_least_the_number_of_captions():
    options = DecodingOptions(num_captions=8)
    assert options.complete(DecodingConfig(num_beams=1)).num_beams == 8
    assert options.complete(DecodingConfig(num_beams=9)).num_beams == 9


def test_values_that_no_model_can_use_are_refused():
    with pytest.raises(ValueError, match="num_captions"):
        DecodingOptions(num_beams=2, num_captions=3)
