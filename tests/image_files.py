"""Images for tests, good and bad, made anew each time."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="10" height="20"><script>document.title="hacked"</script></svg>'


def photo(width: int = 300, height: int = 200, *, seed: int = 0) -> Image.Image:
    """Return something with structure, as a photograph has."""
    small = np.random.default_rng(seed).integers(0, 255, (height // 10 + 1, width // 10 + 1, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


def file_of(image: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def frames(count: int, size: int = 40) -> list[Image.Image]:
    """Return images of which no two are alike."""
    return [Image.new("RGB", (size, size), (number * 37 % 256, number // 256 * 5, 90)) for number in range(count)]


def moving(kind: str, count: int, **options: Any) -> bytes:
    first, *rest = frames(count)
    return file_of(first, kind, save_all=True, append_images=rest, **options)


def with_exif(image: Image.Image, orientation: int) -> bytes:
    exif = image.getexif()
    exif[274], exif[271], exif[33434] = orientation, "<b>ACME</b>", 0.5
    return file_of(image, "JPEG", exif=exif)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_bomb(width: int, height: int) -> bytes:
    """Return a few bytes of PNG that say they are so large."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(1 << 16), 9)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


def hostile() -> dict[str, bytes]:
    """Return files that are none, or not what they say, each under a name."""
    jpeg, png = file_of(photo(), "JPEG"), file_of(photo(), "PNG")
    return {
        "empty.png": b"",
        "zeros.jpg": bytes(5000),
        "text.png": b"hello world",
        "page.jpg": b"<!DOCTYPE html><title>Sign in</title>",
        "head.jpg": jpeg[:100],
        "head.png": png[:40],
        "bomb.png": png_bomb(60_000, 60_000),
        "long.png": png_bomb(1, 2_000_000_000),
        "drawing.eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n(%pipe%touch hacked) (w) file\n",
        "eps.png": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n",
        "lol.svg": b'<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY a "b">]><svg xmlns="http://www.w3.org/2000/svg">&a;</svg>',
        "cut.svg": b"<svg",
        "loop.tif": b"II*\0\x08\0\0\0" + b"\0\0" + struct.pack("<I", 8) + bytes(100),
        "cut.gif": moving("GIF", 3)[:30],
        "cut.webp": file_of(photo(), "WEBP")[:200],
        "noise.tif": b"II*\0" + np.random.default_rng(0).bytes(3000),
        "noise.bmp": b"BM" + np.random.default_rng(1).bytes(3000),
        "noise.ico": b"\0\0\1\0" + np.random.default_rng(2).bytes(3000),
        "noise.jp2": b"\0\0\0\x0cjP  \r\n\x87\n" + np.random.default_rng(3).bytes(3000),
        "broken.pdf": b"%PDF-1.4\nnonsense",
    }


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def data_set(folder: Path, *, classes: int = 2, each: int = 3) -> Path:
    """Write a folder of JPEGs, a folder for each class."""
    for number in range(classes):
        for index in range(each):
            data = file_of(photo(80, 60, seed=number * each + index), "JPEG")
            write(folder, {f"class{number}/{index}.jpg": data})
    return folder
