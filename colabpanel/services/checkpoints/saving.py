"""Saving in the background: what training may change is copied first, then training goes on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from colabpanel.errors import ColabPanelError, InputError, StorageError
from colabpanel.services.checkpoints.frameworks._base import Framework, Parts
from colabpanel.services.checkpoints.frameworks._registry import framework_of
from colabpanel.services.checkpoints.policy import Policy
from colabpanel.services.checkpoints.randomness import RANDOM, random_state
from colabpanel.services.checkpoints.record import Record
from colabpanel.services.checkpoints.store import Store, remove_folder, settle
from colabpanel.services.disks import disk_errors_in_words
from colabpanel.services.snapshots.service import dump

__all__ = ["EXTRA", "Saver", "Wanted"]

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
    """

    def __init__(self, store: Store, policy: Policy, saved: Callable[[], None]) -> None:
        self.store, self._policy, self._saved = store, policy, saved
        self._framework: Framework | None = None
        self._last: Future[Record] | None = None
        self._newest = 0.0

    def save(self, parts: Parts, wanted: Wanted) -> Future[Record]:
        """Copy what training may change, and write it in the background.

        It first waits for the checkpoint before, whose copies are overwritten now.

        Raises:
            ColabPanelError: The one before could not be written, or this one cannot be.
        """
        self.settle()
        with disk_errors_in_words():
            record, framework = self._noted(parts, wanted), self._framework_of(parts.model)
            part = self.store.begin(record.name)
            try:
                record = replace(record, framework=framework.name, parameters=framework.parameters(parts.model))
                finish = framework.take(_without_plain(parts, part), part)
                finish = _then_write(finish, part / RANDOM, random_state())
            except BaseException:
                remove_folder(part)
                raise
        future: Future[Record] = Future()
        self._last = future
        work = threading.Thread(
            target=self._write, args=(future, part, record, finish), name="colabpanel-checkpoint", daemon=True
        )
        work.start()
        return future

    def settle(self, timeout: float | None = None) -> None:
        """Wait until the last checkpoint is written.

        Raises:
            ColabPanelError: It could not be; this is told once.
            TimeoutError: It takes longer.
        """
        last = self._last
        if last is None:
            return
        try:
            error = last.exception(timeout)
        except FutureTimeoutError:
            raise TimeoutError("A checkpoint is still being written.") from None
        self._last = None
        if error is not None:
            raise error

    @property
    def is_writing(self) -> bool:
        """Whether a checkpoint is being written."""
        return self._last is not None and not self._last.done()

    @property
    def failure(self) -> BaseException | None:
        """Why the last checkpoint could not be written, until that is told."""
        last = self._last
        return last.exception() if last is not None and last.done() else None

    def _noted(self, parts: Parts, wanted: Wanted) -> Record:
        self._newest = max(time.time(), self._newest + 1e-3)  # later than the one before, whatever the clock does
        return Record(
            name=self.store.free_name(wanted.step),
            step=wanted.step,
            created=self._newest,
            epoch=wanted.epoch,
            metrics=wanted.metrics,
            tags=wanted.tags,
        )

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
                record = settle(part, record)
                self.store.publish(part, record)
                self.prune()
        except BaseException as error:  # noqa: BLE001 - raised at the next save
            remove_folder(part)
            future.set_exception(error if isinstance(error, ColabPanelError) else _unexpected(error))
            return
        future.set_result(record)
        self._saved()

    def prune(self) -> list[str]:
        """Delete what the policy does not keep; returns the names."""
        return self.store.prune(self._policy.kept)


def _without_plain(parts: Parts, folder: Path) -> Parts:
    """Write what is extra and has no state of its own as a snapshot, and return the rest."""
    with_state = {name: value for name, value in parts.extra.items() if hasattr(value, "state_dict")}
    plain = {name: value for name, value in parts.extra.items() if name not in with_state}
    if plain:
        saved = dump(folder / EXTRA, plain)
        if saved.skipped:
            first = saved.skipped[0]
            raise InputError(f"extra[{first.name!r}] cannot be saved: {first.note}.", hint="Leave it out.")
    return replace(parts, extra=with_state)


def _then_write(finish: Callable[[], None], path: Path, data: bytes) -> Callable[[], None]:
    def write() -> None:
        finish()
        path.write_bytes(data)

    return write


def _unexpected(error: BaseException) -> StorageError:
    reason = str(error).strip().splitlines()[:1] or [type(error).__name__]
    return StorageError(f"The checkpoint could not be written ({reason[0][:200]}).", hint="Save it again.")
