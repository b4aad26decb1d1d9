"""The GIFs of a features folder as a model encodes them, computed once and kept on disk.

The file `search/MODEL.safetensors` in the features folder has, for N GIFs, V tokens, and S frames
of all GIFs together:

- `word_log_probs`, float16 (V, N): how likely the model finds each token in a caption of the GIF,
  the log of its mean probability over the steps of the greedy caption. A query needs a few rows.
- `frames`, float16 (S, M), and `summaries`, float16 (N, H): the encoded GIFs.
- `lengths`, int64 (N,): frames of each GIF; 0 if its features cannot be used.
- `sample_sum`, float32 (T, D), and `sample_count`, float32 (T,): the sum of the features of a
  sample of the GIFs at each frame, and how many GIFs of the sample have that frame.
- `word_log_probs.crc32`, int64 (V,), `summaries.crc32` and `frames.crc32`, int64 (N,): the CRC-32
  of each row, and of each GIF's frames. Of these tensors only parts are read.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from gifdesc.config import to_json
from gifdesc.data.dataset import pad_features
from gifdesc.data.feature_files import read_features
from gifdesc.data.frame_sums import FrameSums
from gifdesc.errors import FeatureError
from gifdesc.model.checkpoint import WEIGHTS_NAME, Checkpoint
from gifdesc.model.fusion import Memory
from gifdesc.model.network import CaptionModel
from gifdesc.search.cache import CACHE_NAME, Cache
from gifdesc.search.gifs import FeaturesFolder
from gifdesc.system.device import exact_float32
from gifdesc.system.files import sha256_of
from gifdesc.system.waits import wait_for

FORMAT_VERSION = 4

SAMPLE_SIZE = 64
"""GIFs whose mean takes the place of "a GIF of this folder". The mean of 64 differs from the mean
of all by an eighth of a standard deviation, in every feature."""

_BATCH_GIFS = 64
_LARGEST_FLOAT16 = 65504.0


class DamagedIndexError(FeatureError):
    """The file of an index is damaged."""


@dataclass(frozen=True)
class SearchIndex:
    """Encoded GIFs.

    Its methods raise `DamagedIndexError` if what they read is damaged.

    Attributes:
        tensors: as the module describes; `cache` has them if this is empty.
        cache: the file of the tensors; None if there is none.
        lengths: frames of each GIF; 0 if its features cannot be used.
        note: why the GIFs will be encoded again next time; None if they will not.
    """

    tensors: dict[str, Tensor]
    cache: Cache | None
    lengths: tuple[int, ...]
    note: str | None = None

    def rows(self, name: str, indices: Sequence[int]) -> list[Tensor]:
        """Some rows of `word_log_probs` or `summaries`, read from the file one by one."""
        spans = [(index, index + 1) for index in indices]
        return [part[0] for part in self._parts(name, spans, indices)]

    def whole(self, name: str) -> Tensor:
        """A whole tensor."""
        if self.cache is None:
            return self.tensors[name]
        if (tensor := self.cache.read(name)) is None:
            raise self._damaged()
        return tensor

    def sample_sums(self) -> FrameSums:
        """The sums of the features of the sample (`sample_of`)."""
        return FrameSums(self.whole("sample_sum").numpy(), self.whole("sample_count").numpy())

    def memory(self, indices: Sequence[int]) -> Memory:
        """The encoded GIFs at some indices, float32, on the CPU."""
        ends = np.cumsum(self.lengths)
        spans = [(int(ends[index]) - self.lengths[index], int(ends[index])) for index in indices]
        frames = self._parts("frames", spans, indices)
        padded = pad_sequence([each.float() for each in frames], batch_first=True)
        lengths = torch.tensor([last - first for first, last in spans])
        mask = torch.arange(padded.shape[1])[None] < lengths[:, None]
        summaries = torch.stack(self.rows("summaries", indices)).float()
        return Memory(padded, mask, summaries)

    def _parts(
        self, name: str, spans: Sequence[tuple[int, int]], places: Sequence[int]
    ) -> list[Tensor]:
        """Rows of a tensor from one index to another; `places` are those of their checksums."""
        if self.cache is None:
            return [self.tensors[name][first:last] for first, last in spans]
        wanted = self.whole(f"{name}.crc32")[list(places)].tolist()
        try:
            with safe_open(self.cache.path, framework="pt") as file:
                tensor = file.get_slice(name)
                parts = [tensor[first:last] for first, last in spans]
        except (OSError, SafetensorError) as error:
            raise self._damaged() from error
        if list(map(_checksum, parts)) != wanted:
            raise self._damaged()
        return parts

    def _damaged(self) -> DamagedIndexError:
        assert self.cache is not None
        return DamagedIndexError(f"{self.cache.path}: damaged; delete it, and it is made again")


def _checksum(part: Tensor) -> int:
    """The CRC-32 of a tensor's type and bytes."""
    numbers = np.ascontiguousarray(part.numpy())
    return zlib.crc32(numbers.data, zlib.crc32(str(part.dtype).encode()))


def _checksums(parts: Iterable[Tensor]) -> Tensor:
    return torch.tensor([_checksum(part) for part in parts], dtype=torch.int64)


