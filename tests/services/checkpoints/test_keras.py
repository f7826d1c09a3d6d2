"""Training with Keras, on the backend that the environment names: a run that resumes is the run that never stopped."""

from __future__ import annotations

import contextlib
import copy
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from colabpanel.errors import ArchiveError, InputError, StorageError
from colabpanel.services.checkpoints.randomness import random_state, restore_random
from colabpanel.services.checkpoints.record import Record
from colabpanel.services.checkpoints.service import Checkpoints
from colabpanel.services.checkpoints.store import Store

pytestmark = pytest.mark.filterwarnings("ignore")  # of the libraries' own making


_BACKEND_NUMBERS = {
    "torch": {"random numbers of PyTorch"},
    "tensorflow": {"random numbers of TensorFlow"},
    "jax": set[str](),
}[os.environ["KERAS_BACKEND"]]


def _data() -> tuple[Any, Any]:
    random = np.random.default_rng(0)
    x = random.normal(size=(64, 8)).astype(np.float32)
    return x, (x.sum(axis=1) > 0).astype(np.float32)


def _keras_layers() -> Any:
    keras = pytest.importorskip("keras")
    return keras.Sequential(
        [
            keras.layers.Input((8,)),
            keras.layers.Dense(8, "relu"),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(1, "sigmoid"),
        ]
    )


def _keras_model(seed: int) -> Any:
    keras = pytest.importorskip("keras")
    keras.utils.set_random_seed(seed)
    model = _keras_layers()
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    return model


def test_keras_resumes_to_the_bit(tmp_path: Path) -> None:
    x, y = _data()
    options: dict[str, Any] = {"batch_size": 16, "validation_split": 0.25, "verbose": 0}
    whole = _keras_model(0)
    uninterrupted = whole.fit(x, y, epochs=4, **options).history["val_loss"]

    checkpoints = Checkpoints(tmp_path / "run", monitor="val_acc", keep_last=None)
    half = _keras_model(0)
    half.fit(x, y, epochs=2, callbacks=[checkpoints.keras()], **options)
    rows = checkpoints.table()
    assert [(row.step, row.epoch, row.framework) for row in rows] == [(3, 1, "keras"), (6, 2, "keras")]
    best = max(rows, key=lambda row: row.metrics["val_accuracy"])
    assert best.metrics["val_accuracy"] == next(row for row in rows if row.is_best).metrics["val_accuracy"]

    resumed = _keras_model(1)
    again = Checkpoints(tmp_path / "run", keep_last=None)
    restored = again.restore(resumed, which="last")
    assert {"model", "optimizer", "random numbers of layers", *_BACKEND_NUMBERS} <= set(restored.restored)
    assert restored.checkpoint.epoch == 2
    later = resumed.fit(x, y, epochs=4, initial_epoch=2, callbacks=[again.keras()], **options).history["val_loss"]
    assert later == uninterrupted[2:]
    for one, two in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        assert np.array_equal(one, two)


def test_keras_tells_what_it_did_not_restore_and_changes_nothing_that_does_not_fit(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    x, y = _data()
    model = _keras_model(0)
    model.fit(x, y, epochs=1, verbose=0)
    checkpoints = Checkpoints(tmp_path / "run")
    checkpoints.save(model, step=1).result()
    other = _keras_model(1)
    other.compile("sgd", "binary_crossentropy")
    restored = checkpoints.restore(other, which="last")
    assert "optimizer" not in restored.restored
    assert ("optimizer", "the model is compiled with another one than the checkpoint has") in restored.not_restored

    wider = keras.Sequential([keras.layers.Input((8,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(5)])
    before = wider.get_weights()
    with pytest.raises(InputError, match="do not fit this model"):
        checkpoints.restore(wider, which="last")
    assert all(map(np.array_equal, wider.get_weights(), before))

    unbuilt = keras.Sequential([keras.layers.Dense(8, "relu"), keras.layers.Dropout(0.3), keras.layers.Dense(1)])
    unbuilt.compile("adam", "mse")
    with pytest.raises(InputError, match="has no weights yet"):
        checkpoints.restore(unbuilt, which="last")
    unbuilt.fit(x, y, epochs=1, verbose=0)


def test_keras_saves_between_epochs_when_it_is_asked(tmp_path: Path) -> None:
    x, y = _data()
    checkpoints = Checkpoints(tmp_path / "run", every_steps=3, keep_last=None, monitor="loss")
    model = _keras_model(0)
    model.fit(x, y, batch_size=8, epochs=1, verbose=0, callbacks=[checkpoints.keras()])
    assert [(row.step, row.epoch) for row in checkpoints.table()] == [(3, 0), (6, 0), (8, 1)]
    with pytest.raises(InputError, match="loaded into a model"):
        checkpoints.restore(which="last")
    import keras

    other = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(1)])
    with pytest.raises(InputError, match="do not fit this model"):
        checkpoints.restore(other, which="last")
    assert checkpoints.restore(_keras_model(1), which=3).checkpoint.step == 3


def test_keras_models_that_do_not_fit_are_told(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    checkpoints = Checkpoints(tmp_path / "run", monitor="loss", keep_last=None)
    with pytest.raises(InputError, match="no weights yet"):
        checkpoints.save(keras.Sequential([keras.layers.Dense(1)]), step=1)
    plain = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(1)])
    checkpoints.save(plain, step=1)
    compiled = keras.models.clone_model(plain)
    compiled.compile("adam", "mse")
    assert ("optimizer", "it was not saved") in checkpoints.restore(compiled, which=1).not_restored
    trained = _keras_model(0)
    trained.fit(*_data(), verbose=0)
    checkpoints.save(trained, step=2)
    bare = _keras_layers()
    assert ("optimizer", "compile the model before restoring it") in checkpoints.restore(bare, which=2).not_restored
    folder = checkpoints.path(2)
    (folder / "model.weights.h5").write_bytes(b"no")
    with pytest.raises(ArchiveError, match="None of these"):
        checkpoints.restore(bare, which=2)


