"""A remote as a place that can be looked through."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from colabpanel.errors import HostError, InputError, PathError
from colabpanel.hosts import Host
from colabpanel.progress import Progress
from colabpanel.services.browsing.models import (
    Crumb,
    Done,
    Entry,
    EntryKind,
    FolderPage,
    FolderSize,
    Operation,
    Overwrite,
    Query,
    Whole,
)
from colabpanel.services.browsing.naming import check_name
from colabpanel.services.browsing.ordering import chosen
from colabpanel.services.browsing.remote_carrying import bring_here, take_there
from colabpanel.services.paths import resolve_inside
from colabpanel.services.remotes.addresses import DRIVE, RemoteAddress, parse_remote
from colabpanel.services.remotes.models import RemoteEntry
from colabpanel.services.remotes.permission import granted
from colabpanel.services.remotes.service import list_remote
from colabpanel.services.remotes.stores import Store, opened_store
from colabpanel.services.waiting import apart

__all__ = ["RemotePlace"]

_ALL: frozenset[Operation] = frozenset({"to_disk", "from_disk", "make_folder", "measure"})
_WRITING: frozenset[Operation] = frozenset({"make_folder", "from_disk"})
_MOST_PER_PAGE = 1000


@dataclass(frozen=True)
class RemotePlace:
    """A remote of rclone, or Drive by its API.

    Files are copied from it and to it; nothing on it is moved, renamed or deleted. In the dashboard it is there if
    the operator has named it, and is written to if they said so.

    Attributes:
        name: The remote.
        host: The notebook host; no disk of this machine is touched outside of its root.
        title: What people call it.
        is_local: False: its addresses are no paths.
    """

    name: str
    host: Host
    title: str = ""
    is_local: bool = False

    def __post_init__(self) -> None:
        if not self.title:
            object.__setattr__(self, "title", "Drive, by its API" if self._is_api else f"{self.name}:")

    @property
    def _is_api(self) -> bool:
        return self.name == DRIVE and self.host.google_token is not None

    @property
    def start(self) -> str:
        """The top of the remote."""
        return f"{self.name}:"

    @property
    def operations(self) -> frozenset[Operation]:
        """What it offers."""
        is_read_only = self.host.is_served and not granted().get(self.name)
        return _ALL - _WRITING if is_read_only else _ALL

    @contextmanager
    def _opened(self, *, writing: bool = False) -> Iterator[Store]:
        with closing(opened_store(self.name, self.host, writing=writing)) as store:
            yield store

    def _insist_on_rule(self, overwrite: Overwrite) -> None:
        if self.host.is_served and overwrite == "replace":
            raise HostError("The dashboard replaces nothing.", hint="Choose to keep both, or another name.")

    def _refuse(self) -> NoReturn:
        raise HostError(f"This is not done on {self.title}", hint="Copy it to this machine first.")

    def _at(self, address: str) -> RemoteAddress:
        where = parse_remote(address or self.start)
        if where.name != self.name:
            raise PathError(f"{address} is not on {self.title}", hint=f"Write it as {self.name}:folder.")
        return where

    def page(
        self, address: str, query: Query, *, earlier: FolderPage | None = None, progress: Progress | None = None
    ) -> FolderPage:
        """Return a page of a folder; all of it is asked for once, and kept for its other pages."""
        kept = earlier.whole if earlier is not None else None
        if not isinstance(kept, _Kept):
            where = self._at(address)
            found = list_remote(where.text, host=self.host, progress=progress)
            kept = _kept(where, found.entries)
        return _page(kept, query)

    def copy(
        self, entries: Sequence[str], folder: str, *, overwrite: Overwrite = "ask", progress: Progress | None = None
    ) -> Done:
        """Refuse."""
        self._refuse()

    def move(
        self, entries: Sequence[str], folder: str, *, overwrite: Overwrite = "ask", progress: Progress | None = None
    ) -> Done:
        """Refuse."""
        self._refuse()

    def rename(self, entry: str, name: str, *, progress: Progress | None = None) -> str:
        """Refuse."""
        self._refuse()

    def delete(self, entries: Sequence[str], *, truncate_first: bool = False, progress: Progress | None = None) -> Done:
        """Refuse."""
        self._refuse()

    def zip(self, folder: str, names: Sequence[str], archive: str, *, progress: Progress | None = None) -> Done:
        """Refuse."""
        self._refuse()

    def make_folder(self, folder: str, name: str, *, progress: Progress | None = None) -> str:
        """Make a folder; returns its address."""
        made = self._at(folder).joined(check_name(name))
        with self._opened(writing=True) as store:
            if store.find(made.path, progress or Progress()) is not None:
                raise PathError(f"{made.text} is there already.", hint="Choose another name.")
            store.make_folder(made.path, progress or Progress())
        return made.text

    def measure(self, entry: str, *, progress: Progress | None = None) -> FolderSize:
        """Count what a folder holds."""
        with self._opened() as store:
            found = store.measure(self._at(entry).path, progress or Progress())
        return FolderSize(found.files, found.size, complete=True, skipped=found.skipped)

    def to_disk(
        self, entries: Sequence[str], folder: Path, *, overwrite: Overwrite = "ask", progress: Progress | None = None
    ) -> Done:
        """Copy entries into a folder of this machine."""
        self._insist_on_rule(overwrite)
        places = [self._at(entry) for entry in entries]

        with self._opened() as store:

            def bring(progress: Progress) -> Done:
                return bring_here(store, places, resolve_inside(self.host.root, folder), overwrite, progress)

            return apart(bring, progress or Progress())

    def from_disk(
        self, paths: Sequence[Path], folder: str, *, overwrite: Overwrite = "ask", progress: Progress | None = None
    ) -> Done:
        """Copy files and folders of this machine into a folder of the remote."""
        self._insist_on_rule(overwrite)
        goal = self._at(folder)

        with self._opened(writing=True) as store:

            def take(progress: Progress) -> Done:
                chosen = [resolve_inside(self.host.root, path) for path in paths]
                return take_there(store, chosen, goal, overwrite, progress)

            return apart(take, progress or Progress())


@dataclass(frozen=True)
class _Kept:
    """A folder as it was when it was listed."""

    where: RemoteAddress
    entries: tuple[RemoteEntry, ...]
    whole: Whole


def _kept(where: RemoteAddress, entries: tuple[RemoteEntry, ...]) -> _Kept:
    above = where.parent
    whole = Whole(
        folder=where.text,
        parent=above.text if above else None,
        top=f"{where.name}:",
        has_trash=False,
        names=tuple(entry.name for entry in entries),
        kinds="".join("d" if entry.is_folder else "f" for entry in entries),
        sizes=tuple(entry.size for entry in entries),
        times=tuple(entry.modified for entry in entries),
    )
    return _Kept(where, entries, whole)


def _page(kept: _Kept, query: Query) -> FolderPage:
    if not 1 <= query.page_size <= _MOST_PER_PAGE:
        raise InputError(f"A page cannot have {query.page_size} entries.", hint="Ask for 1 to 1,000.")
    order = chosen(kept.whole, query)
    page = min(max(query.page, 0), max(len(order) - 1, 0) // query.page_size)
    shown = [kept.entries[number] for number in order[page * query.page_size : (page + 1) * query.page_size]]
    return FolderPage(
        address=kept.where.text,
        crumbs=_crumbs(kept.where),
        parent=kept.whole.parent,
        entries=tuple(_shown(entry) for entry in shown),
        page=page,
        pages=max(-(-len(order) // query.page_size), 1),
        matching=len(order),
        total=len(kept.entries),
        folders=sum(kept.entries[number].is_folder for number in order),
        complete=True,
        whole=kept,
    )


def _shown(entry: RemoteEntry) -> Entry:
    kind: EntryKind = "folder" if entry.is_folder else "file"
    return Entry(entry.name, entry.address, kind, entry.is_folder, entry.size, entry.modified)


def _crumbs(where: RemoteAddress) -> tuple[Crumb, ...]:
    steps: list[Crumb] = []
    here: RemoteAddress | None = where
    while here is not None:
        steps.insert(0, Crumb(here.leaf or f"{here.name}:", here.text))
        here = here.parent
    return tuple(steps)
