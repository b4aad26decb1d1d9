"""The page of a search: the GIFs found, and the frames that each word of the query attended to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from gifdesc.captions import Caption
from gifdesc.pages.attention import LEAST_WEIGHT, greatest_weight
from gifdesc.pages.explanation import MAX_ON_PAGE, ExplainedCaption, counted_off, with_strips
from gifdesc.pages.html import WrittenPage, check_page_name, write_page
from gifdesc.search.results import SearchKind, SearchResult

_MEANINGS: dict[SearchKind, str] = {
    "words": "The number is the score: how much likelier the model finds the words with this GIF "
    "than with the mean of other GIFs, as the difference of log-probabilities per token.",
    "like": "The number is the score: the cosine of the angle between the standardised features.",
    "captions": "The number is the BM25 score of the caption.",
}


def write_search_page(
    result: SearchResult,
    path: Path,
    *,
    query: str,
    on_gif: Callable[[int, int], None] | None = None,
) -> WrittenPage:
    """Write the page: one file that opens offline.

    Args:
        result: the GIFs found; at most `MAX_ON_PAGE` are shown.
        path: of the page.
        query: the words, or the GIF, that was asked for.
        on_gif: called after each GIF, with the number of GIFs read and their total.

    Raises:
        UsageError: the path has another ending than a page.
        GifdescError: the page cannot be written.
    """
    check_page_name(path)
    shown = [
        Caption(
            path=hit.path,
            caption=hit.caption,
            score=hit.score,
            words=hit.words,
            sampled_frames=hit.sampled_frames,
        )
        for hit in result.hits[:MAX_ON_PAGE]
    ]
    compared = None
    if result.query_path is not None:
        given = Caption(path=result.query_path)
        [compared] = with_strips([given], lambda caption: Path(caption.path))
    attends = any(word.frame_weights for caption in shown for word in caption.words)
    num_without_frames = int(compared is not None and not compared.strips)

    def explained() -> Iterator[ExplainedCaption]:
        nonlocal num_without_frames
        items = with_strips(shown, lambda caption: Path(caption.path))
        for item in counted_off(items, len(shown), on_gif):
            num_without_frames += not item.strips
            yield item

    write_page(
        path,
        "search.html.j2",
        {
            "title": f"GIFs like {query}" if result.kind == "like" else f"GIFs found: {query}",
            "skip_to": "captions",
            "skip_name": "GIFs",
            "noun": "GIF",
            "missing_caption": "",
            "compared": compared,
            "explained": explained(),
            "num_shown": len(shown),
            "num_captions": len(shown),
            "num_gifs": result.num_gifs,
            "notes": result.notes,
            "meaning": _MEANINGS[result.kind],
            "signed_scores": result.kind == "words",
            "greatest": greatest_weight(caption.words for caption in shown) if attends else None,
            "least": LEAST_WEIGHT,
        },
    )
    return WrittenPage(len(shown), num_without_frames)
