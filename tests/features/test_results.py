from pathlib import Path

from gifdesc.data.manifest import ManifestEntry
from gifdesc.features.results import ExtractionEvent, ExtractionSummary


def event(status, *, skipped=False, **fields):
    taken = fields.pop("taken", None)
    entry = ManifestEntry(source="cats/a.gif", status=status, **fields)
    return ExtractionEvent(entry, Path("a.gif"), "a.gif", skipped, taken)


def test_a_summary_counts_inputs_by_what_became_of_them():
    summary = ExtractionSummary()
    summary.add(event("ok", sampled_frames=(0, 1)))
    summary.add(event("ok", sampled_frames=(0, 1), skipped=True))
    summary.add(event("truncated", sampled_frames=(0,), error="cut off"))
    summary.add(event("failed", error="not a GIF"))
    summary.add(event("failed", error="not a GIF", skipped=True))
    summary.add_failure("gone.gif", "no such file or folder")
    assert (summary.num_done, summary.num_frames) == (6, 3)
    assert summary.to_json(Path("features")) == {
        "ok": 1,
        "truncated": 1,
        "skipped": 1,
        "failed": 3,
        "output": "features",
        "failures": [
            {"path": "a.gif", "error": "not a GIF"},
            {"path": "a.gif", "error": "not a GIF"},
            {"path": "gone.gif", "error": "no such file or folder"},
        ],
    }


def test_names_that_another_gif_has_already_are_kept():
    summary = ExtractionSummary()
    summary.add(event("ok", taken="a.gif"))
    summary.add(event("ok"))
    assert summary.long_names == ["cats/a.gif"]


def test_only_gifs_that_were_read_now_have_a_note():
    assert event("truncated", error="cut off").note == "cut off"
    assert event("ok", note="a PNG").note == "a PNG"
    assert event("ok", note="a PNG", skipped=True).note is None
    assert event("failed", error="not a GIF").note is None
