import json

from gifdesc.captions import Caption, GeneratedCaption, Word

WORDS = (
    Word("a", -0.12345678, (0.3333333333, 0.6666666667)),
    Word("dog", -0.5, None),
)
WHOLE = Caption(
    "a.gif",
    caption="a dog",
    score=-0.31172839,
    low_confidence=False,
    alternatives=(GeneratedCaption("a dog", -0.31172839, WORDS),),
    num_frames=4,
    duration_ms=400,
    sampled_frames=(0, 2),
    sampled_times_ms=(0, 200),
    words=WORDS,
)


def test_a_caption_is_one_json_object_of_numbers_with_six_decimals():
    row = WHOLE.to_json()
    assert json.loads(json.dumps(row, allow_nan=False)) == row
    assert row == {
        "path": "a.gif",
        "caption": "a dog",
        "score": -0.311728,
        "low_confidence": False,
        "alternatives": [{"caption": "a dog", "score": -0.311728}],
        "num_frames": 4,
        "duration_ms": 400,
        "sampled_frames": [0, 2],
        "sampled_times_ms": [0, 200],
        "words": [
            {
                "word": "a",
                "log_prob": -0.123457,
                "time_ms": None,
                "frame_weights": [0.333333, 0.666667],
            },
            {"word": "dog", "log_prob": -0.5, "time_ms": None, "frame_weights": None},
        ],
    }


def test_what_failed_has_a_path_and_an_error_alone():
    assert Caption("b.gif", error="not a GIF").to_json() == {"path": "b.gif", "error": "not a GIF"}


def test_a_note_is_there_only_where_there_is_one():
    assert "note" not in WHOLE.to_json()
    assert Caption("c.gif", caption="", note="cut off").to_json()["note"] == "cut off"
