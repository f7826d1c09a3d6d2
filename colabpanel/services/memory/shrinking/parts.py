"""Small parts of large arrays, tensors and frames, which keep all of them in memory."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from colabpanel import words
from colabpanel.services.memory.shrinking.columns import is_frame
from colabpanel.services.memory.shrinking.models import NOTABLE, Saving, Task, Way, WouldChangeError
from colabpanel.services.memory.shrinking.numbers import is_plain
from colabpanel.services.snapshots.library_sizes import pieces_of

__all__ = ["COPY"]

_SMALL = 2  # the whole is at least so many times as large
_REFERENCES = 2  # of the part to the whole, and of the call that counts


def _find(name: str, value: Any) -> Saving | None:
    shown = _shown(value)
    if shown is None:
        return None
    held = [piece for piece in pieces_of(value, type(value)) or () if piece.place != "file"]
    whole = sum(piece.size for piece in held)
    if whole < _SMALL * shown or whole - shown < NOTABLE:
        return None
    copy = "clone" if _is_tensor(value) else "copy"
    said = (
        f"It is {words.size(shown)} of {words.size(whole)}, all of which it keeps in memory. A copy keeps its own part."
    )
    is_shared = _is_shared(value)
    if is_shared:
        refers = "may refer" if _is_tensor(value) else "refers"
        said += (
            f" Something else {refers} to the whole, too, which then stays, and no longer sees what is written here."
        )
    return Saving(
        name, "copy", whole - shown, lossless=True, safe=not is_shared, sentence=said, code=f"{name} = {name}.{copy}()"
    )


def _is_shared(value: Any) -> bool:
    """Whether anything but this part refers to the array that it is a part of; of a tensor nothing tells."""
    return _is_tensor(value) or (
        is_plain(value) and value.base is not None and sys.getrefcount(value.base) > _REFERENCES
    )


def _shown(value: Any) -> int | None:
    """Return the bytes of the values themselves; None for what is not copied safely."""
    if is_plain(value) and not value.dtype.hasobject:
        return int(value.nbytes)
    if _is_tensor(value) and not value.requires_grad and str(value.layout) == "torch.strided":
        return int(value.numel() * value.element_size())
    if is_frame(value):
        return int(sum(block.values.nbytes for block in value._mgr.blocks))  # noqa: SLF001 - as its size is found
    return None


def _is_tensor(value: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and type(value) is getattr(torch, "Tensor", None)


def _make(value: Any, task: Task) -> tuple[Any, Path | None]:
    shown = _shown(value)
    if shown is None:
        raise WouldChangeError
    task.progress.start(shown, "Copying")
    if is_plain(value):
        found = value.copy(order="K")
        found.flags.writeable = value.flags.writeable
    else:
        found = value.clone() if _is_tensor(value) else value.copy()
    task.progress.advance(shown)
    return found, None


COPY = Way(_find, _make)
