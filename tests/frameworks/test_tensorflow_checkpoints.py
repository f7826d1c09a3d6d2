"""What `tf.train.Checkpoint` and the ``cp.ckpt`` of earlier Keras wrote: listed, looked into and restored."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from colabpanel.errors import ArchiveError, InputError
from colabpanel.services.checkpoints.filling import restore_checkpoint
from colabpanel.services.checkpoints.found.scan import find_checkpoints
from colabpanel.services.checkpoints.found.tensors import tensors_of

tf = pytest.importorskip("tensorflow")

pytestmark = pytest.mark.filterwarnings("ignore")  # of the libraries' own making

ON_TENSORFLOW = pytest.mark.skipif(os.environ["KERAS_BACKEND"] != "tensorflow", reason="Keras runs on another backend")


def _model(keras: Any, wide: int = 4, seed: int = 0) -> Any:
    keras.utils.set_random_seed(seed)
    layers = keras.layers
    model = keras.Sequential([layers.Input((3,)), layers.Dense(2, "relu"), layers.Dense(wide), layers.Dense(2)])
    model.compile("adam", "mse")
    return model


def _fit(model: Any, **options: Any) -> Any:
    model.fit(np.ones((8, 3), np.float32), np.ones((8, 2), np.float32), verbose=0, **options)
    return model


def _same(one: Any, two: Any) -> bool:
    return all(map(np.array_equal, one.get_weights(), two.get_weights()))


@ON_TENSORFLOW
@pytest.mark.parametrize("below", [True, False])
def test_a_checkpoint_of_tensorflow_is_listed_and_restored(tmp_path: Path, below: bool) -> None:
    import keras

    model = _fit(_model(keras))
    written = tf.train.Checkpoint(model=model) if below else tf.train.Checkpoint(model)
    written.save(tmp_path / "ckpt")
    found = find_checkpoints(tmp_path)
    assert [(one.name, one.kind, one.step) for one in found] == [("ckpt-1", "tensorflow", 1)]
    shapes = [one.shape for one in tensors_of(found[0].path) if one.part == "model"]
    assert {(3, 2), (2, 4), (4, 2)} <= set(shapes)
    other = _model(keras, seed=1)
    assert not _same(model, other)
    restored = restore_checkpoint(tmp_path, "ckpt-1", other)
    assert (restored.restored, restored.model is other) == (("model",), True)
    assert _same(model, other)


@ON_TENSORFLOW
def test_a_model_that_does_not_fit_is_left_as_it_was(tmp_path: Path) -> None:
    import keras

    tf.train.Checkpoint(model=_fit(_model(keras))).save(tmp_path / "ckpt")
    wider = _model(keras, wide=5, seed=1)
    deeper = keras.Sequential([keras.layers.Input((3,)), *_model(keras, seed=1).layers, keras.layers.Dense(1)])
    for other in (wider, deeper):
        before = other.get_weights()
        with pytest.raises(InputError, match="does not fit this model"):
            restore_checkpoint(tmp_path, "ckpt-1", other)
        assert all(map(np.array_equal, other.get_weights(), before))


def test_what_the_source_text_writes_is_listed_and_restored(tmp_path: Path) -> None:
    keras = pytest.importorskip("tf_keras")
    saving = keras.callbacks.ModelCheckpoint(filepath=f"{tmp_path}/training_1/cp.ckpt", save_weights_only=True)
    model = _fit(_model(keras), epochs=2, callbacks=[saving])
    found = find_checkpoints(tmp_path / "training_1")
    assert [(one.name, one.kind) for one in found] == [("cp.ckpt", "tensorflow")]
    other = _model(keras, seed=1)
    assert restore_checkpoint(tmp_path / "training_1", "cp.ckpt", other).restored == ("model",)
    assert _same(model, other)
    wider = _model(keras, wide=5, seed=1)
    before = wider.get_weights()
    with pytest.raises(InputError, match="does not fit this model"):
        restore_checkpoint(tmp_path / "training_1", "cp.ckpt", wider)
    assert all(map(np.array_equal, wider.get_weights(), before))


@ON_TENSORFLOW
def test_where_no_seed_was_set_it_is_told_that_the_order_is_a_new_one(tmp_path: Path) -> None:
    code = """
