import socket
from types import SimpleNamespace

import huggingface_hub
import pytest
from huggingface_hub import constants, errors

from gifdesc.errors import HubError
from gifdesc.system import hub

PROXIES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")


@pytest.fixture(autouse=True)
def no_network(monkeypatch, tmp_path):
    """No proxy is set, nothing was downloaded before, no connection leaves this machine."""
    for key in PROXIES:
        monkeypatch.delenv(key, raising=False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "ENDPOINT", "https://hub.invalid")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)


@pytest.fixture
def listener():
    """The port of a local server that accepts connections and sends nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


class Response:
    """The part of a response that the errors of the hub read."""

    def __init__(self, status_code):
        self.status_code = status_code
        self.headers = {}
        self.request = None


@pytest.mark.parametrize("name", ["user/model", "org-1/Model_2.5-VL", "a/b"])
def test_a_hub_name_has_a_user_and_a_model(name):
    assert hub.is_hub_name(name)


@pytest.mark.parametrize(
    "name", ["model", "./model", "../a/b", "/a/b", "a/b/c", "a b/c", "a/", "~/model", "a/b\n", ""]
)
def test_other_names_are_none(name):
    assert not hub.is_hub_name(name)


def test_a_hub_that_takes_connections_is_reachable(monkeypatch, listener):
    assert not hub.is_reachable()
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{listener}")
    assert hub.is_reachable()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert not hub.is_reachable()


@pytest.mark.parametrize(
    "form", ["http://127.0.0.1:{}", "127.0.0.1:{}", "http://me:word@127.0.0.1:{}"]
)
def test_behind_a_proxy_the_proxy_is_tried(monkeypatch, listener, form):
    monkeypatch.setenv("HTTPS_PROXY", form.format(listener))
    assert hub.is_reachable()


@pytest.mark.parametrize("proxy", ["http://proxy.invalid:3128", "http://127.0.0.1:port"])
def test_a_missing_proxy_is_no_network(monkeypatch, proxy):
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    assert not hub.is_reachable()


def test_without_a_network_the_error_is_one_sentence():
    with pytest.raises(HubError) as caught:
        hub.fetch("someone/model", ["*.json"])
    assert str(caught.value) == (
        "someone/model: not a folder, and it cannot be downloaded from the Hugging Face hub; give "
        "a model folder, or download the model where there is a network"
    )


def test_without_a_network_the_cache_is_used(tmp_path):
    cached = tmp_path / "hub" / "models--someone--model"
    (cached / "snapshots" / "1a2b").mkdir(parents=True)
    (cached / "snapshots" / "1a2b" / "config.json").write_text("{}")
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text("1a2b")
    folder = hub.fetch("someone/model", ["*.json"])
    assert (folder / "config.json").read_text() == "{}"


@pytest.mark.parametrize("is_there", [True, False])
def test_the_hub_client_is_offline_without_a_network(monkeypatch, tmp_path, is_there):
    asked = []

    def snapshot_download(name, *, allow_patterns, local_files_only):
        asked.append((name, allow_patterns, local_files_only))
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    monkeypatch.setattr(hub, "is_reachable", lambda: is_there)
    assert hub.fetch("someone/model", ("*.json",)) == tmp_path
    assert asked == [("someone/model", ["*.json"], not is_there)]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (errors.RepositoryNotFoundError("404", response=Response(404)), "no model of this name"),
        (errors.GatedRepoError("403", response=Response(403)), "requires accepted terms"),
        (errors.HfHubHTTPError("401", response=Response(401)), "refuses access; log in"),
        (errors.HfHubHTTPError("503", response=Response(503)), "cannot be downloaded from"),
        (errors.LocalTokenNotFoundError("no token"), "refuses access; log in"),
        (errors.HFValidationError("bad"), "name of a model on the hub"),
        (OSError(28, "No space left on device"), "cannot be downloaded: no space left on device"),
        (RuntimeError("whatever"), "cannot be downloaded from"),
    ],
)
def test_every_hub_error_is_one_sentence(monkeypatch, error, said):
    def refuse(*_arguments, **_options):
        raise error

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    with pytest.raises(HubError, match=rf"^someone/model: .*{said}") as caught:
        hub.fetch("someone/model", ["*.json"])
    assert "\n" not in str(caught.value)


class FakeApi:
    """The two calls that put a model on the hub; notes what they are given."""

    calls: list[tuple] = []  # noqa: RUF012
    error: Exception | None = None
    is_private = True

    def create_repo(self, name, *, private, exist_ok):
        if self.error is not None:
            raise self.error
        self.calls.append(("create", name, private, exist_ok))
        return f"https://hub.invalid/{name}"

    def repo_info(self, name):
        assert name == "me/model"
        return SimpleNamespace(private=self.is_private)

    def upload_folder(self, *, repo_id, folder_path, commit_message):
        names = sorted(path.name for path in folder_path.iterdir())
        self.calls.append(("upload", repo_id, names, commit_message))


@pytest.fixture
def api(monkeypatch):
    class Api(FakeApi):
        calls = []  # noqa: RUF012

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    monkeypatch.setattr(hub, "is_reachable", lambda: True)
    return Api


def test_a_folder_is_uploaded(api, tmp_path):
    (tmp_path / "a.json").write_text("{}")
    address = hub.upload(tmp_path, "me/model", private=True, message="A model")
    assert address == "https://hub.invalid/me/model"
    assert api.calls == [
        ("create", "me/model", True, True),
        ("upload", "me/model", ["a.json"], "A model"),
    ]


def test_a_failed_upload_is_a_one_sentence_error(api, monkeypatch, tmp_path):
    with pytest.raises(HubError, match="me: not a name of a model on the hub"):
        hub.upload(tmp_path, "me", message="A model")
    api.error = errors.HfHubHTTPError("403", response=Response(403))
    with pytest.raises(HubError, match="me/model: the Hugging Face hub refuses access; log in"):
        hub.upload(tmp_path, "me/model", message="A model")
    monkeypatch.setattr(hub, "is_reachable", lambda: False)
    with pytest.raises(HubError, match="me/model: the Hugging Face hub cannot be reached"):
        hub.upload(tmp_path, "me/model", message="A model")
    assert api.calls == []


def test_a_private_model_is_not_uploaded_into_a_public_one(api, tmp_path):
    api.is_private = False
    with pytest.raises(HubError, match="me/model: exists and is public, so nothing was uploaded"):
        hub.upload(tmp_path, "me/model", private=True, message="A model")
    assert [call[0] for call in api.calls] == ["create"]
    hub.upload(tmp_path, "me/model", private=None, message="A model")
    assert api.calls[-1][0] == "upload"


def test_a_revision_is_requested(monkeypatch, tmp_path):
    asked = []

    def snapshot_download(name, *, allow_patterns, local_files_only, revision):
        asked.append((name, allow_patterns, local_files_only, revision))
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    assert hub.fetch("someone/model", ["*.json"], "v2") == tmp_path
    assert asked == [("someone/model", ["*.json"], True, "v2")]


def test_a_missing_revision_is_a_one_sentence_error(monkeypatch):
    def refuse(*_arguments, **_options):
        raise errors.RevisionNotFoundError("404", response=Response(404))

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    with pytest.raises(HubError, match="the model has no revision v2; give one of its branches"):
        hub.fetch("someone/model", ["*.json"], "v2")


def test_the_cache_names_the_commit(tmp_path):
    commit = "0123456789abcdef0123456789abcdef01234567"
    assert hub.commit_of(tmp_path / "snapshots" / commit) == commit
    assert hub.commit_of(tmp_path / "snapshots" / "main") is None
    assert hub.commit_of(tmp_path / commit) is None
