"""Pictures of arrays, tensors and batches of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from colabpanel import words
from colabpanel.errors import InputError
from colabpanel.services.images.decoders import pillow
from colabpanel.services.images.layouts import Layout, guess_layout, insist_on_layout
from colabpanel.services.images.models import Picture
from colabpanel.services.images.normalising import Levels, levels_of
from colabpanel.services.images.overlays import draw_boxes, insist_on_box_format, lay_mask, mask_labels
from colabpanel.services.images.rendering import encoded, histogram_of
from colabpanel.services.images.scaling import numbers_of, numpy

if TYPE_CHECKING:
    from colabpanel.services.images.scaling import Array

__all__ = ["MOST_TILES", "is_array", "picture_of_array", "sheet", "tile_of"]

MOST_TILES = 64
_EDGE = 1600
_TILE_EDGES = ((4, 480), (16, 240), (MOST_TILES, 160))
_GAP = 2
_GROUND = 128


_WAYS = {
    "bytes": "0 to 255",
    "unit": "0 to 1",
    "signed": "-1 to 1",
    "imagenet": "normalised as for ImageNet",
    "minmax": "lowest to highest",
}


class _About(NamedTuple):
    """What an array is; ``images`` is how many images it holds, or None where it is one."""

    title: str
    kind: str
    dtype: str
    shape: tuple[int, ...]
    axes: Layout
    images: int | None


class _Shown(NamedTuple):
    """The tiles of a picture, and what to say of them."""

    tiles: list[Array]
    levels: Levels
    height: int
    width: int
    step: int


def is_array(value: Any) -> bool:
    """Whether something has the shape and the type of an array: of NumPy, PyTorch, TensorFlow, JAX and others."""
    try:
        return hasattr(value, "shape") and hasattr(value, "dtype") and hasattr(value, "__getitem__")
    except RuntimeError:  # a nested tensor has no shape
        return False


def picture_of_array(
    value: Any,
    *,
    title: str = "array",
    layout: str = "auto",
    undo: str = "auto",
    index: int | None = None,
    mask: Any = None,
    boxes: Any = None,
    box_format: str = "xyxy",
) -> Picture:
    """Make a picture of an array or tensor: an image, or the first 64 of a batch side by side.

    No more of it is copied than what is shown.

    Args:
        value: An array of 2 to 4 axes.
        title: What it is called.
        layout: What its axes are, such as ``NCHW``; ``auto`` guesses.
        undo: What its values are; see `levels_of`.
        index: The one image of a batch to show.
        mask: Laid over the image: for one image (H, W) or (K, H, W), for a batch one of these for each.
        boxes: Drawn over the image: for one image (K, 4), for a batch one of these for each.
        box_format: ``xyxy``, ``xywh`` or ``cxcywh``.

    Raises:
        InputError: It cannot be shown as images.
    """
    insist_on_box_format(box_format)
    value = _plain(value)
    shape = tuple(int(length) for length in value.shape)
    axes = _layout_of(value, shape, layout, title)
    if 0 in shape:
        raise InputError(f"{title} is empty: its shape is {shape}.")
    count = shape[0] if axes.startswith("N") else None
    numbers = _chosen(count, index, title)
    about = _About(title, _kind_of(value), str(value.dtype), shape, axes, count)
    shown = _shown(value, about, numbers, undo)
    tiles = shown.tiles
    if mask is not None or boxes is not None:
        over = [_of(extra, number, batch=count is not None) for extra in (mask, boxes) for number in numbers]
        masks, all_boxes = over[: len(numbers)], over[len(numbers) :]
        tiles = [_with(*each, shown, box_format) for each in zip(tiles, masks, all_boxes, strict=True)]
    return _picture(tiles, shown, about, numbers)


def _plain(value: Any) -> Any:
    """Return a sparse or quantized tensor of PyTorch as one that can be cut; anything else as it is."""
    if getattr(value, "is_quantized", False):
        return value.dequantize()
    if str(getattr(value, "layout", "")) not in {"", "torch.strided", "torch._mkldnn"} and hasattr(value, "to_dense"):
        return value.to_dense()
    return value


def _layout_of(value: Any, shape: tuple[int, ...], layout: str, title: str) -> Layout:
    if layout != "auto":
        return insist_on_layout(layout, shape)
    found = guess_layout(shape, channels_first=type(value).__module__.partition(".")[0] == "torch")
    if found is None:
        raise InputError(
            f"{title} has the shape {shape}, which is no image and no batch of images.",
            hint="An image has 2 or 3 axes, a batch 3 or 4, with 1, 3 or 4 channels. Select a part of it.",
        )
    return found


def _chosen(count: int | None, index: int | None, title: str) -> list[int]:
    if count is None:
        return [0]
    if index is None:
        return list(range(min(count, MOST_TILES)))
    if not isinstance(index, int) or not -count <= index < count:
        raise InputError(f"{title} has no image {index}.", hint=f"It holds {words.plural(count, 'image')}, from 0.")
    return [index % count]


def _shown(value: Any, about: _About, numbers: Sequence[int], undo: str) -> _Shown:
    axes, shape = about.axes, about.shape
    height, width = shape[axes.index("H")], shape[axes.index("W")]
    step = max(math.ceil(max(height, width) / _edge_for(len(numbers))), 1)
    part = value[numbers[0] : numbers[-1] + 1] if axes.startswith("N") else value
    place = tuple(slice(None, None, step) if axis in "HW" else slice(None) for axis in axes)
    try:
        here = _here(part[place])
    except (RuntimeError, TypeError, ValueError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise InputError(f"{about.title} holds no pixels that can be read: {reason[:200]}") from None
    pixels = numbers_of(here, about.title)
    if not axes.startswith("N"):
        pixels = pixels[None]
    channels = axes.replace("N", "").find("C") + 1
    pixels = numpy().moveaxis(pixels, channels, -1) if channels else pixels[..., None]
    levels = levels_of(pixels, undo)
    return _Shown([_drawable(tile) for tile in levels.values], levels, height, width, step)


def _edge_for(count: int) -> int:
    return _EDGE if count == 1 else next(edge for most, edge in _TILE_EDGES if count <= most)


def _here(value: Any) -> Array:
    """Return a part of an array of any library as one of NumPy, in this machine's memory."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        if str(value.dtype).startswith(("torch.bfloat16", "torch.float8")):
            value = value.float()
        return value.resolve_conj().resolve_neg().numpy()  # type: ignore[no-any-return]  # an array
    found = numpy().asarray(value)
    if found.dtype.kind == "V":  # bfloat16 and its like
        found = found.astype("f4")
    return found  # type: ignore[no-any-return]  # an array


