"""Saving in the background: what training may change is copied first, then training goes on."""

from __future__ import annotations

import functools
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from colabpanel.errors import ColabPanelError, InputError, StorageError
from colabpanel.services.checkpoints.endings import say_at_the_end, start_pending
from colabpanel.services.checkpoints.files_of import remove_folder, settle
from colabpanel.services.checkpoints.frameworks._base import Framework, Parts, reason_of
from colabpanel.services.checkpoints.frameworks._registry import framework_of
from colabpanel.services.checkpoints.models import Checkpoint
from colabpanel.services.checkpoints.policy import Policy
from colabpanel.services.checkpoints.randomness import RANDOM, random_state
from colabpanel.services.checkpoints.record import Record
from colabpanel.services.checkpoints.store import Store
from colabpanel.services.disks import disk_errors_in_words, disk_full
from colabpanel.services.files import free_bytes
from colabpanel.services.saves import note_save
from colabpanel.services.snapshots.service import draft, write

__all__ = ["EXTRA", "Saver", "Wanted", "as_checkpoint"]

_TICK = 1e-3  # seconds between two checkpoints at least
_FULL = 1 << 20  # bytes that are free on a disk that takes no more

EXTRA = "extra.snapshot.zip"
"""The file in the folder of a checkpoint that holds what else was given."""


@dataclass(frozen=True)
class Wanted:
    """What shall be noted of a checkpoint that is saved; see `Checkpoint`."""

    step: int
    epoch: float | None
    metrics: Mapping[str, float]
    tags: tuple[str, ...]


