"""The state of the random number generators, so that training goes on as if it had never stopped.

It is kept as JSON: nothing of it is ever unpickled.
"""

from __future__ import annotations

import base64
import json
import random
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

__all__ = ["RANDOM", "random_state", "restore_random"]

RANDOM = "random.json"
"""The file in the folder of a checkpoint."""


_NO_SEED = 87654321  # what TensorFlow answers then


class _Generator(NamedTuple):
    """One generator: the module it belongs to, how its state is read as JSON, and how it is set."""

    title: str
    module: str
    get: Callable[[], Any]
    set: Callable[[Any], None]


def random_state() -> bytes:
    """Return the state of every generator that a loaded library has."""
    found = {one.title: one.get() for one in _GENERATORS if one.module in sys.modules}
    return json.dumps({title: state for title, state in found.items() if state is not None}).encode()


def restore_random(data: bytes) -> tuple[list[str], list[tuple[str, str]]]:
    """Set the generators; returns which were, and which were not and why."""
    try:
        states: dict[str, Any] = json.loads(data)
        known = {one.title: one for one in _GENERATORS}
        restored, not_restored = list[str](), list[tuple[str, str]]()
        for title, state in states.items():
            problem = _set(known.get(title), state)
            if problem:
                not_restored.append((f"random numbers of {title}", problem))
            else:
                restored.append(f"random numbers of {title}")
    except (ValueError, AttributeError, RecursionError):
        return [], [("random numbers", "what was saved of them cannot be read")]
    return restored, not_restored


def _set(generator: _Generator | None, state: Any) -> str:
    """Set one generator; returns why it could not be, or nothing."""
    if generator is None or generator.module not in sys.modules:
        return "the library is not loaded here"
    try:
        generator.set(state)
    except Exception as error:  # noqa: BLE001 - of any library
        return str(error)
    return ""


def _get_numpy() -> Any:
    import numpy as np

    state: Any = np.random.get_state()  # noqa: NPY002 - the global one
    name, keys, position, has_gauss, gauss = state
    return [name, keys.tolist(), position, has_gauss, gauss]


def _set_numpy(state: Any) -> None:
    import numpy as np

    name, keys, position, has_gauss, gauss = state
    np.random.set_state((name, np.array(keys, dtype=np.uint32), position, has_gauss, gauss))  # noqa: NPY002 - the global one


def _packed(tensor: Any) -> str:
    return base64.b64encode(tensor.numpy().tobytes()).decode()


def _unpacked(text: str) -> Any:
    import torch

    return torch.frombuffer(bytearray(base64.b64decode(text)), dtype=torch.uint8)


def _get_torch() -> Any:
    import torch

    return _packed(torch.get_rng_state())


def _set_torch(state: Any) -> None:
    import torch

    torch.set_rng_state(_unpacked(state))


def _get_cuda() -> Any:
    import torch

    cuda: Any = torch.cuda
    if not cuda.is_available() or not cuda.is_initialized():
        return None
    return [_packed(state) for state in torch.cuda.get_rng_state_all()]


def _set_cuda(states: Any) -> None:
    import torch

    torch.cuda.set_rng_state_all([_unpacked(state) for state in states])


def _get_keras() -> Any:
    """Return the state of the generator that Keras uses where a layer has none of its own, if there is one yet."""
    seeds = _keras_seeds()
    return None if seeds is None else [int(number) for number in _as_numbers(seeds)]


def _set_keras(state: Any) -> None:
    import keras
    import numpy as np

    seeds = _keras_seeds()
    if seeds is None:
        keras.random.uniform((1,))  # makes it
        seeds = _keras_seeds()
    seeds.assign(np.array(state, dtype=seeds.dtype))


def _keras_seeds() -> Any:
    from keras.src.backend.common import global_state

    generator = global_state.get_global_attribute("global_seed_generator")
    return getattr(generator, "state", None)


def _as_numbers(variable: Any) -> Any:
    import keras

    return keras.ops.convert_to_numpy(variable)


def _get_tensorflow() -> Any:
    """Return its seed, which is all it tells and by which Keras shuffles; None where it is not set and not needed."""
    import tensorflow as tf

    seed = tf.compat.v1.get_seed(1)[0]
    if seed != _NO_SEED:
        return [int(seed)]
    keras = sys.modules.get("keras")
    return [] if keras is not None and keras.backend.backend() == "tensorflow" else None


def _set_tensorflow(state: Any) -> None:
    import tensorflow as tf

    if not state:
        raise ValueError(
            "no seed was set, so the order of shuffled data is a new one: call keras.utils.set_random_seed"
        )
    tf.random.set_seed(state[0])


def _get_python() -> Any:
    version, numbers, gauss = random.getstate()
    return [version, list(numbers), gauss]


def _set_python(state: Any) -> None:
    version, numbers, gauss = state
    random.setstate((version, tuple(numbers), gauss))


_GENERATORS = (
    _Generator("Python", "random", _get_python, _set_python),
    _Generator("NumPy", "numpy", _get_numpy, _set_numpy),
    _Generator("PyTorch", "torch", _get_torch, _set_torch),
    _Generator("CUDA", "torch", _get_cuda, _set_cuda),
    _Generator("Keras", "keras", _get_keras, _set_keras),
    _Generator("TensorFlow", "tensorflow", _get_tensorflow, _set_tensorflow),
)
