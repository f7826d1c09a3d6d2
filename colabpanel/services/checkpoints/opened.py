"""Checkpoints that are there, in a folder and on its mirror: listing, restoring, verifying and marking them."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from colabpanel.progress import Progress
from colabpanel.services.checkpoints.catalog import copies_in, delete_copies, shown, verified
from colabpanel.services.checkpoints.frameworks._base import Parts
from colabpanel.services.checkpoints.models import Checkpoint, Restored, VerifiedCheckpoint
from colabpanel.services.checkpoints.policy import Policy
from colabpanel.services.checkpoints.randomness import RANDOM, restore_random
from colabpanel.services.checkpoints.record import Record
from colabpanel.services.checkpoints.restoring import (
    Copies,
    Damaged,
    candidates,
    first_that_loads,
    none_is_whole,
    whole_folders,
)
from colabpanel.services.checkpoints.store import Store
from colabpanel.services.disks import disk_errors_in_words
from colabpanel.services.waiting import apart

__all__ = ["OpenedCheckpoints"]


class OpenedCheckpoints:
    """What can be done with checkpoints besides saving them.

    Args:
        local: The store on local disk.
        mirror: The store on Drive or elsewhere, or None.
        policy: Tells which is best.
    """

    def __init__(self, local: Store, mirror: Store | None, policy: Policy) -> None:
        self.policy = policy
        self._local, self._mirror = local, mirror
        self._step: int | None = None
        self._epoch: float | None = None
        self._random: bytes | None = None

    def _finish_writing(self) -> None:
        """Wait until nothing is being written here."""

    def _resumed(self, step: int) -> None:
        """Go on from a step."""
        self._step = step

    def restore(
        self,
        model: Any = None,
        *,
        which: str | int = "best",
        optimizer: Any = None,
        scheduler: Any = None,
        extra: Mapping[str, Any] | None = None,
        strict: bool = True,
        random: bool = True,
        trusted: bool = False,
        progress: Progress | None = None,
    ) -> Restored:
        """Put a checkpoint back. Its files are verified first; where they are damaged the next best or older is taken.

        Args:
            model: The model to fill; None returns what was saved as a new object, where that can be.
            which: ``best``, ``last``, a step, or the name of a checkpoint.
            optimizer: As it was given to `save`.
            scheduler: As it was given to `save`.
            extra: Objects with ``load_state_dict`` by the names they were saved under.
            strict: Refuse a model that has other parts than the checkpoint.
            random: Set the random number generators of Python, NumPy and the framework, too.
            trusted: Run what the file of another user needs, as scikit-learn's models may.
            progress: Is told the bytes that are fetched from the mirror, and may cancel.

        Returns:
            What was restored, and what was not.

        Raises:
            InputError: There is no such checkpoint, or it does not fit what it is to be put into.
            ArchiveError: None of them can be read.
            TrustError: Loading would run code that nobody vouches for.
            StorageError: The disk failed.
        """
        self._finish_writing()
        parts, damaged = Parts(model, optimizer, scheduler, dict(extra or {})), Damaged()
        with disk_errors_in_words():
            folders = self._whole(which, damaged, progress or Progress())
            chosen, outcome = first_that_loads(folders, parts, damaged, strict=strict, trusted=trusted, random=random)
            checkpoint = self._shown(chosen)
            numbers = self._local.folder / checkpoint.name / RANDOM
            self._random = numbers.read_bytes() if random and numbers.exists() else None
        self._resumed(chosen.record.step)
        return Restored(
            checkpoint=checkpoint,
            model=outcome.model,
            restored=tuple(outcome.restored),
            not_restored=tuple(outcome.not_restored),
            extra=outcome.extra,
            damaged=tuple(damaged),
        )

    def resume_random(self) -> None:
        """Set the random number generators again as the last `restore` did, once.

        For libraries that draw numbers between that and the first batch; the callbacks call it.
        """
        if self._random is not None:
            restore_random(self._random)
            self._random = None

    def path(self, which: str | int = "last", *, progress: Progress | None = None) -> Path:
        """Return the folder of a checkpoint, verified and on local disk: for libraries that resume from one themselves.

        Raises:
            InputError: There is no such checkpoint, or none that can be read.
            StorageError: The disk failed.
        """
        self._finish_writing()
        damaged = Damaged()
        with disk_errors_in_words():
            for _one, folder in self._whole(which, damaged, progress or Progress()):
                return folder
        raise none_is_whole(damaged)

    def _whole(self, which: str | int, damaged: Damaged, progress: Progress) -> Iterator[tuple[Copies, Path]]:
        chosen = candidates(self._copies(progress), which, self.policy)
        return whole_folders(chosen, self._local, damaged, progress)

    def _copies(self, progress: Progress | None = None) -> list[Copies]:
        return apart(lambda _: copies_in(self._local, self._mirror), progress or Progress())

    def _shown(self, one: Copies) -> Checkpoint:
        return next(
            row for row in shown(self._copies(), self.policy) if (row.created, row.files) == one.record.identity
        )

    def table(self) -> list[Checkpoint]:
        """Return the checkpoints that are written, here or on the mirror, oldest first.

        Raises:
            StorageError: The disk failed.
        """
        with disk_errors_in_words():
            return shown(self._copies(), self.policy)

    def verify(self, *, progress: Progress | None = None) -> list[VerifiedCheckpoint]:
        """Read all files of all copies and compare them with what was saved."""
        self._finish_writing()
        return apart(lambda relay: verified(self._local, self._mirror, relay), progress or Progress())

    def pin(self, which: str | int, *, pinned: bool = True) -> Checkpoint:
        """Keep a checkpoint whatever the policy says, or no longer."""
        return self._mark(which, lambda record: record.pinned(pinned))

    def tag(self, which: str | int, *tags: str) -> Checkpoint:
        """Give a checkpoint words to find it by, in place of those it has."""
        return self._mark(which, lambda record: record.tagged(tags))

    def delete(self, *which: str | int) -> list[str]:
        """Delete checkpoints, here and on the mirror; returns their names.

        Raises:
            InputError: There is no such checkpoint, or it is pinned; nothing is deleted then.
            StorageError: The disk failed.
        """
        self._finish_writing()
        with disk_errors_in_words():
            found = self._copies()
            chosen = [candidates(found, one, self.policy)[0].record for one in which]
            with self._leaving_out(chosen):
                return apart(lambda _: delete_copies(self._copies_of(chosen)), Progress())

    def _leaving_out(self, records: list[Record]) -> AbstractContextManager[None]:
        """Copy these to the mirror no more."""
        return contextlib.nullcontext()

    def _copies_of(self, records: list[Record]) -> list[Copies]:
        """Return where checkpoints are now: they may have come to the mirror just now."""
        found = copies_in(self._local, self._mirror)
        wanted = dict.fromkeys(record.identity for record in records)
        return [one for identity in wanted for one in found if one.record.identity == identity]

    def _mark(self, which: str | int, change: Callable[[Record], Record]) -> Checkpoint:
        self._finish_writing()
        with disk_errors_in_words():
            one = candidates(self._copies(), which, self.policy)[0]
            for store in one.stores.values():
                apart(functools.partial(_mark_in, store, one.record.name, change), Progress())
            return self._shown(one)


def _mark_in(store: Store, name: str, change: Callable[[Record], Record], _: Progress) -> None:
    store.mark(name, change)
