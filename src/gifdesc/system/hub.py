"""The Hugging Face hub: files fetched from it, without minutes of retries where there is none."""

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
    """Whether a name has the hub's form, `user/model`; says nothing of whether it is there."""
    return re.fullmatch(_HUB_NAME, name) is not None


def commit_of(folder: Path) -> str | None:
    """The commit that a folder of the hub's cache holds; None for any other folder.

    The cache keeps each commit in `snapshots/<its SHA-1>`.
    """
    is_snapshot = folder.parent.name == "snapshots" and _COMMIT.fullmatch(folder.name)
    return folder.name if is_snapshot else None


def fetch(name: str, patterns: Sequence[str], revision: str | None = None) -> Path:
    """The local folder with a model's files, downloaded if need be and kept in the hub's cache.

    Args:
        name: `user/model`.
        patterns: the files wanted, such as `*.json`; one that matches nothing is no error.
        revision: a branch, a tag or a commit; None for the model's main branch.

    Raises:
        HubError: the hub does not give them, and the cache does not hold them.
    """
    from huggingface_hub import snapshot_download

    is_local = not is_reachable()
    chosen: dict[str, Any] = {} if revision is None else {"revision": revision}
    try:
        with nullcontext() if is_local else _announced(name):
            folder = snapshot_download(
                name, allow_patterns=list(patterns), local_files_only=is_local, **chosen
            )
    except Exception as error:  # the hub's own, and those of whichever HTTP client it uses
        raise HubError(f"{name}: {_reason(error, revision)}") from error
    return Path(folder)


@contextmanager
def _announced(name: str) -> Iterator[None]:
    """Announce a model's download, once however many times files are asked for."""
    text = f"fetching {name} from the Hugging Face hub"
    with wait_for("" if name in _fetched else text, has_own_bars=True):
        _fetched.add(name)
        yield


def upload(folder: Path, name: str, *, private: bool | None = None, message: str) -> str:
    """Put a folder's files on the hub as a model, which is made if it is not there.

    Args:
        folder: all files in it go up.
        name: `user/model`.
        private: whether only its owner sees a new model; None for the account's default. A model
            that is there stays as visible as it is.
        message: of the commit.

    Returns:
        The model's address.

    Raises:
        HubError: the hub cannot be reached or refuses, or the model is there and public although
            `private` is true; nothing goes up then.
    """
    from huggingface_hub import HfApi

    if not is_hub_name(name):
        raise HubError(f"{name}: no name for a model on the hub; it has the form user/model")
    if not is_reachable():
        raise HubError(f"{name}: the Hugging Face hub cannot be reached from here")
    api = HfApi()
    try:
        address = api.create_repo(name, private=private, exist_ok=True)
        # `private` does not change a model that is there.
        if private and not api.repo_info(name).private:
            raise HubError(
                f"{name}: is there and public, so nothing is uploaded; make it private in its "
                "settings on the hub, choose another name, or leave private=True out"
            )
        api.upload_folder(repo_id=name, folder_path=folder, commit_message=message)
    except HubError:
        raise
    except Exception as error:  # as in fetch
        raise HubError(f"{name}: {_reason(error)}") from error
    return str(address)


def is_reachable() -> bool:
    """Whether the hub, or the proxy on the way to it, takes a connection.

    The hub's client retries for minutes where there is no network at all: this asks once.
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
    except (OSError, ValueError):  # ValueError: a port that is no number, a name that is none
        return False
    return True


def _reason(error: Exception, revision: str | None = None) -> str:
    """Why the hub gave nothing, and what to do, as the rest of a sentence."""
    from huggingface_hub import errors

    if isinstance(error, errors.GatedRepoError):
        return "its owner wants terms to be accepted first: do so on its page, then `hf auth login`"
    if revision is not None and isinstance(error, errors.RevisionNotFoundError):
        return f"the model has no revision {revision}; give a branch, a tag or a commit of it"
    if isinstance(error, (errors.RepositoryNotFoundError, errors.RevisionNotFoundError)):
        return (
            "the Hugging Face hub has no model of this name, or it is private; check the spelling, "
            "or log in with `hf auth login`"
        )
    if isinstance(error, errors.HFValidationError):
        return "no folder here, and no name for a model on the hub (user/model)"
    if isinstance(error, errors.LocalTokenNotFoundError) or _status(error) in (401, 403):
        return "the Hugging Face hub refuses; log in with `hf auth login`, as somebody who may"
    if isinstance(error, OSError) and error.errno is not None and error.strerror:
        return f"cannot be downloaded: {error.strerror.lower()}"
    return (
        "no folder here, and it cannot be had from the Hugging Face hub; give a model's folder, or "
        f"download it where there is a network{_cache_hint()}"
    )


def _status(error: Exception) -> int | None:
    status = getattr(getattr(error, "response", None), "status_code", None)
    return status if isinstance(status, int) else None


def _cache_hint() -> str:
    return " (HF_HUB_OFFLINE is set)" if os.environ.get("HF_HUB_OFFLINE") else ""
