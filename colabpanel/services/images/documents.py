"""Pictures that are no pixels yet: SVG, which the browser draws, and pages of PDF, which a library draws."""

from __future__ import annotations

import importlib
import importlib.util
import io
import re
from typing import IO, TYPE_CHECKING, Any

from colabpanel import words
from colabpanel.errors import ColabPanelError, InputError, MissingLibraryError
from colabpanel.services.images.decoders import pillow

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["drawn_page", "is_pdf", "is_svg", "svg_picture"]

_MOST_SVG = 2 << 20
_MOST_PDF = 256 << 20
_LARGEST_SCALE = 3.0
_PROLOG = {b"<?": b"?>", b"<!--": b"-->", b"<!": b">"}
_SVG_HEAD = re.compile(rb"<(?:\w+:)?svg[\s>]")
_SVG_TAG = re.compile(rb"<(?:\w+:)?svg\s[^>]*>", re.DOTALL)
_LENGTH = r"\s{}\s*=\s*[\"']\s*([0-9.]+)(px|pt|)\s*[\"']"
_PIXELS = {"": 1.0, "px": 1.0, "pt": 96 / 72}
_SCRIPTED = re.compile(rb"<script|\son\w+\s*=|javascript:", re.IGNORECASE)


def is_svg(head: bytes, name: str) -> bool:
    """Whether a file that begins so is an SVG drawing."""
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    root = _without_prolog(start)
    if root is None:  # it begins further on
        return name.lower().endswith(".svg") and start.startswith(b"<")
    return _SVG_HEAD.match(root) is not None


def _without_prolog(data: bytes) -> bytes | None:
    """Return what follows the declarations and comments of XML; None where they do not end within these bytes."""
    while True:
        data = data.lstrip()
        opening = next((one for one in _PROLOG if data.startswith(one)), None)
        if opening is None:
            return data
        closing = _PROLOG[opening]
        if opening == b"<!" and b"[" in data.partition(b">")[0]:
            closing = b"]>"
        _, end, data = data.partition(closing)
        if not end:
            return None


def is_pdf(head: bytes) -> bool:
    """Whether a file that begins so is a PDF document."""
    return head.startswith(b"%PDF-")


def svg_picture(stream: IO[bytes], title: str, size: int) -> dict[str, Any]:
    """Return the fields of a `Picture` of a drawing, to be shown as an image, in which nothing runs.

    Raises:
        InputError: It is too large, or multiplies itself.
    """
    if size > _MOST_SVG:
        raise InputError(f"{title} is a drawing of {words.size(size)}, which is too large to be shown.")
    data = stream.read(_MOST_SVG + 1)
    if b"<!ENTITY" in data:
        raise InputError(f"{title} defines entities, as drawings do that grow without end.", hint="It is not shown.")
    tag = _SVG_TAG.search(data)
    if tag is None:
        raise InputError(f"{title} is no SVG drawing.", hint="It may be cut short or damaged.")
    width, height = (_length(tag[0].decode("utf-8", "replace"), side) for side in ("width", "height"))
    scripted = "It holds scripts, which do not run here."
    return {
        "title": title,
        "data": data,
        "kind": "image/svg+xml",
        "width": width,
        "height": height,
        "format": "SVG",
        "mode": "drawing",
        "size": size,
        "exact": False,
        "notes": [scripted] if _SCRIPTED.search(data) else [],
    }


def _length(tag: str, side: str) -> int | None:
    found = re.search(_LENGTH.format(side), tag)
    try:
        return round(float(found[1]) * _PIXELS[found[2]]) if found else None
    except (ValueError, OverflowError):
        return None


def drawn_page(data: bytes, title: str, number: int, edge: int) -> tuple[Image, int]:
    """Return a page of a PDF document as an image, and how many pages there are.

    Raises:
        MissingLibraryError: No library that draws pages is installed.
        InputError: The document is damaged, encrypted or too large, or has no such page.
    """
    if len(data) > _MOST_PDF:
        raise InputError(f"{title} has {words.size(len(data))}, which is too large to be shown.")
    draw = next((draw for library, draw in _DRAWN_BY.items() if importlib.util.find_spec(library)), None)
    if draw is None:
        raise MissingLibraryError(
            "Showing a PDF needs a library that is not installed (pypdfium2).", hint="Run: pip install pypdfium2"
        )
    try:
        return draw(data, title, number, edge)
    except ColabPanelError:
        raise
    except Exception as error:
        raise InputError(
            f"{title} is damaged or encrypted: page {number + 1} cannot be drawn.", hint=f"The library says: {error}."
        ) from error


def _by_pdfium(data: bytes, title: str, number: int, edge: int) -> tuple[Image, int]:
    pypdfium2: Any = importlib.import_module("pypdfium2")

    document = pypdfium2.PdfDocument(data)
    _insist_on_page(title, number, len(document))
    page = document[number]
    image: Image = page.render(scale=_scale(page.get_size(), edge)).to_pil().convert("RGB")
    return image, len(document)


def _by_mupdf(data: bytes, title: str, number: int, edge: int) -> tuple[Image, int]:
    fitz: Any = importlib.import_module("fitz")

    document = fitz.open(stream=data, filetype="pdf")
    _insist_on_page(title, number, document.page_count)
    page = document[number]
    scale = _scale((page.rect.width, page.rect.height), edge)
    drawn = page.get_pixmap(matrix=fitz.Matrix(scale, scale), alpha=False).tobytes("png")
    image: Image = pillow().open(io.BytesIO(drawn), formats=["PNG"])
    image.load()
    return image, document.page_count


_DRAWN_BY = {"pypdfium2": _by_pdfium, "fitz": _by_mupdf}


def _insist_on_page(title: str, number: int, pages: int) -> None:
    if not 0 <= number < pages:
        raise InputError(f"{title} has {words.plural(pages, 'page')}.", hint="Choose one of them.")


def _scale(size: tuple[float, float], edge: int) -> float:
    return min(edge / max(*size, 1.0), _LARGEST_SCALE)
