"""Pickles to objects. Without trust, nothing is called that is not on the list in `allowed`."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from colabpanel.errors import ArchiveError, ColabPanelError, TrustError
from colabpanel.services.snapshots import rebuild
from colabpanel.services.snapshots.allowed import hidden, is_allowed, resolve, today
from colabpanel.services.snapshots.quiet import collector_paused
from colabpanel.services.snapshots.scan import names_wanted

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["Rebuilders", "unknown_names", "unpickle"]

Rebuilders = dict[str, Callable[..., Any]]
"""What answers the names of `colabpanel.services.snapshots.rebuild`."""

_NEEDS_TRUST = (
    "Load it with trusted=True if it is from somebody you trust; code in it can do whatever you can do. "
    "What it would run: {names}."
)
_SHOWN = 10


class _Unpickler(pickle.Unpickler):
    """Answers rebuilders by itself, and finds other names only if they are trusted or on the list."""

    def __init__(self, data: Buffer, rebuilders: Rebuilders, buffers: Iterable[Buffer], *, trusted: bool) -> None:
        super().__init__(io.BytesIO(data), buffers=buffers)
        self._rebuilders, self._trusted = rebuilders, trusted

    def find_class(self, module: str, name: str, /) -> Any:
        if module == rebuild.__name__ and name in self._rebuilders:
            return hidden(self._rebuilders[name])
        if is_allowed(module, name) and not self._trusted:
            return resolve(module, name)
        if not self._trusted:
            raise TrustError(f"Loading this would run {module}.{name}.")
        return super().find_class(today(module), name)


def unknown_names(data: Buffer) -> list[str]:
    """Return what a pickle wants to call that is not known to be safe, without running any of it.

    Raises:
        ArchiveError: It is damaged, or a trap.
    """
    wanted = names_wanted(data)
    return sorted(f"{m}.{n}" for m, n in wanted if not is_allowed(m, n) and m != rebuild.__name__)


def unpickle(
    data: Buffer, *, trusted: bool, what: str, rebuilders: Rebuilders | None = None, buffers: Iterable[Buffer] = ()
) -> Any:
    """Return the object that a pickle holds.

    Args:
        data: The pickle.
        trusted: Whether it may call anything.
        what: Where it is from, for errors.
        rebuilders: What answers our own names.
        buffers: Its large buffers.

    Raises:
        TrustError: It wants to call what is not known to be safe; nothing was run.
        ArchiveError: It is damaged.
    """
    if not trusted:
        unknown = unknown_names(data)
        if unknown:
            names = ", ".join(unknown[:_SHOWN]) + (f" and {len(unknown) - _SHOWN} more" if unknown[_SHOWN:] else "")
            raise TrustError(f"{what} holds code, and is not signed by you.", hint=_NEEDS_TRUST.format(names=names))
    try:
        with collector_paused():
            return _Unpickler(data, rebuilders or {}, buffers, trusted=trusted).load()
    except (ColabPanelError, MemoryError):
        raise
    except (ImportError, AttributeError) as error:
        raise ArchiveError(
            f"{what} needs something that is not here: {error}.",
            hint="Install the library, or define what is missing, then load it again.",
        ) from error
    except Exception as error:
        raise ArchiveError(
            f"{what} cannot be read: {type(error).__name__}: {error}.", hint="Use another copy of it."
        ) from error
