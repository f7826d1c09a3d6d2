"""Files of PyTorch and Lightning: which tensors they hold. No storage is read, and no code in them is run."""

from __future__ import annotations

import pickle
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from colabpanel.errors import LimitError, TrustError
from colabpanel.services.checkpoints.found.kinds import ZIP
from colabpanel.services.checkpoints.found.reading import damage_in_words, damaged, head_of
from colabpanel.services.checkpoints.models import TensorInfo
from colabpanel.services.optional import optional
from colabpanel.services.snapshots.manifest import UNREADABLE
from colabpanel.services.snapshots.scan import Wanted, scan

__all__ = ["torch_tensors_of"]

_LARGEST_PICKLE = 64 << 20
_SHOWN = 10
_USUAL = {"torch", "torch._utils", "torch.storage", "torch.nn.parameter", "collections", "an object"}
_HINT = "If it is from somebody you trust, load it yourself with torch.load(path, weights_only=False)."


def torch_tensors_of(path: Path) -> list[TensorInfo]:
    """Return the tensors of a file that `torch.save` wrote.

    What is nested is named with dots. The part is what the file calls it at the top, as ``state_dict`` or
    ``optimizer_states``; tensors that are at the top themselves are of the ``model``.

    Raises:
        TrustError: It holds objects that PyTorch makes only by running code.
        ArchiveError: It is damaged, or a trap.
        MissingLibraryError: PyTorch is not installed.
        OSError: The disk refused.
    """
    is_zip = head_of(path).startswith(ZIP)
    wanted = _looked_through(path) if is_zip else Wanted()
    if not is_zip and tarfile.is_tarfile(path):  # old versions of PyTorch are not safe with these
        raise TrustError(f"{path.name} is of a format in which PyTorch would run code.", hint=_HINT)
    torch = optional("torch", "reading files of PyTorch")
    try:
        with damage_in_words(path):
            found = _loaded(torch, path, is_zip=is_zip)
    except _RefusedError:
        raise _refusal(path, wanted) from None
    return list(_tensors_in(torch, found))


class _RefusedError(TrustError):
    """PyTorch would have to run code."""


def _loaded(torch: Any, path: Path, *, is_zip: bool) -> Any:
    try:
        return torch.load(path, map_location="meta", weights_only=True, mmap=True if is_zip else None)
    except pickle.UnpicklingError as error:
        raise _RefusedError(str(error)) from error


def _looked_through(path: Path) -> Wanted:
    """Return what the pickle of an archive wants to call.

    Raises:
        ArchiveError: It is damaged or a trap, or there is none.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.endswith("/data.pkl") and name.count("/") == 1]
            if not names:
                raise damaged(path, "it is an archive, and none of PyTorch")
            size = archive.getinfo(names[0]).file_size
            if size > _LARGEST_PICKLE:
                raise LimitError(f"{path.name} has a list of tensors of {size:,} bytes.", hint="That is too much.")
            data = archive.read(names[0])
    except UNREADABLE as error:
        raise damaged(path) from error
    return scan(data)


def _refusal(path: Path, wanted: Wanted) -> TrustError:
    names = sorted(f"{module}.{name}" for module, name in wanted.names if module not in _USUAL)
    more = f" and {len(names) - _SHOWN} more" if names[_SHOWN:] else ""
    needs = f" It would run: {', '.join(names[:_SHOWN])}{more}." if names else ""
    return TrustError(
        f"{path.name} holds Python objects besides tensors, and looking at them would run code.", hint=_HINT + needs
    )


def _tensors_in(torch: Any, found: Any) -> Iterator[TensorInfo]:
    """Yield the tensors of what a file holds; a container that is there twice is looked into once."""
    seen: set[int] = set()
    stack: list[tuple[tuple[str, ...], Any]] = [((), found)]
    while stack:
        names, value = stack.pop()
        if isinstance(value, torch.Tensor):
            part, name = (names[0], ".".join(names[1:])) if names[1:] else ("model", ".".join(names) or "tensor")
            yield TensorInfo(name, part, tuple(map(int, value.shape)), str(value.dtype).removeprefix("torch."))
        elif isinstance(value, (Mapping, list, tuple)) and id(value) not in seen:
            seen.add(id(value))
            pairs = list(value.items() if isinstance(value, Mapping) else enumerate(value))
            stack.extend(((*names, str(key)), inner) for key, inner in reversed(pairs))
