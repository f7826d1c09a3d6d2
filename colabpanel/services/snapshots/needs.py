"""What loading a variable would run, told when it is saved."""

from __future__ import annotations

from colabpanel.errors import ArchiveError
from colabpanel.services.snapshots.pickling import Skeleton
from colabpanel.services.snapshots.unpickling import unknown_names

__all__ = ["needs_of"]

_LARGEST = 256 << 10  # bytes of a pickle that is looked through while its user waits


def needs_of(skeleton: Skeleton) -> tuple[str, ...] | None:
    """Return the names that a skeleton needs and that are not known to be safe; None for one too large to look at."""
    if skeleton.size > _LARGEST:
        return None
    try:
        return tuple(unknown_names(b"".join(skeleton.chunks)))
    except ArchiveError:  # tuples nested so deeply that only a file of one's own may have them
        return None
