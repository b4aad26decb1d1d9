"""Load the captioner that a user names: a model that gifdesc trained, or a public model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

from gifdesc.captioning.captioner import Captioner
from gifdesc.captions import Caption
from gifdesc.config import DecodingConfig
from gifdesc.data.gif_sources import AnySource
from gifdesc.errors import CheckpointError, UsageError
from gifdesc.model.folder import CONFIG_NAME, open_model
from gifdesc.system.device import resolve_device


class GifCaptioner(Protocol):
    """The interface of `Captioner` and `VisionLanguageCaptioner`."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """Reasons to doubt all captions of the model, a sentence each."""
        ...

    @property
    def commit(self) -> str | None:
        """The commit of the model's repository on the hub; None for a folder."""
        ...

    @property
    def default_decoding(self) -> DecodingConfig:
        """The default search settings."""
        ...

    def caption(self, source: AnySource, config: DecodingConfig | None = None) -> Caption:
        """Caption one GIF.

        Raises:
            GifdescError: there is no caption for the GIF.
        """
        ...

    def caption_many(
        self, sources: Iterable[AnySource], config: DecodingConfig | None = None
    ) -> Iterator[Caption]:
        """Caption many GIFs, in order; a bad file gives a `Caption` with an error."""
        ...


def load_captioner(
    name: Path | str,
    *,
    device: str = "auto",
    weights: str | None = None,
    prompt: str | None = None,
    revision: str | None = None,
    num_workers: int | None = 0,
) -> GifCaptioner:
    """The captioner that `--model` names.

    Args:
        name: a folder that `gifdesc train` wrote, a hub name (`user/model`) of such a model, or
            the folder or hub name of a vision-language model in transformers. The config.json
            of the model decides.
        device: see `device.resolve_device`.
        weights: the backbone's weights, for a gifdesc model whose features were made from a file.
        prompt: the question for a vision-language model.
        revision: branch, tag or commit of a model on the hub.
        num_workers: processes that read GIFs for a gifdesc model; see `from_pretrained`.

    Raises:
        CheckpointError, HubError: the model cannot be loaded or cannot caption.
        UsageError: the model does not support an option, or there is no such device.
    """
    torch_device = resolve_device(device)  # a wrong device is an error before any loading
    model = open_model(name, revision)
    if model.kind is None:
        raise CheckpointError(
            f"{name}: its {CONFIG_NAME} states no format_version (as gifdesc's do) and no "
            "model_type (as transformers' do); damaged, or a model of something else"
        )
    if model.kind == "gifdesc":
        if prompt is not None:
            raise UsageError("--prompt: only a vision-language model takes a prompt")
        return Captioner.from_opened(model, torch_device, weights=weights, num_workers=num_workers)
    if weights is not None:
        raise UsageError("--weights: a vision-language model has its own weights")
    # transformers takes seconds to import, and a gifdesc model does not need it.
    from gifdesc.vision_language.captioner import VisionLanguageCaptioner

    return VisionLanguageCaptioner.from_opened(model, torch_device, prompt=prompt)
