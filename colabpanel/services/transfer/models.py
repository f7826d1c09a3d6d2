"""What transfers are made of, and what they return."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from colabpanel.services.skipped import Skipped

__all__ = ["ROUTES", "OfferedFile", "Overwrite", "Received", "Route", "Sent"]

Route = Literal["files", "comm", "colab", "drive"]
"""``files``: the notebook server's own link. ``comm``: pieces through the notebook. ``colab``: Colab's helper.
``drive``: a copy on Google Drive, with a link to it."""

ROUTES: tuple[Route, ...] = ("files", "comm", "colab", "drive")

Overwrite = Literal["ask", "rename", "replace"]
"""What becomes of a file that is there already: refuse the upload, keep both, or replace it."""


@dataclass(frozen=True)
class Sent:
    """A finished download.

    Attributes:
        status: ``ok``, or ``partial`` where files of a folder were left out.
        name: What the browser saves it as.
        route: How it went.
        files: Files in it.
        size: Bytes that were sent; of a file whose link was opened, its size.
        sha256: Their SHA-256 as the page found it too, or None where nobody compared: the browser's own
            download manager and Colab do not tell.
        link: Where to fetch it, for the route ``drive``.
        skipped: What was left out.
        seconds: How long it took.
    """

    status: str
    name: str
    route: Route
    files: int
    size: int
    sha256: str | None
    link: str
    skipped: tuple[Skipped, ...]
    seconds: float


class OfferedFile(NamedTuple):
    """A file that somebody has chosen in the browser.

    Attributes:
        path: Its name, or its path from the chosen folder on, with ``/`` between components.
        size: Bytes.
        modified: Milliseconds since the epoch.
    """

    path: str
    size: int
    modified: int


@dataclass(frozen=True)
class Received:
    """A finished upload.

    Attributes:
        status: ``ok``, or ``partial`` where files were left out.
        directory: The folder that holds them.
        files: Paths of the files, below the folder.
        size: Their bytes.
        resumed: Bytes of them that an earlier upload had brought.
        skipped: What was left out.
        seconds: How long it took.
    """

    status: str
    directory: Path
    files: tuple[str, ...]
    size: int
    resumed: int
    skipped: tuple[Skipped, ...]
    seconds: float
