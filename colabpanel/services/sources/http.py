"""A file behind an address, read in ranges, each from where the last answer broke off.

Every answer is looked at before a byte of it is taken: it must be a part, of the version that was
opened, that begins where it should. What breaks, stands still or comes short is asked for again, and
any byte that comes makes the patience last anew.
"""

from __future__ import annotations

import email.utils
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

from colabpanel.errors import InputError, SourceLostError
from colabpanel.progress import Progress
from colabpanel.services.sources.ahead import read_range
from colabpanel.services.sources.spec import SourceSpec
from colabpanel.services.web.addresses import Address, parse
from colabpanel.services.web.answers import Version, part_of, pause_asked, version_of
from colabpanel.services.web.lines import STALL, CutError, Line, Network
from colabpanel.services.web.opening import LOOK_FIRST, PASSING, Opened, Opener, Pauses, RefusedError, Says, is_busy
from colabpanel.services.web.parts import ChangedError, NoRangesError, end_of_part, is_same
from colabpanel.services.web.refusals import refusal
from colabpanel.services.web.secrets import keeper_of
from colabpanel.services.web.stand_ins import LOOK_AT, insist_on_file, is_stand_in

__all__ = ["HttpSource", "Place"]

HEAD, TAIL = 64 << 10, 512 << 10
"""Bytes of the beginning and of the end that are kept: archives are told by them, and listed at their end."""

_CHUNK = 256 << 10
_MOST_STAND_INS = 3
_SHORTEST = 0.05
"""Seconds to wait for a busy server that does not say how long."""