def _drawable(tile: Array) -> Array:
    """Return bytes of shape (H, W), (H, W, 3) or (H, W, 4)."""
    return numpy().ascontiguousarray(tile[..., 0] if tile.shape[-1] == 1 else tile)  # type: ignore[no-any-return]


def _of(extra: Any, number: int, *, batch: bool) -> Array | None:
    if extra is None:
        return None
    try:
        return _here(extra[number] if batch else extra)
    except (IndexError, TypeError, ValueError):
        raise InputError(f"The masks or boxes hold nothing for image {number}.") from None


def _with(
    tile: Array,
    mask: Array | None,
    boxes: Array | None,
    shown: _Shown,
    box_format: str,
) -> Array:
    coloured: Array = numpy().asarray(pillow().fromarray(tile).convert("RGB"))
    if mask is not None:
        labels = mask_labels(numbers_of(mask, "The mask"), shown.height, shown.width)
        coloured = lay_mask(coloured, labels[:: shown.step, :: shown.step])
    if boxes is not None:
        coloured = draw_boxes(coloured, numbers_of(boxes, "The boxes"), (shown.width, shown.height), box_format)
    return coloured


def tile_of(value: Any, title: str, count: int) -> Array:
    """Return one array as bytes to be shown beside ``count`` - 1 others.

    Raises:
        InputError: It is no image.
    """
    shape = tuple(int(length) for length in value.shape)
    axes = _layout_of(value, shape, "auto", title)
    about = _About(title, _kind_of(value), str(value.dtype), shape, axes, None)
    if axes.startswith("N") or 0 in shape:
        raise InputError(f"{title} has the shape {shape}, which is no image.")
    step = max(max(shape) // _edge_for(count), 1)
    thinned = value[tuple(slice(None, None, step) if axis in "HW" else slice(None) for axis in axes)]
    return _shown(thinned, about._replace(shape=tuple(thinned.shape)), [0], "auto").tiles[0]


def sheet(tiles: Sequence[Array]) -> Array:
    """Return tiles side by side, in rows, on grey."""
    if len(tiles) == 1:
        return tiles[0]
    np = numpy()
    coloured = [np.asarray(pillow().fromarray(tile).convert("RGB")) for tile in tiles]
    columns = math.ceil(math.sqrt(len(tiles)))
    high, wide = (max(tile.shape[axis] for tile in coloured) + _GAP for axis in (0, 1))
    ground = np.full((high * math.ceil(len(tiles) / columns), wide * columns, 3), _GROUND, np.uint8)
    for number, tile in enumerate(coloured):
        top, left = number // columns * high, number % columns * wide
        ground[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    return ground[:-_GAP, :-_GAP]  # type: ignore[no-any-return]  # an array


def _picture(tiles: list[Array], shown: _Shown, about: _About, numbers: Sequence[int]) -> Picture:
    image = pillow().fromarray(sheet(tiles))
    told, levels, one = encoded(image), shown.levels, len(numbers) == 1
    plain = one and tiles is shown.tiles
    shape = " x ".join(map(str, about.shape))
    return Picture(
        title=about.title,
        data=told.data,
        kind=told.kind,
        width=shown.width if one else image.width,
        height=shown.height if one else image.height,
        format=about.kind,
        mode=about.dtype,
        low=levels.low if plain else None,
        high=levels.high if plain else None,
        exact=told.exact and plain and shown.step == 1 and levels.low is None and levels.undone == "bytes",
        histogram=histogram_of(image),
        details=(("Shape", shape), ("Axes", about.axes), ("Values taken for", _WAYS[levels.undone])),
        notes=() if about.images is None else (_which(numbers, about.images),),
    )


def _which(numbers: Sequence[int], count: int) -> str:
    many = words.plural(count, "image")
    if len(numbers) == 1:
        return f"Image {numbers[0]} of {many}, counted from 0."
    return f"The first {len(numbers)} of {many}, by rows." if len(numbers) < count else f"{many}, by rows."


def _kind_of(value: Any) -> str:
    return f"{type(value).__module__.partition('.')[0]} {type(value).__name__}"
