"""Files of safetensors."""

from __future__ import annotations

import json
import struct
from collections.abc import Collection
from pathlib import Path
from typing import Any

from colabpanel.services.optional import optional
from colabpanel.services.snapshots.models import SavedVariable

__all__ = ["describe_tensors", "read_tensors"]

_LARGEST_HEADER = 100 << 20


def describe_tensors(path: Path) -> list[SavedVariable]:
    """Return the tensors of a file."""
    with path.open("rb") as stream:
        length = struct.unpack("<Q", stream.read(8))[0]
        if length > _LARGEST_HEADER:
            raise ValueError("header")
        header = json.loads(stream.read(length))
    found = []
    for name, told in header.items():
        if name != "__metadata__":
            start, end = told["data_offsets"]
            if not all(type(number) is int and number >= 0 for number in (start, end - start, *told["shape"])):
                raise ValueError("numbers")
            name.encode()
            shape = " x ".join(f"{extent:,}" for extent in told["shape"]) or "scalar"
            found.append(SavedVariable(name, "saved", "tensor", f"{shape} {told['dtype']}", end - start))
    return found


def read_tensors(path: Path, wanted: Collection[str] | None) -> dict[str, Any]:
    """Return arrays of NumPy; tensors, where the file holds types that only PyTorch has."""
    try:
        return _read(path, wanted, "numpy")
    except (TypeError, AttributeError, KeyError):
        optional("torch", "reading these tensors")
        return _read(path, wanted, "pt")


def _read(path: Path, wanted: Collection[str] | None, framework: str) -> dict[str, Any]:
    with optional("safetensors", "reading safetensors").safe_open(path, framework) as file:
        return {name: file.get_tensor(name) for name in file.keys() if wanted is None or name in wanted}  # noqa: SIM118 - no mapping
