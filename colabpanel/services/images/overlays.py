"""Masks and boxes drawn over an image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from colabpanel.errors import InputError
from colabpanel.services.images.decoders import pillow
from colabpanel.services.images.scaling import numpy

if TYPE_CHECKING:
    from colabpanel.services.images.scaling import Array

__all__ = ["BoxFormat", "draw_boxes", "insist_on_box_format", "lay_mask", "mask_labels"]

BoxFormat = Literal["xyxy", "xywh", "cxcywh"]

_COLOURS = ((230, 60, 50), (40, 110, 230), (30, 150, 80), (240, 160, 20), (150, 70, 200), (0, 160, 180), (220, 60, 150))
_SHARE = 0.45  # of a mask's colour in what is shown
_WHOLE = 1.001  # of an image, as rounding may write it
_MOST_BOXES = 1000
_FARTHEST = 1e9  # pixels; beyond it nothing of a box is seen
_MOST_LAYERS = 3


def insist_on_box_format(box_format: str) -> None:
    """Refuse a way to write boxes that is none.

    Raises:
        InputError: It is none.
    """
    if box_format not in get_args(BoxFormat):
        raise InputError(f"box_format cannot be {box_format!r}.", hint=f"Use one of {', '.join(get_args(BoxFormat))}.")


def mask_labels(mask: Array, height: int, width: int) -> Array:
    """Return a mask as one label for each pixel; 0 is nothing.

    Args:
        mask: Of shape (H, W), of labels, truth values, or shares above 0.5; or (K, H, W), a mask for each thing.
        height: Of the image.
        width: Of the image.

    Raises:
        InputError: It has another shape than the image.
    """
    np = numpy()
    if mask.ndim == _MOST_LAYERS and mask.shape[-1] == 1 and mask.shape[:2] == (height, width):
        mask = mask[..., 0]
    if mask.ndim not in {2, _MOST_LAYERS} or mask.shape[-2:] != (height, width):
        raise InputError(f"The mask has shape {tuple(mask.shape)}, but the image has {height} x {width} pixels.")
    if mask.dtype.kind == "f":
        mask = np.nan_to_num(mask) > 0.5  # noqa: PLR2004 - the usual threshold
    if mask.ndim == 2:  # noqa: PLR2004 - labels
        labels: Array = mask.astype(np.int64)
        return labels
    labels = np.zeros((height, width), np.int64)
    for number, layer in enumerate(mask, 1):
        labels[layer != 0] = number
    return labels


def lay_mask(pixels: Array, labels: Array) -> Array:
    """Return RGB bytes with the labels' colours laid over them."""
    np = numpy()
    colours = np.array(_COLOURS, np.float64)[(labels - 1) % len(_COLOURS)]
    mixed = pixels * (1 - _SHARE) + colours * _SHARE
    laid: Array = np.where((labels != 0)[..., None], np.rint(mixed), pixels).astype(np.uint8)
    return laid


def draw_boxes(pixels: Array, boxes: Array, size: tuple[int, int], box_format: str) -> Array:
    """Return RGB bytes with the outlines of boxes.

    Args:
        pixels: The image as it is shown.
        boxes: Of shape (K, 4) or more columns; in pixels of the image itself, or all within 0 and 1 as shares of it.
        size: Width and height of the image itself.
        box_format: How they are written: two corners, a corner and a size, or the centre and a size.

    Raises:
        InputError: They have another shape.
    """
    np = numpy()
    if boxes.size == 0:
        return pixels
    if boxes.ndim != 2 or boxes.shape[1] < 4:  # noqa: PLR2004 - a box has four numbers
        raise InputError(f"Boxes have the shape (K, 4), not {tuple(boxes.shape)}.")
    written = np.nan_to_num(boxes[:_MOST_BOXES, :4].astype(np.float64))
    corners = _corners(written, box_format)
    height, width = pixels.shape[:2]
    shares = float(written.max(initial=0.0)) <= _WHOLE and boxes.dtype.kind == "f"
    scale = (width, height) if shares else (width / max(size[0], 1), height / max(size[1], 1))
    canvas = pillow().fromarray(pixels)
    pen, thickness = pillow("ImageDraw").Draw(canvas), max(round(max(height, width) / 250), 1)
    for number, box in enumerate(corners):
        left, top, right, bottom = np.clip(box * (*scale, *scale), -1, max(height, width) + 1)
        outline = _COLOURS[number % len(_COLOURS)]
        pen.rectangle(
            (min(left, right), min(top, bottom), max(left, right), max(top, bottom)), outline=outline, width=thickness
        )
    return np.asarray(canvas)  # type: ignore[no-any-return]  # an array


def _corners(boxes: Array, box_format: str) -> Array:
    np = numpy()
    boxes = np.clip(boxes, -_FARTHEST, _FARTHEST)
    first, second = boxes[:, :2], boxes[:, 2:]
    if box_format == "xywh":
        second = first + second
    elif box_format == "cxcywh":
        first, second = first - second / 2, first + second / 2
    corners: Array = np.concatenate([first, second], axis=1)
    return corners
