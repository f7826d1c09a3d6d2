"""The calls about files that lie elsewhere. Each takes an address as ``name:path``.

``drive:`` is Google Drive by its API where the host gives tokens for it, as on Colab; every other name is one of
rclone's remotes. In the dashboard only those are used that its operator has named.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from colabpanel.errors import HostError, InputError, PathError
from colabpanel.hosts import Host, detect
from colabpanel.progress import Progress
from colabpanel.services.disks import disk_errors_in_words
from colabpanel.services.paths import anchored, resolve_inside
from colabpanel.services.remotes.addresses import DRIVE, RemoteAddress, mounted_address, parse_remote
from colabpanel.services.remotes.models import GotFile, NamedRemote, PutFile, RemoteFolder, RemoteQuota
from colabpanel.services.remotes.permission import granted, insist_on_permission
from colabpanel.services.remotes.rclone.control import ask, kind_of
from colabpanel.services.remotes.stores import Store, opened_store
from colabpanel.services.sources.addresses import is_remote_address, is_url, spec_of_url
from colabpanel.services.sources.spec import SourceSpec
from colabpanel.services.waiting import apart

if TYPE_CHECKING:
    from colabpanel.services.remotes.drive_api.store import DriveStore

__all__ = [
    "empty_drive_trash",
    "get_remote",
    "link_to",
    "list_remote",
    "path_of",
    "put_remote",
    "remote_quota",
    "remote_source",
    "remotes",
]


def remotes(*, host: Host | None = None) -> list[NamedRemote]:
    """Return the remotes that rclone knows, without anything that is secret of them.

    Args:
        host: The notebook host; None detects it. A dashboard sees those that were named for it.

    Raises:
        MissingLibraryError: There is no rclone.
    """
    is_served, known = (host or detect()).is_served, granted()
    if is_served and not known:
        return []
    names = sorted(ask("config/listremotes", {})["remotes"] or (), key=str.casefold)
    kept = [name for name in names if not is_served or name in known]
    return [NamedRemote(name, kind_of(name), read_only=is_served and not known[name]) for name in kept]


def list_remote(address: str, *, host: Host | None = None, progress: Progress | None = None) -> RemoteFolder:
    """List a folder of a remote, folders first, by name.

    Args:
        address: ``name:path``; ``name:`` is the top.
        host: The notebook host; None detects it.
        progress: Is told the entries, and may cancel.

    Raises:
        InputError: There is no such remote or folder.
        StorageError: The remote does not answer.
    """
    with _opened(address, host) as (where, store):
        found = store.entries(where.path, progress or Progress())
    ordered = sorted(found, key=lambda one: (not one.is_folder, one.name.casefold(), one.name))
    return RemoteFolder(where.text, tuple(ordered))


def remote_quota(address: str, *, host: Host | None = None, progress: Progress | None = None) -> RemoteQuota:
    """Return how much room a remote has; what it does not tell is None.

    Raises:
        InputError: There is no such remote.
        StorageError: The remote does not answer.
    """
    with _opened(address, host) as (_, store):
        return store.quota(progress or Progress())


def put_remote(
    path: str | Path,
    address: str,
    *,
    overwrite: bool = False,
    root: str | Path | None = None,
    host: Host | None = None,
    progress: Progress | None = None,
) -> PutFile:
    """Put a file, such as a packed archive or a snapshot, on a remote, or where an address of fsspec leads to.

    It is written under a hidden name beside its place where the remote can rename, compared with what is here by its
    size and by a checksum where the remote has one, and then given its name. Where the remote cannot, as most S3, it
    takes the place of what was there at once.

    Args:
        path: The file.
        address: Where to put it, as ``name:folder/file``, or ``gs://bucket/file`` and whatever else fsspec knows. With
            a slash at its end, or of nothing but a name, it is the folder to put it in.
        overwrite: Whether to replace a file of that name.
        root: Refuse files outside of this folder.
        host: The notebook host; None detects it.
        progress: Is told the bytes, and may cancel; what was there before stays.

    Raises:
        InputError: The file or the address cannot be used, or the name is taken; nothing was changed.
        StorageError: The remote is full, does not answer, or has other bytes; what was there before stays, where
            the remote can rename.
    """
    if is_url(address):
        return _put_at_url(path, address, overwrite=overwrite, root=root, host=host, progress=progress or Progress())
    with _opened(address, host, writing=True) as (where, store):

        @disk_errors_in_words()
        def put(progress: Progress) -> PutFile:
            file = resolve_inside(root, anchored(path, root))
            goal = where.joined(file.name) if not where.path or address.rstrip().endswith("/") else where
            return store.put(file, goal.path, progress, overwrite=overwrite)

        return apart(put, progress or Progress())


def get_remote(
    address: str,
    path: str | Path,
    *,
    overwrite: bool = False,
    root: str | Path | None = None,
    host: Host | None = None,
    progress: Progress | None = None,
) -> GotFile:
    """Bring a file from a remote here, and verify it.

    Args:
        address: The file.
        path: Where to put it; in a folder that exists, it keeps its name.
        overwrite: Whether to replace a file that is there.
        root: Refuse paths outside of this folder.
        host: The notebook host; None detects it.
        progress: Is told the bytes, and may cancel; what was there before stays.

    Raises:
        InputError: A path or the address cannot be used, or the name is taken; nothing was changed.
        StorageError: The remote does not answer, or a disk failed; what was there before stays.
    """
    with _opened(address, host) as (where, store):

        @disk_errors_in_words()
        def get(progress: Progress) -> GotFile:
            target = resolve_inside(root, anchored(path, root))
            if target.is_dir():
                entry = store.find(where.path, progress)
                if entry is None or entry.is_folder:
                    raise PathError(f"{where.text} is no file.", hint="Write it as name:folder/file.")
                target = resolve_inside(root, target / Path(entry.name).name)
            if target.exists() and (not overwrite or target.is_dir()):
                raise PathError(f"{target} is there already.", hint="Choose another name, or replace it.")
            return store.get(where.path, target, progress)

        return apart(get, progress or Progress())


def remote_source(address: str, *, host: Host | None = None, progress: Progress | None = None) -> SourceSpec:
    """Return where parts of a file on a remote can be read, with what proves who asks.

    That is rclone's server on the loopback, or Drive's API. Whatever it holds is secret; it goes to another process
    over its input only.

    Raises:
        InputError: There is no such file.
        StorageError: The remote does not answer.
    """
    with _opened(address, host) as (where, store):
        return store.source(where.path, progress or Progress())


def link_to(address: str, *, host: Host | None = None, progress: Progress | None = None) -> str:
    """Return the page on which Drive shows a file or folder to those who may see it; nothing is shared by it.

    Args:
        address: ``name:path``, or a path on the Drive that is mounted.
        host: The notebook host; None detects it.
        progress: May cancel it.

    Raises:
        InputError: There is no such file, or the remote has no such pages.
    """
    host = host or detect()
    if host.drive_mountpoint is not None and not is_remote_address(address):
        address = mounted_address(address, host.drive_mountpoint)
    with _opened(address, host) as (where, store):
        return store.link(where.path, progress or Progress())


def path_of(link: str, *, host: Host | None = None, progress: Progress | None = None) -> str:
    """Return the address, as ``drive:path``, of what a link of Google Drive leads to.

    Raises:
        InputError: It is no link of Drive, or nothing that these credentials reach.
    """
    with closing(_drive(host)) as store:
        return store.path_of(link, progress or Progress())


def empty_drive_trash(confirm: str, *, host: Host | None = None, progress: Progress | None = None) -> None:
    """Delete for good what lies in Drive's Trash.

    Args:
        confirm: Must be ``empty the trash``, as its user typed it.
        host: The notebook host; None detects it.
        progress: May cancel it before it begins.

    Raises:
        InputError: ``confirm`` is something else; nothing was deleted.
    """
    with closing(_drive(host, writing=True)) as store:
        store.empty_trash(confirm, progress or Progress())


def _put_at_url(
    path: str | Path, address: str, *, overwrite: bool, root: str | Path | None, host: Host | None, progress: Progress
) -> PutFile:
    from colabpanel.services.remotes.file_systems import put_on_file_system  # takes its time to load

    spec = spec_of_url(address, host=host)
    if spec.kind != "fsspec":
        way = "the bucket as a remote of rclone" if spec.kind == "s3" else "the server as a remote of rclone, as WebDAV"
        raise InputError(f"Nothing is put at {spec.shown}.", hint=f"Add {way}.")

    @disk_errors_in_words()
    def put(progress: Progress) -> PutFile:
        return put_on_file_system(resolve_inside(root, anchored(path, root)), spec, progress, overwrite=overwrite)

    return apart(put, progress)


@contextmanager
def _opened(address: str, host: Host | None, *, writing: bool = False) -> Iterator[tuple[RemoteAddress, Store]]:
    where = parse_remote(address)
    with closing(opened_store(where.name, host or detect(), writing=writing)) as store:
        yield where, store


def _drive(host: Host | None, *, writing: bool = False) -> DriveStore:
    from colabpanel.services.remotes.drive_api.store import DriveStore

    host = host or detect()
    insist_on_permission(DRIVE, is_served=host.is_served, writing=writing)
    if host.google_token is None:
        raise HostError(
            "Only Colab gives its notebooks access to Drive's API.",
            hint="Elsewhere, add Drive as a remote of rclone.",
        )
    return DriveStore(host.google_token)
