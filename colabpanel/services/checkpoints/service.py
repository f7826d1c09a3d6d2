"""The store of checkpoints that training saves into and resumes from."""

from __future__ import annotations

import contextlib
import time
import warnings
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colabpanel.errors import ColabPanelError
from colabpanel.progress import Progress
from colabpanel.services.checkpoints.callbacks import WithCallbacks, prepare_keras
from colabpanel.services.checkpoints.frameworks._base import Parts
from colabpanel.services.checkpoints.given import extra_of, given, wanted_of
from colabpanel.services.checkpoints.metrics import insist_on
from colabpanel.services.checkpoints.mirroring import Mirroring, seen_on
from colabpanel.services.checkpoints.models import Checkpoint
from colabpanel.services.checkpoints.on_error import ErrorSaving
from colabpanel.services.checkpoints.opened import OpenedCheckpoints
from colabpanel.services.checkpoints.places import first_place, places_of, request_place
from colabpanel.services.checkpoints.policy import Schedule, policy_of
from colabpanel.services.checkpoints.record import Record
from colabpanel.services.checkpoints.requests import Requests
from colabpanel.services.checkpoints.saving import Saver, as_checkpoint
from colabpanel.services.checkpoints.store import Store
from colabpanel.services.disks import disk_errors_in_words
from colabpanel.services.waiting import apart

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Checkpoints", "active_checkpoints"]

_active: weakref.WeakSet[Checkpoints] = weakref.WeakSet()


def active_checkpoints() -> list[Checkpoints]:
    """Return the stores that this process has opened and still holds."""
    return sorted(_active, key=lambda one: str(one.directory))


