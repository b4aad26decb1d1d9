"""Digests of content, and the groups that share them."""

import numpy as np
import pytest

from gifdesc.data.content_digests import features_digest, gif_digest, group_by_digest
from worlds import random_features

FEATURES = random_features(3, seed=0)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_features_have_one_digest_in_every_precision(dtype):
    copy = FEATURES.astype(dtype).astype(np.float32)
    assert features_digest(copy) == features_digest(FEATURES)


def test_other_features_have_another_digest():
    digests = {
        features_digest(one)
        for one in (FEATURES, FEATURES[:2], FEATURES * 2, FEATURES[::-1], FEATURES.reshape(2, -1))
    }
    assert len(digests) == 5


def test_a_digest_is_short_and_names_its_kind():
    assert gif_digest("ab" * 32) == "gif:" + "ab" * 16
    assert features_digest(np.full((1, 2), 1e30, np.float32)).startswith("features:")


def test_items_that_share_digests_through_others_are_one_group():
    assert group_by_digest([]) == []
    assert group_by_digest([["a"], ["b"], ["a"], ["c", "b"], ["d"]]) == [0, 1, 0, 1, 4]
    assert group_by_digest([["a"], ["b"], ["c"], ["c", "a"], ["b", "c"]]) == [0, 0, 0, 0, 0]