class _BusyError(Exception):
    """The server wants to be asked later."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class Place:
    """Where a file is found, and which version of it; all connections that read it share this.

    Args:
        spec: What to open.
        progress: May cancel the waiting.

    Attributes:
        address: Where it is now, all redirects followed.
        version: The version that is read.
    """

    def __init__(self, spec: SourceSpec, progress: Progress) -> None:
        self.spec = spec
        self.network = Network(served=bool(spec.options.get("public_only")))
        self._first = parse(spec.url)
        self.opener = Opener(self.network, {}, progress, self._says())
        self.address, self.version = self._first, Version(None)
        self._moving = threading.Lock()

    def _says(self) -> Says:
        """Return what adds the headers for the host of the address; wherever that leads to gets none of them."""
        spec, origin = self.spec, self._first.origin
        if spec.kind == "s3":
            from colabpanel.services.sources.s3 import signer

            sign = signer(spec.options)
            return lambda address: sign(address) if address.origin == origin else {}
        return lambda address: spec.headers if address.origin == origin else {}

    def ask(self, headers: dict[str, str]) -> Opened:
        """Ask for the file, past redirects, and past pages and pointers that come instead.

        Raises:
            InputError: The server does not give it, or it is no file.
            SourceLostError: The server does not answer.
        """
        address = self._first
        for _ in range(_MOST_STAND_INS):
            try:
                opened = self.opener.open(address, headers)
            except RefusedError as refused:
                raise self.refusal(refused) from None
            with ExitStack() as stack:
                stack.callback(opened.line.close)
                start, kind = opened.body.peek(LOOK_FIRST), opened.response.headers.get("Content-Type", "")
                if self.spec.options.get("is_file") or not is_stand_in(start, kind, self.spec.name):
                    stack.pop_all()
                    return opened
                address = opened.address.join(insist_on_file(opened.beginning(LOOK_AT), opened.address))
        raise InputError("The address leads to pages instead of a file.", hint="Give the link of the file itself.")

    def refusal(self, refused: RefusedError) -> InputError:
        """Return the error for a server that does not give the file."""
        if self.spec.kind == "s3":
            from colabpanel.services.sources import s3

            return s3.refusal(refused.status, self.spec)
        host, keeper = str(self.spec.options.get("shown") or refused.address.host), keeper_of(self._first)
        return refusal(refused.status, host, keeper, was_known=bool(self.spec.headers))

    def move(self, tried: Address) -> None:
        """Look where the file is now, once it is not given any more where it was: signed addresses expire.

        Raises:
            ChangedError: It is another one there.
            NoRangesError: It is given only whole.
        """
        with self._moving:
            if tried != self.address:
                return  # another thread was quicker
            opened = self.ask({"Range": "bytes=0-0"})
            opened.line.close()
            if not is_same(version_of(opened.response), self.version):
                raise ChangedError
            if part_of(opened.response) is None:
                raise NoRangesError
            self.address = opened.address


class HttpSource:
    """A file behind an address, which is read in ranges over one kept connection.

    Args:
        spec: What to open.
        progress: May cancel the waiting for the first answer.
        pause: Waits between tries, in seconds.
        place: Where it was found already.

    Raises:
        InputError: The server does not give it, or it is no file.
        SourceLostError: The server does not answer.
        NoRangesError: The server gives it only whole.
    """

    is_far = True

    def __init__(
        self,
        spec: SourceSpec,
        *,
        progress: Progress | None = None,
        pause: Callable[[float], None] = time.sleep,
        place: Place | None = None,
    ) -> None:
        self._spec, self._pause = spec, pause
        self._place = place or Place(spec, progress or Progress())
        self._line = Line(self._place.network)
        self._head = self._tail = b""
        known = spec.options.get("known")
        if place is None and known:
            self._place.address, self._place.version = parse(known["url"]), Version(*known["version"])
        elif place is None:
            self._begin()
        version = self._place.version
        assert version.size is not None
        self.size, self.name, self.shown = version.size, spec.name, spec.shown
        self.modified = _seconds(version.modified)
        self.identity: list[Any] = spec.options.get("identity") or [version.size, version.etag, version.modified]

    @property
    def reference(self) -> dict[str, Any]:
        """The specification, with what was found out."""
        version, url = self._place.version, self._place.address.url
        return self._spec.knowing(url=url, version=list(version)).to_json()

    def _begin(self) -> None:
        """Ask for the first bytes, which tell how many there are."""
        opened = self._place.ask({"Range": f"bytes=0-{HEAD - 1}"})
        part, self._line = part_of(opened.response), opened.line
        self._line.patience = STALL
        if part is None or part[0] != 0 or part[2] is None:
            self._line.close()
            raise NoRangesError
        self._place.address, self._place.version = opened.address, version_of(opened.response)
        try:
            self._head = opened.body.peek(min(part[1], HEAD))
        except PASSING:  # it comes with the readings that want it
            self._line.close()

    def read(self, start: int, end: int) -> bytes:
        """Return the bytes from ``start`` up to ``end``; fewer only at the end of the file.

        Raises:
            SourceLostError: The server went away, or the file is another one now.
        """
        if self.size - TAIL <= start < end and not self._tail and self._head:
            self._tail = read_range(self, max(self.size - TAIL, 0), self.size)
        return read_range(self, start, end)

    def _kept(self, start: int, end: int) -> bytes:
        """Return bytes that are kept, or none."""
        if end <= len(self._head):
            return self._head[start:end]
        base = self.size - len(self._tail)
        return self._tail[start - base : end - base] if start >= base else b""

    def read_into(self, view: memoryview, start: int) -> int:
        """Fill a buffer with the bytes from ``start`` on; returns how many there were before the end.

        Raises:
            SourceLostError: As for `read`.
        """
        view = view[: max(self.size - start, 0)]
        kept = self._kept(start, start + len(view))
        if kept:
            view[:] = kept
            return len(view)
        done, pauses = 0, Pauses()
        while done < len(view):
            before, asked = done, 0.0
            try:
                for data in self._answer(start + done, start + len(view)):
                    view[done : done + len(data)] = data
                    done += len(data)
            except _BusyError as busy:
                asked = busy.seconds
            except (ChangedError, NoRangesError, RefusedError):
                self._line.close()
                self._look_again()
            except PASSING:
                self._line.close()
            if done > before:
                pauses.after_success()
            elif pauses.spent:
                raise self._lost()
            else:
                self._pause(pauses.after_failure(asked))
        return done

    def _answer(self, start: int, end: int) -> Iterator[bytes]:
        """Yield what one answer gives, which may be less than was asked for.

        Raises:
            ChangedError: It is of another version.
            NoRangesError: It is no part, or another one.
            RefusedError: The server does not give it.
        """
        place = self._place
        address = place.address
        headers = {"Range": f"bytes={start}-{end - 1}", **place.version.condition, **place.opener.headers_for(address)}
        response, body = self._line.ask(address, headers)
        if is_busy(response.status):
            self._line.close()
            raise _BusyError(max(pause_asked(response.headers), _SHORTEST))
        left = min(end_of_part(response, start, place.version, address), end) - start
        while left > 0:
            data = body.some(min(_CHUNK, left))
            if not data:
                raise CutError("the answer ended early")
            left -= len(data)
            yield data

    def _look_again(self) -> None:
        """Find out whether an answer that does not fit was a passing one.

        Raises:
            InputError: The server does not give the file any more.
            SourceLostError: It is another file now.
        """
        try:
            self._place.move(self._place.address)
        except ChangedError:
            raise SourceLostError(
                f"{self.shown} changed while it was read.",
                hint="Once it is written completely, stage it again; what was unpacked of the old one is discarded.",
            ) from None
        except NoRangesError:
            raise self._lost() from None

    def _lost(self) -> SourceLostError:
        return SourceLostError(
            f"{self._place.address.host} does not give the rest of {self.shown}.",
            hint="Try again later: it goes on where it stopped.",
        )

    def again(self, *, tries: int | None = None) -> HttpSource:
        """Return the same file over a connection of its own, for another thread."""
        found = HttpSource(self._spec, pause=self._pause, place=self._place)
        found._head, found._tail = self._head, self._tail
        return found

    def close(self) -> None:
        """Let the connection go."""
        self._line.close()


def _seconds(date: str) -> float | None:
    found = email.utils.parsedate_tz(date) if date else None
    return None if found is None else float(email.utils.mktime_tz(found))
