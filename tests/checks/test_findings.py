import json
from pathlib import Path
from typing import get_args

from gifdesc.checks.findings import (
    DESCRIPTION_KINDS,
    GIF_KINDS,
    KINDS,
    DescriptionKind,
    Finding,
    GifKind,
)


def test_every_kind_has_a_line_of_help_in_order():
    assert tuple(KINDS) == (*GIF_KINDS, *DESCRIPTION_KINDS)
    assert set(KINDS) == {*get_args(GifKind), *get_args(DescriptionKind)}
    assert all(text and "\n" not in text for text in KINDS.values())


def test_a_finding_is_a_json_object():
    one = Finding(path=Path("cats/a.gif"), kind="still", detail="one frame")
    wanted = {"path": str(Path("cats/a.gif")), "kind": "still", "detail": "one frame"}
    assert json.loads(json.dumps(one.to_json())) == wanted
