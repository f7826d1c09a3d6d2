"""Restoring a checkpoint of any kind from a folder: ours by the store, those of other libraries by their weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from colabpanel.errors import InputError
from colabpanel.progress import Progress
from colabpanel.services.checkpoints.comparing import find_checkpoint
from colabpanel.services.checkpoints.frameworks._base import Outcome
from colabpanel.services.checkpoints.frameworks.keras_models import load_weights
from colabpanel.services.checkpoints.models import Checkpoint, Restored
from colabpanel.services.checkpoints.service import Checkpoints
from colabpanel.services.checkpoints.tensorflow_variables import fill_from_tensorflow
from colabpanel.services.checkpoints.weights import weights_of
from colabpanel.services.disks import disk_errors_in_words

__all__ = ["restore_checkpoint"]


def restore_checkpoint(
    directory: str | Path,
    which: str | int,
    model: Any = None,
    *,
    monitor: str | None = None,
    mode: str = "auto",
    strict: bool = True,
    trusted: bool = False,
    root: str | Path | None = None,
    progress: Progress | None = None,
) -> Restored:
    """Put a checkpoint in a folder back, whoever wrote it.

    Ours come back as with `Checkpoints.restore`. Of others the weights are read without running code: into a module of
    PyTorch, a model of Keras, one of TensorFlow (from ``cp.ckpt`` and the like), or as arrays by name.

    Args:
        directory: The folder.
        which: See `find_checkpoint`.
        model: The model to fill; None returns what there is.
        monitor: The metric that tells which is best.
        mode: See `Checkpoints`.
        strict: Refuse a model that has other parts than the checkpoint.
        trusted: See `Checkpoints.restore`.
        root: Refuse paths outside of this folder.
        progress: May cancel.

    Raises:
        InputError: There is no such checkpoint, or it does not fit.
        MissingLibraryError: The library to read it is not installed.
        StorageError: The disk failed.
    """
    found = find_checkpoint(directory, which, monitor=monitor, mode=mode, root=root, progress=progress)
    if found.kind == "colabpanel":
        store = Checkpoints(directory, root=root)
        return store.restore(model, which=found.name, strict=strict, trusted=trusted, progress=progress)
    with disk_errors_in_words():
        if model is None:
            return Restored(found, weights_of(found), ("weights",))
        if found.kind == "tensorflow":
            outcome = fill_from_tensorflow(found.path, model, strict=strict)
            return Restored(found, model, tuple(outcome.restored), tuple(outcome.not_restored))
        if hasattr(model, "load_weights"):  # first: on PyTorch a model of Keras is a module, too
            return _into_keras(found, model, strict=strict)
        return _into_module(found, model, strict=strict)


def _into_module(found: Checkpoint, model: Any, *, strict: bool) -> Restored:
    if not hasattr(model, "load_state_dict"):
        raise InputError(
            f"A {type(model).__name__} takes no weights of {found.kind}.",
            hint="Leave the model out, and the weights come as arrays by name.",
        )
    import torch

    from colabpanel.services.checkpoints.frameworks.torch_models import fill_model, unwrapped

    outcome = Outcome(model, ["model"])
    weights = {name: torch.as_tensor(value) for name, value in weights_of(found).items()}
    fill_model(unwrapped(model), weights, outcome, strict=strict)
    return Restored(found, model, tuple(outcome.restored), tuple(outcome.not_restored))


def _into_keras(found: Checkpoint, model: Any, *, strict: bool) -> Restored:
    if found.kind != "keras":
        raise InputError(f"A model of Keras takes no weights of {found.kind}.", hint="Leave the model out.")
    load_weights(model, found.path, strict=strict)
    return Restored(found, model, ("model",))
