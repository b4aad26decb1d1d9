"""Load the model of a command and report what a user should know about it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from gifdesc.cli.console import info, warn
from gifdesc.cli.given import is_on_command_line
from gifdesc.config import DEFAULT_WORK_SIZE, EngineName
from gifdesc.system.waits import wait_for

if TYPE_CHECKING:
    from gifdesc.captioning.loading import GifCaptioner
    from gifdesc.engines.choice import EngineChoice


def choose_engine(
    context: typer.Context, name: EngineName, address: str | None, num_workers: int | None
) -> EngineChoice:
    """The engine that the options of a command name; an address from settings is for Ray alone.

    Raises:
        UsageError: the options do not fit, or the engine's package is missing.
    """
    from gifdesc.engines.choice import EngineChoice

    if name == "local" and not is_on_command_line(context, "ray_address"):
        address = None
    return EngineChoice(name=name, address=address, num_workers=num_workers)


def load_captioner(
    model: str,
    *,
    device: str,
    weights: str | None = None,
    prompt: str | None = None,
    revision: str | None = None,
    num_workers: int | None = None,
) -> GifCaptioner:
    """The captioner of a model; its commit and its warnings go to stderr.

    Args:
        model: as in `captioning.loading.load_captioner`.
        device: as in `captioning.loading.load_captioner`.
        weights: as in `captioning.loading.load_captioner`.
        prompt: as in `captioning.loading.load_captioner`.
        revision: as in `captioning.loading.load_captioner`.
        num_workers: as in `captioning.loading.load_captioner`.

    Raises:
        GifdescError: as `captioning.loading.load_captioner`.
    """
    from gifdesc.model.folder import check_model_name

    check_model_name(model)  # before imports that take seconds
    with wait_for("starting"):
        from gifdesc.captioning.loading import load_captioner

    captioner = load_captioner(
        model,
        device=device,
        weights=weights,
        prompt=prompt,
        revision=revision,
        num_workers=num_workers,
    )
    if captioner.commit is not None:
        info(f"{model}: commit {captioner.commit}")
    for sentence in captioner.warnings:
        warn(sentence)
    return captioner


def load_captioner_on(
    engine: EngineChoice,
    folder: Callable[[], Path],
    model: str,
    *,
    device: str,
    weights: str | None = None,
    prompt: str | None = None,
    revision: str | None = None,
    chunk_size: int | None = None,
    resume: bool = False,
) -> GifCaptioner:
    """The captioner of a model, whose GIFs an engine captions.

    Args:
        engine: the engine; the local engine is the captioner itself.
        folder: gives the folder of the engine's result files.
        model: as in `load_captioner`.
        device: as in `load_captioner`.
        weights: as in `load_captioner`.
        prompt: as in `load_captioner`.
        revision: as in `load_captioner`.
        chunk_size: GIFs of a chunk, about; None for the default.
        resume: use and keep the finished chunks of a run that was interrupted.

    Raises:
        GifdescError: as `load_captioner`.
    """
    engine.check_device(device)
    engine.check_reachable()
    here = load_captioner(
        model,
        # The nodes that compute may have a GPU that this machine has not.
        device=device if engine.is_local else "cpu",
        weights=weights,
        prompt=prompt,
        revision=revision,
        num_workers=engine.num_workers,
    )
    if engine.is_local:
        return here
    from gifdesc.engines.captioner import EngineCaptioner, ModelChoice

    choice = ModelChoice.of(
        model, device=device, weights=weights, prompt=prompt, revision=here.commit or revision
    )
    return EngineCaptioner(
        choice,
        here,
        lambda: engine.open(device),
        folder(),
        chunk_size=chunk_size or DEFAULT_WORK_SIZE,
        resume=resume,
    )
