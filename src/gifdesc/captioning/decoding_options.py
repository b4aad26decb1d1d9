"""The search settings that a user gave, completed by the defaults of the model."""

from __future__ import annotations

from dataclasses import dataclass

from gifdesc.config import DecodingConfig


@dataclass(frozen=True, kw_only=True)
class DecodingOptions:
    """Fields of `DecodingConfig`; None follows the model that captions."""

    num_beams: int | None = None
    """None: the model's default, or `num_captions` if that is more."""
    num_captions: int = 1
    length_penalty: float = 1.0
    max_tokens: int | None = None
    no_repeat_ngram: int = 0
    sample: bool = False
    temperature: float = 1.0
    top_p: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        self.complete(DecodingConfig())  # raises ValueError for values that no model can use

    def complete(self, defaults: DecodingConfig) -> DecodingConfig:
        """The settings for a model with these defaults."""
        return DecodingConfig(
            num_beams=self.num_beams or max(defaults.num_beams, self.num_captions),
            num_captions=self.num_captions,
            length_penalty=self.length_penalty,
            max_tokens=self.max_tokens or defaults.max_tokens,
            no_repeat_ngram=self.no_repeat_ngram,
            sample=self.sample,
            temperature=self.temperature,
            top_p=self.top_p,
            seed=self.seed,
        )
