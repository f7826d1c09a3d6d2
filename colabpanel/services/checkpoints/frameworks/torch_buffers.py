"""Copies of tensors in memory that is used again: taking them is all that training waits for.

Fresh memory costs more than the copy itself, for the system hands it out page by page. So the first copy reserves one
block for everything, and the following ones write into it.
"""

from __future__ import annotations

import mmap
from collections.abc import Mapping
from typing import Any

import torch

__all__ = ["Buffers"]

_ALIGNED = 64


class Buffers:
    """Holds the copies of one saving at a time; the next one overwrites them."""

    def __init__(self) -> None:
        self._layout: list[tuple[Any, ...]] = []
        self._copies: list[torch.Tensor] = []

    def copy(self, state: Any) -> Any:
        """Return a state whose tensors are copies in host memory; what shares its numbers keeps sharing them."""
        found: dict[tuple[Any, ...], torch.Tensor] = {}
        _collect(state, found)
        layout = [_layout_of(tensor) for tensor in found.values()]
        if layout != self._layout:
            self._layout, self._copies = [], []  # the old ones go before the new ones come
            self._copies = _reserve(list(found.values()))
            self._layout = layout
        with torch.no_grad():
            for copy, tensor in zip(self._copies, found.values(), strict=True):
                copy.copy_(tensor, non_blocking=copy.is_pinned())
        if any(tensor.is_cuda for tensor in found.values()):
            torch.cuda.synchronize()
        return _replaced(state, dict(zip(found, self._copies, strict=True)))

    def drop(self) -> None:
        """Give the memory back."""
        self._layout, self._copies = [], []


def _key(tensor: torch.Tensor) -> tuple[Any, ...]:
    """Return what two tensors have in common that are the same numbers."""
    return (tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride(), tensor.device)


def _layout_of(tensor: torch.Tensor) -> tuple[Any, ...]:
    return (tensor.dtype, tensor.shape, tensor.stride(), tensor.device)


def _is_plain(tensor: torch.Tensor) -> bool:
    """Whether the numbers of a tensor lie in memory one after another, and there are any."""
    is_dense = tensor.layout == torch.strided and not tensor.is_quantized and type(tensor) in _PLAIN
    return is_dense and tensor.numel() > 0


_PLAIN = (torch.Tensor, torch.nn.Parameter)


def _collect(state: Any, found: dict[tuple[Any, ...], torch.Tensor]) -> None:
    if isinstance(state, torch.Tensor):
        if _is_plain(state):
            found.setdefault(_key(state.detach()), state.detach())
    elif isinstance(state, Mapping):
        for value in state.values():
            _collect(value, found)
    elif isinstance(state, (list, tuple)):
        for value in state:
            _collect(value, found)


def _replaced(state: Any, copies: Mapping[tuple[Any, ...], torch.Tensor]) -> Any:
    """Return a state with copies in place of its tensors, in plain containers."""
    if isinstance(state, torch.Tensor):
        plain = state.detach()
        return copies[_key(plain)] if _is_plain(state) else plain.cpu().clone()
    if isinstance(state, Mapping):
        return {key: _replaced(value, copies) for key, value in state.items()}
    if isinstance(state, (list, tuple)):
        return type(state)(_replaced(value, copies) for value in state) if type(state) in {list, tuple} else state
    return state


def _reserve(tensors: list[torch.Tensor]) -> list[torch.Tensor]:
    """Return an uninitialised tensor like each of these, on the host."""
    places, size = list[int](), 0
    for tensor in tensors:
        places.append(size)
        size += -(-tensor.numel() * tensor.element_size() // _ALIGNED) * _ALIGNED
    pinned = any(tensor.is_cuda for tensor in tensors)
    block = torch.empty(size, dtype=torch.uint8, pin_memory=True).numpy() if pinned else mmap.mmap(-1, max(size, 1))
    return [_part_of(block, place, tensor) for place, tensor in zip(places, tensors, strict=True)]


def _part_of(block: Any, place: int, tensor: torch.Tensor) -> torch.Tensor:
    """Return a tensor with a storage of its own in a block: PyTorch saves whole storages."""
    return torch.frombuffer(block, dtype=tensor.dtype, count=tensor.numel(), offset=place).view(tensor.shape)
