"""Headers of safetensors files, which tell all of their tensors."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from colabpanel.errors import ArchiveError, LimitError
from colabpanel.services.checkpoints.found.reading import damaged
from colabpanel.services.checkpoints.models import TensorInfo

__all__ = ["safetensors_of"]

_LARGEST = 100_000_000  # what the library of safetensors allows
_WIDTH = 8
_DTYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "BOOL": "bool",
    "C64": "complex64",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U64": "uint64",
    "U32": "uint32",
    "U16": "uint16",
    "U8": "uint8",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "F8_E8M0": "float8_e8m0fnu",
}


def safetensors_of(path: Path) -> list[TensorInfo]:
    """Return the tensors of a safetensors file.

    Raises:
        ArchiveError: It is damaged or cut short.
        OSError: The disk refused.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        length = int.from_bytes(file.read(_WIDTH), "little")
        if size < _WIDTH or length > size - _WIDTH:
            raise damaged(path)
        if length > _LARGEST:
            raise LimitError(f"{path.name} has a header of {length:,} bytes.", hint="No model needs so large a one.")
        data = file.read(length)
    try:
        header = json.loads(data)
        return [
            _tensor(path, name, told, size - _WIDTH - length) for name, told in header.items() if name != "__metadata__"
        ]
    except ArchiveError:
        raise
    except (ValueError, RecursionError, AttributeError, KeyError, TypeError):
        raise damaged(path, "its header is malformed") from None


def _tensor(path: Path, name: str, told: Any, room: int) -> TensorInfo:
    """Return one tensor, whose bytes must be within those that the file has."""
    shape, dtype, (start, end) = told["shape"], told["dtype"], told["data_offsets"]
    if not all(type(number) is int and number >= 0 for number in (*shape, start, end)) or not isinstance(dtype, str):
        raise ValueError(name)
    if not start <= end <= room:
        raise damaged(path)
    return TensorInfo(name, "model", tuple(shape), _DTYPES.get(dtype, dtype.lower()))
