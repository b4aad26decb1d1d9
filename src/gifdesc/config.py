"""Configurations as frozen values, their JSON, and the presets of a training run."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin, get_type_hints

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


UNTRAINED = "random"

DEFAULT_CHUNK_SIZE = 512
"""GIFs in a shard of features: 64 MiB of float32 numbers of ResNet50."""

DEFAULT_WORK_SIZE = 64
"""GIFs that a worker of an engine gets at once: a minute of ResNet50 on a core, a second on a GPU,
of which handing them over takes 10 ms."""

Sampling = Literal["uniform", "step", "time"]
Framing = Literal["whole", "pad", "crop"]
Encoding = Literal["sinusoidal", "none"]
Recurrence = Literal["none", "rnn", "gru", "lstm"]
FusionKind = Literal["add", "concat", "gate", "attention"]
Objective = Literal["next_token", "reconstruction"]
CaseChoice = Literal["auto", "keep", "lower"]
SpellingChoice = Literal["exact", "plain"]
Split = Literal["train", "val", "test"]
SplitBy = Literal["content", "name"]
FeatureFormat = Literal["npy", "shards"]
FeatureDtype = Literal["float32", "float16"]
Precision = Literal["float32", "float16", "bfloat16"]
PrecisionChoice = Literal["auto", "float32", "float16", "bfloat16"]
Optimizer = Literal["adam", "adamw"]
Schedule = Literal["constant", "cosine"]
BestBy = Literal["auto", "cider", "loss", "last"]
EngineName = Literal["local", "ray"]
CaptionFormat = Literal["text", "json", "tsv", "csv"]
"""How captions are written; `captioning/output.py` defines each format."""

CAPTION_FORMAT_BY_SUFFIX: dict[str, CaptionFormat] = {
    ".json": "json",
    ".jsonl": "json",
    ".tsv": "tsv",
    ".csv": "csv",
}
"""The format of a file of captions by its ending; any other ending is `text`."""

LONGEST_CAPTION = 10_000
"""Maximum of a limit on tokens: a file must not make a search run for hours."""

MAX_TOKENS = 128
"""Maximum tokens of a caption, start and end tokens included (the original report's limit)."""

DEFAULT_LIMIT = 40
"""Maximum tokens of a generated caption if the model folder states no limit of its own."""

FOLLOWING_DATA = ("epochs", "batch_size", "passes")
"""Fields of a training run in which 0 means: follow the data (training/size.py)."""

CORPUS_TOKENIZER = "corpus"
"""The tokenizer name for a WordPiece vocabulary made from the training captions."""


ABSENT = "absent"
"""Key of a field's metadata: the value to assume for files written before the field existed."""


def _check_choices(config: object) -> None:
    """Raise ValueError if a field with closed choices has another value."""
    for name, wanted in get_type_hints(type(config)).items():
        if get_origin(wanted) is Literal and getattr(config, name) not in get_args(wanted):
            choices = ", ".join(get_args(wanted))
            raise ValueError(f"{name} is one of {choices}, not {getattr(config, name)!r}")


MAX_SIZE = 1 << 20
"""Maximum of a size in a file's configuration: above any network or vocabulary known."""


def _check_sizes(config: object, *names: str) -> None:
    """Raise ValueError if one of these fields is below 1 or above `MAX_SIZE`."""
    for name in names:
        if not 1 <= getattr(config, name) <= MAX_SIZE:
            raise ValueError(f"{name} must be 1 or more, and {MAX_SIZE:,} at most")


_TITLES = {"efficientnet-lite0": "EfficientNet-Lite0"}


@dataclass(frozen=True, kw_only=True)
class FeatureRecipe:
    """How the feature files of one folder were made. Two recipes never share a folder."""

    backbone: str = "resnet50"
    weights: str = "imagenet1k-v1"
    weights_sha256: str
    num_frames: int = 16
    sampling: Sampling = "uniform"
    framing: Framing = field(default="whole", metadata={ABSENT: "crop"})
    """How a frame fills the square: `whole` resizes it without its aspect ratio, as the original
    report does; `pad` letterboxes; `crop` cuts the square out of its centre."""
    image_size: int = 224
    """Side of the square in pixels."""
    resize_size: int = 224
    """Shorter side in pixels before the crop; `image_size` for the other framings."""
    encoding: Encoding = "sinusoidal"
    dtype: FeatureDtype = "float32"
    """Of the numbers in the files; `float16` only in shards."""
    precision: Precision = "float32"
    """Precision of the network's arithmetic."""
    gifdesc_version: str
    format_version: int = 1

    def __post_init__(self) -> None:
        _check_choices(self)
        _check_sizes(self, "num_frames", "image_size", "resize_size")

    @property
    def backbone_title(self) -> str:
        """The backbone's name for readers: `ResNet50` for `resnet50`."""
        return _TITLES.get(self.backbone, self.backbone.replace("resnet", "ResNet"))

    @property
    def is_untrained(self) -> bool:
        """Whether the weights are random: the features describe no content by themselves."""
        return self.weights == UNTRAINED

    def differences(self, other: FeatureRecipe) -> list[str]:
        """The fields that make the features of the two recipes differ.

        The gifdesc version does not count, nor precision and dtype (features of float32 and of 16
        bits have a cosine of 0.999 or more), nor the name of the weights if their hashes agree.
        """
        found = []
        for name in (known.name for known in fields(self)):
            if name in ("gifdesc_version", "precision", "dtype", "weights") or (
                getattr(self, name) == getattr(other, name)
            ):
                continue
            # Weights are compared by hash; in a message their names are more useful.
            is_named = name.startswith("weights") and self.weights != other.weights
            found.append("weights" if is_named else name)
        return found


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The caption model's shape. Sizes are numbers of units."""

    feature_size: int = 1
    """D. `train` takes it from its features, and `vocab_size` from its tokenizer."""
    vocab_size: int = 30522
    projection_size: int = 384
    """Units that features are reduced to before the encoder; 0 skips the reduction."""
    encoder: Recurrence = "gru"
    """The RNN over the frames; `none`: no RNN, and the GIF is the mean of its frames."""
    bidirectional: bool = True
    hidden_size: int = 384
    embedding_size: int = 384
    decoder: Recurrence = "gru"
    """The RNN over the words; `none`: no RNN, the embedding of the last word takes its place."""
    fusion: FusionKind = "attention"
    dropout: float = 0.3
    """Share of units dropped in training: of the features, the words and the joined vector."""
    standardise: bool = True
    """Whether features are shifted and scaled by the training set's statistics."""
    frame_norm: bool = True
    """Whether frames are layer-normalised before the RNN and attention (Ba et al. 2016,
    arXiv:1607.06450, section 3), so that no frame dominates because its features are larger."""
    frame_skip: bool = True
    """Whether attention sees each frame's own vector beside the encoder's state, so that a frame's
    content need not pass through the RNN."""
    repetition_bias: bool = field(default=True, metadata={ABSENT: False})
    """Whether each word has a learned bias once its caption contains it (`RepetitionBias` in
    model/network.py)."""
    word_evidence: bool = field(default=True, metadata={ABSENT: False})
    """Whether each word has a score for the frame that shows it best (`WordEvidence` in
    model/fusion.py)."""
    unsaid_words: bool = field(default=True, metadata={ABSENT: False})
    """Whether words that the frames show and the caption does not contain yet are an input of the
    decoder (`UnsaidWords` in model/fusion.py); only with `word_evidence`."""

    def __post_init__(self) -> None:
        _check_choices(self)
        if self.bidirectional and self.hidden_size % 2:
            raise ValueError("a bidirectional encoder needs an even hidden_size")
        if self.encoder == "none" and self.bidirectional:
            raise ValueError("without an encoder, bidirectional must be false")
        if self.encoder == "none" and self.projection_size != self.hidden_size:
            raise ValueError("without an encoder, projection_size must equal hidden_size")
        if self.decoder == "none" and self.embedding_size != self.hidden_size:
            raise ValueError("without a decoder, embedding_size must equal hidden_size")
        _check_sizes(self, "feature_size", "vocab_size", "hidden_size", "embedding_size")
        if not 0 <= self.projection_size <= MAX_SIZE:
            raise ValueError(f"projection_size must be 0 or more, and {MAX_SIZE:,} at most")
        if not 0 <= self.dropout < 1:
            raise ValueError("dropout must be in [0, 1)")


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """One training run."""

    epochs: int = 0
    """0: 20, or more if the data need more (training/size.py)."""
    passes: int = field(default=0, metadata={ABSENT: 1})
    """Passes over the training split in an epoch. 0: 1, or more if there are few captions and too
    few epochs were asked for (training/size.py)."""
    scst_epochs: int = 0
    """Epochs of self-critical training afterwards (Rennie et al. 2017, arXiv:1612.00563)."""
    scst_learning_rate: float = 5e-5
    """Learning rate of these epochs; benchmarks/self_critical.py measures their gain with it."""
    scst_samples: int = 5
    """Captions sampled per GIF; the baseline of each is the mean of the others (Luo 2020,
    arXiv:2003.09971, which uses 5)."""
    learning_rate: float = 2e-3
    """The highest learning rate, after the warm-up. Not from a paper: the tables of
    docs/benchmarks.md are measured with it (benchmarks/models.py)."""
    batch_size: int = 0
    """(GIF, caption) pairs per optimizer step, over all processes. 0: 8, 16 or 32, depending on the
    number of pairs; less if too few epochs were asked for (training/size.py)."""
    seed: int = 0
    objective: Objective = "next_token"
    """`next_token`: predict each token from the tokens before it; padding does not count.
    `reconstruction`: the report's; the model is shown the token that it predicts, and all 128
    positions count."""
    optimizer: Optimizer = "adamw"
    weight_decay: float = 0.01
    """Weight decay of AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101); Adam has none."""
    schedule: Schedule = "cosine"
    """The learning rate after the warm-up: constant, or falling to 0 by half a cosine (Loshchilov &
    Hutter 2017, arXiv:1608.03983, without restarts)."""
    warmup_fraction: float = 0.05
    """Share of the steps in which the learning rate rises linearly from 0."""
    label_smoothing: float = 0.1
    """Share of each target spread evenly over the vocabulary (Szegedy et al. 2016,
    arXiv:1512.00567, section 7). Reported losses exclude it."""
    scheduled_sampling: float = 0.0
    """Share of the model's own words among its inputs at the end of the run (Bengio et al. 2015,
    arXiv:1506.03099)."""
    max_grad_norm: float = 5.0
    """Gradients are scaled down to this norm (Pascanu et al. 2013, arXiv:1211.5063, section 3.2);
    0: not scaled. 5 is usual for RNNs and was not compared with other values."""
    best_by: BestBy = "auto"
    """The validation score that chooses the epoch to keep. `last`: the last epoch; `auto`: `cider`
    if there are enough validation GIFs, else `last` (training/size.py)."""
    patience: int = 0
    """Stop after so many epochs without improvement; 0: never."""
    precision: PrecisionChoice = "auto"
    """Precision of the arithmetic; `auto`: a 16-bit type that the GPU is fast at, else float32."""
    max_tokens: int = MAX_TOKENS
    val_fraction: float = 0.1
    test_fraction: float = 0.1
    split_seed: int = 0
    """Seed of the splits only, so that runs with other seeds hold out the same GIFs."""
    split_by: SplitBy = field(default="content", metadata={ABSENT: "name"})
    """What the hash that splits GIFs is computed from. `name` (with `seed`) is the rule of models
    from before this field existed."""
    tokenizer: str = CORPUS_TOKENIZER
    case: CaseChoice = field(default="auto", metadata={ABSENT: "lower"})
    """For a vocabulary made from the training captions: keep capitals where the captions agree on
    them (text/spelling.py), keep all, or none."""
    spelling: SpellingChoice = field(default="exact", metadata={ABSENT: "plain"})
    """For a vocabulary made from the training captions: `exact` reproduces their spelling; `plain`
    is the rule of runs from before this field existed."""
    preset: str = "attention"
    splits_sha256: str = ""
    """SHA-256 of the split lists, empty if hashes made the splits."""

    def __post_init__(self) -> None:
        _check_choices(self)
        if min(self.epochs, self.batch_size, self.passes) < 0 or self.max_tokens < 3:
            raise ValueError(
                "epochs, passes and batch_size must be 0 or more, max_tokens 3 or more"
            )
        if self.max_tokens > LONGEST_CAPTION:
            raise ValueError(f"max_tokens must be {LONGEST_CAPTION:,} at most")
        if self.scst_epochs < 0 or self.patience < 0 or self.scst_samples < 2:
            raise ValueError("scst_epochs and patience must be 0 or more, scst_samples 2 or more")
        for name in ("learning_rate", "scst_learning_rate"):
            if not 0 < getattr(self, name) <= 10:
                raise ValueError(f"{name} must be above 0 and at most 10")
        for name in ("weight_decay", "max_grad_norm"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be 0 or more")
        for name in ("warmup_fraction", "label_smoothing", "scheduled_sampling"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be in [0, 1)")
        fractions = (self.val_fraction, self.test_fraction)
        if not (all(0 <= fraction < 1 for fraction in fractions) and sum(fractions) < 1):
            raise ValueError("val_fraction and test_fraction must be 0 or more and sum to below 1")
        if self.optimizer == "adam" and self.weight_decay:
            raise ValueError("weight_decay needs the optimizer adamw")
        if self.objective == "reconstruction" and (
            self.best_by == "cider" or self.scst_epochs or self.scheduled_sampling
        ):
            raise ValueError(
                "a model trained to repeat its input cannot caption: objective reconstruction "
                "needs best_by loss, no self-critical training and no scheduled sampling"
            )


@dataclass(frozen=True, kw_only=True)
class DecodingConfig:
    """How captions are searched for, or sampled."""

    num_beams: int = 5
    """Number of captions kept at every token; 1 is greedy decoding."""
    num_captions: int = 1
    """Captions returned per GIF, best first; at most num_beams, unless they are sampled."""
    length_penalty: float = 1.0
    """Finished captions rank by log-probability / length ** length_penalty (Wu et al. 2016,
    arXiv:1609.08144, section 7, in its plain form): values above 1 favour long captions."""
    max_tokens: int | None = None
    """Maximum tokens of a caption, its end token included; None for the model's own limit, which
    follows its training captions (data/caption_statistics.py)."""
    exact_search: bool = False
    """Search until no open caption can enter the best, however long it grows, as with transformers'
    `early_stopping="never"`. By default the search for a GIF ends when `num_beams` captions are
    found and the best open caption, at its present length, ranks below all of them
    (transformers' `early_stopping=False`)."""
    no_repeat_ngram: int = 0
    """Never repeat so many tokens in a row; 0: off."""
    allow_dangling_end: bool = False
    """Whether a caption may end in `a`, `the`, `of`, `and` and the like (text/english.py)."""
    sample: bool = False
    """Draw every token by its probability, instead of searching for the best caption."""
    temperature: float = 1.0
    """For sampling: logits are divided by it; below 1 is safer, above 1 more varied."""
    top_p: float = 1.0
    """For sampling: only the most probable tokens that together have this probability are drawn
    (nucleus sampling, Holtzman et al. 2020, arXiv:1904.09751, section 3.1)."""
    seed: int = 0
    """For sampling. Each GIF draws from a generator of its own with this seed, so its caption does
    not depend on the other GIFs."""

    def __post_init__(self) -> None:
        if self.num_beams < 1 or self.limit < 1:
            raise ValueError("num_beams and max_tokens must be 1 or more")
        if self.num_captions < 1 or (self.num_captions > self.num_beams and not self.sample):
            raise ValueError("num_captions must be between 1 and num_beams")
        if not math.isfinite(self.length_penalty):
            raise ValueError("length_penalty must be a finite number")
        if self.no_repeat_ngram < 0:
            raise ValueError("no_repeat_ngram must be 0 or more")
        if not (0 < self.temperature < math.inf and 0 < self.top_p <= 1):
            raise ValueError("temperature must be above 0, top_p above 0 and at most 1")

    @property
    def limit(self) -> int:
        """`max_tokens`, or `DEFAULT_LIMIT` if it follows the model and the model is unknown."""
        return DEFAULT_LIMIT if self.max_tokens is None else self.max_tokens


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A model configuration with its training configuration."""

    model: ModelConfig = field(default_factory=ModelConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)


DEFAULT_PRESET = "attention"

PRESETS: dict[str, Preset] = {
    "attention": Preset(),
    "mean": Preset(
        model=ModelConfig(
            encoder="none",
            bidirectional=False,
            decoder="lstm",
            fusion="concat",
            frame_norm=False,
            repetition_bias=False,
            word_evidence=False,
            unsaid_words=False,
        ),
        training=TrainingConfig(preset="mean"),
    ),
    "report": Preset(
        model=ModelConfig(
            projection_size=0,
            encoder="rnn",
            bidirectional=False,
            hidden_size=512,
            embedding_size=512,
            decoder="none",
            fusion="add",
            dropout=0.0,
            standardise=False,
            frame_norm=False,
            frame_skip=False,
            repetition_bias=False,
            word_evidence=False,
            unsaid_words=False,
        ),
        training=TrainingConfig(
            epochs=10,
            passes=1,
            learning_rate=1e-4,
            batch_size=8,
            objective="reconstruction",
            optimizer="adam",
            weight_decay=0.0,
            schedule="constant",
            warmup_fraction=0.0,
            label_smoothing=0.0,
            max_grad_norm=0.0,
            best_by="loss",
            tokenizer="bert-base-uncased",
            preset="report",
        ),
    ),
}
"""`attention`: next-token prediction with temporal attention, the default.
`mean`: mean-pooled features into an LSTM decoder (Venugopalan et al. 2015, arXiv:1412.4729), which
gets the mean in its first state and beside each of its outputs instead of its inputs.
`report`: the original report's complete recipe (docs/original-report.md)."""


def to_json(config: DataclassInstance) -> dict[str, Any]:
    """A frozen dataclass of plain values as a JSON object."""
    return asdict(config)
