"""No command reaches a network unless a hub name, a weight set or a URL asks for it."""

import json
import os
import subprocess
import sys

import pytest

from gifdesc.features.encoder import has_openvino
from worlds import process_environment

GUARD = """
import os, socket, sys

def refuse(event, arguments):
    reached = event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr") or (
        event in ("socket.connect", "socket.sendto") and isinstance(arguments[1], tuple)
    )
    if reached:
        with open(os.environ["REACHED"], "a") as file:
            file.write(f"{sys.argv[1:]}: {event} {arguments[1:]}\\n")
        raise OSError(f"the network was reached: {event}")

sys.addaudithook(refuse)
"""
"""Imported by every Python process of the test, workers included: audit events see the C level too
(Python's documentation, "Audit events table")."""


@pytest.fixture
def run(tmp_path):
    """Runs a command with a network that fails and is noticed, and a home folder of its own."""
    (tmp_path / "guard").mkdir()
    (tmp_path / "guard" / "sitecustomize.py").write_text(GUARD)
    home = tmp_path / "home"
    home.mkdir()
    environment = process_environment()
    paths = [str(tmp_path / "guard"), environment.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    environment |= {"HOME": str(home), "REACHED": str(tmp_path / "reached")}
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "OPENVINO_TELEMETRY"):
        environment.pop(name, None)

    def run_command(*arguments, code=0, stdin=""):
        done = subprocess.run(
            [sys.executable, "-m", "gifdesc", *map(str, arguments)],
            input=stdin,
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=environment,
            check=False,
        )
        assert done.returncode == code, done.stderr
        reached = tmp_path / "reached"
        assert not reached.exists(), reached.read_text()
        leftovers = {path.name for path in home.iterdir()} - {".cache", ".config"}
        assert leftovers == set()
        return done.stdout

    return run_command


SMALL = ("--hidden-size", 16, "--epochs", 1, "--batch-size", 4)


def test_no_command_reaches_the_network(run):
    run("demo", "w", "--data-only", "--num-gifs", 9)
    run("check", "w/gifs", "--descriptions", "w/descriptions")
    runtimes = ["torch", "openvino"] if has_openvino() else ["torch"]
    for runtime in runtimes:
        options = ("--weights", "random", "--runtime", runtime, "--num-workers", 1)
        run("extract", "w/gifs", *options, "-o", f"features-{runtime}")
    data = ("--features", "features-torch", "--descriptions", "w/descriptions")
    everything = ("--val-fraction", 0, "--test-fraction", 0)
    run("train", *data, *SMALL, *everything, "--tensorboard", "curves")
    run("evaluate", *data, "--split", "train", "--html", "report.html", "--gifs", "w/gifs")
    shown = run("caption", "w/gifs/world-0001.gif", "--json", "--explain", "looks.html")
    assert json.loads(shown)["caption"]
    run("caption", "-", stdin="w/gifs/world-0002.gif\n")
    run("describe", "w/gifs", "--model", "nowhere", code=1)


def test_a_public_model_in_a_folder_reaches_no_network(run, tmp_path):
    from tiny_models import write_blip

    write_blip(tmp_path / "blip")
    run("demo", "w", "--data-only", "--num-gifs", 2)
    run("caption", "w/gifs", "--model", "blip", "--max-length", 4)
    run("describe", "w/gifs", "--model", "blip", "--max-length", 4, "-o", "d")


@pytest.mark.parametrize(
    "arguments",
    [
        ("caption", "x.gif", "--model", "somebody/a-model"),
        ("check", "https://example.org/x.gif"),
    ],
)
def test_the_guard_sees_the_network(run, arguments):
    """These ask for it: the look-up is noticed, and the command ends with one sentence."""
    with pytest.raises(AssertionError, match="socket"):
        run(*arguments, code=1)
