"""Our ResNet50 against torchvision's."""

import pytest
import torch
from torchvision.models import resnet50

from gifdesc.features.backbone import ResNet50, initialise


@pytest.fixture(scope="module")
def ours():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        network = ResNet50()
        initialise(network)
    return network.eval()


@pytest.fixture(scope="module")
def theirs():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        return resnet50(weights=None).eval()


def test_the_same_seed_gives_the_same_weights_under_the_same_names(ours, theirs):
    mine, wanted = ours.state_dict(), theirs.state_dict()
    assert list(mine) == list(wanted)
    assert all(torch.equal(mine[name], wanted[name]) for name in wanted)


def test_the_same_weights_give_the_same_numbers(ours, theirs):
    pixels = torch.randn(2, 3, 64, 48, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(ours(pixels), theirs(pixels))
