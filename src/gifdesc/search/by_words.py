"""Find GIFs by words: how much likelier the words are with the GIF than without it.

The score of a GIF is log p(words | GIF) - log p(words | the mean of other GIFs), per token. The
mean GIF is the mean of the features of a sample (`index.SAMPLE_SIZE`), frame by frame, so that it
passes through the same encoder as a GIF. For GIFs outside the sample it is the same GIF, so that it
shifts all scores alike: it decides where 0 is, and hardly the order.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from gifdesc.captions import Word
from gifdesc.data.dataset import pad_features
from gifdesc.data.feature_files import (
    check_same_recipe,
    missing_recipe_warning,
    read_features,
    untrained_warning,
)
from gifdesc.errors import FeatureError
from gifdesc.model.checkpoint import Checkpoint, load_checkpoint
from gifdesc.model.fusion import Memory
from gifdesc.model.likelihood import REPEATS_ITS_INPUT, Likelihoods, likelihoods
from gifdesc.search.gifs import FeaturesFolder, GifPaths, check_top, ranked, rounded, tie_notes
from gifdesc.search.index import (
    DamagedIndexError,
    SearchIndex,
    open_index,
    problems_of,
    sample_of,
)
from gifdesc.search.query import Query, read_query
from gifdesc.search.results import SearchHit, SearchResult
from gifdesc.system.device import exact_float32, resolve_device
from gifdesc.system.waits import wait_for

SHORTLIST_SIZE = 300
"""GIFs that are scored exactly, unless more are asked for; benchmarks/search.py measures it."""

_BATCH_GIFS = 64

_FIRST_FILES = 8
"""Of another size, these show that the folder is not the model's."""


def search_by_words(
    text: str,
    features_dir: Path | str,
    model_dir: Path | str,
    *,
    top: int = 10,
    exact: bool = False,
    device: str = "auto",
    gifs_dir: Path | str | None = None,
    with_words: bool = False,
) -> SearchResult:
    """The GIFs that words describe best.

    Args:
        text: what the GIF should show.
        features_dir: the features of the GIFs.
        model_dir: a model folder, as `gifdesc train` writes it.
        top: GIFs to find.
        exact: score all GIFs, not only a shortlist.
        device: see `device.resolve_device`.
        gifs_dir: the folder of the GIFs, if they were moved since `extract` read them.
        with_words: also give each hit the frames that each word attended to.

    Raises:
        UsageError: the query is empty, or the model knows none of its words.
        FeatureError: the features are not of the model's recipe, or cannot be used.
        CheckpointError: the model cannot be loaded.
        ValueError: `top` is below 1.
    """
    check_top(top)
    torch_device = resolve_device(device)
    gifs = FeaturesFolder.read(Path(features_dir))
    paths = GifPaths(gifs, None if gifs_dir is None else Path(gifs_dir))
    with wait_for(f"loading {model_dir}"):
        checkpoint = load_checkpoint(model_dir)
    if gifs.recipe is not None and checkpoint.recipe is not None:
        check_same_recipe(checkpoint.recipe, gifs.recipe, "the model's features")
    query = read_query(text, checkpoint.tokenizer, checkpoint.training.max_tokens)
    return WordSearch(checkpoint, gifs, torch_device).find(
        query, paths, top=top, exact=exact, with_words=with_words
    )


