"""Models of Keras 3, on any backend: their weights as Keras' own ``.weights.h5``, the optimizer's among them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from colabpanel.errors import ArchiveError, InputError
from colabpanel.services.checkpoints.found.reading import damage_in_words
from colabpanel.services.checkpoints.frameworks._base import Outcome, Parts, reason_of

__all__ = ["KerasModels", "is_keras", "load_weights"]

_FILE, _SEEDS, _OPTIMIZER = "model.weights.h5", "seeds.json", "optimizer.json"


def is_keras(model: Any) -> bool:
    """Whether a model is one of Keras 3."""
    import keras

    return isinstance(model, keras.Model)


class KerasModels:
    """Saves before training goes on: Keras itself writes the file."""

    name = "keras"
    keeps_states = False

    def take(self, parts: Parts, folder: Path) -> Callable[[], None]:
        """Write the weights at once; a compiled model has its optimizer in them."""
        if not parts.model.built:
            raise InputError("This model has no weights yet.", hint="Train it, or call it on data, before saving it.")
        parts.model.save_weights(folder / _FILE)
        (folder / _SEEDS).write_text(json.dumps([_numbers(seed) for seed in _seeds_of(parts.model)]))
        (folder / _OPTIMIZER).write_text(json.dumps(_kind_of(getattr(parts.model, "optimizer", None))))
        return lambda: None

    def parameters(self, model: Any) -> int | None:
        """Return how many numbers the layers have."""
        return int(model.count_params()) if model.built else None

    def restore(self, folder: Path, parts: Parts, *, strict: bool, trusted: bool) -> Outcome:
        """Load the weights into the model."""
        if parts.model is None:
            raise InputError(
                "The weights of a Keras model are loaded into a model.", hint="Write restore(model) with the model."
            )
        model, path = parts.model, folder / _FILE
        if not model.built:
            raise InputError("This model has no weights yet.", hint="Call it on data, or build it, before restoring.")
        outcome = Outcome(model, ["model"])
        optimizer = getattr(model, "optimizer", None)
        if optimizer is not None and not optimizer.built:
            optimizer.build(model.trainable_variables)
        saved, is_another = _saved_optimizer(path), _is_another(optimizer, folder / _OPTIMIZER)
        kept = list(optimizer.variables) if optimizer is not None and is_another else []
        before = [_as_array(variable) for variable in kept]
        load_weights(model, path, strict=strict)
        for variable, values in zip(kept, before, strict=True):
            variable.assign(values)
        _set_seeds(model, folder / _SEEDS, outcome)
        if optimizer is None:
            reason = "" if saved is None else "compile the model before restoring it"
        elif saved is None:
            reason = "it was not saved"
        else:
            is_alike = not is_another and saved == [tuple(variable.shape) for variable in optimizer.variables]
            reason = "" if is_alike else "the model is compiled with another one than the checkpoint has"
        if reason:
            outcome.not_restored.append(("optimizer", reason))
        elif optimizer is not None:
            outcome.restored.append("optimizer")
        return outcome


def _kind_of(optimizer: Any) -> str:
    return type(optimizer).__name__ if optimizer is not None else ""


def _is_another(optimizer: Any, path: Path) -> bool:
    """Whether an optimizer is of another kind than the one that was saved, which earlier checkpoints do not tell."""
    try:
        saved = json.loads(path.read_text())
    except (OSError, ValueError):
        return False
    return optimizer is not None and bool(saved) and saved != _kind_of(optimizer)


def load_weights(model: Any, path: Path, *, strict: bool) -> None:
    """Load the weights that Keras wrote; where that fails, those of before are put back.

    Raises:
        InputError: They do not fit.
        ArchiveError: The file is damaged.
        OSError: The disk refused.
    """
    optimizer = getattr(model, "optimizer", None)
    variables = [*model.weights, *(getattr(optimizer, "variables", None) or ())]
    before = [_as_array(variable) for variable in variables]
    try:
        model.load_weights(path, skip_mismatch=not strict)
    except BaseException as error:
        for variable, values in zip(variables, before, strict=True):
            variable.assign(values)
        if isinstance(error, ValueError | KeyError | TypeError):
            raise InputError(
                f"The weights do not fit this model ({reason_of(error)}).",
                hint="Build the model as it was when it was saved.",
            ) from None
        with damage_in_words(path):
            raise


def _seeds_of(model: Any) -> list[Any]:
    """Return the variables that layers such as Dropout draw from, which are not among the weights."""
    return [one for one in model.non_trainable_variables if one.path.endswith("seed_generator_state")]


def _as_array(variable: Any) -> Any:
    """Return a copy of its values."""
    from keras.ops import convert_to_numpy

    return convert_to_numpy(variable).copy()


def _numbers(variable: Any) -> list[int]:
    from keras.ops import convert_to_numpy

    return [int(number) for number in convert_to_numpy(variable)]


def _set_seeds(model: Any, path: Path, outcome: Outcome) -> None:
    try:
        saved, seeds = json.loads(path.read_text()), _seeds_of(model)
        for numbers, variable in zip(saved, seeds, strict=True):
            variable.assign([int(number) for number in numbers])
    except (OSError, ValueError, TypeError):
        outcome.not_restored.append(("random numbers of layers", "the model has others than the checkpoint"))
        return
    if seeds:
        outcome.restored.append("random numbers of layers")


def _saved_optimizer(path: Path) -> list[tuple[int, ...]] | None:
    """Return the shapes of what an optimizer in a file holds, or None where there is none."""
    import h5py

    try:
        with h5py.File(path) as file:
            if "optimizer" not in file:
                return None
            held = file["optimizer"].get("vars", {})
            return [tuple(held[name].shape) for name in sorted(held, key=int)]
    except OSError as error:
        raise ArchiveError(f"{path.name} cannot be read ({error}).", hint="Restore another checkpoint.") from None
