"""Google Drive by its API, as a place for files."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from colabpanel.errors import HostError, InputError, PathError, SourceLostError, StorageError
from colabpanel.progress import Progress
from colabpanel.services.remotes.addresses import DRIVE, SHARED_DRIVES, RemoteAddress
from colabpanel.services.remotes.drive_api.client import BASE, DriveApi
from colabpanel.services.remotes.drive_api.tree import BY_ID, FOLDER, DriveItem, DriveTree
from colabpanel.services.remotes.drive_api.uploading import upload_file
from colabpanel.services.remotes.drive_api.walking import WalkedFolder, walk_drive
from colabpanel.services.remotes.models import Carried, GotFile, PutFile, RemoteEntry, RemoteQuota
from colabpanel.services.sources.http import HttpSource
from colabpanel.services.sources.spec import SourceSpec
from colabpanel.services.web.addresses import parse
from colabpanel.services.web.opening import wait
from colabpanel.services.web.parts import NoRangesError

__all__ = ["EMPTY_TRASH", "DriveStore"]

EMPTY_TRASH = "empty the trash"
"""What has to be typed before the Trash is emptied."""

_PIECE = 8 << 20
_UNFINISHED = ".colabpanel-part"
_ID = re.compile(r"(?:/folders/|/d/|[?&]id=)([\w-]{10,})")


class DriveStore:
    """Drive, with the credentials that a token stands for.

    Args:
        token: Returns a bearer token; called again when one is refused.
        base: Where the API is.
        pause: Waits between tries.
    """

    name = DRIVE

    def __init__(
        self, token: Callable[[], str], *, base: str = BASE, pause: Callable[[float, Progress], None] = wait
    ) -> None:
        self._api, self._pause = DriveApi(token, base=base, pause=pause), pause
        self._tree = DriveTree(self._api)

    def close(self) -> None:
        """Let the connection go."""
        self._api.close()

    def entries(self, path: str, progress: Progress) -> Sequence[RemoteEntry]:
        """Return all that is in a folder; what shares its name with another has its id for an address."""
        progress.start(None, "Listing Drive", unit="entries")
        folder = self._tree.at(path, progress)
        if not folder.is_folder:
            raise PathError(f"{DRIVE}:{path} is a file.", hint="List the folder that it is in.")
        found = list(self._tree.inside(folder, progress))
        taken, address = Counter(one.name for one in found), RemoteAddress(DRIVE, path)
        listed = [_entry(one, address, is_unique=taken[one.name] == 1) for one in found]
        if not path and SHARED_DRIVES not in taken and self._tree.shared_drives(progress):
            listed.append(RemoteEntry(SHARED_DRIVES, address.joined(SHARED_DRIVES).text, is_folder=True))
        return listed

    def find(self, path: str, progress: Progress) -> RemoteEntry | None:
        """Return what is at a path, or None."""
        try:
            item = self._tree.at(path, progress)
        except PathError:
            return None
        address = RemoteAddress(DRIVE, path)
        return RemoteEntry(item.name, address.text, item.is_folder, item.size, item.modified)

    def quota(self, progress: Progress) -> RemoteQuota:
        """Return how much room there is; where Drive has no limit, total and free are None."""
        told = self._api.get("/drive/v3/about", {"fields": "storageQuota"}, progress)["storageQuota"]
        figures = {key: int(told[name]) for key, name in _FIGURES.items() if name in told}
        used, total = figures.get("used"), figures.get("total")
        free = None if used is None or total is None else max(total - used, 0)
        return RemoteQuota(f"{DRIVE}:", used, free, total, figures.get("trash"))

    def empty_trash(self, confirm: str, progress: Progress) -> None:
        """Delete for good what lies in the Trash.

        Args:
            confirm: Must be ``empty the trash``, as its user typed it.
            progress: May cancel it before it begins.

        Raises:
            InputError: It is something else; nothing was deleted.
        """
        if confirm.strip().casefold() != EMPTY_TRASH:
            raise InputError("The Trash was not emptied.", hint=f"Type: {EMPTY_TRASH}")
        progress.start(None, "Emptying the Trash", unit="answers", cancellable=False)
        self._api.ask("DELETE", "/drive/v3/files/trash", {}, progress, what="the Trash")

    def put(self, file: Path, path: str, progress: Progress, *, overwrite: bool) -> PutFile:
        """Copy a file there under a temporary name, verify it, and give it its name.

        What it replaces goes to the Trash, after the new one has its name.
        """
        started, address = time.monotonic(), RemoteAddress(DRIVE, path)
        folder = self._tree.at(address.parent.path, progress) if address.parent else None
        if folder is None or not folder.is_folder or not folder.id or path.startswith(BY_ID):
            raise PathError(f"Nothing can be put at {address.text}.", hint="Name a file in a folder of Drive.")
        earlier = self._tree.named(folder, address.leaf, progress)
        if earlier and (not overwrite or any(one.is_folder for one in earlier)):
            raise PathError(f"{address.text} is there already.", hint="Choose another name, or replace it.")
        begun = f".{address.leaf}{_UNFINISHED}"
        for one in self._tree.named(folder, begun, progress):  # left by a try that was killed
            self._api.ask("DELETE", f"/drive/v3/files/{one.entry}", {}, progress, what=begun)
        told = self._upload(file, folder, begun, progress)
        progress.start(None, "Giving it its name", unit="steps", cancellable=False)
        self._change(told["id"], {"name": address.leaf}, progress)
        for one in earlier:
            self._change(one.entry, {"trashed": True}, progress)
        return PutFile(address.text, int(told["size"]), "hash", time.monotonic() - started)

    def _upload(self, file: Path, folder: DriveItem, begun: str, progress: Progress) -> dict[str, str]:
        try:
            return upload_file(self._api, file, folder.id, begun, progress, pause=self._pause)
        except BaseException:
            with contextlib.suppress(Exception):  # what went wrong first is told
                for one in self._tree.named(folder, begun, Progress()):
                    self._api.ask("DELETE", f"/drive/v3/files/{one.entry}", {}, Progress(), what=begun)
            raise

    def _change(self, file: str, what: dict[str, object], progress: Progress) -> None:
        headers = {"Content-Type": "application/json; charset=UTF-8"}
        body = json.dumps(what).encode()
        self._api.ask("PATCH", f"/drive/v3/files/{file}", {"fields": "id"}, progress, body=body, headers=headers)

    def get(self, path: str, target: Path, progress: Progress) -> GotFile:
        """Copy a file here, and compare its checksum."""
        item = self._file(path, progress)
        progress.start(item.size, f"Downloading {item.name}")
        self._bring(item, target, progress)
        return GotFile(str(target), item.size or 0, "hash" if item.md5 else "size")

    def _bring(self, item: DriveItem, target: Path, progress: Progress) -> None:
        begun, digest = target.with_name(f".{target.name}{_UNFINISHED}"), hashlib.md5(usedforsecurity=False)
        try:
            with begun.open("wb") as stream:
                for data in self._pieces(item):
                    digest.update(data)
                    stream.write(data)
                    progress.advance(len(data))
                stream.flush()
                os.fsync(stream.fileno())
            _insist_on_sum(item, digest.hexdigest())
            begun.replace(target)
        except BaseException:
            with contextlib.suppress(OSError):
                begun.unlink()
            raise

    def _pieces(self, item: DriveItem) -> Iterator[bytes]:
        if not item.size:  # of nothing, there are no ranges
            return
        try:
            with closing(HttpSource(self._ranged(item, item.name))) as source:
                for start in range(0, source.size, _PIECE):
                    yield source.read(start, start + _PIECE)
        except NoRangesError as error:
            raise SourceLostError(f"Drive gives no parts of {item.name}.", hint="Try again.") from error

    def get_folder(self, path: str, target: Path, progress: Progress) -> Carried:
        """Copy a folder here, to where nothing is yet; what has no bytes, or no name that a disk takes, is left out."""
        found = self._walked(path, progress)
        progress.start(None, f"Downloading {self._tree.at(path, progress).name}", unit="files")
        target.mkdir()
        for where, item in found.items:
            goal = target.joinpath(*where)
            if item.is_folder:
                goal.mkdir()
            else:
                self._bring(item, goal, progress)
        return Carried(found.files, found.size, found.skipped)

    def put_folder(self, folder: Path, path: str, progress: Progress) -> Carried:
        """Refuse: folders go to Drive through its mount, through rclone, or as an archive."""
        raise HostError(f"{folder.name} is a folder.", hint="Pack it first, or copy it to the Drive that is mounted.")

    def measure(self, path: str, progress: Progress) -> Carried:
        """Return how many files are in a folder and those below, and their bytes; of a file, its own."""
        found = self._walked(path, progress)
        return Carried(found.files, found.size, found.skipped)

    def _walked(self, path: str, progress: Progress) -> WalkedFolder:
        progress.start(None, "Looking through Drive", unit="entries")
        return walk_drive(self._tree, self._tree.at(path, progress), progress)

    def make_folder(self, path: str, progress: Progress) -> None:
        """Make a folder."""
        address = RemoteAddress(DRIVE, path)
        above = self._tree.at(address.parent.path if address.parent else "", progress)
        if not above.id or self._tree.named(above, address.leaf, progress):
            raise PathError(f"{address.text} cannot be made.", hint="Choose a name that is not taken.")
        body = json.dumps({"name": address.leaf, "parents": [above.id], "mimeType": FOLDER}).encode()
        headers = {"Content-Type": "application/json; charset=UTF-8"}
        self._api.ask("POST", "/drive/v3/files", {"fields": "id"}, progress, body=body, headers=headers)

    def source(self, path: str, progress: Progress) -> SourceSpec:
        """Return where parts of a file can be read, for as long as the token is good: about an hour."""
        return self._ranged(self._file(path, progress), path)

    def link(self, path: str, progress: Progress) -> str:
        """Return the page of a file or folder."""
        item = self._tree.at(path, progress)
        if not item.id:
            raise PathError(f"{DRIVE}:{path} has no page of its own.", hint="Choose what is in it.")
        if item.is_folder:
            return f"https://drive.google.com/drive/folders/{item.id}"
        return f"https://drive.google.com/file/d/{item.id}/view"

    def path_of(self, link: str, progress: Progress) -> str:
        """Return the address of what a link of Drive leads to.

        Raises:
            InputError: It is no such link.
            PathError: There is no such file.
        """
        found = _ID.search(link)
        if found is None or parse(link).host not in {"drive.google.com", "docs.google.com"}:
            raise InputError("This is no link of Google Drive.", hint="Copy it again, from Share or the address bar.")
        return f"{DRIVE}:{self._tree.path_of(found[1], progress)}"

    def _file(self, path: str, progress: Progress) -> DriveItem:
        item = self._tree.at(path, progress)
        if item.is_folder:
            raise PathError(f"{DRIVE}:{path} is a folder.", hint="Choose a file.")
        if item.is_document or item.size is None:
            raise PathError(
                f"{item.name} is a document of Google and has no bytes of its own.",
                hint="In Drive, choose File, Download, and use the file you get.",
            )
        return item

    def _ranged(self, item: DriveItem, path: str) -> SourceSpec:
        url = f"{self._api.origin.origin}/drive/v3/files/{item.id}?alt=media&supportsAllDrives=true"
        options: dict[str, Any] = {"name": item.name, "shown": f"{DRIVE}:{path}", "is_file": True}
        if item.md5:
            options["identity"] = [item.size, item.md5]
        return SourceSpec("http", url, {"Authorization": self._api.authorization}, options)


_FIGURES = {"used": "usage", "total": "limit", "trash": "usageInDriveTrash"}


def _insist_on_sum(item: DriveItem, md5: str) -> None:
    if item.md5 and md5 != item.md5:
        raise StorageError(f"{item.name} has changed while it was read.", hint="Try again.")


def _entry(item: DriveItem, folder: RemoteAddress, *, is_unique: bool) -> RemoteEntry:
    can_be_named = is_unique and "/" not in item.name and item.name not in {"", ".", ".."}
    address = folder.joined(item.name) if can_be_named else RemoteAddress(DRIVE, f"{BY_ID}{item.id}")
    return RemoteEntry(item.name, address.text, item.is_folder, item.size, item.modified)