class Saver:
    """Writes one checkpoint at a time into a store.

    Args:
        store: Where to.
        policy: Which stay there.
        saved: Called in the background when one is there.
        taken: Returns names that no new one may have, besides those in the store.
    """

    def __init__(
        self,
        store: Store,
        policy: Policy,
        saved: Callable[[], None],
        taken: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        self.store, self._policy, self._saved, self._taken = store, policy, saved, taken
        self._framework: Framework | None = None
        self._last: Future[Record] | None = None
        self._newest = 0.0
        self._lock, self._swap = threading.RLock(), threading.Lock()
        self._process = os.getpid()

    def save(self, parts: Parts, wanted: Wanted) -> Future[Record]:
        """Copy what training may change, and write it in the background.

        It first waits for the checkpoint before, whose copies are overwritten now.

        Raises:
            ColabPanelError: The one before could not be written, or this one cannot be.
        """
        with self._lock:
            self.settle()
            with disk_errors_in_words():
                record, framework = self._noted(wanted), self._framework_of(parts.model)
                part = self.store.begin(record.name)
                try:
                    record, finish = _taken(parts, part, record, framework)
                except BaseException:
                    remove_folder(part)
                    raise
            future = Future[Record]()
            with self._swap:
                self._last = future
            start_pending(functools.partial(self._write, future, part, record, finish), "colabpanel-checkpoint")
            return future

    def settle(self, timeout: float | None = None) -> None:
        """Wait until the last checkpoint is written.

        Raises:
            ColabPanelError: It could not be; this is told once.
            TimeoutError: It takes longer.
        """
        last = self._last
        error = self.finish(timeout)
        if last is None:
            return
        with self._swap:
            if self._last is last:  # another thread may have begun a newer one
                self._last = None
                say_at_the_end(self, None)
        if error is not None:
            raise error

    def finish(self, timeout: float | None = None) -> BaseException | None:
        """Wait until the last checkpoint is written; returns why it could not be, until `settle` has told that.

        Raises:
            TimeoutError: It takes longer.
        """
        last = self._last
        if last is None or self._process != os.getpid():  # a process that was forked off writes nothing
            return None
        try:
            return last.exception(timeout)
        except FutureTimeoutError:
            raise TimeoutError("A checkpoint is still being written.") from None

    @property
    def is_writing(self) -> bool:
        """Whether a checkpoint is being written."""
        return self._last is not None and not self._last.done()

    @property
    def failure(self) -> BaseException | None:
        """Why the last checkpoint could not be written, until that is told."""
        last = self._last
        return last.exception() if last is not None and last.done() else None

    def _noted(self, wanted: Wanted) -> Record:
        """Return what is noted of a new checkpoint: it is later than all others, whatever the clock says."""
        known = max((record.created for record in self.store.records()), default=0.0)
        self._newest = max(time.time(), self._newest + _TICK, known + _TICK)
        return Record(
            name=self.store.free_name(wanted.step, self._taken()),
            step=wanted.step,
            created=self._newest,
            epoch=wanted.epoch,
            metrics=wanted.metrics,
            tags=wanted.tags,
        )

    def is_later_than(self, created: float) -> None:
        """Let checkpoints from now on be later than one elsewhere."""
        self._newest = max(self._newest, created)

    def _framework_of(self, model: Any) -> Framework:
        """Return the framework, the same object as before where it is the same: it has memory to use again."""
        found = framework_of(model)
        if self._framework is None or self._framework.name != found.name:
            self._framework = found
        return self._framework

    def _write(self, future: Future[Record], part: Path, record: Record, finish: Callable[[], None]) -> None:
        try:
            with disk_errors_in_words():
                finish()
                record = self.store.publish(part, settle(part, record))
                note_save(self.store.folder / record.name, record.created)
                self.prune(record.name)
        except BaseException as error:  # noqa: BLE001 - raised at the next save
            told = error if isinstance(error, ColabPanelError) else _unexpected(error, part)
            remove_folder(part)
            say_at_the_end(self, told)
            future.set_exception(told)
            return
        try:
            self._saved()  # first: whoever waits for the checkpoint may then wait for its copy
        finally:
            future.set_result(record)

    def prune(self, *spared: str) -> list[str]:
        """Delete what the policy does not keep, but for those that are named; returns the names."""
        return self.store.prune(lambda records: self._policy.kept(records) | set(spared))


def _taken(parts: Parts, folder: Path, record: Record, framework: Framework) -> tuple[Record, Callable[[], None]]:
    """Let a framework copy what training may change; returns what is noted, and what is left to do.

    Raises:
        InputError: Something cannot be saved.
    """
    try:
        record = replace(record, framework=framework.name, parameters=framework.parameters(parts.model))
        finish = framework.take(_without_plain(parts, folder, framework), folder)
    except (ColabPanelError, OSError):
        raise
    except Exception as error:
        raise InputError(
            f"The model cannot be saved ({reason_of(error)}).", hint="Pass its state_dict(), or what can be pickled."
        ) from error
    return record, _then_write(finish, folder / RANDOM, random_state())


def _without_plain(parts: Parts, folder: Path, framework: Framework) -> Parts:
    """Write what the framework does not keep itself of what is extra as a snapshot, and return the rest."""
    with_state = {name: value for name, value in parts.extra.items() if hasattr(value, "state_dict")}
    plain = {name: value for name, value in parts.extra.items() if name not in with_state}
    if not framework.keeps_states:
        plain |= {name: value.state_dict() for name, value in with_state.items()}
        with_state = {}
        if (parts.optimizer, parts.scheduler) != (None, None) and framework.name != "snapshot":
            raise InputError(
                f"optimizer= and scheduler= are not for {framework.name}, which keeps its own.", hint="Leave them out."
            )
    if plain:
        saved = write(folder / EXTRA, draft(plain))
        if saved.skipped:
            first = saved.skipped[0]
            raise InputError(f"extra[{first.name!r}] cannot be saved: {first.note}.", hint="Leave it out.")
    return replace(parts, extra=with_state)


def _then_write(finish: Callable[[], None], path: Path, data: bytes) -> Callable[[], None]:
    def write() -> None:
        finish()
        path.write_bytes(data)

    return write


def _unexpected(error: BaseException, folder: Path) -> StorageError:
    if free_bytes(folder) < _FULL:
        return disk_full(folder)
    return StorageError(f"The checkpoint could not be written ({reason_of(error)}).", hint="Save it again.")


def as_checkpoint(written: Future[Record], folder: Path) -> Future[Checkpoint]:
    """Return the checkpoint that a record in a folder stands for, once it is written."""
    future: Future[Checkpoint] = Future()

    def pass_on(done: Future[Record]) -> None:
        error = done.exception()
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(done.result().checkpoint(folder, ("local",), is_best=False))

    written.add_done_callback(pass_on)
    return future
