"""Reading ahead: several threads, each with a handle of its own, read pieces while others are worked on.

A slow source answers one read after another in its round-trip time; several at once use
its whole bandwidth. Threads that shared one handle would queue behind each other on some mounts.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from typing import TYPE_CHECKING

from colabpanel.services.sources.local import SourceFile
from colabpanel.services.sources.source import AT_ONCE, Source

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["AheadFile", "ReadAhead", "Reading", "read_range", "stream_of"]

_PIECE, _FAR_PIECE = 1 << 20, 2 << 20
"""Bytes that are read at once; of far sources about so many, in equal parts, for each question takes time."""

_SLAB = (4 << 20) + (256 << 10)
_MOST_SLABS = 6
_STEP, _MOST_STEPS = 4 << 20, 4
"""Bytes of a stream that are asked for together, and how many of those at once."""


class Reading:
    """Bytes that are being read.

    Attributes:
        start: Where in the source they begin.
    """

    def __init__(self, start: int, buffer: bytearray, length: int, piece: int) -> None:
        self.start, self.buffer = start, buffer
        self._valid, self._missing = length, -(-length // piece)
        self._error: Exception | None = None
        self._lock, self._done = threading.Lock(), threading.Event()
        if not length:
            self._done.set()

    def wait(self) -> memoryview:
        """Return the bytes; fewer than asked for only where the source ends.

        Raises:
            SourceLostError: A piece of them could not be read.
        """
        self._done.wait()
        if self._error is not None:
            raise self._error
        return memoryview(self.buffer)[: self._valid]

    @property
    def is_over(self) -> bool:
        """Whether nothing more of it comes."""
        return self._done.is_set()

    def arrived(self, end: int, wanted: int, got: int, error: Exception | None) -> None:
        """Note that a piece up to ``end`` has been read, or not."""
        with self._lock:
            if got < wanted:
                self._valid = min(self._valid, end - wanted + got)
            self._error = self._error or error
            self._missing -= 1
            if not self._missing:
                self._done.set()


class ReadAhead:
    """Reads ranges of a source in the background, in the order in which they are asked for.

    Args:
        source: The source; each thread opens it again for itself.
        threads: How many reads are under way at once.
    """

    def __init__(self, source: Source, *, threads: int = 4) -> None:
        self._source, self._threads = source, threads
        self._pieces: queue.SimpleQueue[tuple[Reading, int, int] | None] = queue.SimpleQueue()
        self._slabs: list[bytearray] = []
        for number in range(threads):
            threading.Thread(target=self._read, name=f"colabpanel-reader-{number}", daemon=True).start()

    def request(self, start: int, end: int) -> Reading:
        """Begin to read a range."""
        length = max(min(end, self._source.size) - start, 0)
        piece = _PIECE if not self._source.is_far else -(-length // max(round(length / _FAR_PIECE), 1)) or 1
        reading = Reading(start, self._buffer(length), length, piece)
        for begin in range(0, length, piece):
            self._pieces.put((reading, begin, min(begin + piece, length)))
        return reading

    def _buffer(self, length: int) -> bytearray:
        if length > _SLAB:
            return bytearray(length)
        try:
            return self._slabs.pop()
        except IndexError:
            return bytearray(_SLAB)

    def release(self, reading: Reading) -> None:
        """Let the memory of a reading be used again; nobody may look at its bytes any more."""
        if len(reading.buffer) == _SLAB and len(self._slabs) < _MOST_SLABS:
            self._slabs.append(reading.buffer)

    def _read(self) -> None:
        source: Source | None = None
        while (piece := self._pieces.get()) is not None:
            reading, begin, end = piece
            got, error = 0, None
            try:
                source = source or self._source.again()
                got = source.read_into(memoryview(reading.buffer)[begin:end], reading.start + begin)
            except Exception as failure:  # noqa: BLE001 - raised again where the bytes are waited for
                error = failure
            reading.arrived(end, end - begin, got, error)
            del reading, piece
        if source is not None:
            source.close()

    def close(self) -> None:
        """End the threads, once they have read what is asked for."""
        for _ in range(self._threads):
            self._pieces.put(None)


def read_range(source: Source, start: int, end: int) -> bytes:
    """Return a range of a far source, fewer bytes only at its end; a long one comes over several connections.

    Raises:
        SourceLostError: It cannot be read.
    """
    length = max(min(end, source.size) - start, 0)
    if length <= 2 * _PIECE:
        buffer = bytearray(length)
        return bytes(memoryview(buffer)[: source.read_into(memoryview(buffer), start)])
    ahead = ReadAhead(source, threads=min(AT_ONCE, -(-length // _PIECE)))
    try:
        return bytes(ahead.request(start, end).wait())
    finally:
        ahead.close()


class AheadFile(SourceFile):
    """A far source as a binary file object; whoever reads on and on finds the next bytes there already.

    Args:
        source: The source.
    """

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self._ahead = ReadAhead(source, threads=AT_ONCE)
        self._under_way: deque[tuple[Reading, int]] = deque()
        self._steps, self._asked = 1, 0

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read some bytes, at the most as many as the buffer holds."""
        target, position = memoryview(buffer).cast("B"), self._position
        if position >= self._source.size or not target:
            return 0
        reading = self._reading_at(position)
        found = reading.wait()[position - reading.start :][: len(target)]
        target[: len(found)] = found
        self._position += len(found)
        return len(found)

    def _reading_at(self, position: int) -> Reading:
        """Return the reading that holds a position, and ask for more of what follows the longer that goes on."""
        while self._under_way and not self._under_way[0][0].start <= position < self._under_way[0][1]:
            reading, _ = self._under_way.popleft()
            if reading.is_over:
                self._ahead.release(reading)
        if not self._under_way and position != self._asked:
            self._steps, self._asked = 1, position
        while len(self._under_way) < self._steps and self._asked < self._source.size:
            end = min(self._asked + (_STEP if self._steps > 1 else _PIECE), self._source.size)
            self._under_way.append((self._ahead.request(self._asked, end), end))
            self._asked = end
        self._steps = min(self._steps + 1, _MOST_STEPS)
        return self._under_way[0][0]

    def close(self) -> None:
        """End the reading."""
        if not self.closed:
            self._ahead.close()
        super().close()


def stream_of(source: Source) -> SourceFile:
    """Return a source as a binary file object, which reads ahead where the source is far."""
    return AheadFile(source) if source.is_far else SourceFile(source)
