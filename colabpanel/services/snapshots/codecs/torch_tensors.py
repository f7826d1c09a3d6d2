"""Tensors of PyTorch: their storages from where they are; those on a device are copied to the host."""

from __future__ import annotations

from typing import Any

import torch

from colabpanel.services.snapshots.capture import Capture
from colabpanel.services.snapshots.codecs._base import Codec, LeafReader, Reduce, built

__all__ = ["CODEC"]


def _take_tensor(tensor: Any, capture: Capture) -> Any:
    if tensor.layout != torch.strided or tensor.is_quantized or _has_hooks(tensor):
        return NotImplemented
    if tensor.device.type == "meta":
        return NotImplemented
    found = tensor.detach()
    if tensor.device.type != "cpu":
        capture.note(f"It was moved from {tensor.device} to the host's memory.")
        found = found.cpu()
    if found.is_conj() or found.is_neg():
        found = found.resolve_conj().resolve_neg()
    dtype = str(found.dtype).removeprefix("torch.")
    return built("torch.tensor", _memory(found), dtype, tuple(found.shape), found.stride(), tensor.requires_grad)


def _has_hooks(tensor: Any) -> bool:
    return bool(getattr(tensor, "_backward_hooks", None)) or bool(tensor.__dict__)


def _memory(tensor: Any) -> Any:
    """Return the part of its storage that a tensor lies in, as an array of bytes; others may lie there, too."""
    start = tensor.storage_offset() * tensor.itemsize
    steps = sum((length - 1) * stride for length, stride in zip(tensor.shape, tensor.stride(), strict=True))
    end = start + (steps + 1) * tensor.itemsize if tensor.numel() else start
    return torch.empty(0, dtype=torch.uint8).set_(tensor.untyped_storage()).numpy()[start:end]


def _build_tensor(
    _reader: LeafReader, memory: Any, dtype: str, shape: tuple[int, ...], stride: tuple[int, ...], grad: Any
) -> Any:
    kind = getattr(torch, dtype)
    if not isinstance(kind, torch.dtype) or dtype.startswith(("q", "bits")):
        raise TypeError(dtype)
    if 0 in shape:
        tensor = torch.empty_strided(shape, stride, dtype=kind)
    else:
        storage = torch.from_numpy(memory).untyped_storage()
        tensor = torch.empty(0, dtype=kind).set_(storage, 0, shape, stride)
    return tensor.requires_grad_() if grad else tensor


def _take_parameter(parameter: Any, _capture: Capture) -> Any:
    if _has_hooks(parameter):
        return NotImplemented
    return built("torch.parameter", parameter.data, parameter.requires_grad)


def _build_parameter(_reader: LeafReader, data: Any, grad: Any) -> Any:
    return torch.nn.Parameter(data, requires_grad=bool(grad))


def _take_size(size: Any, _capture: Capture) -> Any:
    return built("torch.size", tuple(size))


def _build_size(_reader: LeafReader, lengths: tuple[int, ...]) -> Any:
    return torch.Size(lengths)


def _take_device(device: Any, _capture: Capture) -> Any:
    return built("torch.device", str(device))


def _build_device(_reader: LeafReader, name: str) -> Any:
    return torch.device(name)


def _take_dtype(dtype: Any, _capture: Capture) -> Any:
    return built("torch.dtype", str(dtype).removeprefix("torch."))


def _build_dtype(_reader: LeafReader, name: str) -> Any:
    found = getattr(torch, name)
    assert isinstance(found, torch.dtype)
    return found


_REDUCERS: dict[type, Reduce] = {
    torch.Tensor: _take_tensor,
    torch.nn.Parameter: _take_parameter,
    torch.Size: _take_size,
    torch.device: _take_device,
    torch.dtype: _take_dtype,
}

CODEC = Codec(
    "torch",
    _REDUCERS.get,
    {
        "tensor": _build_tensor,
        "parameter": _build_parameter,
        "size": _build_size,
        "device": _build_device,
        "dtype": _build_dtype,
    },
)
