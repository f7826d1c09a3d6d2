"""Distributed checkpoints of PyTorch: their ``.metadata`` is a pickle, of which nothing is believed or run."""

from __future__ import annotations

import collections
import io
import pickle
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from colabpanel.errors import ArchiveError, LimitError, TrustError
from colabpanel.services.checkpoints.found.kinds import DCP_METADATA
from colabpanel.services.checkpoints.found.reading import damaged
from colabpanel.services.checkpoints.models import TensorInfo
from colabpanel.services.snapshots.quiet import collector_paused
from colabpanel.services.snapshots.scan import scan

__all__ = ["dcp_tensors_of"]

_LARGEST = 64 << 20
_MODULES = {
    *("torch.distributed.checkpoint.metadata", "torch.distributed.checkpoint.filesystem"),
    *("torch.distributed.checkpoint.planner", "pathlib", "pathlib._local"),
}
_NAMES = {
    ("torch.serialization", "_get_layout"),
    ("collections", "OrderedDict"),
    ("an object", "of a class of its own"),
}
_OF_TORCH = re.compile(r"Size|[a-z]\w*")


def dcp_tensors_of(folder: Path) -> list[TensorInfo]:
    """Return the tensors of a distributed checkpoint.

    Raises:
        TrustError: Its metadata holds more than descriptions of tensors.
        ArchiveError: It is damaged, or a trap.
        OSError: The disk refused.
    """
    path = folder / DCP_METADATA
    size = path.stat().st_size
    if size > _LARGEST:
        raise LimitError(f"{folder.name} has metadata of {size:,} bytes.", hint="That is too much.")
    data = path.read_bytes()
    unknown = sorted(f"{module}.{name}" for module, name in scan(data).names if not _is_described(module, name))
    if unknown:
        raise TrustError(
            f"The metadata of {folder.name} holds Python objects, and looking at them would run code.",
            hint=f"Load it yourself if it is from somebody you trust. It would run: {', '.join(unknown[:10])}.",
        )
    try:
        with collector_paused():
            return list(_tensors_in(_StandIns(io.BytesIO(data)).load()))
    except (ArchiveError, TrustError):
        raise
    except Exception as error:
        raise damaged(folder, "its metadata is malformed") from error


def _is_described(module: str, name: str) -> bool:
    return module in _MODULES or (module, name) in _NAMES or (module == "torch" and bool(_OF_TORCH.fullmatch(name)))


class _StandIn:
    """Takes the place of an object of PyTorch, and does nothing but keep what is said of it."""

    said: Any = None

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments

    def __setstate__(self, said: Any) -> None:
        self.said = said


class _StandIns(pickle.Unpickler):
    """Answers every name with a stand-in of its own class, a text, a tuple, or an ordered dictionary."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)
        self._classes: dict[tuple[str, str], type] = {}

    def find_class(self, module: str, name: str, /) -> Any:
        if not _is_described(module, name):
            raise TrustError(f"Loading this would run {module}.{name}.")
        if module == "torch":
            return tuple if name == "Size" else name
        if module == "collections":
            return collections.OrderedDict
        return self._classes.setdefault((module, name), type(name, (_StandIn,), {}))


def _tensors_in(metadata: Any) -> Iterator[TensorInfo]:
    """Yield the tensors; the planner of PyTorch keeps where in the saved dictionary each was."""
    said = metadata.said
    planned = said.get("planner_data")
    for name, described in said["state_dict_metadata"].items():
        if type(described).__name__ != "TensorStorageMetadata":
            continue
        place = planned.get(name) if isinstance(planned, dict) else None
        part, inner = "model", name
        if isinstance(place, tuple) and place[1:]:
            part, inner = str(place[0]), ".".join(map(str, place[1:]))
        yield TensorInfo(str(inner), part, tuple(map(int, described.said["size"])), _dtype(described.said))


def _dtype(said: dict[str, Any]) -> str:
    properties = said["properties"].said
    dtype = properties["dtype"] if isinstance(properties, dict) else properties[0]
    if not isinstance(dtype, str):
        raise TypeError(dtype)
    return dtype
