"""Where files can be looked through: the protocol, and every disk that is mounted here."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from colabpanel.errors import HostError
from colabpanel.progress import Progress
from colabpanel.services.browsing import operations
from colabpanel.services.browsing.listing import list_page
from colabpanel.services.browsing.models import Done, FolderPage, FolderSize, Operation, Overwrite, Query
from colabpanel.services.browsing.sizes import folder_size

__all__ = ["LocalPlace", "Place"]

_ALL: frozenset[Operation] = frozenset({"copy", "move", "rename", "delete", "make_folder", "zip", "measure"})
_REMOVING: frozenset[Operation] = frozenset({"move", "delete"})


class Place(Protocol):
    """Something with folders in it. An address is text that only the place itself understands.

    Each method may take long, so it is called as a job; ``progress`` may cancel it. One whose operation is not among
    ``operations`` raises `HostError`, whatever a page shows.

    Attributes:
        title: What people call it ("Local disk").
        start: The address that is shown first; an empty string is the top of the place.
        operations: What it offers.
        is_local: Whether its addresses are paths that every part of the panel can open.
    """

    @property
    def title(self) -> str: ...
    @property
    def start(self) -> str: ...
    @property
    def operations(self) -> frozenset[Operation]: ...
    @property
    def is_local(self) -> bool: ...

    def page(
        self, address: str, query: Query, *, earlier: FolderPage | None = None, progress: Progress | None = None
    ) -> FolderPage:
        """Return a page of a folder, within about five seconds; of a file, of the folder it is in.

        Args:
            address: The folder.
            query: Which page, in which order.
            earlier: A page of the same folder, which this one shall agree with; None reads the folder anew.
            progress: May cancel it.

        Raises:
            ColabPanelError: It cannot be listed, or did not answer in time.
        """
        ...

    def copy(
        self, entries: Sequence[str], folder: str, *, overwrite: Overwrite = "ask", progress: Progress | None = None
    ) -> Done:
        """Copy entries into a folder of this place."""
        ...

    def move(
        self, entries: Sequence[str], folder: str, *, overwrite: Overwrite = "ask", progress: Progress | None = None
    ) -> Done:
        """Move entries into a folder of this place."""
        ...

    def rename(self, entry: str, name: str, *, progress: Progress | None = None) -> str:
        """Give an entry another name in its folder; returns its new address."""
        ...

    def delete(self, entries: Sequence[str], *, truncate_first: bool = False, progress: Progress | None = None) -> Done:
        """Delete entries, folders with all that is in them."""
        ...

    def make_folder(self, folder: str, name: str, *, progress: Progress | None = None) -> str:
        """Make a folder; returns its address."""
        ...

    def zip(self, folder: str, names: Sequence[str], archive: str, *, progress: Progress | None = None) -> Done:
        """Pack some of what is in a folder into a zip archive beside it."""
        ...

    def measure(self, entry: str, *, progress: Progress | None = None) -> FolderSize:
        """Count what a folder holds."""
        ...

    def to_disk(
        self, entries: Sequence[str], folder: Path, *, overwrite: Overwrite = "ask", progress: Progress | None = None
    ) -> Done:
        """Copy entries of this place into a folder on a disk that is mounted here."""
        ...

    def from_disk(
        self, paths: Sequence[Path], folder: str, *, overwrite: Overwrite = "ask", progress: Progress | None = None
    ) -> Done:
        """Copy files and folders of a disk that is mounted here into a folder of this place."""
        ...


@dataclass(frozen=True)
class LocalPlace:
    """The disks that are mounted here, Drive among them.

    In the dashboard nothing that was there before may be lost: whoever has its token is not always whoever owns the
    files, and a local disk has no Trash. So there is no deleting and no moving, and nothing is replaced.

    Attributes:
        start: The folder that is shown first.
        root: The folder outside of which nothing is shown or changed, or None.
        is_served: Whether strangers to this kernel may be asking.
        title: What people call it.
    """

    start: str
    root: Path | None = None
    is_served: bool = False
    title: str = "This machine"
    is_local: bool = True

    @property
    def operations(self) -> frozenset[Operation]:
        """What it offers."""
        return _ALL - _REMOVING if self.is_served else _ALL

    def _insist(self, operation: Operation, overwrite: Overwrite = "ask") -> None:
        if operation not in self.operations or (self.is_served and overwrite == "replace"):
            raise HostError(
                "The dashboard deletes, moves and replaces nothing.",
                hint="Do it in a notebook, or in a terminal on that machine.",
            )

    def page(
        self, address: str, query: Query, *, earlier: FolderPage | None = None, progress: Progress | None = None
    ) -> FolderPage:
        """Return a page of a folder."""
        return list_page(address or self.start, query, earlier=earlier, root=self.root, progress=progress)

    def copy(
        self, entries: Sequence[str], folder: str, *, overwrite: Overwrite = "ask", progress: Progress | None = None
    ) -> Done:
        """Copy entries into a folder."""
        self._insist("copy", overwrite)
        return operations.copy_entries(entries, folder, overwrite=overwrite, root=self.root, progress=progress)

    def move(
        self, entries: Sequence[str], folder: str, *, overwrite: Overwrite = "ask", progress: Progress | None = None
    ) -> Done:
        """Move entries into a folder."""
        self._insist("move", overwrite)
        return operations.move_entries(entries, folder, overwrite=overwrite, root=self.root, progress=progress)

    def rename(self, entry: str, name: str, *, progress: Progress | None = None) -> str:
        """Give an entry another name in its folder; returns its new path."""
        self._insist("rename")
        return os.fspath(operations.rename_entry(entry, name, root=self.root, progress=progress))

    def delete(self, entries: Sequence[str], *, truncate_first: bool = False, progress: Progress | None = None) -> Done:
        """Delete entries, folders with all that is in them."""
        self._insist("delete")
        return operations.delete_entries(entries, truncate_first=truncate_first, root=self.root, progress=progress)

    def make_folder(self, folder: str, name: str, *, progress: Progress | None = None) -> str:
        """Make a folder; returns its path."""
        self._insist("make_folder")
        return os.fspath(operations.make_folder(folder, name, root=self.root, progress=progress))

    def zip(self, folder: str, names: Sequence[str], archive: str, *, progress: Progress | None = None) -> Done:
        """Pack some of what is in a folder into a zip archive beside it."""
        self._insist("zip")
        return operations.zip_entries(folder, names, archive, root=self.root, progress=progress)

    def measure(self, entry: str, *, progress: Progress | None = None) -> FolderSize:
        """Count what a folder holds."""
        self._insist("measure")
        return folder_size(entry, root=self.root, progress=progress)

    def to_disk(
        self, entries: Sequence[str], folder: Path, *, overwrite: Overwrite = "ask", progress: Progress | None = None
    ) -> Done:
        """Copy entries into a folder: this place is a disk itself."""
        return self.copy(entries, os.fspath(folder), overwrite=overwrite, progress=progress)

    def from_disk(
        self, paths: Sequence[Path], folder: str, *, overwrite: Overwrite = "ask", progress: Progress | None = None
    ) -> Done:
        """Copy files and folders into a folder: this place is a disk itself."""
        return self.copy([os.fspath(path) for path in paths], folder, overwrite=overwrite, progress=progress)
