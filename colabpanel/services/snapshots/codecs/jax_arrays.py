"""Arrays of JAX, as those of NumPy; on loading they go to the default device."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from colabpanel.services.snapshots.capture import Capture
from colabpanel.services.snapshots.codecs._base import Codec, LeafReader, Reduce, built

__all__ = ["CODEC"]


def _take_array(array: Any, capture: Capture) -> Any:
    if jax.dtypes.issubdtype(array.dtype, jax.dtypes.prng_key):
        return built("jax.key", np.asarray(jax.random.key_data(array)), str(jax.random.key_impl(array)))
    if any(device.platform != "cpu" for device in array.devices()):
        capture.note("It was copied from its device to the host's memory.")
    return built("jax.array", np.asarray(array))


def _build_array(_reader: LeafReader, values: Any) -> Any:
    return jax.numpy.asarray(values)


def _build_key(_reader: LeafReader, data: Any, implementation: str) -> Any:
    return jax.random.wrap_key_data(data, impl=implementation)


def _reducer(kind: type) -> Reduce | None:
    return _take_array if issubclass(kind, jax.Array) else None


CODEC = Codec("jax", _reducer, {"array": _build_array, "key": _build_key})
