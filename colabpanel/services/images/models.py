"""What looking at images returns."""

from __future__ import annotations

import functools
from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from colabpanel.services.skipped import Skipped

__all__ = ["CheckedImages", "ImageFolder", "Picture", "Thumbnail"]

Histogram = tuple[tuple[str, tuple[int, ...]], ...]


@dataclass(frozen=True)
class Picture:
    """A picture of a bounded size, made of something that may be much larger.

    Attributes:
        title: What it is a picture of.
        data: The picture as a file's bytes.
        kind: What ``data`` is: ``image/png``, ``image/jpeg`` or ``image/svg+xml``.
        width: Pixels across of what it was made of, turned upright; None where that has no pixels.
        height: Pixels down, likewise.
        format: The name of the file's format, such as ``JPEG``, or of what else it is.
        mode: How its pixels are kept, such as ``RGB``, ``I;16`` or ``float32``.
        size: Bytes of the file, or of the memory; None when unknown.
        frame: The number of the page or frame shown, from 0.
        frames: How many pages or frames there are, or None when unknown.
        low: The value shown as black, where values were scaled to be seen; else None.
        high: The value shown as white, likewise.
        exact: Whether every pixel is shown as it is, neither reduced nor compressed with loss.
        animation: The first frames of an animation as WebP; empty where nothing moves.
        histogram: For each channel, how many of the shown pixels fall into each of equal steps of brightness.
        details: More facts, such as those of EXIF, as pairs of text.
        notes: Sentences about what is special.
    """

    title: str
    data: bytes
    kind: str
    width: int | None
    height: int | None
    format: str = ""
    mode: str = ""
    size: int | None = None
    frame: int = 0
    frames: int | None = 1
    low: float | None = None
    high: float | None = None
    exact: bool = True
    animation: bytes = b""
    histogram: Histogram = ()
    details: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ImageFolder:
    """The images below a folder, or in an archive.

    Attributes:
        path: The folder, or the archive.
        format: ``folder``, or the archive's format, such as ``zip``.
        names: Their paths below it, with ``/`` between components, sorted.
        sizes: Their bytes, in the same order; -1 where only unpacking tells.
        numbers: Where they are in an archive, in the same order; empty for a folder.
        complete: False when listing stopped at the most that is listed.
        skipped: What could not be listed, and why; the first of it.
    """

    path: Path
    format: str
    names: tuple[str, ...]
    sizes: tuple[int, ...]
    numbers: tuple[int, ...] = ()
    complete: bool = True
    skipped: tuple[Skipped, ...] = ()

    @property
    def is_archive(self) -> bool:
        """Whether the images are members of an archive."""
        return self.format != "folder"

    @functools.cached_property
    def classes(self) -> dict[str, int]:
        """The folders that hold images, which are classes in many data sets, and how many each holds."""
        return dict(sorted(Counter(class_of(name) for name in self.names).items()))


def class_of(name: str) -> str:
    """Return the folder of an image; ``.`` for those directly in the folder that is looked at."""
    return str(PurePosixPath(name).parent)


@dataclass(frozen=True)
class Thumbnail:
    """A small picture of one image of a folder or archive.

    Attributes:
        number: Its position in `ImageFolder.names`.
        name: Its name there.
        data: The picture; empty where there is none.
        kind: What ``data`` is: ``image/webp`` or ``image/svg+xml``.
        width: Pixels across of the image itself, or None.
        height: Pixels down, likewise.
        trouble: Why it cannot be shown, or empty.
    """

    number: int
    name: str
    data: bytes = b""
    kind: str = "image/webp"
    width: int | None = None
    height: int | None = None
    trouble: str = ""


@dataclass(frozen=True)
class CheckedImages:
    """What was found when every image was decoded.

    Attributes:
        looked_at: How many were.
        broken: Those that cannot be decoded, and why.
        duplicates: Groups of names whose files hold the same bytes.
        seconds: How long it took.
    """

    looked_at: int
    broken: tuple[Skipped, ...]
    duplicates: tuple[tuple[str, ...], ...]
    seconds: float
