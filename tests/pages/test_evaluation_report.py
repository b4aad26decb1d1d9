import datetime
import re
from dataclasses import replace

import pytest

from gif_files import draw_gif
from gifdesc.captions import Word
from gifdesc.cli.evaluation_files import EvaluationFiles
from gifdesc.config import TrainingConfig, to_json
from gifdesc.data.manifest import Manifest, ManifestEntry
from gifdesc.errors import GifdescError, UsageError
from gifdesc.evaluation.bootstrap import Difference
from gifdesc.evaluation.evaluate import ModelSide, evaluate_captions, evaluate_predictions
from gifdesc.evaluation.results import Captioned
from gifdesc.metrics.scoring import main_metric
from gifdesc.pages.described_gifs import DescribedGifs
from gifdesc.pages.evaluation import EvaluationReport, page_content
from gifdesc.pages.examples import ExamplesPicture
from gifdesc.pages.summary import (
    Subject,
    facts_of,
    figures_of,
    notes_of,
    origin_of,
    title_of,
    warnings_of,
)
from gifdesc.system.files import sha256_of, write_json
from worlds import tiny_recipe

PEOPLE = {"cats/a": ["a red ball grows"], "b": ["a blue cross", "a cross"], "c": ["it moves"]}
SAID = {"cats/a": "a red ball grows", "b": "a red ball", "c": ""}
FILE = Subject(name="mine.jsonl")


def evaluated(**more):
    return evaluate_predictions(SAID, PEOPLE, **more)


def spoken(weights=(0.75, 0.25)):
    """An evaluation by a model whose words looked at frames."""
    captioned = [
        Captioned(
            name=name,
            caption=SAID[name],
            references=tuple(references),
            words=tuple(Word(word, -0.1, weights) for word in SAID[name].split()),
        )
        for name, references in PEOPLE.items()
    ]
    side = ModelSide(
        loss=1.5,
        token_accuracy=0.5,
        notes={"cut_captions": "two were cut"},
        warnings={"weights": "random ones"},
    )
    return evaluate_captions(captioned, model=side)


def content_of(result, subject=FILE):
    return page_content(result, subject, main_metric(result.num_examples))


def notes_in(result, subject=FILE):
    return " ".join(notes_of(result, subject))


def test_another_system_is_compared_and_a_sentence():
    result = evaluated(against=dict.fromkeys(PEOPLE, "a cross"))
    subject = Subject(name="mine.jsonl", against="theirs")
    others = content_of(result, subject)["others"]
    assert list(others) == ["blind", "theirs"]
    assert others["theirs"]["bleu_1"] == result.against["bleu_1"].score
    assert "Difference to theirs: " in notes_in(result, subject)


def test_a_difference_has_its_probability():
    found = {
        "bleu_1": Difference(0.2, 0.1, (0.05, 0.15), 0.01),
        "rouge_l": Difference(0.2, -0.02, (-0.1, 0.1), 0.4),
        "cider": Difference(0.2, 0.3, (0.1, 0.5), 0.049),
    }
    clear = dict.fromkeys(found, found["cider"])
    for against, sentence in (
        (found, "BLEU-1 +0.100, CIDEr +0.300: hardly by chance (p < 0.05); "),
        (clear, "BLEU-1 +0.300, ROUGE-L +0.300, CIDEr +0.300: hardly by chance (p < 0.05)."),
    ):
        result = replace(evaluated(), against=against)
        assert f"Difference to the other system: {sentence}" in notes_in(result)
    assert "ROUGE-L -0.020: may be chance." in notes_in(replace(evaluated(), against=found))


def test_few_gifs_are_sorted_by_a_score_that_means_something():
    assert content_of(evaluated())["sort_by"] == "rouge_l"
    people = {str(number): ["a ball"] for number in range(40)}
    assert content_of(evaluate_predictions({"1": "a ball"}, people))["sort_by"] == "cider"


def test_warnings_and_notes_are_shown_but_not_what_only_a_model_could_have():
    assert any("CIDEr: means little" in warning for warning in warnings_of(evaluated()))
    assert "needs a model" not in notes_in(evaluated())
    assert "means little" not in notes_in(evaluated())
    assert "cut captions: two were cut." in notes_in(spoken())
    assert "weights: random ones." in warnings_of(spoken())


def scored(cider, blind, nearest=None, **changes):
    """An evaluation of 40 GIFs with these scores."""
    people = {str(number): ["a ball"] for number in range(40)}
    baselines = {
        "blind": None if blind is None else {"cider": blind},
        "nearest": None if nearest is None else {"cider": nearest},
    }
    scores = {"metrics": {"cider": cider}, "intervals": {"cider": (1.25, 3.5)}}
    result = evaluate_predictions({"1": "a ball"}, people)
    return replace(result, **scores, baselines=baselines, **changes)


