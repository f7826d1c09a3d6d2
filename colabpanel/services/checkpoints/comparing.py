"""What is in a checkpoint, and how two of them differ: shapes, types, numbers of parameters, metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from colabpanel.errors import ColabPanelError, InputError
from colabpanel.progress import Progress
from colabpanel.services.checkpoints.catalog import checkpoints
from colabpanel.services.checkpoints.found.shards import INDEXES, shards_of
from colabpanel.services.checkpoints.found.tensors import tensors_of
from colabpanel.services.checkpoints.metrics import named_like
from colabpanel.services.checkpoints.models import Checkpoint, TensorInfo
from colabpanel.services.checkpoints.record import RECORD
from colabpanel.services.disks import disk_errors_in_words
from colabpanel.services.paths import resolve_inside
from colabpanel.services.waiting import apart

__all__ = ["CheckpointContents", "Comparison", "checkpoint_contents", "compare_checkpoints", "find_checkpoint"]


_STATES = {"state_dict", "model_state_dict"}
"""What the state of a model is called in files that people write by hand."""


@dataclass(frozen=True)
class CheckpointContents:
    """What a checkpoint holds, told without loading its numbers.

    Attributes:
        checkpoint: Which one.
        tensors: What is in its files.
        unread: Files that nothing more is told of, each with the reason.
    """

    checkpoint: Checkpoint
    tensors: tuple[TensorInfo, ...]
    unread: tuple[tuple[str, str], ...] = ()

    @property
    def parameters(self) -> int | None:
        """Numbers in the model: as they were counted when it was saved, else those of its tensors."""
        if self.checkpoint.parameters is not None:
            return self.checkpoint.parameters
        for parts in (_STATES, {"model"}):  # beside the state of a model a loss may stand by itself
            counted = sum(tensor.numbers for tensor in self.tensors if tensor.part in parts)
            if counted:
                return counted
        return None


@dataclass(frozen=True)
class Comparison:
    """How two checkpoints differ.

    Attributes:
        first: What the first one holds.
        second: What the second one holds.
        only_first: Tensors that only the first one has, as ``part: name``.
        only_second: Those that only the second one has.
        changed: Tensors whose shape or type differs: name, then that of each.
        same: How many tensors have the same shape and type.
        metrics: By name: the value in each, None where it has none.
    """

    first: CheckpointContents
    second: CheckpointContents
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]
    changed: tuple[tuple[str, str, str], ...]
    same: int
    metrics: Mapping[str, tuple[float | None, float | None]]


def find_checkpoint(
    directory: str | Path,
    which: str | int,
    *,
    monitor: str | None = None,
    mode: str = "auto",
    root: str | Path | None = None,
    progress: Progress | None = None,
) -> Checkpoint:
    """Return one checkpoint in a folder, of whatever kind.

    Args:
        directory: The folder.
        which: A name, a step, ``last``, or ``best`` by ``monitor``.
        monitor: The metric that tells which is best.
        mode: See `Checkpoints`.
        root: Refuse paths outside of this folder.
        progress: May cancel the waiting for a slow disk.

    Raises:
        InputError: There is none.
        OutsideRootError: A link in it leads out of ``root``.
        StorageError: The disk failed.
    """
    found = checkpoints(directory, monitor=monitor, mode=mode, root=root, progress=progress)
    if which == "last":
        chosen = found
    elif which == "best":
        chosen = [_best(found, monitor)]
    else:
        chosen = [one for one in found if which in (one.name, one.step) or str(one.step) == which]
    if not chosen:
        names = ", ".join(one.name for one in found[-6:]) or "none"
        raise InputError(f"There is no checkpoint {which!r} in {directory}.", hint=f"There are: {names}.")
    if root is not None:
        with disk_errors_in_words():
            apart(lambda _: _insist_inside(root, chosen[-1].path), progress or Progress())
    return chosen[-1]


def _best(found: Sequence[Checkpoint], monitor: str | None) -> Checkpoint:
    best = [one for one in found if one.is_best]
    if not best:
        metrics = ", ".join(sorted({name for one in found for name in one.metrics})) or "none"
        missing = "is not told without the name of a metric" if monitor is None else f"is not told by {monitor!r}"
        raise InputError(
            f"Which checkpoint is the best {missing}.",
            hint=f"Name one as monitor (or --monitor); there are: {metrics}.",
        )
    return best[0]


def _insist_inside(root: str | Path, path: Path) -> None:
    """Refuse a checkpoint of which a link leads out of the root."""
    for one in (path, *path.rglob("*"), *_beside(path)):
        resolve_inside(root, one)


def _beside(path: Path) -> list[Path]:
    """Return the files that belong to the index of a model in several files, or to a prefix of TensorFlow."""
    if any(path.name.endswith(suffix) for suffix in INDEXES):
        return [path.with_name(name) for name in shards_of(path)]
    starts = (f"{path.name}.index", f"{path.name}.data-")
    return [one for one in path.parent.iterdir() if one.name.startswith(starts)]


def checkpoint_contents(
    directory: str | Path,
    which: str | int,
    *,
    monitor: str | None = None,
    mode: str = "auto",
    root: str | Path | None = None,
    progress: Progress | None = None,
) -> CheckpointContents:
    """Tell what a checkpoint in a folder holds, without loading it.

    Args:
        directory: The folder.
        which: See `find_checkpoint`.
        monitor: The metric that tells which is best.
        mode: See `Checkpoints`.
        root: Refuse paths outside of this folder.
        progress: May cancel the waiting for a slow disk.

    Raises:
        InputError: There is none, or it is damaged.
        StorageError: The disk failed.
    """
    found = find_checkpoint(directory, which, monitor=monitor, mode=mode, root=root, progress=progress)
    with disk_errors_in_words():
        return apart(lambda _: _contents(found), progress or Progress())


def _contents(checkpoint: Checkpoint) -> CheckpointContents:
    if checkpoint.kind != "colabpanel":
        return CheckpointContents(checkpoint, tuple(tensors_of(checkpoint.path)))
    if checkpoint.framework == "transformers":
        return CheckpointContents(checkpoint, tuple(tensors_of(checkpoint.path)))
    tensors, unread = list[TensorInfo](), list[tuple[str, str]]()
    for file in checkpoint.files:
        if file.name == RECORD or file.name.endswith(".json"):
            continue
        try:
            tensors += tensors_of(checkpoint.path / file.name)
        except ColabPanelError as error:
            unread.append((file.name, error.message))
    return CheckpointContents(checkpoint, tuple(tensors), tuple(unread))


def compare_checkpoints(
    directory: str | Path,
    first: str | int,
    second: str | int,
    *,
    monitor: str | None = None,
    mode: str = "auto",
    root: str | Path | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Tell how two checkpoints in a folder differ, without loading them.

    Args:
        directory: The folder.
        first: See `find_checkpoint`.
        second: Likewise.
        monitor: The metric that tells which is best.
        mode: See `Checkpoints`.
        root: Refuse paths outside of this folder.
        progress: May cancel the waiting for a slow disk.

    Raises:
        InputError: There is no such checkpoint, or one is damaged.
        StorageError: The disk failed.
    """
    one, two = (
        checkpoint_contents(directory, which, monitor=monitor, mode=mode, root=root, progress=progress)
        for which in (first, second)
    )
    here = {f"{tensor.part}: {tensor.name}": tensor for tensor in one.tensors}
    there = {f"{tensor.part}: {tensor.name}": tensor for tensor in two.tensors}
    both = [name for name in here if name in there]
    changed = [
        (name, _said(here[name]), _said(there[name])) for name in both if _said(here[name]) != _said(there[name])
    ]
    return Comparison(
        first=one,
        second=two,
        only_first=tuple(name for name in here if name not in there),
        only_second=tuple(name for name in there if name not in here),
        changed=tuple(changed),
        same=len(both) - len(changed),
        metrics=_metrics(one.checkpoint.metrics, two.checkpoint.metrics),
    )


def _said(tensor: TensorInfo) -> str:
    return f"{tensor.dtype} {' x '.join(map(str, tensor.shape)) or 'number'}"


def _metrics(first: Mapping[str, float], second: Mapping[str, float]) -> dict[str, tuple[float | None, float | None]]:
    found: dict[str, tuple[float | None, float | None]] = {}
    for name, value in first.items():
        other = named_like(name, second)
        found[name] = (value, second[other] if other is not None else None)
    known = {named_like(name, second) for name in first}
    return found | {name: (None, value) for name, value in second.items() if name not in known}
