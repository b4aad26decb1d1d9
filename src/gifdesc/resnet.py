"""ResNet50, by its paper and with torchvision's names, without importing torchvision.

torchvision's import takes about as long as PyTorch's own; the network is small to write down.
The tests hold it against torchvision's: the same parameters in the same order, the same numbers
out, and from the same seed the same random weights.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

_STAGES = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))
"""Per stage: channels inside a block, blocks, stride of the first one (He et al. 2016,
arXiv:1512.03385, table 1, 50-layer)."""

_EXPANSION = 4
"""Channels that leave a block per channel inside it (same table)."""

_NUM_CLASSES = 1000  # of ImageNet


class Bottleneck(nn.Module):
    """Three convolutions and a way around them (He et al. 2016, figure 5, right).

    The stride stands at the 3 x 3 convolution, as in torchvision ("ResNet 1.5").
    """

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        out_channels = _EXPANSION * channels
        # Made before the block's own layers, as torchvision does: random weights depend on it.
        downsample: nn.Sequential | None = None
        if stride != 1 or in_channels != out_channels:
            downsample = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False),
                nn.BatchNorm2d(out_channels),
            )
        self.conv1 = nn.Conv2d(in_channels, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample

    def forward(self, seen: Tensor) -> Tensor:
        """(N, in, h, w) -> (N, out, h / stride, w / stride)."""
        around = seen if self.downsample is None else self.downsample(seen)
        seen = self.relu(self.bn1(self.conv1(seen)))
        seen = self.relu(self.bn2(self.conv2(seen)))
        seen = self.bn3(self.conv3(seen))
        seen += around
        joined: Tensor = self.relu(seen)
        return joined


class ResNet50(nn.Module):
    """The whole network, its classifier `fc` included."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        in_channels = 64
        for number, (channels, num_blocks, stride) in enumerate(_STAGES, start=1):
            blocks = []
            for index in range(num_blocks):
                blocks.append(Bottleneck(in_channels, channels, 1 if index else stride))
                in_channels = _EXPANSION * channels
            self.add_module(f"layer{number}", nn.Sequential(*blocks))
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc: nn.Module = nn.Linear(in_channels, _NUM_CLASSES)

    def forward(self, pixels: Tensor) -> Tensor:
        """(N, 3, h, w) -> (N, 1000), or what `fc` makes of (N, 2048)."""
        seen = self.maxpool(self.relu(self.bn1(self.conv1(pixels))))
        for number in range(1, len(_STAGES) + 1):
            seen = self.get_submodule(f"layer{number}")(seen)
        out: Tensor = self.fc(torch.flatten(self.avgpool(seen), 1))
        return out


def initialise(network: ResNet50) -> None:
    """Random weights by He et al. 2015, arXiv:1502.01852, section 2.2, from PyTorch's generator."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.constant_(module.weight, 1)
            nn.init.constant_(module.bias, 0)