class Checkpoints(OpenedCheckpoints, WithCallbacks):
    """A folder of checkpoints, written in the background and kept by rule.

    Args:
        directory: The folder, which is made. Where it lies on Drive or a network, checkpoints are written to local disk
            first.
        monitor: The metric that tells which is best. Other names that libraries have for it are understood.
        mode: ``max`` or ``min``; ``auto`` decides by the name of the metric.
        keep_best: How many of the best are kept; None keeps all.
        keep_last: How many of the newest are kept; None keeps all.
        every_steps: `save_if_due` and the callbacks save after so many steps, too.
        every_minutes: Likewise after so many minutes.
        mirror: Another folder, best on Drive, to which what is kept is copied and verified in the background.
        root: Refuse paths outside of this folder.

    Attributes:
        directory: The folder.
        mirror: The other folder, or None.
        policy: What is kept.
        begun: How many were begun to be written.

    Raises:
        InputError: An option makes no sense, or a path cannot be used.
        StorageError: Drive is not mounted.
    """

    def __init__(
        self,
        directory: str | Path,
        *,
        monitor: str = "val_accuracy",
        mode: str = "auto",
        keep_best: int | None = 1,
        keep_last: int | None = 3,
        every_steps: int | None = None,
        every_minutes: float | None = None,
        mirror: str | Path | None = None,
        root: str | Path | None = None,
    ) -> None:
        policy = policy_of(monitor, mode, keep_best, keep_last)
        self._schedule = Schedule(every_steps, every_minutes)
        with disk_errors_in_words():
            self.directory, self.mirror = apart(lambda _: places_of(directory, mirror, root), Progress())
        local = Store(first_place(self.directory) if self.directory == self.mirror else self.directory)
        super().__init__(local, Store(self.mirror) if self.mirror else None, policy)
        self._mirroring = Mirroring(local, self._mirror, policy) if self._mirror else None
        self._saver = Saver(local, policy, self._saved, self._taken)
        self._on_error, self.begun = ErrorSaving(self.settle), 0
        _settle_others(local.folder)
        with disk_errors_in_words():
            self._requests = Requests(apart(lambda _: request_place(self.directory), Progress()))
            local.folder.mkdir(parents=True, exist_ok=True)  # a place that takes none is told now, not after an epoch
            local.sweep()
            latest, taken = apart(lambda _: seen_on(self._mirror), Progress())
            self._saver.is_later_than(latest)
            if self._mirroring is not None:
                self._mirroring.taken = taken
                if local.records():
                    self._mirroring.wake(prune=False)
        prepare_keras()
        _active.add(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.wait()
        self.close()

    def save(
        self,
        model: Any,
        *,
        step: int,
        epoch: float | None = None,
        metrics: Mapping[str, Any] | None = None,
        optimizer: Any = None,
        scheduler: Any = None,
        extra: Mapping[str, Any] | None = None,
        tags: str | Iterable[str] = (),
    ) -> Future[Checkpoint]:
        """Save a checkpoint; training goes on while it is written.

        Args:
            model: A module or state dictionary of PyTorch, a model of Keras 3, or anything a snapshot can hold.
            step: Of training: how many batches it has seen.
            epoch: Of training: how many are finished.
            metrics: By name; ``monitor`` is looked for among them.
            optimizer: Of PyTorch, or several as a list or by name. Keras has its own in the model.
            scheduler: Of the learning rate, likewise.
            extra: What else belongs to the state of training, as the position in the data, by name.
            tags: Words to find it by.

        Returns:
            The checkpoint, once it is written; `wait` for all of them, the mirror's too.

        Raises:
            InputError: There is no such metric, though the checkpoint is saved; or it cannot be saved.
            StorageError: The checkpoint before this one could not be written.
        """
        self._on_error.training_goes_on()
        wanted = wanted_of(step, epoch, metrics, tags)
        step, self._step, self._epoch = wanted.step, wanted.step, wanted.epoch
        self._warn_of_mirror()
        written = self._saver.save(Parts(given(model), optimizer, scheduler, extra_of(extra)), wanted)
        self.begun += 1
        self._schedule.saved(step)
        self._requests.done()
        if metrics:
            insist_on(self.policy.monitor, dict.fromkeys([*wanted.metrics, *map(str, metrics)]))
        return as_checkpoint(written, self._local.folder)

    def save_if_due(self, model: Any, *, step: int, **what: Any) -> Future[Checkpoint] | None:
        """Save a checkpoint if ``every_steps`` or ``every_minutes`` says so, or the panel asked for one.

        Args:
            model: See `save`.
            step: See `save`.
            **what: See `save`.

        Returns:
            What `save` returns, or None where none was due.
        """
        return self.save(model, step=step, **what) if self.is_due(step, what.get("epoch")) else None

    def is_due(self, step: int, epoch: float | None = None) -> bool:
        """Whether a checkpoint is due where training is now, by the schedule or because one was asked for."""
        self._on_error.training_goes_on()
        self._step, self._epoch = step, epoch
        return self._requests.is_open() or self._schedule.is_due(step)

    def request_save(self) -> None:
        """Ask training, on whatever thread or in whatever process it runs, to save at its next batch."""
        self._requests.ask()

    @contextlib.contextmanager
    def saving_on_error(self, model: Any, **what: Any) -> Iterator[None]:
        """Save a checkpoint when training ends with an error or is interrupted; the error goes on.

        Args:
            model: See `save`. Step and epoch are those that the last call, or a callback, has told.
            **what: See `save`.
        """
        self._on_error.training_goes_on()
        try:
            yield
        except BaseException as error:
            told = {"step": self._step or 0, "epoch": self._epoch, **what}
            if not self._on_error.is_saved:  # by a callback
                self.save_on_error(error, lambda tag: self.save(model, **{"tags": (tag,), **told}))
            raise

    def save_on_error(
        self, error: BaseException, save: Callable[[str], Future[Checkpoint]], *, is_saved: bool = False
    ) -> None:
        """Save a checkpoint for an error that ends training; what keeps it from that is a warning.

        Args:
            error: The error.
            save: Saves it, with the tag it is given.
            is_saved: Whether there is nothing new since the last one, if that could be written.
        """
        self._on_error.save(error, save, is_saved=is_saved)

    def prune(self) -> list[str]:
        """Delete what the policy does not keep, here and on the mirror, as is done after each saving.

        Returns:
            The names of those deleted here.
        """
        self._saver.settle()
        with disk_errors_in_words():
            deleted = self._saver.prune()
        self._saved()
        return deleted

    def settle(self) -> None:
        """Wait until the last checkpoint is written here, whether it is on the mirror or not.

        Raises:
            StorageError: It could not be written.
        """
        self._saver.settle()

    def wait(self, timeout: float | None = None) -> None:
        """Wait until everything is written and on the mirror.

        Args:
            timeout: Seconds, or None.

        Raises:
            StorageError: Something could not be written.
            TimeoutError: It takes longer.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        self._saver.settle(timeout)
        if self._mirroring is None or self._mirroring.is_idle:
            return
        failures = self._mirroring.failures
        self._mirroring.wake(prune=False)  # what failed before is tried now, not after its pause
        while not self._mirroring.is_idle:
            if self._mirroring.failure is not None and self._mirroring.failures > failures:
                raise self._mirroring.failure
            if deadline is not None and time.monotonic() > deadline:
                raise TimeoutError("Checkpoints are still on their way to the mirror.")
            time.sleep(0.02)

    def close(self) -> None:
        """Begin nothing new; what is written stays. Opening the folder again goes on with what is missing."""
        _active.discard(self)
        if self._mirroring is not None:
            self._mirroring.close()

    @property
    def activity(self) -> str:
        """What is going on in the background, in a few words, or nothing."""
        if self._saver.is_writing:
            return "writing a checkpoint"
        return f"copying {self._mirroring.copying} to the mirror" if self._mirroring and self._mirroring.copying else ""

    @property
    def failure(self) -> BaseException | None:
        """What went wrong in the background and is not mended yet."""
        return self._saver.failure or (self._mirroring.failure if self._mirroring else None)

    def _finish_writing(self) -> None:
        """What is done to checkpoints that are there is not kept from it by one that is not; the next `save` tells."""
        failure = self._saver.finish()
        if failure is not None:
            warnings.warn(f"The last checkpoint could not be written: {failure}", RuntimeWarning, stacklevel=3)

    def _resumed(self, step: int) -> None:
        super()._resumed(step)
        self._schedule.saved(step)

    def _saved(self) -> None:
        if self._mirroring is not None:
            self._mirroring.wake(prune=True)

    def _taken(self) -> frozenset[str]:
        """Return the names that the mirror has, without asking it: Drive may hang."""
        return self._mirroring.taken if self._mirroring is not None else frozenset()

    def _leaving_out(self, records: list[Record]) -> AbstractContextManager[None]:
        return super()._leaving_out(records) if self._mirroring is None else self._mirroring.leaving_out(records)

    def _warn_of_mirror(self) -> None:
        """Training goes on without the mirror, which is tried again and again; that it fails is not kept quiet."""
        failure = self._mirroring.failure if self._mirroring else None
        if failure is not None:
            warnings.warn(f"Checkpoints do not reach the mirror: {failure}", RuntimeWarning, stacklevel=3)


def _settle_others(folder: Path) -> None:
    """Wait for what an object that a cell made earlier still writes into the same folder."""
    for other in active_checkpoints():
        if other._local.folder == folder:  # noqa: SLF001 - of the same class
            with contextlib.suppress(ColabPanelError):
                other.settle()
