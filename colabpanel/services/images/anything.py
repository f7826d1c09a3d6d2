"""One way to look at whatever may be a picture: a path, bytes, an image, an array, a figure, a list of them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from colabpanel import words
from colabpanel.errors import InputError
from colabpanel.progress import Progress
from colabpanel.services.images.arrays import MOST_TILES, is_array, picture_of_array, sheet, tile_of
from colabpanel.services.images.decoders import pillow
from colabpanel.services.images.figures import (
    has_graph,
    is_figure,
    is_torch_module,
    picture_of_figure,
    picture_of_graph,
)
from colabpanel.services.images.files import picture_of_image
from colabpanel.services.images.models import Picture
from colabpanel.services.images.rendering import encoded, histogram_of, reduced, seen
from colabpanel.services.images.scaling import numpy
from colabpanel.services.images.service import look, look_at_bytes, picture_from

__all__ = ["is_pillow", "picture_of"]

_TILE = 240
_LEAST_AXES = 2


def picture_of(
    value: Any,
    *,
    title: str | None = None,
    frame: int = 0,
    root: str | Path | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Picture:
    """Make a picture of anything that can be looked at.

    Args:
        value: A path, the bytes of an image file, an image of Pillow, an array or tensor, a figure of
            matplotlib, a model of Keras, or a list of images or arrays.
        title: What it is called.
        frame: Of a path or bytes, the page or frame.
        root: Refuse paths outside of this folder.
        progress: May cancel it.
        **options: Of an array, the options of `picture_of_array`.

    Raises:
        InputError: It cannot be shown.
        MissingLibraryError: A library that it takes is not installed.
    """
    if options and not is_array(value):
        raise InputError(f"{next(iter(options))}= is for arrays and tensors.", hint="Leave it out.")
    if isinstance(value, str | os.PathLike):
        return look(Path(value), frame=frame, root=root, progress=progress)
    if isinstance(value, bytes | bytearray | memoryview):
        return look_at_bytes(bytes(value), title=title or "image", frame=frame, progress=progress)
    if is_pillow(value):
        return picture_from(picture_of_image(_still(value), title or "image"))
    if is_figure(value):
        return picture_of_figure(value, title=title or "figure")
    if is_array(value) and (len(value.shape) >= _LEAST_AXES or not has_graph(value)):
        return picture_of_array(value, title=title or "array", **options)
    if has_graph(value):
        return picture_of_graph(value, title=title or "model")
    if isinstance(value, list | tuple) and value:
        return _picture_of_list(value, title or "list")
    if is_torch_module(value):
        raise InputError(
            f"{title or 'This'} is a module of PyTorch, which has no graph before it computes.",
            hint="Call it on a batch, and look at the result: its graph is drawn.",
        )
    raise InputError(
        f"{title or 'This'} is a {type(value).__name__}, which cannot be shown as a picture.",
        hint="Shown are paths, bytes, images, arrays, tensors, figures, models, and lists of images.",
    )


def is_pillow(value: Any) -> bool:
    """Whether something is an image of Pillow, without importing it."""
    return any(cls.__name__ == "Image" and cls.__module__ == "PIL.Image" for cls in type(value).__mro__)


def _still(image: Any) -> Any:
    """Return a decoded image.

    Raises:
        InputError: Its file is damaged or gone.
    """
    try:
        image.load()
    except Exception as error:
        raise InputError("This image cannot be decoded.", hint=f"Pillow says: {error}") from error
    return image


def _picture_of_list(values: Sequence[Any], title: str) -> Picture:
    np, count = numpy(), min(len(values), MOST_TILES)
    tiles = []
    for number, value in enumerate(values[:count]):
        if is_pillow(value):
            small = reduced(seen(_still(value), _TILE)[0], _TILE)
            tiles.append(np.asarray(small))
        elif is_array(value):
            tiles.append(tile_of(value, f"{title}[{number}]", count))
        else:
            raise InputError(f"{title}[{number}] is a {type(value).__name__}, which is neither an image nor an array.")
    image = pillow().fromarray(sheet(tiles))
    told, many = encoded(image), words.plural(len(values), "image")
    which = many if count == len(values) else f"The first {count} of {many}"
    return Picture(
        title=title,
        data=told.data,
        kind=told.kind,
        width=image.width,
        height=image.height,
        format=f"list of {many}",
        exact=False,
        histogram=histogram_of(image),
        notes=(f"{which}, by rows, each scaled by itself.",),
    )
