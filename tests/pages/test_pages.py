import base64
import hashlib
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from markupsafe import Markup

from gifdesc.errors import GifdescError
from gifdesc.metrics.scoring import metric_label
from gifdesc.pages.html import data_uri, replace_unprintable, write_page
from gifdesc.pages.style import DARK, LIGHT, baseline_label
from worlds import process_environment

ROOT = Path(__file__).parents[2]


def luminance(colour):
    """Relative luminance, WCAG 2.2, of `#rrggbb`."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("theme", [LIGHT, DARK])
@pytest.mark.parametrize("ink", ["ink", "pale_ink", "accent", "second", "third", "right", "wrong"])
@pytest.mark.parametrize("ground", ["paper", "card"])
def test_every_ink_can_be_read_on_its_ground(theme, ink, ground):
    bright, dark = sorted(
        (luminance(getattr(theme, ink)), luminance(getattr(theme, ground))), reverse=True
    )
    assert (bright + 0.05) / (dark + 0.05) >= 4.5


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("plain", "plain"),
        ("one\ttwo\nthree", "one\ttwo\nthree"),
        ("nul\x00 escape\x1b c1\x85 half\ud800", "nul\ufffd escape\ufffd c1\ufffd half\ufffd"),
        ("emoji \N{PARTY POPPER}", "emoji \N{PARTY POPPER}"),
        (7, 7),
        (Markup("<b>"), Markup("<b>")),
    ],
)
def test_characters_that_html_forbids_are_replaced(value, shown):
    assert replace_unprintable(value) == shown


def test_a_picture_inside_a_page_is_its_bytes():
    uri = data_uri(b"\x00\xff<", "image/webp")
    kind, encoded = uri.split(",")
    assert kind == "data:image/webp;base64"
    assert base64.b64decode(encoded) == b"\x00\xff<"


SCALE = {"least": 0.005, "greatest": 1.0}


def empty_page(path):
    content = {
        "title": "A <title>",
        "skip_to": "captions",
        "num_shown": 0,
        "num_captions": 0,
        **SCALE,
    }
    write_page(path, "explanation.html.j2", {"explained": [], **content})
    return path


def test_a_page_allows_its_own_script_and_nothing_else(tmp_path):
    text = empty_page(tmp_path / "page.html").read_text(encoding="utf-8")
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy.startswith("default-src 'none'; ")
    assert f"script-src 'sha256-{digest}'" in policy
    assert re.findall(r"https?://|@import|url\(", text) == []
    assert "<title>A &lt;title&gt;</title>" in text


def test_a_page_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(GifdescError, match="cannot be written: "):
        empty_page(tmp_path / "file" / "page.html")


def test_a_page_that_fails_midway_leaves_nothing(tmp_path):
    def explained():
        raise LookupError
        yield

    content = {"title": "", "skip_to": "captions", "num_shown": 1, "num_captions": 1, **SCALE}
    with pytest.raises(LookupError):
        write_page(
            tmp_path / "p.html", "explanation.html.j2", {"explained": explained(), **content}
        )
    assert list(tmp_path.iterdir()) == []


def test_names_of_scores_are_for_people():
    names = ["bleu_4", "rouge_l", "cider", "exact_match", "my_own"]
    assert list(map(metric_label, names)) == ["BLEU-4", "ROUGE-L", "CIDEr", "exact match", "my own"]
    assert baseline_label("most_common") == baseline_label("most-common") == "most common caption"
    assert baseline_label("their_system") == "their_system"


def test_the_templates_are_in_the_wheel(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path, ROOT],
        capture_output=True,
        text=True,
        env=process_environment(),
        check=False,
    )
    if done.returncode and "hatchling" in done.stdout + done.stderr:
        pytest.skip("hatchling, which builds the wheel, is not installed")
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    folder = ROOT / "src" / "gifdesc" / "pages" / "templates"
    assert {f"gifdesc/pages/templates/{path.name}" for path in folder.iterdir()} <= names
