"""Uploading a file to Drive in pieces, going on where a broken connection left it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from colabpanel.errors import PathError, SourceLostError, StorageError
from colabpanel.progress import Progress
from colabpanel.services.remotes.drive_api.client import UNAUTHORIZED, Answer, DriveApi
from colabpanel.services.web.opening import PASSING, Pauses, wait

__all__ = ["PIECE", "upload_file"]

PIECE = 8 << 20
"""Bytes of a piece; Drive wants a multiple of 256 KiB."""

_UPLOAD = "/upload/drive/v3/files"
_FIELDS = "id,name,size,md5Checksum"


def upload_file(
    api: DriveApi,
    file: Path,
    folder: str,
    name: str,
    progress: Progress,
    *,
    piece: int = PIECE,
    pause: Callable[[float, Progress], None] = wait,
) -> dict[str, Any]:
    """Put a file into a folder of Drive, and compare the checksum that Drive tells with the bytes that were sent.

    Args:
        api: What is asked.
        file: The file.
        folder: The id of the folder.
        name: What to call it there.
        progress: Is told the bytes, and may cancel.
        piece: Bytes to send at once.
        pause: Waits between tries.

    Returns:
        What Drive tells of it: ``id``, ``name``, ``size`` and ``md5Checksum``.

    Raises:
        StorageError: Drive is full, got other bytes, or the file changed while it was read.
    """
    try:
        size = file.stat().st_size
    except OSError as error:
        raise PathError(f"{file} cannot be read.", hint="Check the path.") from error
    progress.start(size, f"Uploading {file.name}")
    upload = _Upload(api, _begin(api, folder, name, size, progress), size, pause)
    digest, hashed, at = hashlib.md5(usedforsecurity=False), 0, 0
    with file.open("rb") as stream:
        while True:
            stream.seek(at)
            data = stream.read(min(piece, size - at))
            if len(data) < min(piece, size - at):
                raise StorageError(f"{file.name} has become shorter while it was read.", hint="Upload it again.")
            digest.update(data[max(hashed - at, 0) :])
            hashed = max(hashed, at + len(data))
            answer = upload.send(data, at, progress)
            if answer.status != 308:  # noqa: PLR2004
                progress.advance(size - at)
                return _insist_on_bytes(answer.json, digest.hexdigest(), size, file)
            arrived = _arrived(answer)
            progress.advance(max(arrived - at, 0))
            at = arrived


def _begin(api: DriveApi, folder: str, name: str, size: int, progress: Progress) -> str:
    answer = api.ask(
        "POST",
        _UPLOAD,
        {"uploadType": "resumable", "fields": _FIELDS},
        progress,
        body=json.dumps({"name": name, "parents": [folder]}).encode(),
        headers={"Content-Type": "application/json; charset=UTF-8", "X-Upload-Content-Length": str(size)},
        what=name,
    )
    parts = urlsplit(answer.headers.get("Location", ""))
    if not parts.query:
        raise StorageError("Drive does not say where to put the file.", hint="Try again in some minutes.")
    return f"{parts.path}?{parts.query}"


class _Upload:
    """An upload that has begun."""

    def __init__(self, api: DriveApi, target: str, size: int, pause: Callable[[float, Progress], None]) -> None:
        self._api, self._target, self._size, self._pause = api, target, size, pause

    def send(self, data: bytes, at: int, progress: Progress) -> Answer:
        """Send a piece; where it is not known what arrived of it, ask.

        Raises:
            StorageError: Drive is full, or does not take it.
        """
        unknown = f"bytes */{self._size}"
        body, span = data, f"bytes {at}-{at + len(data) - 1}/{self._size}" if data else unknown
        pauses, anew, reason = Pauses(), True, ""
        while not pauses.spent:
            progress.advance(0)
            try:
                answer = self._api.once("PUT", self._target, body=body, headers={"Content-Range": span})
            except PASSING as error:
                reason = str(error) or type(error).__name__
            else:
                if answer.status in {200, 201, 308}:
                    return answer
                if answer.status == UNAUTHORIZED and anew:  # the token's hour is over
                    anew = False
                    continue
                reason = answer.reason or f"it answers {answer.status}"
                if not answer.is_busy:
                    break
            body, span = b"", unknown
            self._pause(pauses.after_failure(), progress)
        if reason == "storageQuotaExceeded":
            raise StorageError("Drive is full.", hint="Free some space there; its Trash takes room, too.")
        raise SourceLostError(f"The upload to Drive broke off: {reason}.", hint="Upload it again.")


def _arrived(answer: Answer) -> int:
    found = re.fullmatch(r"bytes=0-(\d+)", answer.headers.get("Range", ""))
    return int(found[1]) + 1 if found else 0


def _insist_on_bytes(told: dict[str, Any], md5: str, size: int, file: Path) -> dict[str, Any]:
    if str(told.get("size")) != str(size) or told.get("md5Checksum") != md5:
        raise StorageError(f"Drive got other bytes than {file.name} has.", hint="Upload it again.")
    return told
