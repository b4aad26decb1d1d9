"""Batch normalisation folded into the convolutions before it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from itertools import pairwise

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights


def fold_batch_norm(network: nn.Module) -> nn.Module:
    """A copy of a network in evaluation mode with batch-norm folded into its convolutions.

    Each convolution must feed the batch norm that is its next sibling, and nothing else: so it is
    in torchvision's ResNets and timm's EfficientNets. Source: Ioffe & Szegedy 2015,
    arXiv:1502.03167, section 3.1: at inference the normalisation is a linear transform.
    """
    pairs = list(_convolutions_with_norms(network))
    # Folded layers get new tensors, so their old ones (100 MB) are not copied.
    folded = [
        network.get_submodule(parent_name).get_submodule(name)
        for parent_name, *names in pairs
        for name in names
    ]
    tensors = [t for module in folded for t in (*module.parameters(), *module.buffers())]
    network = copy.deepcopy(network, {id(tensor): tensor for tensor in tensors}).eval()
    for parent_name, name, norm_name in pairs:
        parent = network.get_submodule(parent_name)
        norm = getattr(parent, norm_name)
        setattr(parent, name, _fold(getattr(parent, name), norm))
        # timm's batch norms hold the activation that follows them.
        setattr(parent, norm_name, getattr(norm, "act", nn.Identity()))
    return network


def _convolutions_with_norms(network: nn.Module) -> Iterator[tuple[str, str, str]]:
    """The names of a parent module, of a convolution in it, and of the norm that it feeds."""
    for parent_name, parent in network.named_modules():
        for (name, child), (norm_name, norm) in pairwise(parent.named_children()):
            if isinstance(child, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                yield parent_name, name, norm_name


def _fold(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> nn.Conv2d:
    """A convolution that gives what the two give one after the other."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    folded = copy.copy(convolution)
    folded._parameters = dict(convolution._parameters)
    folded.weight, folded.bias = fuse_conv_bn_weights(
        convolution.weight,
        convolution.bias,
        norm.running_mean,
        norm.running_var,
        norm.eps,
        norm.weight,
        norm.bias,
    )
    return folded
