"""Paths on Drive, which itself knows files by their ids: names need not be unique there, and may hold slashes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from colabpanel.errors import PathError
from colabpanel.progress import Progress
from colabpanel.services.remotes.addresses import SHARED_DRIVES
from colabpanel.services.remotes.drive_api.client import DriveApi
from colabpanel.services.remotes.moments import seconds_of

__all__ = ["BY_ID", "FOLDER", "DriveItem", "DriveTree"]

FOLDER = "application/vnd.google-apps.folder"
_SHORTCUT = "application/vnd.google-apps.shortcut"
_GOOGLE = "application/vnd.google-apps."

BY_ID = "id="
"""What a path begins with that names a file by its id, for names that a path cannot tell apart."""

_ONE = "id,name,mimeType,size,md5Checksum,modifiedTime,parents,driveId,trashed,shortcutDetails"
_MANY = f"nextPageToken,files({_ONE})"
_PAGE = "1000"
_MOST_FOLDERS_UP = 100


@dataclass(frozen=True)
class DriveItem:
    """A file or folder of Drive.

    Attributes:
        id: What Drive knows it by; of a shortcut, that of what it leads to.
        name: Its name.
        mime: Its type.
        size: Bytes; None where it has none of its own, as folders and documents of Google.
        md5: The checksum of its bytes, or an empty string.
        modified: Seconds since the epoch, or None.
        parents: The folders it is in.
        drive: The shared drive it is on, or an empty string.
        is_shortcut: Whether it is one.
        entry: What Drive knows the entry itself by, which for a shortcut is another one than ``id``.
    """

    id: str
    name: str
    mime: str
    size: int | None = None
    md5: str = ""
    modified: float | None = None
    parents: tuple[str, ...] = ()
    drive: str = ""
    is_shortcut: bool = False
    entry: str = ""

    @property
    def is_folder(self) -> bool:
        """Whether it can be listed."""
        return self.mime == FOLDER

    @property
    def is_document(self) -> bool:
        """Whether it is a document of Google, which has no bytes."""
        return self.mime.startswith(_GOOGLE) and not self.is_folder


_SHARED = DriveItem("", SHARED_DRIVES, FOLDER)


class DriveTree:
    """Finds what is at a path.

    Args:
        api: What is asked.
    """

    def __init__(self, api: DriveApi) -> None:
        self._api = api

    def at(self, path: str, progress: Progress) -> DriveItem:
        """Return what is at a path.

        Raises:
            PathError: Nothing is, or more than one.
        """
        steps = [step for step in path.split("/") if step]
        if steps and steps[0].startswith(BY_ID):
            named = self._followed(self.by_id(steps[0].removeprefix(BY_ID), progress), progress)
            return self._below(named, steps[1:], progress)
        if steps[:1] == [SHARED_DRIVES]:
            return self._on_shared_drive(steps[1:], progress)
        return self._below(DriveItem("root", "My Drive", FOLDER), steps, progress)

    def by_id(self, file: str, progress: Progress) -> DriveItem:
        """Return what an id stands for."""
        path = f"/drive/v3/files/{quote(file, safe='')}"
        found = self._api.get(path, {"fields": _ONE}, progress, what="This file of Drive")
        return _item(found)

    def inside(self, folder: DriveItem, progress: Progress) -> Iterator[DriveItem]:
        """Return all that is in a folder, as it comes; shared drives are in a folder of their own at the top."""
        if folder is _SHARED:
            yield from self.shared_drives(progress)
            return
        yield from self._listed(f"'{folder.id}' in parents and trashed = false", progress)

    def shared_drives(self, progress: Progress) -> list[DriveItem]:
        """Return the shared drives."""
        found, page = [], ""
        while True:
            query = {"pageSize": "100", **({"pageToken": page} if page else {})}
            answer = self._api.get("/drive/v3/drives", query, progress)
            found += [DriveItem(one["id"], one["name"], FOLDER, drive=one["id"]) for one in answer.get("drives", ())]
            page = answer.get("nextPageToken", "")
            if not page:
                return found

    def named(self, folder: DriveItem, name: str, progress: Progress) -> list[DriveItem]:
        """Return what has this name in a folder."""
        quoted = name.replace("\\", "\\\\").replace("'", "\\'")
        return list(self._listed(f"'{folder.id}' in parents and name = '{quoted}' and trashed = false", progress))

    def path_of(self, file: str, progress: Progress) -> str:
        """Return the path of what has this id; ``id=ID`` where it is in no folder of one's own.

        Raises:
            PathError: There is no such file.
        """
        item, steps = self.by_id(file, progress), list[str]()
        top = self.by_id("root", progress).id
        for _ in range(_MOST_FOLDERS_UP):
            if item.id == top:
                return "/".join(steps)
            if item.drive and item.id == item.drive:
                return "/".join([SHARED_DRIVES, item.name, *steps])
            if not item.parents or "/" in item.name:
                break
            steps.insert(0, item.name)
            item = self.by_id(item.parents[0], progress)
        return f"{BY_ID}{file}"

    def _listed(self, query: str, progress: Progress) -> Iterator[DriveItem]:
        page = ""
        while True:
            asked = {"q": query, "fields": _MANY, "pageSize": _PAGE, **({"pageToken": page} if page else {})}
            answer = self._api.get("/drive/v3/files", asked, progress)
            found = [_item(one) for one in answer.get("files", ())]
            progress.advance(len(found))
            yield from found
            page = answer.get("nextPageToken", "")
            if not page:
                return

    def _on_shared_drive(self, steps: list[str], progress: Progress) -> DriveItem:
        if not steps:
            return _SHARED
        found = [drive for drive in self.shared_drives(progress) if drive.name == steps[0]]
        return self._below(_only(found, steps[0], SHARED_DRIVES), steps[1:], progress)

    def _below(self, item: DriveItem, steps: list[str], progress: Progress) -> DriveItem:
        for number, step in enumerate(steps):
            if not item.is_folder:
                raise PathError(f"{item.name} is no folder on Drive.", hint="Check the spelling.")
            found = self.named(item, step, progress)
            folders = [one for one in found if one.is_folder]
            if number < len(steps) - 1 and len(folders) == 1:
                found = folders
            item = self._followed(_only(found, step, item.name), progress)
        return item

    def _followed(self, item: DriveItem, progress: Progress) -> DriveItem:
        """Return what a shortcut leads to; one that leads to another is not followed."""
        if not item.is_shortcut:
            return item
        target = self.by_id(item.id, progress)
        if target.is_shortcut:
            raise PathError(f"{item.name} is a shortcut to a shortcut.", hint="Open what it leads to instead.")
        return target


def _only(found: list[DriveItem], name: str, folder: str) -> DriveItem:
    if not found:
        raise PathError(f"There is nothing called {name} in {folder} on Drive.", hint="Check the spelling.")
    if len(found) > 1:
        raise PathError(
            f"There are {len(found)} entries called {name} in {folder} on Drive.",
            hint="Rename one of them, or choose it in the list, where each has an address of its own.",
        )
    return found[0]


def _item(told: dict[str, Any]) -> DriveItem:
    details = told.get("shortcutDetails") or {}
    size = told.get("size")
    return DriveItem(
        id=details.get("targetId") or told["id"],
        name=told["name"],
        mime=details.get("targetMimeType") or told["mimeType"],
        size=None if size is None or told["mimeType"].startswith(_GOOGLE) else int(size),
        md5=told.get("md5Checksum", ""),
        modified=seconds_of(told.get("modifiedTime", "")),
        parents=tuple(told.get("parents", ())),
        drive=told.get("driveId", ""),
        is_shortcut=told["mimeType"] == _SHORTCUT,
        entry=told["id"],
    )
