import json
import os
import random
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from gifdesc.errors import MeteorError
from gifdesc.metrics import ScoreTable, tokenize_examples
from gifdesc.metrics.meteor import meteor, running_meteor
from gifdesc.metrics.meteor_process import meteor_command
from gifdesc.system.waits import showing_waits

SHARED_DIR = Path(__file__).parents[3] / "shared" / "metrics"
COUNTS = "3 3 1 1 2 2 1 1 0 0 0 0 0 0 0 0 0 0 0 0 1 3 3"
"""METEOR's counts for 3 words, one of them a function word, that equal the reference."""


def read_lines(name):
    text = (SHARED_DIR / name).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.split("\n") if line]


@pytest.fixture(scope="module")
def real_meteor():
    """METEOR 1.5 itself."""
    try:
        meteor_command()
    except MeteorError as error:
        pytest.skip(f"METEOR is not compared with the toolkit's: {error}")
    with running_meteor() as metric:
        yield metric


@pytest.fixture(scope="module")
def toolkit():
    if not SHARED_DIR.is_dir():
        pytest.skip(f"{SHARED_DIR} is not here: the toolkit's own METEOR is not compared")
    references = {row["id"]: row["captions"] for row in read_lines("references.jsonl")}
    rows = [(r["id"], r["caption"], references[r["id"]]) for r in read_lines("predictions.jsonl")]
    return rows, json.loads((SHARED_DIR / "expected.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("subset", "prefix"), [("all", ""), ("plain", "p")])
def test_meteor_is_the_toolkits(real_meteor, toolkit, subset, prefix):
    rows, expected = toolkit
    ids, hypotheses, references = zip(*(r for r in rows if r[0].startswith(prefix)), strict=True)
    table = ScoreTable.of(tokenize_examples(hypotheses, references), [real_meteor])
    assert table.corpus()["meteor"] == pytest.approx(
        expected["metrics"][subset]["METEOR"], abs=1e-6
    )
    for name, scores in zip(ids, table.examples(), strict=True):
        assert scores["meteor"] == pytest.approx(expected["per_id"][name]["METEOR"], abs=1e-6)


def test_captions_of_any_kind_get_a_meteor(real_meteor):
    words = ["a", "dog", "runs", "to", "red", "balls", "and", "sits"]
    long = " ".join(random.Random(0).choices(words, k=2500))
    pairs = [
        ("", "a dog"),
        ("a dog", "..."),
        ("a ||| b", "a ||| b"),
        ("كلب يركض", "كلب يركض"),
        ("a dog \ud800 runs \U0001f436", "a dog runs"),
        ("<b>a dog</b>", "a dog"),
        ("a dog\rruns\x0bfast", "a dog runs fast"),
        ("a dog runs", long),
    ]
    hypotheses, references = [one for one, _ in pairs], [[other] for _, other in pairs]
    table = ScoreTable.of(tokenize_examples(hypotheses, references), [real_meteor])
    scores = [one["meteor"] for one in table.examples()]
    assert scores[:2] == [0, 0]
    assert scores[2] == scores[3] == scores[6] == pytest.approx(1)
    assert all(0 <= score <= 1 for score in scores)


def test_a_whole_match_has_no_fragments_and_counts_are_summed():
    # One caption of 3 words as its reference says it, one with 1 content word of 4 in common.
    whole = (1.75, 1.75, 1.75, 1.75, 3, 3, 0)
    partly = (0.75, 0.75, 3.0, 3.0, 1, 1, 1)
    assert meteor(whole, 1) == pytest.approx((1.0,))
    assert meteor(partly, 1) == pytest.approx((0.25 * (1 - 0.6),))
    share = 2.5 / 4.75
    both = tuple(map(sum, zip(whole, partly, strict=True)))
    assert meteor(both, 2) == pytest.approx((share * (1 - 0.6 * (1 / 4) ** 0.2),))
    assert meteor((0.0,) * 7, 1) == (0.0,)


# From here on Java is a small program of ours.


@pytest.fixture
def use_java(tmp_path, monkeypatch):
    """Puts a Python program on the path as `java`, and looks for no jar."""
    if os.name != "posix":
        pytest.skip("the stand-in for Java is a POSIX script")
    monkeypatch.setattr("gifdesc.metrics.meteor_process._find_jar", lambda: tmp_path / "meteor.jar")
    monkeypatch.setattr("gifdesc.metrics.meteor.START_TIMEOUT_SECONDS", 20.0)
    monkeypatch.setattr("gifdesc.metrics.meteor.REPLY_TIMEOUT_SECONDS", 20.0)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)

    def install(source):
        path = tmp_path / "java"
        path.write_text(f"#!{sys.executable}\nimport sys, time\n{source}\n", encoding="utf-8")
        path.chmod(0o755)

    return install


def score_one(times=1):
    with running_meteor() as metric:
        examples = tokenize_examples(["a dog runs"] * times, [["a dog runs"]] * times)
        return ScoreTable.of(examples, [metric]).corpus()["meteor"]


ANSWERS = f"""
for line in sys.stdin:
    fields = line.split("|||")
    if fields[0] == "EVAL ":
        print(*["1.0"] * len(fields), sep="\\n", flush=True)
    else:
        print("{COUNTS}", flush=True)
"""


def test_the_protocol(use_java):
    use_java(ANSWERS)
    assert score_one(times=1200) == pytest.approx(1)


def test_the_start_of_java_is_announced(use_java):
    use_java(ANSWERS)
    found = []

    @contextmanager
    def display(wait):
        found.append((wait.text, wait.is_long))
        yield lambda _num_done, _total: None

    with showing_waits(display):
        score_one()
    assert found == [("starting METEOR (Java)", True)]


def test_java_is_started_for_english_numbers(use_java, tmp_path):
    use_java(f"open({str(tmp_path / 'seen')!r}, 'w').write(' '.join(sys.argv[1:]))\n{ANSWERS}")
    score_one()
    seen = (tmp_path / "seen").read_text()
    for option in ("-Duser.language=en", "-Duser.country=US", "-Dfile.encoding=UTF-8", "-stdio"):
        assert option in seen


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("sys.exit(3)", "ended with code 3"),
        ("sys.exit('Error: no memory')", "ended with code 1: Error: no memory"),
        (f"print('{COUNTS}', flush=True); sys.exit('broke')", "ended with code 1: broke"),
        ("print('hello')", "gave no METEOR counts but 'hello'"),
        ("while True: print('rubbish')", "gave no METEOR counts but 'rubbish'"),
        ("print('1 2 3')", "gave no METEOR counts but '1 2 3'"),
        ("print('1,0 ' * 23)", "gave no METEOR counts but '1,0 1,0"),
        ("sys.stdout.buffer.write(bytes(range(128, 256)) + b'\\n')", "gave no METEOR counts"),
        ("while True: sys.stdout.write('x' * 9999)", "gave no METEOR counts but 'xxxx"),
        (ANSWERS.replace("1.0", "0.5"), "another METEOR than 1.5: '0.5', not 1.000000"),
        (ANSWERS.replace("1.0", "none"), "another METEOR than 1.5: 'none'"),
    ],
)
def test_a_java_that_fails_is_a_reason(use_java, source, reason):
    use_java(source)
    with pytest.raises(MeteorError) as caught:
        score_one()
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    "source",
    [
        "time.sleep(600)",
        f"sys.stdin.readline(); print('{COUNTS}', flush=True); time.sleep(600)",
        # What it starts holds on to the pipes when it is gone itself.
        "import subprocess; subprocess.run([sys.executable, '-c', 'import time; time.sleep(600)'])",
    ],
)
def test_a_java_that_hangs_is_given_up(use_java, monkeypatch, source):
    use_java(source)
    monkeypatch.setattr("gifdesc.metrics.meteor.START_TIMEOUT_SECONDS", 2.0)
    monkeypatch.setattr("gifdesc.metrics.meteor.REPLY_TIMEOUT_SECONDS", 0.5)
    with pytest.raises(MeteorError, match="gave no answer for"):
        score_one(times=5000)  # more than a pipe holds


def test_a_java_that_is_no_program_is_a_reason(use_java, tmp_path):
    use_java("")
    (tmp_path / "java").write_bytes(b"\x7fELF damage")
    with pytest.raises(MeteorError, match="java cannot be started: "):
        score_one()
