"""One of the connections that bring a file.

Every answer is looked at before a byte of it is written. What breaks, stands still or comes
short is asked for again from where it stopped; a server that wants fewer connections is obeyed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from colabpanel.errors import SourceLostError
from colabpanel.services.fast import fast_zlib
from colabpanel.services.fetching.parts import DiskError
from colabpanel.services.fetching.spans import Span
from colabpanel.services.web.answers import pause_asked
from colabpanel.services.web.lines import STALL, Body, CutError, Line
from colabpanel.services.web.opening import PASSING, Opened, Pauses, RefusedError, is_busy
from colabpanel.services.web.parts import end_of_part

if TYPE_CHECKING:
    from colabpanel.services.fetching.ranges import Ranges

__all__ = ["Connection"]

_CHUNK = 256 << 10
_PATIENCE = 2
"""Refusals in a row after which a connection leaves the work to the others."""

_SHORTEST = 0.05
"""Seconds to wait for a busy server that does not say how long."""


class Connection:
    """One of the connections that bring a file, on a thread of its own.

    Args:
        whole: What it belongs to.
        line: The connection to the server.
        first: The answer to the first question, for the one that holds it.
    """

    def __init__(self, whole: Ranges, line: Line, first: Opened | None = None) -> None:
        self._whole, self.line, self._first = whole, line, first
        line.patience = STALL
        # Whoever holds the first answer must take the first bytes, so it is dealt out before the threads run.
        self._span = None if first is None else whole.spans.take()
        self._refusals = 0

    def work(self) -> None:
        """Bring span after span, until there is none."""
        spans = self._whole.spans
        try:
            while not self._whole.stopped.is_set() and self._refusals < _PATIENCE:
                span = self._span or spans.take()
                self._span = None
                if span is None:
                    return
                try:
                    self._bring(span)
                finally:
                    spans.over(span)
        except BaseException as error:  # noqa: BLE001 - raised where the work is waited for
            self._whole.failed(error)
        finally:
            self.line.close()
            self._whole.left()

    def _bring(self, span: Span) -> None:
        pauses = Pauses()
        while span.position < span.end and not self._whole.stopped.is_set():
            before, asked = span.position, 0.0
            try:
                asked = self._answer(span)
            except RefusedError as refused:
                if self._whole.has_renewed(refused):
                    continue
                if not self._whole.may_leave():
                    raise
                self._refusals = _PATIENCE  # some servers refuse any but the first connection
                return
            except PASSING:
                self.line.close()
                asked = -1.0
            if span.position > before:
                pauses.after_success()
                self._refusals = 0
                if asked == 0:
                    continue  # a server that gives less than it was asked for is asked for the rest
            elif asked > 0 and self._has_left():
                return
            if pauses.spent:
                raise SourceLostError(
                    f"{self._whole.address.host} does not give the rest of the file.",
                    hint="What has come is kept: fetch it again to go on.",
                )
            self._whole.stopped.wait(pauses.after_failure(asked))

    def _has_left(self) -> bool:
        """Whether a server that wants fewer connections is rid of this one."""
        self._refusals += 1
        if self._refusals >= _PATIENCE and not self._whole.may_leave():
            self._refusals = 0
        return self._refusals >= _PATIENCE

    def _answer(self, span: Span) -> float:
        """Write what one answer gives; returns the seconds that a busy server wants to be left alone, or zero.

        Raises:
            ChangedError: It is of another version.
            NoRangesError: It is no part, or another one.
            RefusedError: The server does not give it.
        """
        whole, source = self._whole, self._whole.source
        address, first = whole.address, self._first
        self._first = None
        if first is not None and span.position == 0:
            response, body = first.response, first.body
        else:
            headers = {"Range": f"bytes={span.position}-{span.end - 1}", **source.version.condition}
            response, body = self.line.ask(address, {**headers, **source.opener.headers_for(address)})
        if is_busy(response.status):
            self.line.close()
            return max(pause_asked(response.headers), _SHORTEST)
        end = end_of_part(response, span.position, source.version, address)
        self._write(body, span, end)
        return 0.0

    def _write(self, body: Body, span: Span, end: int) -> None:
        journal, whole = self._whole.journal, self._whole
        while (room := min(end, span.end) - span.position) > 0:
            data = memoryview(body.some(min(_CHUNK, room)))
            if not data:
                raise CutError("the answer ended early")
            while data and not whole.stopped.is_set():
                part = data[: journal.piece - span.position % journal.piece]
                try:
                    self._write_part(part, span)
                except OSError as error:
                    raise DiskError(error) from error
                data = data[len(part) :]
            if whole.stopped.is_set():
                return

    def _write_part(self, part: memoryview, span: Span) -> None:
        """Write bytes that lie in one piece, and note the piece when they are its last."""
        journal, number = self._whole.journal, span.position // self._whole.journal.piece
        journal.write(part, span.position)
        span.checksum = fast_zlib.crc32(part, span.checksum)
        self._whole.spans.moved(span, len(part))
        if span.position == number * journal.piece + journal.length(number):
            journal.note(number, span.checksum)
            span.checksum = 0
        self._whole.came(len(part))
