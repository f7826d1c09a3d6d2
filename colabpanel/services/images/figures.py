"""Pictures of figures, and of the graphs of models."""

from __future__ import annotations

import importlib
import importlib.util
import io
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from colabpanel.errors import InputError, MissingLibraryError
from colabpanel.services.images.models import Picture
from colabpanel.services.images.service import look_at_bytes

__all__ = ["has_graph", "is_figure", "is_torch_module", "picture_of_figure", "picture_of_graph"]

_MOST_PIXELS = 4_000
_GRAPHVIZ = "Run: apt-get install graphviz"


def is_figure(value: Any) -> bool:
    """Whether something is a figure of matplotlib, or holds one, as axes and seaborn's grids do."""
    return _figure_of(value) is not None


def _figure_of(value: Any) -> Any:
    if _is_of(value, "matplotlib.figure", "FigureBase"):
        return value
    found = getattr(value, "figure", None)
    return found if _is_of(found, "matplotlib.figure", "FigureBase") else None


def _is_of(value: Any, module: str, name: str) -> bool:
    """Whether something is an instance of a class, without importing its library."""
    return any(cls.__name__ == name and cls.__module__.startswith(module) for cls in type(value).__mro__)


def picture_of_figure(value: Any, *, title: str = "figure") -> Picture:
    """Draw a figure; on the main thread, for figures are changed there.

    Raises:
        InputError: It cannot be drawn.
    """
    figure = _figure_of(value)
    dots = min(float(figure.dpi), _MOST_PIXELS / max(*figure.get_size_inches(), 0.01))
    stream = io.BytesIO()
    try:
        figure.savefig(stream, format="png", dpi=dots)
    except Exception as error:
        raise InputError(f"{title} cannot be drawn.", hint=f"matplotlib says: {error}") from error
    return _named(look_at_bytes(stream.getvalue()), title, "matplotlib figure")


def _named(picture: Picture, title: str, kind: str) -> Picture:
    return replace(picture, title=title, format=kind, size=None)


def is_torch_module(value: Any) -> bool:
    """Whether something is a module of PyTorch, which has no graph before it computes."""
    return _is_of(value, "torch.nn", "Module")


def has_graph(value: Any) -> bool:
    """Whether something is a model of Keras, or a tensor of PyTorch that knows how it was computed."""
    return _is_keras(value) or getattr(value, "grad_fn", None) is not None


def _is_keras(value: Any) -> bool:
    return any(
        cls.__name__ == "Model" and cls.__module__.partition(".")[0] in {"keras", "tf_keras", "tensorflow"}
        for cls in type(value).__mro__
    )


def picture_of_graph(value: Any, *, title: str = "model") -> Picture:
    """Draw the layers of a model of Keras, or the operations that made a tensor of PyTorch.

    Raises:
        MissingLibraryError: pydot or torchviz, or Graphviz itself, is not installed.
        InputError: It has no graph.
    """
    if not has_graph(value):
        raise InputError(
            f"{title} has no graph.", hint="Choose a model of Keras, or a tensor of PyTorch that was computed, a loss."
        )
    if shutil.which("dot") is None:
        raise MissingLibraryError("Drawing a graph needs Graphviz, which is not installed.", hint=_GRAPHVIZ)
    if _is_keras(value):
        return _of_keras(value, title)
    if importlib.util.find_spec("torchviz") is None:
        raise MissingLibraryError(
            "Drawing a graph of PyTorch needs a library that is not installed (torchviz).",
            hint="Run: pip install torchviz",
        )
    return _of_torch(value, title)


def _of_keras(model: Any, title: str) -> Picture:
    if importlib.util.find_spec("pydot") is None:
        raise MissingLibraryError(
            "Drawing a model of Keras needs a library that is not installed (pydot).", hint="Run: pip install pydot"
        )
    import keras

    with tempfile.TemporaryDirectory(prefix="colabpanel-") as folder:
        path = Path(folder) / "model.png"
        try:
            keras.utils.plot_model(model, to_file=str(path), show_shapes=True, dpi=96)
        except Exception as error:
            raise InputError(f"Keras cannot draw {title}.", hint=f"It says: {error}") from error
        return _named(look_at_bytes(path.read_bytes()), title, "graph of a Keras model")


def _of_torch(tensor: Any, title: str) -> Picture:
    torchviz: Any = importlib.import_module("torchviz")

    try:
        drawn = torchviz.make_dot(tensor).pipe(format="svg")
    except Exception as error:
        raise InputError(f"torchviz cannot draw {title}.", hint=f"It says: {error}") from error
    return _named(look_at_bytes(drawn), title, "graph of a PyTorch tensor")
