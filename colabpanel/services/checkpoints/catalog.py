"""Folders of checkpoints from outside of training: what is in them, and what is to go or stay."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from colabpanel.errors import InputError, PathError
from colabpanel.progress import Progress
from colabpanel.services.checkpoints.found.scan import find_checkpoints
from colabpanel.services.checkpoints.metrics import insist_on
from colabpanel.services.checkpoints.models import Checkpoint, Place, VerifiedCheckpoint
from colabpanel.services.checkpoints.places import request_place
from colabpanel.services.checkpoints.policy import Policy, policy_of
from colabpanel.services.checkpoints.record import Record
from colabpanel.services.checkpoints.requests import REQUEST
from colabpanel.services.checkpoints.restoring import Copies, candidates
from colabpanel.services.checkpoints.store import Store
from colabpanel.services.disks import disk_errors_in_words
from colabpanel.services.mounts import insist_on_drive
from colabpanel.services.paths import resolve_inside
from colabpanel.services.waiting import apart

__all__ = [
    "checkpoints",
    "copies_in",
    "delete_checkpoints",
    "delete_copies",
    "is_awaited",
    "pin_checkpoint",
    "prune_checkpoints",
    "request_checkpoint",
    "shown",
    "verified",
    "verify_checkpoints",
]


def copies_in(local: Store, mirror: Store | None = None) -> list[Copies]:
    """Return the checkpoints of a store and its mirror, oldest first."""
    places: dict[Place, Store] = {"local": local} if mirror is None else {"local": local, "mirror": mirror}
    found: dict[Hashable, Copies] = {}
    for place, store in places.items():
        for record in store.records():
            found.setdefault((record.name, record.identity), Copies(record, {})).stores[place] = store
    return sorted(found.values(), key=lambda one: one.record.created)


def shown(found: Iterable[Copies], policy: Policy) -> list[Checkpoint]:
    """Return checkpoints as they are shown, the best one marked."""
    found = list(found)
    best = policy.best([one.record for one in found])
    return [
        one.record.checkpoint(next(iter(one.stores.values())).folder, tuple(one.stores), is_best=one.record is best)
        for one in found
    ]


def verified(local: Store, mirror: Store | None, progress: Progress) -> list[VerifiedCheckpoint]:
    """Read all files of all copies."""
    found = copies_in(local, mirror)
    progress.start(sum(one.record.size * len(one.stores) for one in found), "Verifying")
    judged = [_verified(one.record, place, store, progress) for one in found for place, store in one.stores.items()]
    return [one for one in judged if one is not None]


def _verified(record: Record, place: Place, store: Store, progress: Progress) -> VerifiedCheckpoint | None:
    """Verify one copy; None for one that was deleted meanwhile."""
    try:
        problem = store.verify(record)
    except OSError as error:
        return VerifiedCheckpoint(record.name, place, "unreadable", error.strerror or str(error))
    finally:
        progress.advance(record.size)
    if problem and not (store.folder / record.name).exists():
        return None
    return VerifiedCheckpoint(record.name, place, "damaged" if problem else "ok", problem)


def checkpoints(
    directory: str | Path,
    *,
    monitor: str | None = None,
    mode: str = "auto",
    root: str | Path | None = None,
    progress: Progress | None = None,
) -> list[Checkpoint]:
    """Return the checkpoints in a folder, oldest first: ours, and those that other libraries wrote.

    Keras, Lightning, Transformers, PyTorch, TensorFlow, safetensors, distributed checkpoints of PyTorch, and Orbax are
    told apart by their files. Nothing is loaded, and nothing of theirs is ever written.

    Args:
        directory: The folder.
        monitor: Mark as best what this metric says; None marks nothing.
        mode: See `Checkpoints`.
        root: Refuse paths outside of this folder.
        progress: May cancel the waiting for a slow disk.

    Raises:
        PathError: There is no such folder.
        InputError: ``monitor`` needs a ``mode``.
        StorageError: The disk failed.
    """
    policy = None if monitor is None else policy_of(monitor, mode, None, None)
    with disk_errors_in_words():
        return apart(lambda _: _listed(_folder(directory, root), policy), progress or Progress())


def is_awaited(directory: str | Path, *, root: str | Path | None = None, progress: Progress | None = None) -> bool:
    """Return whether a folder is not there, but could be made, so that training may still do so.

    Raises:
        PathError: It lies outside of the root.
        StorageError: The disk failed, or Drive is not mounted.
    """
    folder = resolve_inside(root, directory)

    def work(_: Progress) -> bool:
        insist_on_drive(folder)
        nearest = next(one for one in (folder, *folder.parents) if os.path.lexists(one))
        return nearest != folder and nearest.is_dir()

    with disk_errors_in_words():
        return apart(work, progress or Progress())


def _folder(directory: str | Path, root: str | Path | None) -> Path:
    folder = resolve_inside(root, directory)
    if not folder.is_dir():
        raise PathError(f"{directory} is not a folder.", hint="Choose the folder that training saves into.")
    return folder


def _listed(folder: Path, policy: Policy | None) -> list[Checkpoint]:
    ours = [one.record.checkpoint(folder, ("local",), is_best=False) for one in copies_in(Store(folder))]
    found = sorted([*ours, *find_checkpoints(folder)], key=lambda one: (one.created, one.name))
    return found if policy is None else with_best(found, policy)


def with_best(found: list[Checkpoint], policy: Policy) -> list[Checkpoint]:
    """Return checkpoints with the best one marked, of whatever kind they are."""
    best = policy.best(found)
    return [replace(one, is_best=one is best) for one in found]


def _ours(directory: str | Path, which: str | int, root: str | Path | None) -> tuple[Store, Record]:
    store = Store(_folder(directory, root))
    if which in {"best", "last"}:
        raise InputError("Name one checkpoint, or a step.", hint="They are listed by `colabpanel checkpoints list`.")
    return store, candidates(copies_in(store), which, policy_of("loss", "min", None, None))[0].record


def delete_copies(chosen: Sequence[Copies], told: Callable[[int], None] = lambda _: None) -> list[str]:
    """Delete checkpoints wherever they are; returns their names.

    Raises:
        InputError: One is pinned; nothing is deleted then.
    """
    for one in chosen:
        if any(store.is_pinned(one.record.name) for store in one.stores.values()):
            raise InputError(f"{one.record.name} is pinned.", hint="Unpin it first.")
    for one in chosen:
        for store in one.stores.values():
            store.delete(one.record.name)
        told(1)
    return [one.record.name for one in chosen]


def delete_checkpoints(
    directory: str | Path,
    which: str | int | Iterable[str | int],
    *,
    root: str | Path | None = None,
    progress: Progress | None = None,
) -> list[str]:
    """Delete some of our checkpoints in a folder; on Drive their files are emptied first, for the Trash takes room.

    Args:
        directory: The folder.
        which: Names or steps.
        root: Refuse paths outside of this folder.
        progress: May cancel, between two of them.

    Returns:
        The names of those deleted.

    Raises:
        InputError: There is no such checkpoint, or it is pinned; nothing is deleted then.
        StorageError: The disk failed.
    """
    chosen = [which] if isinstance(which, (str, int)) else list(which)

    def work(relay: Progress) -> list[str]:
        found = [_ours(directory, one, root) for one in chosen]
        relay.start(len(found), "Deleting", unit="checkpoints")
        return delete_copies([Copies(record, {"local": store}) for store, record in found], relay.advance)

    with disk_errors_in_words():
        return apart(work, progress or Progress())


def pin_checkpoint(
    directory: str | Path, which: str | int, *, pinned: bool = True, root: str | Path | None = None
) -> Checkpoint:
    """Keep a checkpoint in a folder whatever the policy says, or no longer.

    Raises:
        InputError: There is no such checkpoint.
        StorageError: The disk failed.
    """

    def work(_: Progress) -> Checkpoint:
        store, record = _ours(directory, which, root)
        changed = store.mark(record.name, lambda found: found.pinned(pinned))
        return changed.checkpoint(store.folder, ("local",), is_best=False)

    with disk_errors_in_words():
        return apart(work, Progress())


def prune_checkpoints(
    directory: str | Path,
    *,
    monitor: str = "val_accuracy",
    mode: str = "auto",
    keep_best: int | None = 1,
    keep_last: int | None = 3,
    root: str | Path | None = None,
    progress: Progress | None = None,
) -> list[str]:
    """Delete what a policy does not keep of our checkpoints in a folder; those of other libraries stay.

    Args:
        directory: The folder.
        monitor: See `Checkpoints`.
        mode: See `Checkpoints`.
        keep_best: See `Checkpoints`.
        keep_last: See `Checkpoints`.
        root: Refuse paths outside of this folder.
        progress: May cancel, between two of them.

    Returns:
        The names of those deleted.

    Raises:
        InputError: An option makes no sense.
        StorageError: The disk failed.
    """
    policy = policy_of(monitor, mode, keep_best, keep_last)

    def work(relay: Progress) -> list[str]:
        store = Store(_folder(directory, root))
        store.sweep()
        metrics = {name for record in store.records() for name in record.metrics}
        if keep_best and metrics:
            insist_on(monitor, metrics)
        relay.start(None, "Deleting", unit="checkpoints")
        return store.prune(policy.kept, relay.advance)

    with disk_errors_in_words():
        return apart(work, progress or Progress())


def verify_checkpoints(
    directory: str | Path, *, root: str | Path | None = None, progress: Progress | None = None
) -> list[VerifiedCheckpoint]:
    """Read all files of our checkpoints in a folder and compare them with what was saved.

    Raises:
        PathError: There is no such folder.
        StorageError: The disk failed.
    """
    with disk_errors_in_words():
        return apart(lambda relay: verified(Store(_folder(directory, root)), None, relay), progress or Progress())


def request_checkpoint(directory: str | Path, *, root: str | Path | None = None) -> None:
    """Ask training that saves into a folder, in whatever process of this machine, to save at its next batch.

    Raises:
        PathError: There is no such folder, and no training of this machine has opened it.
        StorageError: The disk failed.
    """

    def work(_: Progress) -> None:
        folder = resolve_inside(root, directory)
        place = request_place(folder)
        if not place.is_dir():
            if not folder.is_dir():
                raise PathError(
                    f"{directory} is not there: no training has opened it.",
                    hint="Begin training with Checkpoints(directory), then ask again.",
                )
            place.mkdir(parents=True, exist_ok=True)
        (place / REQUEST).touch()

    with disk_errors_in_words():
        apart(work, Progress())
