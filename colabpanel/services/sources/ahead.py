"""Reading ahead: several threads, each with a handle of its own, read pieces while others are worked on.

A slow source answers one read after another in its round-trip time; several at once use
its whole bandwidth. Threads that shared one handle would queue behind each other on some mounts.
"""

from __future__ import annotations

import queue
import threading

from colabpanel.services.sources.opening import Source

__all__ = ["ReadAhead", "Reading"]

_PIECE = 1 << 20
_SLAB = (4 << 20) + (256 << 10)
_MOST_SLABS = 6


class Reading:
    """Bytes that are being read.

    Attributes:
        start: Where in the source they begin.
    """

    def __init__(self, start: int, buffer: bytearray, length: int) -> None:
        self.start, self.buffer = start, buffer
        self._valid, self._missing = length, -(-length // _PIECE)
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
        reading = Reading(start, self._buffer(length), length)
        for begin in range(0, length, _PIECE):
            self._pieces.put((reading, begin, min(begin + _PIECE, length)))
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
