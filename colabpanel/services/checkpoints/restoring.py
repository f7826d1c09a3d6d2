"""Finding the checkpoint that is meant, making sure that it is whole, and putting it back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from colabpanel.errors import ArchiveError, InputError, PathError, StorageError, TrustError
from colabpanel.progress import Progress
from colabpanel.services.checkpoints.files_of import problem_in, remove_folder
from colabpanel.services.checkpoints.frameworks._base import Outcome, Parts, reason_of
from colabpanel.services.checkpoints.frameworks._registry import framework_called
from colabpanel.services.checkpoints.metrics import best_first, insist_on
from colabpanel.services.checkpoints.mirroring import copy_folder
from colabpanel.services.checkpoints.models import Place
from colabpanel.services.checkpoints.policy import Policy
from colabpanel.services.checkpoints.randomness import RANDOM, restore_random
from colabpanel.services.checkpoints.record import Record
from colabpanel.services.checkpoints.saving import EXTRA
from colabpanel.services.checkpoints.store import Store
from colabpanel.services.snapshots.service import load

__all__ = ["Copies", "Damaged", "candidates", "first_that_loads", "none_is_whole", "whole_folders"]

Damaged = list[tuple[str, str]]
"""Checkpoints that cannot be read, and why."""


class Copies(NamedTuple):
    """Where a checkpoint is."""

    record: Record
    stores: dict[Place, Store]


def candidates(found: list[Copies], which: str | int, policy: Policy) -> list[Copies]:
    """Return the checkpoints that are meant, the first choice first.

    Args:
        found: All, oldest first.
        which: ``best``, ``last``, a step, or the name of one.
        policy: Tells which is best.

    Raises:
        InputError: There is none.
    """
    if not found:
        raise InputError("There are no checkpoints yet.", hint="Save one first, or look whether the folder is right.")
    if which == "last":
        return found[::-1]
    by_record = {id(one.record): one for one in found}
    if which == "best":
        insist_on(policy.monitor, {name for one in found for name in one.record.metrics})
        return [
            by_record[id(record)] for record in best_first([one.record for one in found], policy.monitor, policy.mode)
        ]
    chosen = [one for one in found[::-1] if which in (one.record.step, one.record.name)]
    if not chosen:
        steps = ", ".join(str(one.record.step) for one in found[-8:])
        raise InputError(
            f"There is no checkpoint {which!r}.", hint=f'There are steps {steps}; or write "best" or "last".'
        )
    return chosen


def whole_folders(
    chosen: list[Copies], local: Store, damaged: Damaged, progress: Progress
) -> Iterator[tuple[Copies, Path]]:
    """Give the folders of checkpoints whose files are what was saved, one after another.

    A copy that is only on the mirror is brought here first.
    """
    for one in chosen:
        for place, store in one.stores.items():
            try:
                problem = store.verify(one.record) if place == "local" else _fetch(one.record, store, local, progress)
            except (OSError, StorageError, PathError) as error:
                problem = f"it cannot be read ({error})"
            if not problem:
                yield one, local.folder / one.record.name
                break
            damaged.append((f"{one.record.name} ({place})", problem))


def _fetch(record: Record, mirror: Store, local: Store, progress: Progress) -> str:
    """Copy a checkpoint from the mirror; returns what is wrong with it, or nothing.

    What is here under its name makes room for it once it is known to be whole.
    """
    part = local.begin(record.name)
    try:
        copy_folder(mirror.folder / record.name, part, progress=progress)
        problem = problem_in(part, record)
        if not problem:
            _make_room(record, mirror, local)
            local.publish(part, record)
        return problem
    finally:
        remove_folder(part)


def _make_room(record: Record, mirror: Store, local: Store) -> None:
    """Let a checkpoint have its name here: its own damaged copy goes, another one gets another name."""
    here = next((one for one in local.records() if one.name == record.name), record)
    if here.identity == record.identity:
        local.delete(record.name)
    else:
        local.rename(here.name, local.free_name(here.step, mirror.names()))


def fill(record: Record, folder: Path, parts: Parts, *, strict: bool, trusted: bool, random: bool) -> Outcome:
    """Put the files of a folder back into what is given.

    Raises:
        ArchiveError: A file cannot be read.
        InputError: It does not fit.
    """
    extra = _read_extra(folder / EXTRA, trusted=trusted) if (folder / EXTRA).exists() else None
    outcome = framework_called(record.framework).restore(folder, parts, strict=strict, trusted=trusted)
    if isinstance(extra, str):
        outcome.not_restored.append(("extra", extra))
    elif extra is not None:
        _fill_extra(extra, parts, outcome)
    outcome.not_restored += [
        (name, "nothing was saved under this name") for name in parts.extra if name not in outcome.extra
    ]
    if random:
        _fill_random(folder / RANDOM, outcome)
    return outcome


def _read_extra(path: Path, *, trusted: bool) -> dict[str, Any] | str:
    """Return what else was saved, or why it cannot be loaded: the weights are no worse for it."""
    try:
        return load(path, trusted=trusted)
    except TrustError as error:
        return f"{error.message} Pass trusted=True to load it."
    except ArchiveError as error:
        return error.message


def _fill_extra(found: dict[str, Any], parts: Parts, outcome: Outcome) -> None:
    outcome.extra.update(found)
    for name, target in parts.extra.items():
        if name in found and hasattr(target, "load_state_dict"):
            try:
                target.load_state_dict(found[name])
            except Exception as error:  # noqa: BLE001 - it is an object of the user's
                outcome.not_restored.append((name, f"it does not fit ({reason_of(error)})"))
            else:
                outcome.restored.append(name)
    outcome.restored.append("extra")


def _fill_random(path: Path, outcome: Outcome) -> None:
    try:
        restored, not_restored = restore_random(path.read_bytes())
    except FileNotFoundError:
        restored, not_restored = [], [("random numbers", "they were not saved")]
    outcome.restored += restored
    outcome.not_restored += not_restored


def first_that_loads(
    folders: Iterator[tuple[Copies, Path]], parts: Parts, damaged: Damaged, *, strict: bool, trusted: bool, random: bool
) -> tuple[Copies, Outcome]:
    """Restore the first of several checkpoints that can be read.

    Raises:
        ArchiveError: None of them can be.
    """
    for one, folder in folders:
        try:
            return one, fill(one.record, folder, parts, strict=strict, trusted=trusted, random=random)
        except ArchiveError as error:
            damaged.append((one.record.name, error.message))
    raise none_is_whole(damaged)


def none_is_whole(damaged: Damaged) -> ArchiveError:
    """Say that no checkpoint can be read."""
    name, problem = damaged[0]
    return ArchiveError(
        f"None of these checkpoints can be read: {name}: {problem}."
        if len(damaged) == 1
        else f"None of {len(damaged)} copies of checkpoints can be read; of {name}: {problem}.",
        hint="Choose another checkpoint, or another folder.",
    )
