"""Filling a model with what `tf.train.Checkpoint`, or the ``cp.ckpt`` of earlier Keras, wrote.

TensorFlow's own reading changes what fits before it tells that the rest does not, and keeps what it has no place for
yet for whatever the model gets later. So all is looked at first, and only the weights of the model are set.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from colabpanel.errors import InputError
from colabpanel.services.checkpoints.found.arrays import variable_name, variable_part
from colabpanel.services.checkpoints.found.reading import damage_in_words
from colabpanel.services.checkpoints.frameworks._base import Outcome
from colabpanel.services.optional import optional

__all__ = ["fill_from_tensorflow"]

_GRAPH, _VALUE = "_CHECKPOINTABLE_OBJECT_GRAPH", "VARIABLE_VALUE"
_COUNTER = "save_counter"  # of tf.train.Checkpoint itself
_USUAL = ("", "model")


@dataclass(frozen=True)
class _Fit:
    """How a model fits a part of a checkpoint.

    Attributes:
        part: What the model was called when it was written; empty where it was the whole.
        keys: By the number of each weight, what its values are called in the file.
        missing: Weights that the part does not have, or not of this shape.
        left_over: What the part has and the model has not.
    """

    part: str
    keys: dict[int, str]
    missing: list[str]
    left_over: list[str]

    @property
    def misfits(self) -> int:
        """How much does not fit."""
        return len(self.missing) + len(self.left_over)


def fill_from_tensorflow(prefix: Path, model: Any, *, strict: bool) -> Outcome:
    """Set the weights of a model; nothing of it changes where they do not fit.

    Args:
        prefix: What the names of the files begin with.
        model: A model of Keras on TensorFlow, or a `tf.Module`.
        strict: Refuse a model that has other weights than the checkpoint; else those that fit are set.

    Raises:
        InputError: They do not fit, or the model is none of TensorFlow.
        ArchiveError: The checkpoint is damaged.
        MissingLibraryError: TensorFlow is not installed.
    """
    file = _File(prefix)
    fit = file.best_fit(model)
    if not fit.keys:
        raise _misfit("none of its weights is in it")
    if strict and fit.misfits:
        raise _misfit(f"it has no {fit.missing[0]}" if fit.missing else f"the model has no {fit.left_over[0]}")
    weights = _weights_of(model)
    for number, values in file.values_of(fit.keys).items():
        weights[number].assign(values)
    outcome = Outcome(model, ["model"])
    outcome.not_restored += [(f"model: {name}", "it is not in the checkpoint") for name in fit.missing]
    outcome.not_restored += [(f"model: {name}", "the model has none") for name in fit.left_over]
    if getattr(model, "optimizer", None) is not None:
        outcome.not_restored.append(("optimizer", "of files of TensorFlow only weights are read"))
    return outcome


class _File:
    """A checkpoint of TensorFlow: values by key, and the tree of objects that had them."""

    def __init__(self, prefix: Path) -> None:
        self._prefix = prefix
        self._train = optional("tensorflow", "reading checkpoints of TensorFlow").train
        with damage_in_words(prefix):
            self._reader = self._train.load_checkpoint(str(prefix))
            self._shapes: Mapping[str, Any] = self._reader.get_variable_to_shape_map()
            if _GRAPH not in self._shapes:
                raise InputError(
                    "TensorFlow 1 wrote this checkpoint, which does not tell what belongs to a model.",
                    hint="Leave the model out, and the weights come as arrays by name.",
                )
            self._view = self._train.CheckpointView(str(prefix))
            self._keys = _keys_of_nodes(self._reader.get_tensor(_GRAPH))
            self._parts = self._children(0)

    def best_fit(self, model: Any) -> _Fit:
        """Return how the model fits the part that it fits best.

        Raises:
            InputError: It is none of TensorFlow, or fits several parts equally well.
        """
        try:
            fits = [self._fit(model, part) for part in ("", *self._parts)]
        except ValueError:
            raise InputError(
                f"A {type(model).__name__} that does not run on TensorFlow takes no weights of its files.",
                hint="Leave the model out, and the weights come as arrays by name.",
            ) from None
        least = min(fit.misfits for fit in fits)
        best = sorted((fit for fit in fits if fit.misfits == least), key=lambda fit: fit.part not in _USUAL)
        if len(best) > 1 and best[0].part not in _USUAL and best[0].keys:
            raise InputError(
                f"The model fits several parts of the checkpoint: {', '.join(fit.part for fit in best)}.",
                hint="Leave the model out, and the weights come as arrays by name.",
            )
        return best[0]

    def _fit(self, model: Any, part: str) -> _Fit:
        matched = self._view.match(self._train.Checkpoint(**{part: model}) if part else model)
        nodes = {id(one): node for node, one in matched.items()}
        keys, missing = dict[int, str](), list[str]()
        for number, weight in enumerate(_weights_of(model)):
            key = self._keys.get(nodes.get(id(weight), -1))
            if key is not None and tuple(self._shapes[key]) == tuple(weight.shape):
                keys[number] = key
            else:
                missing.append(getattr(weight, "path", weight.name))
        below = self._below([self._parts[part]] if part else list(self._parts.values()))
        others = {self._keys[node] for node in below if node in self._keys and node not in matched}
        return _Fit(
            part, keys, missing, [variable_name(key) for key in sorted(others) if variable_part(key) == "model"]
        )

    def _below(self, left: list[int]) -> set[int]:
        found = set[int]()
        while left:
            if (node := left.pop()) not in found:
                found.add(node)
                left.extend(self._children(node).values())
        return found

    def _children(self, node: int) -> dict[str, int]:
        return {name: child for name, child in self._view.children(node).items() if name != _COUNTER}

    def values_of(self, keys: Mapping[int, str]) -> dict[int, Any]:
        """Read values, all of them before any is used.

        Raises:
            ArchiveError: The checkpoint is damaged.
        """
        with damage_in_words(self._prefix):
            return {number: self._reader.get_tensor(key) for number, key in keys.items()}


def _keys_of_nodes(graph: bytes) -> dict[int, str]:
    """Return where the values of the objects stand, by the number of the object."""
    from tensorflow.core.protobuf.trackable_object_graph_pb2 import TrackableObjectGraph

    return {
        number: attribute.checkpoint_key
        for number, node in enumerate(TrackableObjectGraph.FromString(graph).nodes)
        for attribute in node.attributes
        if attribute.name == _VALUE
    }


def _weights_of(model: Any) -> list[Any]:
    return list(model.weights if hasattr(model, "weights") else getattr(model, "variables", ()))


def _misfit(reason: str) -> InputError:
    return InputError(
        f"The checkpoint does not fit this model ({reason}).", hint="Build the model as it was when it was saved."
    )