import sys, keras, colabpanel, numpy as np
model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(1)])
model.compile("sgd", "mse")
checkpoints = colabpanel.Checkpoints(sys.argv[1], monitor="loss")
checkpoints.save(model, step=1, metrics={"loss": 1.0}).result()
print(dict(checkpoints.restore(model).not_restored)["random numbers of TensorFlow"])
"""
    told = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True)
    assert told.stdout.startswith("no seed was set")


@ON_TENSORFLOW
def test_what_fits_is_set_where_that_is_enough(tmp_path: Path) -> None:
    import keras

    model = _fit(_model(keras))
    tf.train.Checkpoint(model=model, optimizer=model.optimizer).write(tmp_path / "cp.ckpt")
    wider = _model(keras, wide=5, seed=1)
    restored = restore_checkpoint(tmp_path, "cp.ckpt", wider, strict=False)
    told = dict(restored.not_restored)
    assert len([name for name in told if name.startswith("model: ")]) == 3
    assert "optimizer" in told
    same = list(map(np.array_equal, wider.get_weights(), model.get_weights()))
    assert same == [True, True, False, False, False, True]


@ON_TENSORFLOW
def test_a_model_with_fewer_layers_is_told(tmp_path: Path) -> None:
    import keras

    model = _fit(_model(keras))
    tf.train.Checkpoint(model=model).write(tmp_path / "cp.ckpt")
    shorter = keras.Sequential([keras.layers.Input((3,)), *_model(keras, seed=1).layers[:2]])
    before = shorter.get_weights()
    with pytest.raises(InputError, match="the model has no "):
        restore_checkpoint(tmp_path, "cp.ckpt", shorter)
    assert all(map(np.array_equal, shorter.get_weights(), before))
    assert ("the model has none") in dict(
        restore_checkpoint(tmp_path, "cp.ckpt", shorter, strict=False).not_restored
    ).values()


class _Layer(tf.Module):  # type: ignore[name-defined]
    def __init__(self, value: float, size: int = 2) -> None:
        super().__init__()
        self.weight = tf.Variable([value] * size)


def test_one_of_several_models_is_found_by_its_shapes(tmp_path: Path) -> None:
    tf.train.Checkpoint(generator=_Layer(1.0), critic=_Layer(2.0, 3)).write(tmp_path / "cp.ckpt")
    critic = _Layer(0.0, 3)
    restore_checkpoint(tmp_path, "cp.ckpt", critic)
    assert critic.weight.numpy().tolist() == [2.0] * 3
    tf.train.Checkpoint(student=_Layer(1.0), teacher=_Layer(2.0)).write(tmp_path / "cp.ckpt")
    with pytest.raises(InputError, match="fits several parts of the checkpoint: student, teacher"):
        restore_checkpoint(tmp_path, "cp.ckpt", _Layer(0.0))
    weights = restore_checkpoint(tmp_path, "cp.ckpt").model
    assert {name: value.tolist() for name, value in weights.items()} == {
        "student/weight": [1.0, 1.0],
        "teacher/weight": [2.0, 2.0],
    }


@pytest.mark.skipif(os.environ["KERAS_BACKEND"] == "tensorflow", reason="Keras runs on TensorFlow")
def test_a_model_on_another_backend_is_refused(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    tf.train.Checkpoint(weight=tf.Variable(1.0)).write(tmp_path / "cp.ckpt")
    with pytest.raises(InputError, match="does not run on TensorFlow"):
        restore_checkpoint(tmp_path, "cp.ckpt", _model(keras))


def test_what_tensorflow_1_wrote_comes_by_name(tmp_path: Path) -> None:
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        weight = tf.compat.v1.get_variable("dense/kernel", initializer=[[1.0, 2.0]])
        session.run(weight.initializer)
        tf.compat.v1.train.Saver().save(session, str(tmp_path / "model.ckpt"), global_step=10)
    found = find_checkpoints(tmp_path)
    assert [(one.name, one.kind, one.step) for one in found] == [("model.ckpt-10", "tensorflow", 10)]
    assert restore_checkpoint(tmp_path, 10).model["dense/kernel"].tolist() == [[1.0, 2.0]]
    with pytest.raises(InputError, match="TensorFlow 1 wrote this checkpoint"):
        restore_checkpoint(tmp_path, 10, _Layer(0.0))


def test_a_checkpoint_cut_short_changes_nothing(tmp_path: Path) -> None:
    layer = _Layer(0.0, 1000)
    tf.train.Checkpoint(layer).write(tmp_path / "cp.ckpt")
    data = tmp_path / "cp.ckpt.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:2000])
    other = _Layer(7.0, 1000)
    with pytest.raises(ArchiveError):
        restore_checkpoint(tmp_path, "cp.ckpt", other)
    assert other.weight.numpy().tolist() == [7.0] * 1000
    with pytest.raises(ArchiveError):
        restore_checkpoint(tmp_path, "cp.ckpt")
    index = tmp_path / "cp.ckpt.index"
    index.write_bytes(index.read_bytes()[:20])
    for call in (tensors_of, lambda path: restore_checkpoint(tmp_path, path.name, other)):
        with pytest.raises(ArchiveError):
            call(tmp_path / "cp.ckpt")