def test_the_result_is_three_figures_with_sentences():
    score, gain, nearest = figures_of(scored(2.5, 0.5, 1.0), FILE)
    assert (score.value, gain.value, nearest.value) == ("2.50", "+2.00", "+1.50")
    assert (
        score.sentence
        == "CIDEr on 40 GIFs, at best 10; 95\N{NO-BREAK SPACE}% interval 1.25 to 3.50."
    )
    assert gain.sentence == "visual gain: captions of other GIFs (blind) score 0.50."
    assert nearest.sentence.startswith("better than the captions of the most similar training GIFs")
    assert (score.is_good, gain.is_good, nearest.is_good) == (None, True, True)


def test_a_figure_admits_that_a_baseline_is_better():
    _, gain, nearest = figures_of(scored(0.5, 0.5, 1.0), FILE)
    assert (gain.value, gain.is_good) == ("+0.00", False)
    assert "nothing shows that the GIF matters" in gain.sentence
    assert (nearest.value, nearest.is_good) == ("-0.50", False)
    assert nearest.sentence.startswith("worse than the captions")


def test_only_known_figures_are_shown():
    assert [figure.value for figure in figures_of(scored(2.5, None), FILE)] == ["2.50"]
    assert figures_of(scored(None, 0.5), FILE) == []
    few = figures_of(evaluated(), FILE)
    assert few[0].sentence.startswith("ROUGE-L on 3 GIFs, at best 1; ")


def test_a_figure_compares_with_the_other_system():
    found = {"cider": Difference(2.0, -0.5, (-0.6, -0.4), 0.01)}
    *_, last = figures_of(scored(1.5, 0.5, against=found), Subject(name="m", against="theirs"))
    assert (last.value, last.is_good) == ("-0.50", False)
    assert last.sentence == "worse than theirs, which scores 2.00: hardly by chance (p = 0.010)."


def test_the_page_states_how_the_scores_were_made(tmp_path):
    subject = Subject(name="m", data="people.jsonl", date=datetime.date(2026, 1, 2))
    assert origin_of(subject, None) == {"references": "people.jsonl", "evaluated": "2026-01-02"}
    training = TrainingConfig(epochs=7, seed=3, preset="mean")
    write_json(tmp_path / "config.json", {"training": to_json(training)})
    origin = origin_of(replace(subject, model_dir=tmp_path), tiny_recipe(num_frames=6))
    assert (origin["model"], origin["seed"]) == ("preset mean, 7 epochs", "3")
    assert "6 frames, sampling uniform, framing" in origin["features"]
    (tmp_path / "config.json").write_text("damaged")
    assert "model" not in origin_of(replace(subject, model_dir=tmp_path), None)


def test_facts_are_what_no_metric_measures():
    facts = facts_of(spoken())
    assert facts["distinct captions"] == "3 of 3"
    assert (facts["loss"], facts["token accuracy"]) == ("1.500", "0.500")
    assert "loss" not in facts_of(evaluated())
    assert title_of(spoken(), Subject(name="model", split="test")) == "model: 3 test GIFs"


def test_a_page_shows_the_scores_of_the_evaluation(tmp_path):
    result = evaluated()
    EvaluationReport(tmp_path / "page.html").write(result, FILE)
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    low, high = result.intervals["rouge_l"]
    row = (
        f'<th scope="row">ROUGE-L</th><td><strong>{result.metrics["rouge_l"]:.3f}</strong></td>'
        f"<td>{low:.3f} to {high:.3f}</td><td>{result.blind['rouge_l']:.3f}</td>"
        f"<td>{result.visual_gain['rouge_l']:+.3f}</td>"
    )
    assert row in text.replace("\n", "")
    assert '<th scope="row">exact match</th><td><strong>0.333</strong></td>' in text
    assert '<th scope="row">METEOR</th><td><strong>\u2013</strong></td>' in text
    assert '<p class="note">METEOR: not asked for</p>' in text


@pytest.mark.parametrize(("is_known", "has_weights"), [(True, True), (False, True), (False, False)])
def test_words_are_shown_only_where_their_frames_are_known(tmp_path, is_known, has_weights):
    for name in PEOPLE:
        draw_gif(tmp_path / "gifs" / f"{name}.gif", 2)
    features_dir = tmp_path / "features"
    features_dir.mkdir()
    if is_known:
        write_json(features_dir / "recipe.json", to_json(tiny_recipe(num_frames=2)))
    subject = Subject(name="model", features_dir=features_dir)
    result = spoken() if has_weights else evaluated()
    report = EvaluationReport(tmp_path / "page.html", tmp_path / "gifs")
    report.write(result, subject)
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    words = re.findall(r"data-weights=.*?>(\w+)</button>", text)
    assert words == (["a", "red", "ball", "a", "red", "ball", "grows"] if is_known else [])
    note = "the sampled frames of the features are not recorded"
    assert (note in text) == (has_weights and not is_known)