class WordSearch:
    """Finds GIFs of a features folder by words, any number of times.

    Args:
        checkpoint: the model; it is moved to `device`.
        gifs: the listed features.
        device: where to compute.

    Raises:
        FeatureError: no feature file can be used, or they are of another size.
    """

    def __init__(self, checkpoint: Checkpoint, gifs: FeaturesFolder, device: torch.device) -> None:
        self._checkpoint, self._gifs, self._device = checkpoint, gifs, device
        checkpoint.model.to(device).eval()
        self._size = checkpoint.model.config.feature_size
        self._check_size()
        self._take(open_index(checkpoint, gifs, device))
        self._sample = sample_of(len(gifs.names))

    def _take(self, index: SearchIndex) -> None:
        self.index = index
        self._usable = [place for place, length in enumerate(index.lengths) if length]

    def _check_size(self) -> None:
        """Report features of another size once, if the first files have it, not for every file."""
        found = None
        for place in range(min(_FIRST_FILES, len(self._gifs.names))):
            try:
                found = read_features(self._gifs.features_path(place)).shape[1]
            except FeatureError:  # reported when all are read
                continue
            if found == self._size:
                return
        if found is not None:
            raise FeatureError(
                f"{self._gifs.folder}: has {found} features a frame, the model needs {self._size}"
            )

    def find(
        self,
        query: Query,
        paths: GifPaths,
        *,
        top: int = 10,
        exact: bool = False,
        with_words: bool = False,
    ) -> SearchResult:
        """The GIFs that a query describes best; the arguments are those of `search_by_words`.

        A damaged file of encoded GIFs is made again; the other methods raise `DamagedIndexError`.
        """
        find = partial(self._find, query, paths, top=top, exact=exact, with_words=with_words)
        try:
            return find()
        except DamagedIndexError:
            pass  # Windows replaces no file that the traceback keeps mapped
        self._take(open_index(self._checkpoint, self._gifs, self._device, renew=True))
        return find()

    def _find(
        self, query: Query, paths: GifPaths, *, top: int, exact: bool, with_words: bool
    ) -> SearchResult:
        num_exact = len(self._usable) if exact else max(SHORTLIST_SIZE, 2 * top)
        candidates = self.shortlist(query, num_exact)
        scores = rounded(self.scores(query, candidates))
        names = [self._gifs.names[place] for place in candidates]
        best = [candidates[place] for place in ranked(scores, names, top)]
        score_of = dict(zip(candidates, scores, strict=True))
        words = self.words(query, best) if with_words else [()] * len(best)
        notes = [
            *query.notes(),
            *tie_notes(scores, top, are_all=len(candidates) == len(self._usable)),
            *paths.change_notes(best),
        ]
        if len(self._usable) == 1:
            notes.append(
                "there is no other GIF to compare with: the score is the log-probability alone"
            )
        if self._checkpoint.training.objective == "reconstruction":
            notes.append(REPEATS_ITS_INPUT)
        recipe = self._gifs.recipe or self._checkpoint.recipe
        if (warning := untrained_warning(recipe)) is not None:
            notes.append(warning)
        if self._gifs.recipe is None and self._checkpoint.recipe is not None:
            notes.append(missing_recipe_warning(self._gifs.folder))
        if self.index.note is not None:
            notes.append(self.index.note)
        hits = tuple(
            SearchHit(
                rank=rank,
                path=paths.path(place),
                score=score_of[place],
                words=of_gif,
                sampled_frames=self._sampled_frames(place),
            )
            for rank, (place, of_gif) in enumerate(zip(best, words, strict=True), start=1)
        )
        problems = problems_of(self.index, self._gifs, self._size)
        if hits and hits[0].score <= 0 and len(self._usable) > 1:
            notes.append("no GIF makes these words likelier than the mean of the other GIFs does")
        return SearchResult(
            kind="words",
            hits=hits,
            num_gifs=len(self._usable),
            notes=tuple(notes),
            problems=tuple(problems),
        )

    def shortlist(self, query: Query, size: int) -> list[int]:
        """The GIFs whose greedy captions make the tokens of the query likeliest, in their order.

        The sum over the tokens of log p(token somewhere in the caption | GIF).
        """
        if len(self._usable) <= size:
            return self._usable
        rows = self.index.rows("word_log_probs", query.tokens)
        total = torch.stack(rows).float().sum(dim=0)
        total = total[torch.tensor(self._usable)]
        best = total.argsort(descending=True, stable=True)[:size].sort().values
        return [self._usable[place] for place in best.tolist()]

    def scores(self, query: Query, indices: Sequence[int]) -> list[float]:
        """The exact scores of some GIFs."""
        found: list[float] = []
        with wait_for("scoring", unit="GIFs") as advance:
            for first in range(0, len(indices), _BATCH_GIFS):
                batch = indices[first : first + _BATCH_GIFS]
                found += self._likelihoods(query, self.index.memory(batch)).per_token[:, 0].tolist()
                advance(len(found), len(indices))
        if len(self._usable) == 1:
            return found
        baselines = self._baselines(query, [place for place in indices if place in self._sample])
        return [
            score - baselines.get(place, baselines[None])
            for place, score in zip(indices, found, strict=True)
        ]

    def words(self, query: Query, indices: Sequence[int]) -> list[tuple[Word, ...]]:
        """For each GIF the words of the query, with their weights over its frames."""
        if not indices:
            return []
        found = self._likelihoods(query, self.index.memory(indices))
        return [
            self._words_of(query, found, row, self.index.lengths[place])
            for row, place in enumerate(indices)
        ]

    def _words_of(
        self, query: Query, found: Likelihoods, row: int, num_frames: int
    ) -> tuple[Word, ...]:
        words = []
        for word, places in self._checkpoint.tokenizer.words(query.tokens):
            log_prob = float(found.log_probs[row, 0, places].sum())
            weights = None
            if found.weights is not None:
                mean: Tensor = found.weights[row, 0, places, :num_frames].mean(dim=0)
                weights = tuple(mean.tolist())
            words.append(Word(word, log_prob, weights))
        return tuple(words)

    def _baselines(self, query: Query, sampled: Sequence[int]) -> dict[int | None, float]:
        """The log-probability per token for the mean GIF (key None), and without each of some.

        Args:
            query: the query.
            sampled: indices of GIFs that the mean contains.
        """
        sums = self.index.sample_sums()
        means = [sums.mean()]
        for place in sampled:
            own = read_features(self._gifs.features_path(place), self._size)
            means.append(sums.without_gif(own).mean())
        found: list[float] = []
        for first in range(0, len(means), _BATCH_GIFS):
            padded, lengths = pad_features(means[first : first + _BATCH_GIFS])
            with exact_float32(self._device), torch.inference_mode():
                memory = self._checkpoint.model.encode(padded.to(self._device), lengths)
            found += self._likelihoods(query, memory).per_token[:, 0].tolist()
        return dict(zip([None, *sampled], found, strict=True))

    def _likelihoods(self, query: Query, memory: Memory) -> Likelihoods:
        here = memory.to(self._device)
        with exact_float32(self._device):
            return likelihoods(
                self._checkpoint.model,
                here,
                [query.tokens],
                start_id=self._checkpoint.tokenizer.start_id,
            )

    def _sampled_frames(self, place: int) -> tuple[int, ...]:
        entry = self._gifs.entries.get(self._gifs.names[place])
        return () if entry is None else entry.sampled_frames or ()
