"""Bringing a file over several connections at once, each with a range of its own."""

from __future__ import annotations

import threading

from colabpanel.errors import SourceLostError
from colabpanel.progress import Progress
from colabpanel.services.fetching.connection import Connection
from colabpanel.services.fetching.journal import Journal
from colabpanel.services.fetching.parts import DiskError, Source
from colabpanel.services.fetching.spans import Spans
from colabpanel.services.web.answers import version_of
from colabpanel.services.web.lines import Line
from colabpanel.services.web.opening import Opened, RefusedError
from colabpanel.services.web.parts import ChangedError, is_same

__all__ = ["CONNECTIONS", "Ranges"]

CONNECTIONS = 8
_LOOK = 0.1
_BEFORE_ASKING_AGAIN = (0.0, 0.2, 1.0)


class Ranges:
    """One file, brought by several connections.

    Args:
        source: Where it comes from.
        journal: Where it goes.
        progress: Is told the bytes that came, and may cancel.
    """

    def __init__(self, source: Source, journal: Journal, progress: Progress) -> None:
        self.source, self.journal, self._progress = source, journal, progress
        self.spans = Spans(journal.size, journal.piece, journal.done, CONNECTIONS)
        self.address = source.opened.address
        self.stopped = threading.Event()
        self._changed = threading.Condition()
        self._renewing = threading.Lock()
        self._failure: BaseException | None = None
        self._active = self._came = self._told = self._came_at_renewal = 0
        self._lines: list[Line] = []

    def run(self) -> None:
        """Bring what is missing.

        Raises:
            ChangedError: The file is another one now.
            NoRangesError: The server gives no parts of it.
            RefusedError: The server does not give it any more.
            SourceLostError: The server went away; what came so far is kept.
            OSError: The disk refused.
            JobCancelledError: ``progress`` cancelled it.
        """
        self._progress.start(self.spans.missing, f"Fetching from {self.address.host}")
        count = max(min(CONNECTIONS, self.spans.pieces), 1)
        first: Opened | None = self.source.opened
        while not self.journal.is_complete:
            self._round(count, first)
            count, first = 1, None  # what connections that left have given back
        if first is not None:
            first.line.close()

    def _round(self, count: int, first: Opened | None) -> None:
        connections = [Connection(self, Line(self.source.network)) for _ in range(count)]
        if first is not None:
            connections[0] = Connection(self, first.line, first)
        self._lines = [connection.line for connection in connections]
        threads = [
            threading.Thread(target=connection.work, name="colabpanel-fetcher", daemon=True)
            for connection in connections
        ]
        self._active = count
        try:
            for thread in threads:
                thread.start()
            self._watch()
        finally:
            self._end(threads)
        if isinstance(self._failure, DiskError):
            raise self._failure.error
        if self._failure is not None:
            raise self._failure

    def _watch(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._failure is not None or not self._active, _LOOK)
                came, over = self._came, self._failure is not None or not self._active
            self._progress.advance(came - self._told)
            self._told = came
            if over:
                return

    def _end(self, threads: list[threading.Thread]) -> None:
        """Wait for the threads: none may write once the file is closed."""
        self.stopped.set()
        while any(thread.is_alive() for thread in threads):
            for line in self._lines:
                line.hang_up()
            threads[-1].join(_LOOK)
            threads = [thread for thread in threads if thread.is_alive()] or threads[:1]
        self.stopped.clear()

    def came(self, amount: int) -> None:
        """Count bytes that are written."""
        with self._changed:
            self._came += amount

    def failed(self, error: BaseException) -> None:
        """Stop everything, for the first reason there is."""
        with self._changed:
            self._failure = self._failure or error
            self.stopped.set()
            self._changed.notify_all()

    def left(self) -> None:
        """Note that a connection has no more to do."""
        with self._changed:
            self._active -= 1
            self._changed.notify_all()

    def may_leave(self) -> bool:
        """Whether others go on."""
        with self._changed:
            return self._active > 1

    def has_renewed(self, refused: RefusedError) -> bool:
        """Look where the file is now, for an address that is not answered any more.

        Returns:
            Whether it may be asked for again; not if that was done already, and nothing came since.

        Raises:
            ChangedError: It is another file there.
        """
        with self._renewing:
            if refused.address != self.address:
                return True  # another connection was quicker
            if self._came <= self._came_at_renewal:
                return False
            opened = self._found_again()
            self._came_at_renewal = self._came
            if opened is None:
                return False
            opened.line.close()
            if not is_same(version_of(opened.response), self.source.version):
                raise ChangedError
            self.address = opened.address
            return True

    def _found_again(self) -> Opened | None:
        """Ask where the file is; a server that takes few connections may refuse until it noticed that one has ended."""
        for pause in _BEFORE_ASKING_AGAIN:
            if self.stopped.wait(pause):
                return None
            try:
                return self.source.find_again()
            except RefusedError:
                continue
            except SourceLostError:
                return None
        return None