def test_random_numbers_of_keras_and_of_what_is_not_here() -> None:
    import json

    keras = pytest.importorskip("keras")
    keras.utils.set_random_seed(0)
    keras.random.uniform((1,))
    state = random_state()
    expected = keras.ops.convert_to_numpy(keras.random.uniform((3,))).tolist()
    restored, problems = restore_random(state)
    assert "random numbers of Keras" in restored
    assert problems == []
    assert keras.ops.convert_to_numpy(keras.random.uniform((3,))).tolist() == expected
    _, problems = restore_random(json.dumps({"Nobody": 1, "Python": [3, [1], None], "CUDA": ["x"]}).encode())
    assert [what for what, _ in problems][:2] == ["random numbers of Nobody", "random numbers of Python"]
    for wrong in (b"[", b"[1]", b"3"):
        assert restore_random(wrong)[1][0][0] == "random numbers"


def test_a_keras_optimizer_is_left_alone_where_it_is_another_or_the_model_does_not_fit(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    x, y = _data()
    model = _keras_model(0)
    model.compile(keras.optimizers.SGD(0.25, momentum=0.9), "binary_crossentropy")
    model.fit(x, y, epochs=1, verbose=0)
    checkpoints = Checkpoints(tmp_path / "run")
    checkpoints.save(model, step=1).result()

    def numbers(of: Any) -> list[list[float]]:
        return [keras.ops.convert_to_numpy(one).ravel().tolist() for one in of.optimizer.variables]

    other = _keras_model(1)
    other.compile(keras.optimizers.RMSprop(0.125), "binary_crossentropy")
    other.fit(x, y, epochs=1, verbose=0)
    before = numbers(other)
    restored = checkpoints.restore(other, which="last")
    assert "optimizer" in dict(restored.not_restored)
    assert numbers(other) == before
    wider = keras.Sequential([keras.layers.Input((8,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(5)])
    wider.compile(keras.optimizers.SGD(0.5, momentum=0.9), "mse")
    wider.fit(x, np.zeros((64, 5)), epochs=1, verbose=0)
    before = numbers(wider)
    with pytest.raises(InputError, match="do not fit this model"):
        checkpoints.restore(wider, which="last")
    assert numbers(wider) == before


def _failing(step: int, error: type[BaseException]) -> Any:
    keras = pytest.importorskip("keras")

    class Failing(keras.callbacks.Callback):  # type: ignore[name-defined]
        batches = 0

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.batches += 1
            if self.batches == step:
                raise error

    return Failing()


def _told(checkpoints: Checkpoints) -> list[Any]:
    return [(row.step, row.epoch, row.tags) for row in checkpoints.table()]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_error_in_training_is_saved_where_it_stood(tmp_path: Path, error: type[BaseException]) -> None:
    keras = pytest.importorskip("keras")
    x, y = _data()
    model = _keras_model(0)
    checkpoints = Checkpoints(tmp_path / "run", monitor="loss", keep_last=None)
    with pytest.raises(error):
        model.fit(x, y, batch_size=16, epochs=4, verbose=0, callbacks=[checkpoints.keras(), _failing(7, error)])
    assert _told(checkpoints) == [(4, 1, ()), (7, 1, (error.__name__,))]
    other = _keras_model(1)
    checkpoints.restore(other, which="last")
    for one, two in zip(model.weights, other.weights, strict=True):
        assert np.array_equal(keras.ops.convert_to_numpy(one), keras.ops.convert_to_numpy(two))


def test_an_error_that_two_notice_is_saved_once(tmp_path: Path) -> None:
    x, y = _data()
    model = _keras_model(0)
    checkpoints = Checkpoints(tmp_path / "run", monitor="loss", keep_last=None)
    callbacks = [checkpoints.keras(), _failing(3, RuntimeError)]
    for _ in range(2):
        with pytest.raises(RuntimeError), checkpoints.saving_on_error(model):
            model.fit(x, y, batch_size=16, epochs=1, verbose=0, callbacks=callbacks)
        callbacks[1] = _failing(2, RuntimeError)
    assert _told(checkpoints) == [(3, 0, ("RuntimeError",)), (5, 0, ("RuntimeError",))]


def test_errors_of_the_data_are_saved_and_those_before_or_of_others_are_not(tmp_path: Path) -> None:
    x, y = _data()

    def batches() -> Any:
        for _ in range(50):  # more than any backend fetches ahead
            yield x[:16], y[:16]
        raise ValueError("the disk is gone")

    model, other = _keras_model(0), _keras_model(0)
    checkpoints = Checkpoints(tmp_path / "run", monitor="loss", keep_last=None)
    callback = checkpoints.keras()
    with pytest.raises(TypeError):
        model.fit(x, y, batch_size="no", verbose=0, callbacks=[callback])
    with pytest.raises(RuntimeError):
        other.fit(x, y, batch_size=16, epochs=1, verbose=0, callbacks=[_failing(2, RuntimeError)])
    assert _told(checkpoints) == []
    with pytest.raises(Exception, match="the disk is gone"):
        model.fit(batches(), steps_per_epoch=90, epochs=1, verbose=0, callbacks=[callback])
    ((step, epoch, tags),) = _told(checkpoints)
    assert (epoch, len(tags)) == (0, 1)
    assert step in {49, 50}  # JAX on a GPU fetches one ahead


def test_an_error_of_the_disk_ends_training_and_what_stands_there_is_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y = _data()
    checkpoints, publish, tries = Checkpoints(tmp_path / "run", monitor="loss"), Store.publish, iter([True])

    def fail_once(store: Store, part: Path, record: Record) -> Record:
        if next(tries, False):
            raise OSError(5, "Input/output error")
        return publish(store, part, record)

    monkeypatch.setattr(Store, "publish", fail_once)
    with pytest.raises(StorageError):
        _keras_model(0).fit(x, y, batch_size=16, epochs=3, verbose=0, callbacks=[checkpoints.keras()])
    assert _told(checkpoints) == [(8, 1, ("StorageError",))]


def test_an_error_within_an_error_is_not_that_of_the_training_around_it(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    x, y = _data()

    class Probing(keras.callbacks.Callback):  # type: ignore[name-defined]
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if batch == 1:
                with contextlib.suppress(Exception):
                    self.model.fit(x[:, :3], y, verbose=0)

    checkpoints = Checkpoints(tmp_path / "run", monitor="loss", keep_last=None)
    callbacks = [checkpoints.keras(), Probing(), _failing(7, RuntimeError)]
    with pytest.raises(RuntimeError):
        _keras_model(0).fit(x, y, batch_size=16, epochs=3, verbose=0, callbacks=callbacks)
    assert _told(checkpoints) == [(4, 1, ()), (7, 1, ("RuntimeError",))]


def test_steps_are_batches_however_many_are_run_at_once(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    if keras.backend.backend() == "torch":
        pytest.skip("PyTorch runs one at a time")
    x, y = _data()
    model = _keras_model(0)
    model.compile(keras.optimizers.SGD(0.1), "binary_crossentropy", steps_per_execution=2)
    checkpoints = Checkpoints(tmp_path / "run", monitor="loss", keep_last=None)
    model.fit(x, y, batch_size=16, epochs=2, verbose=0, callbacks=[checkpoints.keras()])
    assert [step for step, _, _ in _told(checkpoints)] == [4, 8]
    assert int(keras.ops.convert_to_numpy(model.optimizer.iterations)) == 8


def test_what_is_not_told_of_errors_says_so(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    callback = Checkpoints(tmp_path / "run", monitor="loss").keras()
    with pytest.warns(RuntimeWarning, match="saving_on_error"):
        keras.callbacks.CallbackList([copy.deepcopy(callback)], model=_keras_model(0)).on_train_begin()
    assert pickle.loads(pickle.dumps(keras.Model.fit)) is keras.Model.fit
