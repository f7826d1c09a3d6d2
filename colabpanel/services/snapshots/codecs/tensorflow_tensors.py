"""Tensors and variables of TensorFlow, as arrays of NumPy; ragged and sparse ones by the tensors they are made of."""

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


def _take_sparse(tensor: Any, _capture: Capture) -> Any:
    parts = (tensor.indices, tensor.values, tensor.dense_shape)
    return built("tensorflow.sparse", *parts) if _have_values(*parts) else NotImplemented


def _build_sparse(_reader: LeafReader, indices: Any, values: Any, shape: Any) -> Any:
    return tf.sparse.SparseTensor(indices, values, shape)


def _take_ragged(tensor: Any, _capture: Capture) -> Any:
    """Take apart one level: where its rows begin, and how long each is where all are known to be equally long."""
    parts = (tensor.values, tensor.row_splits, tensor.uniform_row_length)
    return built("tensorflow.ragged", *parts) if _have_values(tensor.row_splits) else NotImplemented


def _build_ragged(_reader: LeafReader, values: Any, splits: Any, length: Any) -> Any:
    if length is None:
        return tf.RaggedTensor.from_row_splits(values, splits)
    return tf.RaggedTensor.from_uniform_row_length(values, length, nrows=splits.shape[0] - 1)


def _have_values(*parts: Any) -> bool:
    """Whether none of them belongs to a graph."""
    return all(hasattr(part, "numpy") for part in parts)


def _tell_device(value: Any, capture: Capture) -> None:
    if ":GPU:" in value.device or ":TPU:" in value.device:
        capture.note("It was copied from its device to the host's memory.")


def _reducer(kind: type) -> Reduce | None:
    if issubclass(kind, tf.Variable):
        return _take_variable
    if issubclass(kind, tf.Tensor):
        return _take_tensor
    return {tf.sparse.SparseTensor: _take_sparse, tf.RaggedTensor: _take_ragged}.get(kind)


CODEC = Codec(
    "tensorflow",
    _reducer,
    {"tensor": _build_tensor, "variable": _build_variable, "sparse": _build_sparse, "ragged": _build_ragged},
)
