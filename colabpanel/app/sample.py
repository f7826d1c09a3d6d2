"""A small archive to try the panel on: generated, so nothing has to be downloaded."""

from __future__ import annotations

import colorsys
import struct
import zipfile
import zlib
from pathlib import Path

__all__ = ["write_sample"]

_NAME = "sample-images.zip"
_CLASSES = ("circles", "stripes", "squares")
_PER_CLASS = 40
_SIDE = 64
_DATE = (2026, 1, 1, 0, 0, 0)


def write_sample(folder: Path) -> Path:
    """Write ``sample-images.zip`` into a folder, unless it is there: 120 images in three classes, and labels."""
    path = folder / _NAME
    if path.exists():
        return path
    temporary = path.with_suffix(".part")
    labels = ["file,label"]
    with zipfile.ZipFile(temporary, "w") as archive:
        for number, label in enumerate(_CLASSES * _PER_CLASS):
            name = f"{label}/{number // len(_CLASSES):03}.png"
            archive.writestr(zipfile.ZipInfo(f"sample-images/{name}", _DATE), _png(label, number))
            labels.append(f"{name},{label}")
        table = zipfile.ZipInfo("sample-images/labels.csv", _DATE)
        archive.writestr(table, "\n".join(labels) + "\n", zipfile.ZIP_DEFLATED)
    return temporary.replace(path)


def _png(label: str, number: int) -> bytes:
    red, green, blue = (int(255 * part) for part in colorsys.hsv_to_rgb(number * 0.618 % 1, 0.6, 0.9))
    color, paper = bytes((red, green, blue)), b"\xf4\xf4\xf4"
    rows = b"".join(
        b"\0" + b"".join(color if _inside(label, x, y, number) else paper for x in range(_SIDE)) for y in range(_SIDE)
    )
    header = struct.pack(">IIBBBBB", _SIDE, _SIDE, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def _inside(label: str, x: int, y: int, number: int) -> bool:
    reach = 10 + number % 18
    dx, dy = x - _SIDE // 2, y - _SIDE // 2
    if label == "circles":
        return dx * dx + dy * dy <= reach * reach
    if label == "squares":
        return max(abs(dx), abs(dy)) <= reach
    return (x + y + number) // 6 % 2 == 0
