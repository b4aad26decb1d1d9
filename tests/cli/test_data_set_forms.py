"""A file of every form of a data set trains a model and is scored, through the command line."""

import json
import re

import pytest

from caption_forms import CAPTIONS, FILES, TEXTS
from worlds import run_here, write_world

TRAIN = ("--epochs", 1, "--hidden-size", 8, "--batch-size", 8, "--json")


def world_of(file, folder):
    """Features of the GIFs of a file."""
    captions = {name: texts[0] for name, texts in zip(file.gifs, TEXTS, strict=True)}
    return write_world(folder / "world", captions)


@pytest.mark.parametrize("form", FILES)
def test_a_file_of_a_data_set_trains_and_scores(tmp_path, form):
    file = FILES[form]()
    world, model_dir = world_of(file, tmp_path), tmp_path / "model"
    options = ["--features", world.features_dir, "--descriptions", file.write(tmp_path)]
    options += ["--model", model_dir]
    done = run_here("train", *options, *TRAIN)
    assert done.code == 0, done.err
    summary = json.loads(done.out)
    assert sum(summary["num_examples"].values()) == len(CAPTIONS)
    assert (summary["without_description"], summary["without_features"]) == (0, 0)
    if file.has_splits:
        assert summary["num_examples"] == {"train": 4, "val": 1, "test": 1}
    done = run_here("evaluate", *options, "--beam", 1, "--max-length", 4, "--no-meteor", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["num_examples"] == summary["num_examples"]["test"]


@pytest.mark.parametrize("name", ["metadata.csv", "metadata.jsonl"])
def test_a_hugging_face_folder_trains_and_scores_with_its_splits(tmp_path, name):
    folders = ("train", "train", "train", "train", "validation", "test")
    rows: dict[str, list[dict[str, str]]] = {}
    captions = {}
    for index, (folder, texts) in enumerate(zip(folders, TEXTS, strict=True)):
        rows.setdefault(folder, []).append({"file_name": f"{index}.gif", "text": texts[0]})
        captions[f"{folder}-{index}"] = texts[0]
    world = write_world(tmp_path / "world", captions)
    for folder, records in rows.items():
        (tmp_path / "gifs" / folder).mkdir(parents=True)
        lines = [json.dumps(record) for record in records]
        if name.endswith("csv"):
            lines = ["file_name,text", *(f'{one["file_name"]},"{one["text"]}"' for one in records)]
        (tmp_path / "gifs" / folder / name).write_text("\n".join(lines))
        (world.features_dir / folder).mkdir()
    for path in list(world.features_dir.glob("*.npy")):
        folder, _, number = path.name.partition("-")
        path.rename(world.features_dir / folder / number)
    options = ["--features", world.features_dir, "--descriptions", tmp_path / "gifs"]
    options += ["--model", tmp_path / "model"]
    done = run_here("train", *options, *TRAIN)
    assert done.code == 0, done.err
    assert json.loads(done.out)["num_examples"] == {"train": 4, "val": 1, "test": 1}
    done = run_here("evaluate", *options, "--beam", 1, "--no-meteor", "--json")
    assert json.loads(done.out)["num_examples"] == 1


def test_tgif_trains_with_its_lists_of_urls(tmp_path):
    file = FILES["tsv"]()
    world = world_of(file, tmp_path)
    urls = list(dict.fromkeys(re.findall(r"^https\S+", file.text, re.MULTILINE)))
    (tmp_path / "splits").mkdir()
    for split, listed in (("train", urls[:3]), ("val", urls[3:4]), ("test", urls[4:])):
        (tmp_path / "splits" / f"{split}.txt").write_text("\n".join(listed))
    options = ["--features", world.features_dir, "--descriptions", file.write(tmp_path)]
    done = run_here(
        "train", *options, *TRAIN, "--splits", tmp_path / "splits", "--model", tmp_path / "model"
    )
    assert json.loads(done.out)["num_examples"] == {"train": 3, "val": 1, "test": 2}


def scores(*arguments):
    done = run_here("evaluate", *arguments, "--no-meteor", "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    return {key: found[key] for key in ("num_examples", "metrics", "intervals", "blind")}


@pytest.mark.parametrize("form", FILES)
def test_references_of_every_form_score_as_gifdescs_own_to_the_last_digit(tmp_path, form):
    file = FILES[form]()
    captions = [texts[:1] if form == "coco-results" else texts for texts in CAPTIONS]
    names = [f"gifs/{name}.gif" for name in file.gifs]
    guesses = ["a red ball", "a ball shrinks", "it grows", "a blue cross", "a grid", "all is still"]
    own, lines = [], []
    for name, texts, guess in zip(names, captions, guesses, strict=True):
        own.append({"id": name, "captions": list(texts)})
        lines.append({"path": name, "caption": guess})
    for name, rows in (("own.jsonl", own), ("guesses.jsonl", lines)):
        (tmp_path / name).write_text("\n".join(map(json.dumps, rows)))
    predictions = ("--predictions", tmp_path / "guesses.jsonl")
    wanted = scores(*predictions, "--references", tmp_path / "own.jsonl")
    assert scores(*predictions, "--references", file.write(tmp_path)) == wanted
    assert wanted["metrics"]["cider"] > 0


def test_coco_results_are_scored_by_the_ids_of_the_images(tmp_path):
    """The file of each image is called like the id of the other."""
    images = [{"id": 1, "file_name": "2.jpg"}, {"id": 2, "file_name": "1.jpg"}]
    annotations = [
        {"image_id": 1, "id": 8, "caption": "a cat jumps over a wall"},
        {"image_id": 2, "id": 9, "caption": "a man reads the news"},
    ]
    results = [{key: row[key] for key in ("image_id", "caption")} for row in annotations]
    documents = {"coco.json": {"images": images, "annotations": annotations}, "r.json": results}
    for name, document in documents.items():
        (tmp_path / name).write_text(json.dumps(document))
    lines = [
        {"path": f"{3 - row['image_id']}.jpg", "caption": row["caption"]} for row in annotations
    ]
    (tmp_path / "own.jsonl").write_text("\n".join(map(json.dumps, lines)))
    references = ("--references", tmp_path / "coco.json")
    for name in ("r.json", "own.jsonl"):
        found = scores("--predictions", tmp_path / name, *references)
        assert found["metrics"]["bleu_4"] == pytest.approx(1)


def test_split_lists_replace_the_splits_that_a_file_names(tmp_path, caplog):
    file = FILES["msr-vtt"]()
    world = world_of(file, tmp_path)
    (tmp_path / "train.txt").write_text("video0\nvideo1\n")
    (tmp_path / "test.txt").write_text("video2\n")
    options = ["--features", world.features_dir, "--descriptions", file.write(tmp_path)]
    options += ["--model", tmp_path / "model"]
    done = run_here("train", *options, *TRAIN, "--splits", tmp_path)
    assert json.loads(done.out)["num_examples"] == {"train": 2, "val": 0, "test": 1}
    assert run_here("evaluate", *options, "--no-meteor").code == 0
    assert any("other splits than in training" in message for message in caplog.messages)


def test_an_ambiguous_file_is_refused_with_the_option_of_each_command(tmp_path):
    path = tmp_path / "d.txt"
    path.write_text("a.jpg#0\tone ball\nb.jpg\ttwo balls\n")
    world = write_world(tmp_path / "world")
    good = tmp_path / "good.tsv"
    good.write_text("a\tone ball\nb\ttwo balls\n")
    could_be = f"error: {path}: could be lines of name<TAB>sentence (tsv) or Flickr's"
    for option, arguments in {
        "--descriptions-format": (
            "train",
            "--features",
            world.features_dir,
            "--descriptions",
            path,
        ),
        "--predictions-format": ("evaluate", "--predictions", path, "--references", good),
        "--references-format": ("evaluate", "--predictions", good, "--references", path),
    }.items():
        done = run_here(*arguments)
        assert done.code == 1
        assert done.error.startswith(could_be)
        assert done.error.endswith(f"; choose with {option} tsv|flickr")
    for option in ("predictions", "references"):
        paths = {"predictions": good, "references": good, option: path}
        arguments = [word for name, value in paths.items() for word in (f"--{name}", value)]
        done = run_here("evaluate", *arguments, f"--{option}-format", "tsv", "--no-meteor")
        assert "could be lines" not in done.err
    done = run_here("check", tmp_path, "--descriptions", path, "--json")
    details = [row["detail"] for row in json.loads(done.out)["findings"]]
    assert any(detail.startswith("could be lines of name<TAB>sentence") for detail in details)
    done = run_here("check", tmp_path, "--descriptions", path, "--descriptions-format", "tsv")
    assert "could be" not in done.out


def test_captions_that_are_left_out_are_counted_once(tmp_path):
    file = FILES["vatex"]()
    world = world_of(file, tmp_path)
    path = file.write(tmp_path)
    options = ["--features", world.features_dir, "--descriptions", path]
    done = run_here("train", *options, *TRAIN, "--model", tmp_path / "model")
    assert [one for one in done.warnings if str(path) in one] == [
        f"{path}: 12 captions in Chinese, so left out"
    ]


@pytest.mark.parametrize("is_folder", [False, True])
def test_references_in_another_language_are_counted(tmp_path, caplog, is_folder):
    folder = tmp_path / "references"
    folder.mkdir()
    path = FILES["vatex"]().write(folder)
    name = json.loads(path.read_text("utf-8"))[0]["videoID"]
    (tmp_path / "p.jsonl").write_text(json.dumps({"id": name, "caption": "a cat"}))
    references = folder if is_folder else path
    scores("--predictions", tmp_path / "p.jsonl", "--references", references)
    assert f"{references}: 12 captions in Chinese, so left out" in caplog.messages


def test_ids_without_files_and_files_without_ids_are_counted_and_listed_once(tmp_path):
    file = FILES["coco"]()
    world = world_of(file, tmp_path)
    (world.features_dir / "a.npy").rename(world.features_dir / "other.npy")
    data = ["--features", world.features_dir, "--descriptions", file.write(tmp_path)]
    model_dir = tmp_path / "model"
    wanted = [
        "1 feature file without description: other",
        "1 description without feature file: a.jpg",
    ]
    done = run_here("train", *data, *TRAIN, "--model", model_dir)
    assert done.code == 0
    assert [one for one in done.warnings if " without " in one] == wanted
    scoring = ("--model", model_dir, "--split", "train", "--beam", 1, "--no-meteor")
    done = run_here("evaluate", *data, *scoring)
    assert [one for one in done.warnings if " without " in one] == wanted


def test_a_model_is_compared_with_coco_results_by_the_ids_of_the_images(tmp_path):
    file = FILES["coco"]()
    world, model_dir = world_of(file, tmp_path), tmp_path / "model"
    data = ["--features", world.features_dir, "--descriptions", file.write(tmp_path)]
    (tmp_path / "train.txt").write_text("\n".join(file.gifs))
    data += ["--splits", tmp_path, "--model", model_dir]
    assert run_here("train", *data, *TRAIN).code == 0
    rows = [{"image_id": 40 + index, "caption": texts[0]} for index, texts in enumerate(CAPTIONS)]
    results = tmp_path / "results.json"
    results.write_text(json.dumps(rows))
    scoring = ("--split", "train", "--beam", 1, "--no-meteor", "--json")
    done = run_here("evaluate", *data, *scoring, "--against", results)
    assert done.code == 0, done.err
    assert json.loads(done.out)["against"]["bleu_4"]["score"] == pytest.approx(1)
