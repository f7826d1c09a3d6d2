"""What the panel does with checkpoints: the public calls, with the notebook's variables and what training has open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from colabpanel.errors import InputError
from colabpanel.hosts import Host
from colabpanel.progress import Progress
from colabpanel.services.checkpoints.catalog import (
    checkpoints,
    delete_checkpoints,
    is_awaited,
    pin_checkpoint,
    request_checkpoint,
    verify_checkpoints,
)
from colabpanel.services.checkpoints.comparing import find_checkpoint
from colabpanel.services.checkpoints.filling import restore_checkpoint
from colabpanel.services.checkpoints.models import Checkpoint, Restored, VerifiedCheckpoint
from colabpanel.services.checkpoints.randomness import random_state, restore_random
from colabpanel.services.checkpoints.service import Checkpoints, active_checkpoints
from colabpanel.services.waiting import between_cells

__all__ = [
    "ListedCheckpoints",
    "active_in",
    "ask_for_checkpoint",
    "delete_chosen",
    "list_checkpoints",
    "pin_chosen",
    "restore_into",
    "verify_chosen",
]


@dataclass(frozen=True)
class ListedCheckpoints:
    """What a folder holds, and what goes on with it.

    Attributes:
        rows: The checkpoints, oldest first.
        activity: What is being written or copied, or nothing.
        failure: What went wrong in the background, or nothing.
        is_awaited: Whether the folder is not there yet.
    """

    rows: tuple[Checkpoint, ...]
    activity: str = ""
    failure: str = ""
    is_awaited: bool = False


def active_in(directory: str) -> Checkpoints | None:
    """Return the store of this process that saves into a folder, or brings its checkpoints there."""
    for one in active_checkpoints():
        if directory in {str(one.directory), str(one.mirror)}:
            return one
    return None


def list_checkpoints(progress: Progress, /, host: Host, directory: str) -> ListedCheckpoints:
    """List a folder; where training of this notebook saves into it, with what is on the mirror.

    Raises:
        ColabPanelError: As for `checkpoints`.
    """
    active = active_in(directory)
    if active is None:
        if is_awaited(directory, root=host.root, progress=progress):
            return ListedCheckpoints((), is_awaited=True)
        return ListedCheckpoints(tuple(checkpoints(directory, root=host.root, progress=progress)))
    failure = active.failure
    return ListedCheckpoints(tuple(active.table()), active.activity, str(failure) if failure else "")


def restore_into(progress: Progress, /, host: Host, directory: str, name: str, variable: str) -> Restored:
    """Restore a checkpoint into a variable of the notebook, on the main thread once no cell runs.

    A model is filled; a variable that is not there is made: the saved object, or the weights by name.

    Args:
        progress: Is told what it waits for, and may cancel.
        host: Has the variables.
        directory: The folder of checkpoints.
        name: Of the checkpoint.
        variable: Of the notebook.

    Raises:
        ColabPanelError: As for `restore_checkpoint`, or that the dashboard has no notebook.
    """
    if host.is_served:
        raise InputError("The dashboard has no notebook to restore into.", hint="Export the weights instead.")
    if not variable.isidentifier():
        raise InputError(f"{variable!r} is no name of a variable.", hint="Write the name of your model, as model.")
    active = active_in(directory)
    if active is None:
        find_checkpoint(directory, name, root=host.root, progress=progress)
    else:
        active.path(name, progress=progress)  # brought here from the mirror before the notebook has to wait
    progress.start(None, "Waiting until no cell runs", unit="cells")

    def restore() -> Restored:
        model, random = host.namespace().get(variable), random_state()
        if active is not None:
            restored = active.restore(model, which=name)
        else:
            restored = restore_checkpoint(directory, name, model, root=host.root)
        try:
            return restored if restored.model is model else _put(host, variable, model, restored)
        except InputError:
            restore_random(random)
            raise

    return between_cells(host, restore, progress)


def _put(host: Host, variable: str, before: Any, restored: Restored) -> Restored:
    """Let a variable be what was restored, where it is none yet, or was one of the same kind, which is not filled."""
    if before is not None and not _is_alike(before, restored.model):
        raise InputError(
            f"{variable} is a {type(before).__name__}, and the checkpoint holds a {type(restored.model).__name__}.",
            hint="It was left as it is. Write a name that is not taken, or that of your model.",
        )
    host.namespace()[variable] = restored.model
    return replace(restored, not_restored=tuple(one for one in restored.not_restored if one[0] != "model"))


def _is_alike(before: Any, now: Any) -> bool:
    """Whether one may take the place of the other; a class is the same after its cell was run again."""
    one, other = type(before), type(now)
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        return True
    return (one.__module__, one.__qualname__) == (other.__module__, other.__qualname__)


def ask_for_checkpoint(progress: Progress, /, host: Host, directory: str) -> str:
    """Ask training for a checkpoint at its next batch; returns in words when it is expected.

    Raises:
        ColabPanelError: As for `request_checkpoint`.
    """
    progress.start(None, "Asking for a checkpoint", unit="checkpoints")
    active = active_in(directory)
    if active is not None:
        active.request_save()
        return "Training saves one at its next batch."
    request_checkpoint(directory, root=host.root)
    return "Training on this machine that saves into this folder does so at its next batch."


def delete_chosen(progress: Progress, /, host: Host, directory: str, names: Sequence[str]) -> list[str]:
    """Delete checkpoints, on the mirror too where training of this notebook has one; returns their names.

    Raises:
        ColabPanelError: As for `delete_checkpoints`.
    """
    active = active_in(directory)
    if active is not None:
        return active.delete(*names)
    return delete_checkpoints(directory, names, root=host.root, progress=progress)


def pin_chosen(progress: Progress, /, host: Host, directory: str, names: Sequence[str], *, pinned: bool) -> list[str]:
    """Keep checkpoints whatever the policy says, or no longer; returns their names.

    Raises:
        ColabPanelError: As for `pin_checkpoint`.
    """
    progress.start(len(names), "Pinning" if pinned else "Unpinning", unit="checkpoints")
    active = active_in(directory)
    for name in names:
        if active is not None:
            active.pin(name, pinned=pinned)
        else:
            pin_checkpoint(directory, name, pinned=pinned, root=host.root)
        progress.advance()
    return list(names)


def verify_chosen(progress: Progress, /, host: Host, directory: str) -> list[VerifiedCheckpoint]:
    """Read the files of all checkpoints of ours in a folder, and of the mirror where training here has one.

    Raises:
        ColabPanelError: As for `verify_checkpoints`.
    """
    active = active_in(directory)
    if active is not None:
        return active.verify(progress=progress)
    return verify_checkpoints(directory, root=host.root, progress=progress)