def test_a_page_without_gifs_names_the_option(tmp_path):
    EvaluationReport(tmp_path / "page.html").write(spoken(), FILE)
    assert "their folder was not named (--gifs)" in (tmp_path / "page.html").read_text()


@pytest.fixture
def features_dir(tmp_path):
    folder = tmp_path / "features"
    folder.mkdir()
    return folder


def test_frames_are_the_manifests_then_the_recipes(features_dir):
    assert DescribedGifs(features_dir).frames("cats/a") is None
    assert DescribedGifs(None).frames("cats/a") is None
    manifest = Manifest(features_dir)
    manifest.add(ManifestEntry(source="cats/a.gif", status="ok", sampled_frames=(1, 3)))
    manifest.add(ManifestEntry(source="b.gif", status="failed", error="not a GIF"))
    assert DescribedGifs(features_dir).frames("cats/a") == (1, 3)
    assert DescribedGifs(features_dir).frames("b") is None
    write_json(features_dir / "recipe.json", to_json(tiny_recipe(num_frames=2)))
    assert DescribedGifs(features_dir).frames("cats/a") == (1, 3)
    assert DescribedGifs(features_dir).frames("b")([100] * 8) == [2, 6]


def test_gifs_of_another_content_than_the_captions_are_reported(features_dir, tmp_path):
    for name in ("cats/a", "b"):
        path = draw_gif(tmp_path / "gifs" / f"{name}.gif", 4)
        entry = ManifestEntry(source=f"{name}.gif", status="ok", sha256=sha256_of(path))
        Manifest(features_dir).add(entry)
    subject = Subject(name="model", split="test", features_dir=features_dir, data="d")
    result = spoken()
    report = EvaluationReport(tmp_path / "page.html", tmp_path / "gifs")
    picture = ExamplesPicture(tmp_path / "page.png", tmp_path / "gifs")
    assert report.write(result, subject).changed == ()
    assert picture.write(result, features_dir).changed == ()
    draw_gif(tmp_path / "gifs" / "cats" / "a.gif", 3)
    assert report.write(result, subject).changed == ("cats/a",)
    assert picture.write(result, features_dir).changed == ("cats/a",)
    note = "changed since `gifdesc extract` read it, so the captions are of older content"
    assert f"cats/a: {note}." in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_a_changed_gif_of_page_and_picture_is_reported_once(features_dir, tmp_path, capsys):
    path = draw_gif(tmp_path / "gifs" / "b.gif", 4)
    entry = ManifestEntry(source="b.gif", status="ok", sha256=sha256_of(path))
    Manifest(features_dir).add(entry)
    draw_gif(path, 3)
    files = EvaluationFiles(
        per_example=None,
        html=tmp_path / "page.html",
        picture=tmp_path / "page.png",
        gifs=tmp_path / "gifs",
    )
    files.write(spoken(), Subject(name="model", split="test", features_dir=features_dir, data="d"))
    assert capsys.readouterr().err.count("b: changed since `gifdesc extract` read it") == 1


def test_gifs_are_read_from_the_default_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "report.html"
    assert not EvaluationReport(path).shows_gifs
    draw_gif(tmp_path / "gifs" / "cats" / "a.gif", 3)
    report = EvaluationReport(path)
    assert report.shows_gifs
    seen = []
    written = report.write(evaluated(), FILE, lambda *numbers: seen.append(numbers))
    assert (written.num_shown, written.num_without_frames) == (3, 2)
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert path.read_text(encoding="utf-8").count("data:image/webp") == 1


def test_wrong_names_are_reported_before_any_work(tmp_path):
    with pytest.raises(UsageError, match="a folder; give the name of a file in it"):
        EvaluationReport(tmp_path)
    with pytest.raises(GifdescError, match="no such folder; name the GIFs' folder"):
        EvaluationReport(tmp_path / "report.html", tmp_path / "gifs")
    assert list(tmp_path.iterdir()) == []


def test_an_unwritable_page_is_reported_before_gifs_are_read(tmp_path):
    draw_gif(tmp_path / "gifs" / "b.gif", 3)
    (tmp_path / "file").touch()
    report = EvaluationReport(tmp_path / "file" / "report.html", tmp_path / "gifs")
    seen = []
    with pytest.raises(GifdescError, match=r"report.html: cannot be written: "):
        report.write(evaluated(), FILE, lambda *numbers: seen.append(numbers))
    assert seen == []


@pytest.mark.parametrize("name", ["report.txt", "report", "report.html.gz"])
def test_a_page_has_the_ending_of_a_page(name, tmp_path):
    with pytest.raises(UsageError, match=r"a page is a \.html file"):
        EvaluationReport(tmp_path / name)
