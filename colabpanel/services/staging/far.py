"""Archives elsewhere: read straight from there, or brought beside the target where no ranges are given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

from colabpanel.progress import Progress
from colabpanel.services.sources import Source
from colabpanel.services.sources.spec import SourceSpec, open_source
from colabpanel.services.sources.whole import fetch_whole, size_of_whole
from colabpanel.services.staging.partial import Partial
from colabpanel.services.web.parts import NoRangesError

__all__ = ["far_archive", "opened_in_ranges", "whole_size"]


def opened_in_ranges(spec: Mapping[str, Any], progress: Progress) -> Source | None:
    """Open an archive that is read in ranges; None where it is given only whole.

    Raises:
        InputError: It does not exist, or may not be read.
        SourceLostError: It cannot be reached.
    """
    try:
        return open_source(spec, progress=progress)
    except NoRangesError:
        return None


def whole_size(spec: Mapping[str, Any], progress: Progress) -> int | None:
    """Return the bytes of an archive that is given only whole, or None where that is not told."""
    return size_of_whole(SourceSpec(**spec), progress)


@contextmanager
def far_archive(spec: Mapping[str, Any], partial: Partial, progress: Progress) -> Iterator[Source]:
    """Give an archive that is elsewhere; one that comes only whole lies beside the target meanwhile.

    Raises:
        InputError: It does not exist, may not be read, or does not fit.
        SourceLostError: It cannot be reached.
        JobBusyError: Another process works on the target.
    """
    source = opened_in_ranges(spec, progress)
    if source is not None:
        with closing(source):
            yield source
        return
    with partial.holding_archive() as place, closing(fetch_whole(SourceSpec(**spec), place, progress)) as fetched:
        yield fetched
