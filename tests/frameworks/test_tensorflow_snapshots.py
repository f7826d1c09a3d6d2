"""Tensors and variables of TensorFlow in snapshots."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import colabpanel
from tests.snapshot_calls import round_trip

tf = pytest.importorskip("tensorflow")

NUMBERS = [
    "float16",
    "bfloat16",
    "float32",
    "float64",
    "int8",
    "int32",
    "int64",
    "uint8",
    "uint64",
    "bool",
    "complex64",
]


@pytest.mark.parametrize("dtype", NUMBERS)
@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3, 4)])
def test_tensors_come_back(tmp_path: Path, dtype: str, shape: tuple[int, ...]) -> None:
    tensor = tf.cast(tf.reshape(tf.range(int(np.prod(shape))), shape), dtype)
    back = round_trip(tmp_path, tensor=tensor)["tensor"]
    assert isinstance(back, tf.Tensor)
    assert back.dtype == tensor.dtype
    assert np.array_equal(back.numpy(), tensor.numpy())
    assert back.shape == tensor.shape


def test_strings_come_back(tmp_path: Path) -> None:
    words = tf.constant([["a", "\u00e4"], ["", "c\0d"]])
    back = round_trip(tmp_path, words=words)["words"]
    assert back.dtype == tf.string
    assert back.numpy().tolist() == words.numpy().tolist()
    assert round_trip(tmp_path, word=tf.constant("one"))["word"].numpy() == b"one"


def test_variables_come_back_with_name_and_one_object_stays_one(tmp_path: Path) -> None:
    variable = tf.Variable([[1.0, 2.0]], name="weights", trainable=False, dtype="bfloat16")
    back = round_trip(tmp_path, variable=variable, layers={"first": variable, "rest": [tf.Variable(3)]})
    assert isinstance(back["variable"], tf.Variable)
    assert (back["variable"].name, back["variable"].trainable) == (variable.name, False)
    assert back["variable"].dtype == tf.bfloat16
    assert back["variable"].numpy().tolist() == [[1.0, 2.0]]
    assert back["layers"]["first"] is back["variable"]
    back["layers"]["rest"][0].assign_add(1)
    assert back["layers"]["rest"][0].numpy() == 4


@pytest.mark.parametrize(
    "ragged",
    [
        tf.ragged.constant([[1], [], [2, 3]]),
        tf.ragged.constant([[[1.0, 2.0]], [[3.0, 4.0], [5.0, 6.0]]], ragged_rank=1, dtype="bfloat16"),
        tf.ragged.constant([[["a"], []], [], [["b", "c"]]]),
        tf.RaggedTensor.from_uniform_row_length(tf.ragged.constant([[1], [2, 3], [], [4]]), 2),
        tf.RaggedTensor.from_uniform_row_length(tf.zeros((0, 2)), 0, nrows=3),
    ],
)
def test_ragged_tensors_come_back(tmp_path: Path, ragged: Any) -> None:
    back = round_trip(tmp_path, ragged=ragged)["ragged"]
    assert back.to_list() == ragged.to_list()
    assert (back.dtype, back.shape.as_list()) == (ragged.dtype, ragged.shape.as_list())


def test_sparse_tensors_come_back(tmp_path: Path) -> None:
    sparse = tf.sparse.SparseTensor([[0, 1], [3, 0]], tf.constant([1, 2], tf.bfloat16), (5, 2))
    back = round_trip(tmp_path, sparse=sparse)["sparse"]
    assert (back.dtype, back.shape) == (sparse.dtype, sparse.shape)
    assert tf.sparse.to_dense(back).numpy().tolist() == tf.sparse.to_dense(sparse).numpy().tolist()


def test_each_is_told_and_loads_alone_and_what_has_no_values_is_left_out(tmp_path: Path) -> None:
    path, seen = tmp_path / "a.snapshot.zip", list[Any]()
    tf.function(seen.append)(tf.constant(1.0))
    variables = {"a": tf.ones((2, 3)), "b": tf.Variable(1), "c": tf.ragged.constant([[1], [2, 3]]), "graph": seen[0]}
    snapshot = colabpanel.dump(path, variables)
    assert {one.name: (one.status, one.shape) for one in snapshot.variables} == {
        "a": ("saved", "2 x 3 float32"),
        "b": ("saved", "scalar int32"),
        "c": ("saved", "2 x ? int32"),
        "graph": ("skipped", "scalar float32"),
    }
    assert snapshot.skipped[0].note == "It holds a SymbolicTensor object, which cannot be saved."
    assert list(colabpanel.load(path, names=["b"])) == ["b"]


def test_where_tensorflow_is_missing_the_rest_loads(tmp_path: Path) -> None:
    path = tmp_path / "a.snapshot.zip"
    colabpanel.dump(path, {"a": tf.ones(3), "b": 2})
    code = """
import sys
sys.modules["tensorflow"] = None
import colabpanel
from colabpanel.errors import MissingLibraryError
assert colabpanel.load(sys.argv[1], names=["b"]) == {"b": 2}
try:
    colabpanel.load(sys.argv[1])
except MissingLibraryError as error:
    print(error)
"""
    told = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert "tensorflow" in told.stdout
