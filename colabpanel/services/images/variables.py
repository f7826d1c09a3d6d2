"""The variables of the notebook that can be looked at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from colabpanel.errors import InputError
from colabpanel.hosts import Host
from colabpanel.progress import Progress
from colabpanel.services.images.anything import is_pillow, picture_of
from colabpanel.services.images.arrays import is_array
from colabpanel.services.images.figures import has_graph, is_figure, picture_of_graph
from colabpanel.services.images.models import Picture
from colabpanel.services.snapshots.namespace import user_variables
from colabpanel.services.waiting import result_of

__all__ = ["PictureVariable", "graph_of_variable", "look_at_variable", "picture_variables"]

_MOST_AXES = 4


@dataclass(frozen=True)
class PictureVariable:
    """A variable that can be looked at.

    Attributes:
        name: Its name.
        kind: ``array``, ``image``, ``figure``, ``list`` or ``model``.
        words: What it is, for people: ``Tensor 64 x 3 x 32 x 32``.
    """

    name: str
    kind: str
    words: str


def picture_variables(host: Host) -> list[PictureVariable]:
    """Return the variables of the notebook that can be looked at; in the dashboard there are none.

    Nothing but their types and shapes is looked at, so it takes no time.
    """
    if host.is_served:
        return []
    found = ((name, value, _kind_of(value)) for name, value in sorted(user_variables(host).items()))
    return [PictureVariable(name, kind, _words(value, kind)) for name, value, kind in found if kind]


def _kind_of(value: Any) -> str:
    """Return what kind of picture something is; a foreign object that answers oddly is none."""
    try:
        if isinstance(value, type):
            return ""
        if is_pillow(value):
            return "image"
        if is_array(value):
            pixels = 2 <= len(value.shape) <= _MOST_AXES and 0 not in value.shape  # noqa: PLR2004 - height and width
            return "array" if pixels and not _is_table(value) else "model" if has_graph(value) else ""
        if is_figure(value):
            return "figure"
        if has_graph(value):
            return "model"
        is_list = isinstance(value, list | tuple) and bool(value) and (is_pillow(value[0]) or is_array(value[0]))
    except Exception:  # noqa: BLE001 - attributes of foreign objects may raise anything
        return ""
    return "list" if is_list else ""


def _is_table(value: Any) -> bool:
    return hasattr(value, "columns")


def _words(value: Any, kind: str) -> str:
    name = type(value).__name__
    if kind == "array":
        return f"{name} {' x '.join(str(length) for length in value.shape)}"
    if kind == "image":
        return f"image {value.size[0]} x {value.size[1]}"
    return f"{name} of {len(value)}" if kind == "list" else name


def look_at_variable(
    progress: Progress,
    /,
    host: Host,
    name: str,
    *,
    mask: str | None = None,
    boxes: str | None = None,
    **options: Any,
) -> Picture:
    """Make a picture of a variable of the notebook.

    Figures are drawn on the main thread, once no cell runs; arrays are looked at while one does.

    Args:
        progress: May cancel it.
        host: Has the variables.
        name: The variable.
        mask: The variable with masks to lay over it, or None.
        boxes: The variable with boxes to draw over it, or None.
        **options: Of an array, the options of `picture_of_array`.

    Raises:
        InputError: There is no such variable, or it cannot be shown.
    """
    value = _variable(host, name)
    kind = _kind_of(value)
    over = {key: _variable(host, other) for key, other in (("mask", mask), ("boxes", boxes)) if other}
    if kind in {"figure", "model"}:
        return _on_main_thread(progress, host, lambda: picture_of(value, title=name))
    if kind != "array" and over:
        raise InputError("Masks and boxes are laid over arrays.", hint="Make an array of it: numpy.asarray(...).")
    return picture_of(value, title=name, progress=progress, **(options if kind == "array" else {}), **over)


def graph_of_variable(progress: Progress, /, host: Host, name: str) -> Picture:
    """Draw the graph of a model, or of the computation of a tensor; on the main thread, once no cell runs.

    Raises:
        InputError: There is no such variable, or it has no graph.
        MissingLibraryError: A library that draws it is not installed.
    """
    value = _variable(host, name)
    return _on_main_thread(progress, host, lambda: picture_of_graph(value, title=name))


def _on_main_thread(progress: Progress, host: Host, draw: Callable[[], Picture]) -> Picture:
    progress.start(None, "Waiting until no cell runs", unit="cells")
    return result_of(host.on_main_thread(draw), progress)


def _variable(host: Host, name: str) -> Any:
    if host.is_served:
        raise InputError("The dashboard has no notebook whose variables could be shown.")
    variables = user_variables(host)
    if name not in variables:
        raise InputError(f"There is no variable called {name}.", hint="Run the cell that makes it, then Refresh.")
    return variables[name]
