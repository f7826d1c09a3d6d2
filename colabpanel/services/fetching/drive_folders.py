"""The files of a folder of Google Drive, listed by gdown: Google has no address that lists them."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import subprocess
import sys
import threading
from typing import NamedTuple

from colabpanel.errors import InputError, MissingLibraryError, SourceLostError
from colabpanel.progress import Progress
from colabpanel.services.fetching.names import clean
from colabpanel.services.isolated import bury
from colabpanel.services.skipped import Skipped
from colabpanel.services.staging.names import safe_parts

__all__ = ["DriveFile", "files_in"]

_LIST = """
import gdown, json, sys
try:
    found = gdown.download_folder(id=sys.argv[1], skip_download=True, quiet=True, use_cookies=False)
    print(json.dumps([[one.id, one.path] for one in found]))
except Exception as error:
    print(json.dumps(type(error).__name__))
"""
_TOO_MANY = "FolderContentsMaximumLimitError"
_LOOK = 0.1


class DriveFile(NamedTuple):
    """One file of a folder: its id, the folders above it, and its name."""

    id: str
    above: tuple[str, ...]
    name: str


def files_in(folder: str, progress: Progress) -> tuple[list[DriveFile], list[Skipped]]:
    """Return the files of a folder and of those in it, and what is left out for its name.

    Args:
        folder: The id of the folder.
        progress: May cancel the listing.

    Raises:
        MissingLibraryError: gdown is not installed.
        SourceLostError: The folder cannot be listed.
    """
    if importlib.util.find_spec("gdown") is None:
        raise MissingLibraryError(
            "A folder of Google Drive needs a library that is not installed (gdown).", hint="Run: pip install gdown"
        )
    progress.start(None, "Listing the folder")
    try:
        listed = json.loads(_output_of(folder, progress).splitlines()[-1])
        if listed == _TOO_MANY:
            raise SourceLostError(
                "The folder holds more files than gdown lists: 50.",
                hint="Zip it on Drive and give the link of the zip, mount Drive, or use a remote (rclone).",
            )
        found = [(str(key), str(path)) for key, path in listed]
    except (ValueError, TypeError, IndexError):
        raise SourceLostError(
            "Google Drive does not list this folder.",
            hint="Share it so that anyone with the link may read it, or update gdown: pip install -U gdown",
        ) from None
    files, skipped = _named(found)
    if not files and not skipped:
        raise InputError("This folder of Google Drive holds no files.", hint="Open the link in a browser.")
    return files, skipped


def _named(found: list[tuple[str, str]]) -> tuple[list[DriveFile], list[Skipped]]:
    files, skipped, taken = list[DriveFile](), list[Skipped](), set[tuple[str, ...]]()
    for key, path in found:
        parts = safe_parts(path)
        if isinstance(parts, str) or not parts or not clean(parts[-1]):
            skipped.append(Skipped(path, parts if isinstance(parts, str) else "it has no name"))
            continue
        place = (*parts[:-1], clean(parts[-1]))
        if place in taken:
            skipped.append(Skipped(path, "another file has the same name"))
            continue
        taken.add(place)
        files.append(DriveFile(key, place[:-1], place[-1]))
    return files, skipped


def _output_of(folder: str, progress: Progress) -> str:
    lister = subprocess.Popen(
        [sys.executable, "-c", _LIST, folder],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        encoding="utf-8",
        start_new_session=True,
    )
    assert lister.stdout is not None
    said = list[str]()
    reader = threading.Thread(target=lambda: said.append(lister.stdout.read()), daemon=True)  # type: ignore[union-attr]
    reader.start()
    try:
        while reader.is_alive():
            progress.advance(0)
            reader.join(_LOOK)
    finally:
        with contextlib.suppress(OSError):
            bury(lister)
        reader.join(_LOOK)
        if not reader.is_alive():
            lister.stdout.close()
    return "".join(said)
