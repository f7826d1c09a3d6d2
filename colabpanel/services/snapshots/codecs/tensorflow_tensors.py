"""Tensors and variables of TensorFlow, as arrays of NumPy."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from colabpanel.services.snapshots.capture import Capture
from colabpanel.services.snapshots.codecs._base import Codec, LeafReader, Reduce, built

__all__ = ["CODEC"]


def _take_tensor(tensor: Any, capture: Capture) -> Any:
    if not hasattr(tensor, "numpy"):
        return NotImplemented  # of a graph: it has no values
    _tell_device(tensor, capture)
    return built("tensorflow.tensor", tensor.numpy(), tensor.dtype.name)


def _build_tensor(_reader: LeafReader, values: Any, dtype: str) -> Any:
    return tf.constant(values, dtype=dtype)


def _take_variable(variable: Any, capture: Capture) -> Any:
    _tell_device(variable, capture)
    name = variable.name.partition(":")[0]
    return built("tensorflow.variable", variable.numpy(), variable.dtype.name, name, variable.trainable)


def _build_variable(_reader: LeafReader, values: Any, dtype: str, name: str, trainable: Any) -> Any:
    return tf.Variable(values, dtype=dtype, name=name, trainable=bool(trainable))


def _tell_device(value: Any, capture: Capture) -> None:
    if ":GPU:" in value.device or ":TPU:" in value.device:
        capture.note("It was copied from its device to the host's memory.")


def _reducer(kind: type) -> Reduce | None:
    if issubclass(kind, tf.Variable):
        return _take_variable
    return _take_tensor if issubclass(kind, tf.Tensor) else None


CODEC = Codec("tensorflow", _reducer, {"tensor": _build_tensor, "variable": _build_variable})
