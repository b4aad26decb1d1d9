"""The engine that a user chooses, and the folder that its workers share."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from gifdesc.config import EngineName
from gifdesc.errors import UsageError

if TYPE_CHECKING:
    from gifdesc.engines.work import Engine

ADDRESS_VARIABLE = "RAY_ADDRESS"
"""The environment variable of Ray's own tools."""


@dataclass(frozen=True, kw_only=True)
class EngineChoice:
    """The options of a user that concern the engine.

    Attributes:
        name: of the engine.
        address: `HOST:PORT` of a Ray cluster's head node; None for RAY_ADDRESS, or else for a Ray
            on this machine alone.
        num_workers: workers of the engine; None for one per GPU or CPU core of the cluster.

    Raises:
        UsageError: an option of another engine is set, or the engine's package is missing.
    """

    name: EngineName = "local"
    address: str | None = None
    num_workers: int | None = None

    def __post_init__(self) -> None:
        if self.name == "local":
            if self.address is not None:
                raise UsageError("--ray-address is for --engine ray: give both")
        elif find_spec("ray") is None:
            raise UsageError("--engine ray needs Ray: pip install 'gifdesc[ray]'")
        elif self.num_workers == 0:
            raise UsageError("--num-workers 0: --engine ray needs at least 1 worker")

    @property
    def is_local(self) -> bool:
        """The command itself does the work, without chunks."""
        return self.name == "local"

    @property
    def cluster_address(self) -> str | None:
        """The address of the cluster to connect to; None for a Ray on this machine alone."""
        return self.address or os.environ.get(ADDRESS_VARIABLE) or None

    def check_reachable(self) -> None:
        """Check in seconds, before anything is loaded, that the cluster answers.

        Raises:
            UsageError: the address is not `HOST:PORT`.
            GifdescError: nothing accepts connections there.
        """
        if not self.is_local and self.cluster_address is not None:
            from gifdesc.engines.ray_cluster import check_address

            named = "--ray-address" if self.address else ADDRESS_VARIABLE
            check_address(self.cluster_address, named)

    def check_device(self, device: str) -> None:
        """Check that the workers of the engine can use a device.

        Raises:
            UsageError: it is the GPU of one machine, and the workers are on several.
        """
        if not self.is_local and device.startswith("cuda:"):
            raise UsageError(
                f"--device {device}: with --engine ray, Ray gives each worker its GPU; give "
                "--device cuda"
            )

    @contextmanager
    def open(self, device: str = "auto") -> Iterator[Engine]:
        """The engine, started or connected; it is stopped at the end.

        Args:
            device: of the workers; see `device.resolve_device`.

        Raises:
            GifdescError: the engine cannot be started or reached.
        """
        from gifdesc.engines.ray_engine import open_ray

        self.check_reachable()
        with open_ray(self.cluster_address, num_workers=self.num_workers, device=device) as engine:
            yield engine

    def folder_beside(self, output: Path | None) -> Path:
        """The folder of result files: beside an output file, which all workers must reach.

        Args:
            output: the file that the command writes; None for stdout, which has a temporary folder.

        Raises:
            UsageError: the output is not a file, and the workers may be on other machines.
        """
        if output is not None and (output.is_file() or not output.exists()):
            return Path(os.path.abspath(output)).with_name(f".{output.name}.chunks")  # noqa: PTH100
        if self.cluster_address is not None:
            raise UsageError(
                "--engine ray with a cluster needs --output FILE, in a folder that all its nodes "
                "share"
            )
        return Path(tempfile.mkdtemp(prefix="gifdesc-chunks-"))

    def folder_in(self, output_dir: Path) -> Path:
        """The folder of result files in a folder that a command writes."""
        return Path(os.path.abspath(output_dir / ".chunks"))  # noqa: PTH100 - keeps links

    def unused_chunks(self, folder: Path) -> str | None:
        """A sentence about finished chunks that this engine does not use; None without any.

        They are not removed, for the run that was interrupted may have had other inputs too.

        Args:
            folder: as `folder_beside` or `folder_in` gives it.
        """
        if not self.is_local or not folder.is_dir():
            return None
        return (
            f"{folder}: has chunks of an interrupted run with --engine ray, which --engine local "
            "does not use; finish that run with --engine ray, or remove the folder"
        )
