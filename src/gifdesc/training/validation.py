"""The scores of a model after an epoch: its loss and its captions on the validation split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from gifdesc.captions import GeneratedCaption
from gifdesc.config import DEFAULT_LIMIT, DecodingConfig, TrainingConfig
from gifdesc.data.caption_statistics import CaptionStatistics
from gifdesc.data.dataset import GIFDataset, iterate_batches, plan_scoring, share_of_plan
from gifdesc.data.examples import Example
from gifdesc.data.feature_store import FeatureStore
from gifdesc.metrics import CiderD, DocumentFrequencies, TokenizedCaption, tokenize_all
from gifdesc.model.generation import CaptionGenerator
from gifdesc.model.losses import score_tokens
from gifdesc.model.network import CaptionModel
from gifdesc.text.tokenizer import CaptionTokenizer
from gifdesc.training.distributed import World

_BATCH_GIFS = 64


@dataclass(frozen=True)
class Validation:
    """Scores of one epoch.

    Attributes:
        loss: cross-entropy per token in nats.
        token_accuracy: share of tokens predicted right given those before, in [0, 1].
        cider: of greedy captions, 0 to 10; None if it is not computed.
    """

    loss: float
    token_accuracy: float
    cider: float | None


class Validator:
    """Scores a model on a validation split after every epoch.

    Args:
        examples: of the split, one or more.
        tokenizer: the model's.
        config: of the run.
        store: reads the feature files.
        device: where the model is.
        world: the processes that share the work.
        captions: statistics of the training captions; None if they are unknown.
        num_captioned: GIFs that are captioned after every epoch, spread evenly over the split, at
            most; None for all.

    Attributes:
        greedy_scores: of the captions after the last epoch, those of this process.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        tokenizer: CaptionTokenizer,
        config: TrainingConfig,
        store: FeatureStore,
        device: torch.device,
        world: World,
        captions: CaptionStatistics | None = None,
        num_captioned: int | None = None,
    ) -> None:
        self._dataset = GIFDataset(examples, tokenizer, max_tokens=config.max_tokens, store=store)
        plan = plan_scoring(self._dataset.token_lengths, config.batch_size)
        self._plan = share_of_plan(plan, world.rank, world.size)
        self._tokenizer = tokenizer
        self._config = config
        self._device = device
        self._world = world
        self._training = captions
        self._generator: tuple[CaptionModel, CaptionGenerator] | None = None
        self._limit = DEFAULT_LIMIT if captions is None else captions.limit
        self._store = store
        captioned = _spread(examples, len(examples) if num_captioned is None else num_captioned)
        self._captioned = captioned
        self.greedy_scores: list[float] = []
        self._examples = captioned[world.rank :: world.size]
        references = [_tokenized(example.captions) for example in captioned]
        # A single document gives every n-gram weight 0; a model that repeats writes no captions.
        self._is_scored = len(captioned) > 1 and config.objective == "next_token"
        self._cider = CiderD(DocumentFrequencies.of(references))
        self._references = references[world.rank :: world.size]

    def __call__(self, model: CaptionModel) -> Validation | None:
        """Score the model as it is now; None if no file of the split can be used."""
        config = self._config
        pad_to = config.max_tokens if config.objective == "reconstruction" else None
        batches = iterate_batches(
            self._dataset, self._plan, pad_id=self._tokenizer.pad_id, pad_to=pad_to
        )
        scores = score_tokens(model, batches, config.objective, self._device)
        rewards = self._rewards(model) if self._is_scored else []
        sums = torch.tensor(
            [scores.loss, scores.num_correct, scores.num_tokens, sum(rewards), len(rewards)],
            dtype=torch.float64,
        )
        if self._world.size > 1:
            sums = sums.to(self._device)  # where the processes' sums are made
            self._world.sum_([sums])
        loss, num_correct, num_tokens, reward, num_captioned = sums.tolist()
        if not num_tokens:
            return None
        return Validation(
            loss=loss / num_tokens,
            token_accuracy=num_correct / num_tokens,
            cider=reward / num_captioned if num_captioned else None,
        )

    def caption_scores(self, model: CaptionModel) -> list[float]:
        """The score of each GIF's caption, searched for as `gifdesc caption` does by default.

        Args:
            model: the model as it is now.
        """
        read = [self._store.read_or_none(example.features_path) for example in self._captioned]
        config = DecodingConfig(max_tokens=self._limit)
        found = self._captions(
            model, [features for features in read if features is not None], config
        )
        return [caption.score for caption in found]

    def _captions(
        self,
        model: CaptionModel,
        features: Sequence[npt.NDArray[np.float32]],
        config: DecodingConfig,
    ) -> list[GeneratedCaption]:
        captions: list[GeneratedCaption] = []
        was_training = model.training
        model.eval()
        for first in range(0, len(features), _BATCH_GIFS):
            batch = features[first : first + _BATCH_GIFS]
            captions += [best for best, *_ in self._generator_of(model)(batch, config)]
        model.train(was_training)
        return captions

    def _generator_of(self, model: CaptionModel) -> CaptionGenerator:
        """The generator of a run's model, kept so that its limit of memory lasts."""
        if self._generator is None or self._generator[0] is not model:
            made = CaptionGenerator(model, self._tokenizer, self._device, self._training)
            self._generator = (model, made)
        return self._generator[1]

    def _rewards(self, model: CaptionModel) -> list[float]:
        """CIDEr-D of each GIF's caption; files that cannot be used are left out."""
        read = [self._store.read_or_none(example.features_path) for example in self._examples]
        usable = [
            (features, references)
            for features, references in zip(read, self._references, strict=True)
            if features is not None
        ]
        greedy = DecodingConfig(num_beams=1, max_tokens=self._limit)
        found = self._captions(model, [features for features, _ in usable], greedy)
        self.greedy_scores = [generated.score for generated in found]
        hypotheses = _tokenized([generated.caption for generated in found])
        return [
            self._cider.score(hypothesis, references)
            for hypothesis, (_, references) in zip(hypotheses, usable, strict=True)
        ]


def _spread(examples: Sequence[Example], count: int) -> list[Example]:
    """So many examples, or all if there are fewer, at even distances."""
    count = min(count, len(examples))
    return [examples[place * len(examples) // count] for place in range(count)]


def _tokenized(captions: Sequence[str]) -> list[TokenizedCaption]:
    return [TokenizedCaption(text) for text in tokenize_all(captions)]
