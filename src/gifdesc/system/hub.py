"""Download from and upload to the Hugging Face hub, without minutes of retries when offline."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any
from urllib.parse import urlparse
from urllib.request import getproxies

from gifdesc.errors import HubError
from gifdesc.system.waits import wait_for

_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_COMMIT = re.compile("[0-9a-f]{40}")
_CONNECT_SECONDS = 5.0
_fetched: set[str] = set()
_DEFAULT_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}


def is_hub_name(name: str) -> bool:
    """Whether a name has the form of a hub name, `user/model`; the model need not exist."""
    return re.fullmatch(_HUB_NAME, name) is not None


def commit_of(folder: Path) -> str | None:
    """The commit of a folder in the hub's cache; None for other folders.

    The cache keeps each commit in `snapshots/<SHA-1 of the commit>`.
    """
    is_snapshot = folder.parent.name == "snapshots" and _COMMIT.fullmatch(folder.name)
    return folder.name if is_snapshot else None


def fetch(name: str, patterns: Sequence[str], revision: str | None = None) -> Path:
    """The local folder with the files of a model, downloaded into the hub's cache if needed.

    Args:
        name: `user/model`.
        patterns: the files to download, such as `*.json`; a pattern may match nothing.
        revision: branch, tag or commit; None for the main branch.

    Raises:
        HubError: the files cannot be downloaded and are not in the cache.
    """
    from huggingface_hub import snapshot_download

    is_local = not is_reachable()
    chosen: dict[str, Any] = {} if revision is None else {"revision": revision}
    try:
        with nullcontext() if is_local else _announced(name):
            folder = snapshot_download(
                name, allow_patterns=list(patterns), local_files_only=is_local, **chosen
            )
    except Exception as error:  # errors of the hub's client and of its HTTP library
        raise HubError(f"{name}: {_reason(error, revision)}") from error
    return Path(folder)


@contextmanager
def _announced(name: str) -> Iterator[None]:
    """Announce the download of a model, only the first time."""
    text = f"fetching {name} from the Hugging Face hub"
    with wait_for("" if name in _fetched else text, has_own_bars=True):
        _fetched.add(name)
        yield


def upload(folder: Path, name: str, *, private: bool | None = None, message: str) -> str:
    """Upload the files of a folder to the hub as a model, which is created if it does not exist.

    Args:
        folder: all its files are uploaded.
        name: `user/model`.
        private: whether only the owner sees a new model; None for the account's default. The
            visibility of an existing model does not change.
        message: of the commit.

    Returns:
        The URL of the model.

    Raises:
        HubError: the hub cannot be reached or refuses the upload, or the model exists and is
            public although `private` is true; then nothing is uploaded.
    """
    from huggingface_hub import HfApi

    if not is_hub_name(name):
        raise HubError(f"{name}: not a name of a model on the hub; use the form user/model")
    if not is_reachable():
        raise HubError(f"{name}: the Hugging Face hub cannot be reached; check the network")
    api = HfApi()
    try:
        address = api.create_repo(name, private=private, exist_ok=True)
        # `private` does not change an existing model.
        if private and not api.repo_info(name).private:
            raise HubError(
                f"{name}: exists and is public, so nothing was uploaded; make it private in its "
                "settings on the hub, choose another name, or leave out private=True"
            )
        api.upload_folder(repo_id=name, folder_path=folder, commit_message=message)
    except HubError:
        raise
    except Exception as error:  # as in fetch
        raise HubError(f"{name}: {_reason(error)}") from error
    return str(address)


def is_reachable() -> bool:
    """Whether the hub, or the proxy to it, accepts a connection.

    Without a network, the hub's client would retry for minutes; this tries once.
    """
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    hub = urlparse(constants.ENDPOINT)
    proxies = getproxies()
    proxy = proxies.get(hub.scheme) or proxies.get("all")
    address = urlparse(proxy if proxy and "://" in proxy else f"http://{proxy}") if proxy else hub
    try:
        port = address.port or _DEFAULT_PORTS.get(address.scheme, 443)
        socket.create_connection((address.hostname or "", port), _CONNECT_SECONDS).close()
    except (OSError, ValueError):  # ValueError: an invalid port or host name
        return False
    return True


def _reason(error: Exception, revision: str | None = None) -> str:
    """Why the hub failed, and what to do, as the rest of a sentence."""
    from huggingface_hub import errors

    if isinstance(error, errors.GatedRepoError):
        return (
            "the owner requires accepted terms: accept them on its page, then run `hf auth login`"
        )
    if revision is not None and isinstance(error, errors.RevisionNotFoundError):
        return f"the model has no revision {revision}; give one of its branches, tags or commits"
    if isinstance(error, (errors.RepositoryNotFoundError, errors.RevisionNotFoundError)):
        return (
            "the Hugging Face hub has no model of this name, or it is private; check the spelling, "
            "or log in with `hf auth login`"
        )
    if isinstance(error, errors.HFValidationError):
        return "neither a folder nor a name of a model on the hub (user/model)"
    if isinstance(error, errors.LocalTokenNotFoundError) or _status(error) in (401, 403):
        return "the Hugging Face hub refuses access; log in with `hf auth login` as an allowed user"
    if isinstance(error, OSError) and error.errno is not None and error.strerror:
        return f"cannot be downloaded: {error.strerror.lower()}"
    return (
        "not a folder, and it cannot be downloaded from the Hugging Face hub; give a model folder, "
        f"or download the model where there is a network{_cache_hint()}"
    )


def _status(error: Exception) -> int | None:
    status = getattr(getattr(error, "response", None), "status_code", None)
    return status if isinstance(status, int) else None


def _cache_hint() -> str:
    return " (HF_HUB_OFFLINE is set)" if os.environ.get("HF_HUB_OFFLINE") else ""
