"""How long a staging would take, and what it would take from the disk besides the files."""

from __future__ import annotations

import time

from colabpanel.errors import StorageError
from colabpanel.services.mounts import DRIVE, mount_of
from colabpanel.services.sources import AT_ONCE, LocalSource, ReadAhead, Source

__all__ = ["cache_share", "seconds_for"]

_PIECE = 1 << 20
_SAMPLES = 6
_READS_AT_ONCE = 4
_WRITE_RATE = 500 << 20
"""Bytes a second that are unpacked and written to a local disk by two workers, as measured."""

_PER_FILE = 0.00003
"""Seconds that a file costs whatever its size, as measured with two workers."""

_START = 0.2
_DRIVE_NAMES = {"drive", "fuse.drive", "fuse.drivefs", "fuse.google-drive", "fuse.rclone"}


def seconds_for(source: Source, files: int | None, size: int | None) -> float | None:
    """Estimate a staging from a short look at how fast its source is; None where too little is known.

    Pieces at several places are read, so that neither a warm start nor one slow spot decides.
    """
    rate = _read_rate(source)
    if rate is None:
        return None
    work = (files or 0) * _PER_FILE + (source.size if size is None else size) / _WRITE_RATE
    return _START + max(source.size / rate, work)


def _read_rate(source: Source) -> float | None:
    """Return bytes a second, several reads going on at once as in staging."""
    if not source.size:
        return None
    ahead = ReadAhead(source, threads=AT_ONCE if source.is_far else _READS_AT_ONCE)
    started = time.monotonic()
    try:
        places = range(0, source.size, max(source.size // _SAMPLES, _PIECE))
        readings = [ahead.request(place, place + _PIECE) for place in places]
        got = sum(len(reading.wait()) for reading in readings)
    except StorageError:
        return None
    finally:
        ahead.close()
    return got / max(time.monotonic() - started, 1e-6)


def cache_share(source: Source) -> int:
    """Return the bytes that a mounted Drive may keep on the local disk of an archive that is read.

    Google's Drive client and rclone write what is read into a cache on the local disk.
    """
    if not isinstance(source, LocalSource):
        return 0
    point, kind = mount_of(source.path)
    return source.size if kind in _DRIVE_NAMES or point == str(DRIVE) else 0
