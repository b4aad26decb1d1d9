"""Whatever captions GIFs, by one interface: gifdesc's own models and public ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

from gifdesc.caption_inputs import CaptionInput
from gifdesc.caption_result import Caption
from gifdesc.captioner import Captioner
from gifdesc.config import DecodingConfig
from gifdesc.device import resolve_device
from gifdesc.errors import CheckpointError, UsageError
from gifdesc.hub import commit_of
from gifdesc.model_folder import CONFIG_NAME, kind_of, locate, read_config
from gifdesc.sources import GifSource


class GifCaptioner(Protocol):
    """What `Captioner` and `VisionLanguageCaptioner` have in common."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a user should know of the model before believing it, a sentence each."""
        ...

    @property
    def commit(self) -> str | None:
        """The commit of the model's repository on the hub; None for a folder."""
        ...

    @property
    def default_decoding(self) -> DecodingConfig:
        """How captions are searched for where nothing is said."""
        ...

    def caption(self, source: GifSource, config: DecodingConfig | None = None) -> Caption:
        """Caption one GIF; raises GifdescError where there is no caption for it."""
        ...

    def caption_many(
        self, sources: Iterable[GifSource | CaptionInput], config: DecodingConfig | None = None
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
) -> GifCaptioner:
    """The captioner that `--model` names.

    Args:
        name: a folder that `gifdesc train` wrote, a hub name (`user/model`) of such a model, or
            the folder or hub name of a vision-language model in transformers. Its config.json
            says which.
        device: see `device.resolve_device`.
        weights: the backbone's weights, for a gifdesc model whose features were made from a file.
        prompt: what to ask a vision-language model.
        revision: of a model on the hub: a branch, a tag or a commit.

    Raises:
        CheckpointError, HubError: the model cannot be had or cannot caption.
        UsageError: an option does not go with the model, or there is no such device.
    """
    resolve_device(device)  # a wrong device is said before anything is loaded
    folder = locate(name, [CONFIG_NAME], revision)
    config = read_config(folder)
    if not Path(name).is_dir():
        revision = commit_of(folder) or revision  # all files of one commit
    kind = kind_of(config)
    if kind is None:
        raise CheckpointError(
            f"{name}: its {CONFIG_NAME} states no format_version (as gifdesc's do) and no "
            "model_type (as transformers' do); damaged, or a model of something else"
        )
    if kind == "gifdesc":
        if prompt is not None:
            raise UsageError("--prompt: only a vision-language model can be asked something")
        return Captioner.from_pretrained(name, device=device, weights=weights, revision=revision)
    if weights is not None:
        raise UsageError("--weights: a vision-language model brings its own")
    # transformers takes seconds to import, and a gifdesc model does not need it.
    from gifdesc.vision_language import VisionLanguageCaptioner

    return VisionLanguageCaptioner.from_pretrained(
        name, device=device, prompt=prompt, revision=revision
    )
