"""Random generators of NumPy, whose own pickles differ between versions."""

from __future__ import annotations

from typing import Any

import numpy as np

from colabpanel.services.snapshots.capture import Capture
from colabpanel.services.snapshots.codecs._base import Builder, LeafReader, Reduce, built

__all__ = ["BUILDERS", "REDUCERS"]

_KINDS = ("MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64")
_LARGEST_POOL = 64
_WORDS = 624
_SEED_FIELDS = ("entropy", "spawn_key", "pool_size", "n_children_spawned")


def _take_bits(bits: Any, _capture: Capture) -> Any:
    seed = getattr(bits, "seed_seq", None) or getattr(bits, "_seed_seq", None)
    fields = tuple(getattr(seed, name) for name in _SEED_FIELDS) if type(seed) is np.random.SeedSequence else None
    return built("numpy.bits", type(bits).__name__, bits.state, fields)


def _build_bits(_reader: LeafReader, name: str, state: dict[str, Any], seed: tuple[Any, ...] | None) -> Any:
    if name not in _KINDS:
        raise ValueError(name)
    fields = None if seed is None else dict(zip(_SEED_FIELDS, seed, strict=True))
    if fields is not None and not 4 <= fields["pool_size"] <= _LARGEST_POOL:  # noqa: PLR2004 - as NumPy has it
        raise ValueError("pool_size")
    _insist_on_places(state)
    bits = getattr(np.random, name)(0 if fields is None else np.random.SeedSequence(**fields))
    bits.state = state
    return bits


def _insist_on_places(state: dict[str, Any]) -> None:
    """Refuse a state that would let NumPy read beyond the numbers it holds."""
    inner = state["state"]
    if not 0 <= int(inner.get("pos", 0)) <= _WORDS or not 0 <= int(state.get("buffer_pos", 0)) <= 4:  # noqa: PLR2004 - as NumPy has it
        raise ValueError("state")
    if "key" in inner and state.get("bit_generator") == "MT19937" and len(inner["key"]) != _WORDS:
        raise ValueError("state")


def _take_generator(generator: Any, _capture: Capture) -> Any:
    return built("numpy.generator", generator.bit_generator)


def _build_generator(_reader: LeafReader, bits: Any) -> Any:
    return np.random.Generator(bits)


def _take_state(random: Any, _capture: Capture) -> Any:
    state = random.get_state(legacy=False)
    if state["bit_generator"] == "MT19937":
        return built("numpy.random_state", state)
    return NotImplemented if state.get("has_gauss") else built("numpy.random_state", None, random._bit_generator)  # noqa: SLF001 - there is no other way


def _build_state(_reader: LeafReader, state: dict[str, Any] | None, bits: Any = None) -> Any:
    if state is None:
        return np.random.RandomState(bits)
    _insist_on_places(state)
    random = np.random.RandomState(0)
    random.set_state(state)
    return random


REDUCERS: dict[type, Reduce] = {
    **{getattr(np.random, name): _take_bits for name in _KINDS if hasattr(np.random, name)},
    np.random.Generator: _take_generator,
    np.random.RandomState: _take_state,
}
BUILDERS: dict[str, Builder] = {
    "bits": _build_bits,
    "generator": _build_generator,
    "random_state": _build_state,
}
