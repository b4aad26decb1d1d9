"""Score a model on held-out GIFs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from gifdesc.captions import GeneratedCaption
from gifdesc.config import DecodingConfig, Split
from gifdesc.data.dataset import GIFDataset, iterate_batches, plan_scoring
from gifdesc.data.examples import Example
from gifdesc.data.feature_files import (
    check_same_recipe,
    missing_recipe_warning,
    read_features,
    read_recipe,
    untrained_warning,
)
from gifdesc.data.feature_store import FeatureStore
from gifdesc.data.forms.form_names import FormName
from gifdesc.data.problems import Problems
from gifdesc.data.training_data import prepare_data
from gifdesc.data.training_record import read_record
from gifdesc.errors import GifdescError
from gifdesc.evaluation.baselines import most_common_caption, nearest_captions
from gifdesc.evaluation.evaluate import ModelSide, evaluate_captions
from gifdesc.evaluation.predictions import read_predictions
from gifdesc.evaluation.results import MOST_COMMON, NEAREST, Captioned, Evaluation
from gifdesc.evaluation.retrieval import evaluate_retrieval
from gifdesc.model.checkpoint import Checkpoint, load_checkpoint
from gifdesc.model.confidence import doubts
from gifdesc.model.generation import CaptionGenerator
from gifdesc.model.likelihood import REPEATS_ITS_INPUT
from gifdesc.model.losses import TokenScores, score_tokens
from gifdesc.system.device import resolve_device
from gifdesc.system.waits import wait_for
from gifdesc.system.wording import list_some

log = logging.getLogger(__name__)

_BATCH_GIFS = 32


@dataclass(frozen=True)
class HeldOut:
    """The examples that a model is scored on.

    Attributes:
        examples: of the split that is scored.
        training: of the training split.
        problems: one sentence for each file that cannot be used; `store` adds those whose numbers
            are not finite when it reads them.
        store: reads the feature files.
        notes: other sentences for the user.
    """

    examples: list[Example]
    training: list[Example]
    problems: Problems
    store: FeatureStore
    notes: list[str]


@dataclass(frozen=True)
class FolderEvaluation:
    """The scores of a model folder.

    Attributes:
        evaluation: the scores.
        problems: the files that could not be used.
        notes: what else a user should know, a sentence each.
    """

    evaluation: Evaluation
    problems: Problems
    notes: list[str]


def evaluate_model_folder(
    model_dir: Path,
    features_dir: Path,
    descriptions_path: Path,
    *,
    descriptions_format: FormName | None = None,
    split: Split = "test",
    splits_dir: Path | None = None,
    device: str = "auto",
    config: DecodingConfig | None = None,
    against_path: Path | None = None,
    meteor: bool = False,
    retrieval: bool = False,
    on_problem: Callable[[str], None] = lambda _problem: None,
) -> FolderEvaluation:
    """Score a model folder on GIFs that it was not trained on.

    Args:
        model_dir: the model, as `gifdesc train` writes it.
        features_dir: the features of the GIFs.
        descriptions_path: their descriptions.
        descriptions_format: of a file of descriptions; None recognises it by its content.
        split: the GIFs to score.
        splits_dir: lists of the splits, as in `held_out_examples`.
        device: see `device.resolve_device`.
        config: how captions are searched for.
        against_path: captions of another system to compare with, as in `read_predictions`.
        meteor: compute METEOR too, if its program and Java are installed.
        retrieval: also measure how well words find their GIF, and a GIF its words.
        on_problem: called with a sentence for each file that cannot be used, when it is found.

    Raises:
        GifdescError: as `load_checkpoint`, `held_out_examples` and `evaluate_model`.
    """
    torch_device = resolve_device(device)
    with wait_for(f"loading {model_dir}"):
        checkpoint = load_checkpoint(model_dir)
    held_out = held_out_examples(
        checkpoint,
        features_dir,
        descriptions_path,
        descriptions_format=descriptions_format,
        split=split,
        splits_dir=splits_dir,
    )
    held_out.problems.report_to(on_problem)
    against = None
    if against_path is not None:
        names = [example.name for example in held_out.examples]
        gif_ids = {each.gif_id: each.name for each in held_out.examples if each.gif_id}
        against = read_predictions(against_path, names, gif_ids=gif_ids, option=None)
    evaluation = evaluate_model(
        checkpoint,
        held_out.examples,
        torch_device,
        config,
        training=held_out.training,
        store=held_out.store,
        against=against,
        meteor=meteor,
        retrieval=retrieval,
        split=split,
    )
    return FolderEvaluation(evaluation, held_out.problems, held_out.notes)


def held_out_examples(
    checkpoint: Checkpoint,
    features_dir: Path | str,
    descriptions_path: Path | str,
    *,
    descriptions_format: FormName | None = None,
    split: Split = "test",
    splits_dir: Path | str | None = None,
) -> HeldOut:
    """The examples of a split, and those that the model was trained on.

    Raises:
        FeatureError: the features are of another recipe than the model's.
        GifdescError: the split has no example.
    """
    features_dir = Path(features_dir)
    recipe = read_recipe(features_dir)
    if recipe is not None and checkpoint.recipe is not None:
        check_same_recipe(checkpoint.recipe, recipe, "the model's features")
    data = prepare_data(
        features_dir,
        descriptions_path,
        checkpoint.training,
        splits_dir,
        descriptions_format=descriptions_format,
        needs_training=False,
    )
    if data.splits_sha256 != checkpoint.training.splits_sha256:
        if not data.splits_sha256:
            raise GifdescError(
                f"{features_dir}: the model was trained with split lists, or splits that its "
                "descriptions name, so a hash would hold out GIFs that it was trained on; give the "
                "lists with --splits, or the same descriptions"
            )
        log.warning("other splits than in training: the model may have been trained on these GIFs")
    notes = [*data.notes, *data.pairing.notes()]
    if recipe is None and checkpoint.recipe is not None:
        notes.append(missing_recipe_warning(features_dir))
    if checkpoint.recipe is None and (warning := untrained_warning(recipe)) is not None:
        notes.append(warning)
    candidates = _not_trained_on(checkpoint, data.splits[split], split, notes)
    # Read whole now, unlike in training: a damaged file must not end an evaluation.
    examples = [
        example
        for example in candidates
        if data.store.read_or_none(example.features_path) is not None
    ]
    if not examples and len(candidates) < len(data.splits[split]):
        raise GifdescError(
            f"{features_dir}: the model was trained on all GIFs of the {split} split; add GIFs, or "
            "score another with --split"
        )
    if not examples:
        raise GifdescError(
            f"{features_dir}: no GIF is in the {split} split; add GIFs, "
            "or score the training GIFs with --split train"
        )
    if data.feature_size != checkpoint.model.config.feature_size:
        raise GifdescError(
            f"{features_dir}: has {data.feature_size} features a frame, "
            f"the model needs {checkpoint.model.config.feature_size}"
        )
    return HeldOut(examples, data.splits["train"], data.problems, data.store, notes)


def _not_trained_on(
    checkpoint: Checkpoint, examples: list[Example], split: Split, notes: list[str]
) -> list[Example]:
    """The examples of a split without those that the model was trained on, which are noted."""
    record = None if checkpoint.folder is None else read_record(checkpoint.folder)
    if record is None:
        if split != "train" and checkpoint.training.split_by == "name":
            notes.append(
                "the model's folder does not record which GIFs it was trained on (an older gifdesc "
                "wrote it), so its training GIFs under other names are not left out"
            )
        return examples
    kept = record.held_out(examples, split)
    if len(kept) < len(examples):
        names = {example.name for example in kept}
        known = [example.name for example in examples if example.name not in names]
        notes.append(
            f"the model was trained on {len(known)} of the {len(examples)} GIFs of the {split} "
            f"split, which are left out: {list_some(known)}"
        )
    return kept


def evaluate_model(
    checkpoint: Checkpoint,
    examples: Sequence[Example],
    device: str | torch.device = "auto",
    config: DecodingConfig | None = None,
    *,
    training: Sequence[Example] = (),
    store: FeatureStore | None = None,
    against: Mapping[str, str] | None = None,
    meteor: bool = False,
    retrieval: bool = False,
    split: Split | None = None,
) -> Evaluation:
    """Caption held-out GIFs and score the captions beside baselines.

    Args:
        checkpoint: the model; it is moved to `device`.
        examples: from `held_out_examples`.
        device: where to compute; see `device.resolve_device`.
        config: how captions are searched for.
        training: from `held_out_examples`; without it the blind control is the only baseline.
            GIFs whose feature files cannot be used are left out.
        store: from `held_out_examples`, whose `problems` then name these; None for a new store.
        against: another system's captions by name, to compare with.
        meteor: compute METEOR too, if its program and Java are installed.
        retrieval: also measure how well words find their GIF, and a GIF its words.
        split: which of the model's splits the examples are, so that scores of `train` are marked.

    Raises:
        FeatureError: a feature file cannot be used.
        DescriptionError: `against` names other GIFs, or no reference contains a word.
    """
    device = resolve_device(device)
    checkpoint.model.to(device)
    generated = _generate(checkpoint, examples, device, checkpoint.decoding(config))
    captioned = [
        Captioned(
            name=example.name,
            caption=best.caption,
            references=example.captions,
            words=best.words,
            doubts=doubts(best, checkpoint.confidence_threshold, checkpoint.captions),
        )
        for example, best in zip(examples, generated, strict=True)
    ]
    notes = _notes_on(checkpoint)
    with wait_for("computing the loss"):
        tokens, num_cut = _score_tokens(checkpoint, examples, device)
    if num_cut:
        notes["cut_captions"] = (
            f"{num_cut} of the references are longer than {checkpoint.training.max_tokens} tokens; "
            "the loss and the token accuracy ignore the rest"
        )
    size = checkpoint.model.config.feature_size
    store = store or FeatureStore(size, cache_bytes=0)
    encoding = checkpoint.recipe.encoding if checkpoint.recipe else "none"
    with wait_for("finding nearest GIFs"):
        nearest = nearest_captions(examples, training, size, store, encoding=encoding)
    training = [example for example in training if not store.is_damaged(example.features_path)]
    baselines = _baselines(nearest, training, len(examples))
    for name in (NEAREST, MOST_COMMON):
        if name not in baselines:
            notes[name] = "needs the training split"
    if MOST_COMMON in baselines:
        notes[MOST_COMMON] = f'"{baselines[MOST_COMMON][0]}" for every GIF'
    if not training:
        notes["in_training"] = "needs the training split"
    model = ModelSide(
        loss=tokens.mean_loss,
        token_accuracy=tokens.accuracy,
        baselines=baselines,
        training_captions=[caption for example in training for caption in example.captions],
        notes=notes,
        warnings=_warnings_on(checkpoint),
        split=split,
    )
    evaluation = evaluate_captions(captioned, model=model, against=against, meteor=meteor)
    if not retrieval:
        return evaluation
    with wait_for("ranking GIFs by words", unit="GIFs") as advance:
        found = evaluate_retrieval(checkpoint, examples, device, advance)
    own_notes = dict(evaluation.notes)
    warnings = dict(evaluation.warnings)
    if found is not None and checkpoint.training.objective == "reconstruction":
        warnings["retrieval"] = REPEATS_ITS_INPUT
    if found is None:
        own_notes["retrieval"] = "needs two GIFs or more"
    elif found.num_pairs < found.num_examples:
        own_notes["retrieval"] = (
            f"among {found.num_pairs} of the {found.num_examples} GIFs: the work grows with the "
            "square of their number"
        )
    return replace(evaluation, retrieval=found, notes=own_notes, warnings=warnings)


def _generate(
    checkpoint: Checkpoint,
    examples: Sequence[Example],
    device: torch.device,
    config: DecodingConfig,
) -> list[GeneratedCaption]:
    size = checkpoint.model.config.feature_size
    generate = CaptionGenerator(checkpoint.model, checkpoint.tokenizer, device, checkpoint.captions)
    captions: list[GeneratedCaption] = []
    with wait_for("captioning", unit="GIFs") as advance:
        for first in range(0, len(examples), _BATCH_GIFS):
            batch = examples[first : first + _BATCH_GIFS]
            features = [read_features(example.features_path, size) for example in batch]
            captions += [best for best, *_ in generate(features, config)]
            advance(len(captions), len(examples))
    return captions


def _score_tokens(
    checkpoint: Checkpoint, examples: Sequence[Example], device: torch.device
) -> tuple[TokenScores, int]:
    """The scores, and how many captions were cut to the limit of the training."""
    training, tokenizer = checkpoint.training, checkpoint.tokenizer
    dataset = GIFDataset(examples, tokenizer, max_tokens=training.max_tokens)
    pad_to = training.max_tokens if training.objective == "reconstruction" else None
    plan = plan_scoring(dataset.token_lengths, training.batch_size or _BATCH_GIFS)
    batches = iterate_batches(dataset, plan, pad_id=tokenizer.pad_id, pad_to=pad_to)
    scores = score_tokens(checkpoint.model, batches, training.objective, device)
    return scores, dataset.num_cut


def _baselines(
    nearest: list[str] | None, training: Sequence[Example], num_gifs: int
) -> dict[str, list[str]]:
    baselines = {} if nearest is None else {NEAREST: nearest}
    if training:
        common = most_common_caption([example.captions for example in training])
        baselines[MOST_COMMON] = [common] * num_gifs
    return baselines


def _notes_on(checkpoint: Checkpoint) -> dict[str, str]:
    if checkpoint.training.objective != "reconstruction":
        return {}
    return {
        "loss": "the model is shown the token it must predict, and padding counts: "
        "not comparable with a captioner's loss"
    }


def _warnings_on(checkpoint: Checkpoint) -> dict[str, str]:
    warning = untrained_warning(checkpoint.recipe)
    return {} if warning is None else {"weights": warning}
