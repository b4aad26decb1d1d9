"""The identity of a GIF apart from its name: digests of its bytes and of its features."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt

_OF_GIF = "gif:"
_DIGEST_CHARACTERS = 32
"""Of SHA-256 in hexadecimal, 128 bits: among a million GIFs two agree by chance with a probability
of 1.5e-27 (birthday bound)."""


def gif_digest(sha256: str) -> str:
    """The digest of a GIF whose bytes have this SHA-256, in hexadecimal."""
    return f"{_OF_GIF}{sha256[:_DIGEST_CHARACTERS]}"


def is_of_gif(digest: str) -> bool:
    """Whether a digest is that of a GIF's bytes, and not of features."""
    return digest.startswith(_OF_GIF)


def features_digest(features: npt.NDArray[np.float32]) -> str:
    """The digest of features, float32 (T, D).

    They are rounded to float16 first, so that a copy of that precision has the same digest.
    """
    with np.errstate(over="ignore"):
        rounded = features.astype("<f2")
    digest = hashlib.sha256(repr(features.shape).encode())
    digest.update(rounded.tobytes())
    return f"features:{digest.hexdigest()[:_DIGEST_CHARACTERS]}"


def group_by_digest(digests: Sequence[Collection[str]]) -> list[int]:
    """The group of each item: items that share a digest, directly or through others, share one.

    Args:
        digests: of each item, at least one.

    Returns:
        For each item the index of the first item of its group.
    """
    parents = list(range(len(digests)))

    def root(index: int) -> int:
        while parents[index] != index:
            parents[index] = parents[parents[index]]  # halves the way for the next
            index = parents[index]
        return index

    first_with: dict[str, int] = {}
    for index, item in enumerate(digests):
        for digest in item:
            own, other = root(index), root(first_with.setdefault(digest, index))
            parents[max(own, other)] = min(own, other)
    return [root(index) for index in range(len(digests))]
