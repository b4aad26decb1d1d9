"""The choice of an engine: what is refused, and where its result files go."""

import os
import socket
import time
from contextlib import closing, nullcontext

import pytest

from gif_files import draw_gif
from gifdesc.config import UNTRAINED
from gifdesc.engines import choice as choice_module
from gifdesc.engines import ray_cluster
from gifdesc.engines.choice import EngineChoice
from gifdesc.engines.ray_cluster import Resources, check_address
from gifdesc.engines.ray_engine import _actor_options
from gifdesc.errors import GifdescError, UsageError
from gifdesc.features.extractor import FeatureExtractor
from worlds import run_here, write_model

NOTHING = "127.0.0.1:9"
"""An address at which nothing listens: the port of RFC 863."""


@pytest.fixture(autouse=True)
def _no_address(monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


@pytest.fixture
def without_ray(monkeypatch):
    monkeypatch.setattr(choice_module, "find_spec", lambda _name: None)


@pytest.fixture
def gif(tmp_path):
    return draw_gif(tmp_path / "a.gif", 2)


@pytest.mark.usefixtures("tiny_backbone")
@pytest.mark.parametrize("command", ["caption", "describe", "extract"])
def test_an_address_without_the_engine_is_a_usage_error(command, gif, model_dir):
    options = [] if command == "extract" else ["--model", model_dir]
    done = run_here(command, gif, *options, "--ray-address", "h:1")
    assert done.code == 2
    assert done.error == "error: --ray-address is for --engine ray: give both"


@pytest.mark.usefixtures("tiny_backbone")
def test_the_variable_of_an_address_does_not_concern_the_local_engine(gif, model_dir, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", NOTHING)
    assert run_here("caption", gif, "--model", model_dir).code == 0


@pytest.mark.usefixtures("without_ray")
@pytest.mark.parametrize("command", ["caption", "describe", "extract"])
def test_a_missing_package_is_named_with_its_installation(command, gif, model_dir):
    options = [] if command == "extract" else ["--model", model_dir]
    done = run_here(command, gif, *options, "--engine", "ray")
    assert done.code == 2
    assert done.error == "error: --engine ray needs Ray: pip install 'gifdesc[ray]'"


@pytest.mark.parametrize("by_variable", [True, False])
def test_a_wrong_address_is_an_error_in_seconds(by_variable, gif, model_dir, monkeypatch):
    options = ["--ray-address", NOTHING]
    if by_variable:
        monkeypatch.setenv("RAY_ADDRESS", NOTHING)
        options = []
    done = run_here("caption", gif, "--model", model_dir, "--engine", "ray", *options)
    assert done.code == 1
    named = "RAY_ADDRESS" if by_variable else "--ray-address"
    assert done.error == (
        f"error: {named} {NOTHING}: no Ray cluster there (connection refused); "
        "start one with: ray start --head"
    )


@pytest.mark.parametrize("address", ["ray://h:1", "h", "h:", ":1", "http://h:1", "h:x"])
def test_an_address_has_a_host_and_a_port(address):
    with pytest.raises(UsageError, match="not an address; give HOST:PORT"):
        check_address(address, "--ray-address")


def test_an_address_that_accepts_connections_is_accepted():
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        check_address(f"127.0.0.1:{server.getsockname()[1]}", "--ray-address")
    check_address("auto", "--ray-address")


def test_a_port_that_no_computer_has_is_an_error():
    with pytest.raises(GifdescError, match="no Ray cluster there"):
        check_address("127.0.0.1:99999", "--ray-address")


def test_no_worker_is_too_few():
    with pytest.raises(UsageError, match="at least 1 worker"):
        EngineChoice(name="ray", num_workers=0)
    assert EngineChoice(num_workers=0).is_local


def test_the_result_files_are_beside_the_output(tmp_path):
    one = EngineChoice(name="ray", address="h:1")
    assert one.folder_beside(tmp_path / "out.jsonl") == tmp_path / ".out.jsonl.chunks"
    assert one.folder_in(tmp_path / "descriptions") == tmp_path / "descriptions" / ".chunks"


def test_the_result_files_of_standard_output_are_temporary_and_for_one_machine(tmp_path):
    folder = EngineChoice(name="ray").folder_beside(None)
    assert folder.is_dir()
    folder.rmdir()
    for output in (None, tmp_path):
        with pytest.raises(UsageError, match="needs --output FILE, in a folder that all its nodes"):
            EngineChoice(name="ray", address="h:1").folder_beside(output)


@pytest.mark.parametrize(
    ("gpus", "num_workers", "device", "wanted"),
    [
        (0, None, "auto", (8, 1.0, 0.0, 1)),
        (0, 2, "cpu", (2, 1.0, 0.0, 4)),
        (0, 12, "auto", (12, 0.5, 0.0, 1)),
        (2, None, "auto", (2, 0.0, 1.0, 4)),
        (2, 4, "cuda", (4, 0.0, 0.5, 2)),
        (2, None, "cpu", (8, 1.0, 0.0, 1)),
    ],
)
def test_actors_share_the_cores_and_gpus(gpus, num_workers, device, wanted):
    found = _actor_options(Resources(8, gpus, 2), num_workers, device)
    assert (found.num_actors, found.num_cpus, found.num_gpus, found.num_threads) == wanted


@pytest.mark.usefixtures("tiny_backbone")
@pytest.mark.parametrize("command", ["caption", "describe", "extract"])
def test_the_gpu_of_one_machine_is_refused_for_the_workers_of_several(
    command, gif, model_dir, tmp_path
):
    options = ["--weights", "random"] if command == "extract" else ["--model", model_dir]
    output = [] if command == "caption" else ["--output", tmp_path / "out"]
    done = run_here(command, gif, *options, *output, "--engine", "ray", "--device", "cuda:1")
    assert done.code == 2
    assert done.error == (
        "error: --device cuda:1: with --engine ray, Ray gives each worker its GPU; give "
        "--device cuda"
    )


def test_a_gpu_that_the_cluster_lacks_is_refused():
    with pytest.raises(UsageError, match="the Ray cluster has no GPU"):
        _actor_options(Resources(8, 0, 2), None, "cuda:1")


@pytest.mark.parametrize(
    ("problems", "mode", "message"),
    [
        ({"disabled": None}, None, None),
        ({"disabled": "AuthenticationError: missing", "token": None}, "token", None),
        (
            {"disabled": "AuthenticationError: missing", "token": "AuthenticationError: wrong"},
            "token",
            "refuses the token of this machine; copy the file ~/.ray/auth_token",
        ),
        ({"disabled": "odd", "token": "odd"}, "token", "cannot be used: odd"),
    ],
)
def test_the_token_is_sent_where_it_is_wanted_and_named_where_it_is_wrong(
    problems, mode, message, monkeypatch
):
    monkeypatch.setenv("RAY_AUTH_MODE", "to be removed at the end")
    monkeypatch.delenv("RAY_AUTH_MODE")
    monkeypatch.setattr(ray_cluster, "_health_problem", lambda _address, how: problems[how])
    with pytest.raises(GifdescError, match=message) if message else nullcontext():
        ray_cluster._choose_authentication("h:1", "Ray at h:1")
    assert os.environ.get("RAY_AUTH_MODE") == mode


def test_a_start_that_does_not_return_ends_with_a_sentence(monkeypatch):
    monkeypatch.setattr(ray_cluster, "_START_SECONDS", 0.05)
    with pytest.raises(GifdescError, match="too long"), ray_cluster._time_limit("too long"):
        time.sleep(30)
    with ray_cluster._time_limit("too long"):
        pass
    time.sleep(0.1)  # no signal comes later


@pytest.mark.parametrize("command", ["caption", "describe"])
def test_the_local_engine_keeps_and_reports_the_chunks_of_an_interrupted_run(
    command, gif, tmp_path
):
    extractor = FeatureExtractor.create(backbone="resnet18", weights=UNTRAINED, device="cpu")
    model_dir = write_model(tmp_path / "named", recipe=extractor.recipe, feature_size=512)
    output = tmp_path / "out"
    folder = tmp_path / ".out.chunks" if command == "caption" else output / ".chunks"
    folder.mkdir(parents=True)
    done = run_here(command, gif, "--model", model_dir, "--output", output)
    assert done.code == 0
    [sentence] = [warning for warning in done.warnings if "chunks" in warning]
    assert sentence.endswith("finish that run with --engine ray, or remove the folder")
    assert folder.is_dir()


def test_extract_reports_chunks_that_it_does_not_use(gif, tmp_path):
    (tmp_path / "out" / ".chunks").mkdir(parents=True)
    options = ("--backbone", "resnet18", "--weights", "random", "--output", tmp_path / "out")
    done = run_here("extract", gif, *options)
    assert any(".chunks: has chunks of an interrupted run" in text for text in done.warnings)
