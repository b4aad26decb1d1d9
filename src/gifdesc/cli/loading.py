"""Load the model of a command and report what a user should know about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gifdesc.cli.console import info, warn
from gifdesc.system.waits import wait_for

if TYPE_CHECKING:
    from gifdesc.captioning.captioner import GifCaptioner


def load_captioner(
    model: str,
    *,
    device: str,
    weights: str | None = None,
    prompt: str | None = None,
    revision: str | None = None,
) -> GifCaptioner:
    """The captioner of a model; its commit and its warnings go to stderr.

    Args:
        model: as in `captioning.captioner.load_captioner`.
        device: as in `captioning.captioner.load_captioner`.
        weights: as in `captioning.captioner.load_captioner`.
        prompt: as in `captioning.captioner.load_captioner`.
        revision: as in `captioning.captioner.load_captioner`.

    Raises:
        GifdescError: as `captioning.captioner.load_captioner`.
    """
    from gifdesc.model.folder import check_model_name

    check_model_name(model)  # before imports that take seconds
    with wait_for("starting"):
        from gifdesc.captioning.captioner import load_captioner

    captioner = load_captioner(
        model,
        device=device,
        weights=weights,
        prompt=prompt,
        revision=revision,
        num_workers=None,
    )
    if captioner.commit is not None:
        info(f"{model}: commit {captioner.commit}")
    for sentence in captioner.warnings:
        warn(sentence)
    return captioner