def open_index(
    checkpoint: Checkpoint, gifs: FeaturesFolder, device: torch.device, *, renew: bool = False
) -> SearchIndex:
    """The encoded GIFs of a features folder: from the file of an earlier search, or computed.

    Args:
        checkpoint: the model, on `device`.
        gifs: the listed features.
        device: where to compute.
        renew: compute them also if there is a file.

    Raises:
        FeatureError: no feature file can be used.
    """
    assert checkpoint.folder is not None
    model_digest = _model_digest(checkpoint)
    cache = Cache(
        gifs.folder / CACHE_NAME / f"{model_digest[:16]}.safetensors",
        {"format_version": FORMAT_VERSION, "model": model_digest, "features": gifs.digest()},
    )
    if not renew and (stored := cache.read("lengths")) is not None:
        return SearchIndex({}, cache, tuple(stored.tolist()))
    tensors = _compute(checkpoint, gifs, device)
    lengths = tuple(map(int, tensors["lengths"]))
    if not any(lengths):
        raise FeatureError(f"{gifs.folder}: none of its feature files can be used")
    return SearchIndex(tensors, None, lengths, cache.write(tensors))


def _model_digest(checkpoint: Checkpoint) -> str:
    """A digest of the weights and of the network's configuration, in hexadecimal."""
    assert checkpoint.folder is not None
    weights = sha256_of(checkpoint.folder / WEIGHTS_NAME)
    config = json.dumps(to_json(checkpoint.model.config), sort_keys=True)
    return hashlib.sha256(f"{weights} {config}".encode()).hexdigest()


@torch.inference_mode()
def _compute(
    checkpoint: Checkpoint, gifs: FeaturesFolder, device: torch.device
) -> dict[str, Tensor]:
    model, size = checkpoint.model, checkpoint.model.config.feature_size
    num_gifs = len(gifs.names)
    word_log_probs = torch.zeros(num_gifs, model.config.vocab_size, dtype=torch.float16)
    lengths = torch.zeros(num_gifs, dtype=torch.int64)
    summaries = torch.zeros(num_gifs, model.config.hidden_size, dtype=torch.float16)
    frames: list[Tensor] = []
    sampled = sample_of(num_gifs)
    sums = FrameSums.empty(size)
    with wait_for("encoding all GIFs once", unit="GIFs") as advance:
        for first in range(0, num_gifs, _BATCH_GIFS):
            features, usable = [], []
            for index in range(first, min(first + _BATCH_GIFS, num_gifs)):
                try:
                    features.append(read_features(gifs.features_path(index), size))
                except FeatureError:  # reported by `problems_of`
                    continue
                usable.append(index)
                if index in sampled:
                    sums = sums.with_gif(features[-1])
            if usable:
                padded, frame_counts = pad_features(features)
                with exact_float32(device):
                    memory = model.encode(padded.to(device), frame_counts)
                    word_log_probs[usable] = _word_log_probs(checkpoint, memory).half().cpu()
                lengths[usable] = frame_counts
                summaries[usable] = _half(memory.summary)
                encoded = _half(memory.frames)
                frames += [row[:count] for row, count in zip(encoded, frame_counts, strict=True)]
            advance(min(first + _BATCH_GIFS, num_gifs), num_gifs)
    of_words = word_log_probs.T.contiguous()
    all_frames = torch.cat(frames) if frames else torch.zeros(0, 1)
    return {
        "word_log_probs": of_words,
        "word_log_probs.crc32": _checksums(torch.split(of_words, 1)),
        "frames": all_frames,
        "frames.crc32": _checksums(torch.split(all_frames, lengths.tolist())),
        "lengths": lengths,
        "summaries": summaries,
        "summaries.crc32": _checksums(torch.split(summaries, 1)),
        "sample_sum": torch.from_numpy(sums.total),
        "sample_count": torch.from_numpy(sums.count),
    }


def _half(numbers: Tensor) -> Tensor:
    return numbers.clamp(-_LARGEST_FLOAT16, _LARGEST_FLOAT16).half().cpu()


def _word_log_probs(checkpoint: Checkpoint, memory: Memory) -> Tensor:
    """The log of each token's mean probability over the steps of the greedy caption, (B, V)."""
    model: CaptionModel = checkpoint.model
    tokenizer = checkpoint.tokenizer
    limit = checkpoint.decoding().limit
    num_gifs = len(memory.summary)
    state = model.start(memory)
    tokens = torch.full((num_gifs,), tokenizer.start_id, device=memory.summary.device)
    is_open = torch.ones(num_gifs, 1, device=tokens.device)
    total = torch.zeros(num_gifs, model.config.vocab_size, device=tokens.device)
    num_steps = torch.zeros(num_gifs, 1, device=tokens.device)
    for _ in range(limit):
        logits, state, _ = model.step(tokens, state)
        probabilities = logits.float().softmax(dim=-1)
        total += is_open * probabilities
        num_steps += is_open
        probabilities[:, list(tokenizer.banned_ids)] = 0.0
        tokens = probabilities.argmax(dim=-1)
        is_open = is_open * (tokens != tokenizer.end_id)[:, None]
        if not is_open.any():
            break
    return (total / num_steps).clamp(min=1e-9).log()


def sample_of(num_gifs: int) -> set[int]:
    """The indices of the sample: `SAMPLE_SIZE` of the sorted GIFs at equal distances."""
    size = min(num_gifs, SAMPLE_SIZE)
    return {number * num_gifs // size for number in range(size)}


def problems_of(index: SearchIndex, gifs: FeaturesFolder, feature_size: int) -> list[str]:
    """Why feature files cannot be used, a sentence each."""
    problems = []
    for place, length in enumerate(index.lengths):
        if not length:
            try:
                read_features(gifs.features_path(place), feature_size)
            except FeatureError as error:
                problems.append(str(error))
    return problems
