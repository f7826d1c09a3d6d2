"""A file behind an address, read by ranges: each with its own retries, each answer compared with what was asked."""

from __future__ import annotations

import http.client
import json
import re
import time
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from colabpanel.errors import InputError, SourceLostError, UnreadableError
from colabpanel.progress import Progress
from colabpanel.services.sources.local import pause_after
from colabpanel.services.web.addresses import Address, parse
from colabpanel.services.web.lines import CutError, Line, Network
from colabpanel.services.web.opening import PASSING, Opener, RefusedError, is_busy

__all__ = ["HttpSource", "Remote", "find_remote"]

_TRIES = 9
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
_FETCH_FIRST = "Fetch it first: colabpanel.fetch(url, folder, unpack=True)."
_AGAIN = "Stage again: it goes on where it stopped."


class Remote(NamedTuple):
    """A file of a server, as it was found.

    Attributes:
        address: Where it is, all redirects followed.
        size: Its bytes.
        validator: What the server tells one version of it from another by, or nothing.
        public_only: Whether only public addresses may be asked.
    """

    address: Address
    size: int
    validator: str
    public_only: bool

    def to_json(self) -> str:
        """Return it as text for another process; whatever is secret in the address is in it."""
        return json.dumps({"remote": [list(self.address), self.size, self.validator, self.public_only]})

    @classmethod
    def from_json(cls, text: str) -> Remote:
        """Read what `to_json` wrote."""
        address, *rest = json.loads(text)["remote"]
        return cls(Address(*address), *rest)


def find_remote(url: str, *, public_only: bool) -> Remote:
    """Ask for the first byte of a file, and learn its size.

    Raises:
        InputError: It is no address, may not be asked, or the server gives no parts of the file.
        SourceLostError: The server does not answer.
    """
    opener = Opener(Network(served=public_only), {}, Progress())
    asked = parse(url)
    try:
        opened = opener.open(asked, {"Range": "bytes=0-0"})
    except RefusedError as error:
        raise InputError(f"{asked.host} does not give the file: it answers {error.status}.") from None
    opened.line.close()
    headers = opened.response.headers
    found = _RANGE.fullmatch(headers.get("Content-Range", ""))
    if opened.response.status != http.client.PARTIAL_CONTENT or found is None:
        raise InputError(f"{asked.host} gives this file in one piece only.", hint=_FETCH_FIRST)
    tag = headers.get("ETag", "")
    validator = tag if tag.startswith('"') else headers.get("Last-Modified", "")
    return Remote(opened.address, int(found[3]), validator, public_only)


class HttpSource:
    """A file of a server, read by position.

    Args:
        remote: The file.
        pause: Waits between tries, in seconds; tests pass one that does not.
        tries: How often a read is tried without any byte coming before it counts as failed.

    Attributes:
        path: The name of the file, for sentences.
        size: Its bytes.
        modified_ns: Always 0: whether it changed is told by what the server says of it.
    """

    modified_ns = 0

    def __init__(self, remote: Remote, *, pause: Callable[[float], None] = time.sleep, tries: int = _TRIES) -> None:
        self._remote, self._pause, self._tries = remote, pause, tries
        self.path = Path(PurePosixPath(remote.address.path).name or remote.address.host)
        self.size = remote.size
        self._line = Line(Network(served=remote.public_only))

    @property
    def place(self) -> str:
        """What `open_source` opens it by in another process."""
        return self._remote.to_json()

    def read(self, start: int, end: int) -> bytes:
        """Return the bytes from ``start`` up to ``end``; fewer only at the end of the file.

        Raises:
            SourceLostError: The server does not give them, or has another file by now.
        """
        buffer = bytearray(max(min(end, self.size) - start, 0))
        return bytes(memoryview(buffer)[: self.read_into(memoryview(buffer), start)])

    def read_into(self, view: memoryview, start: int) -> int:
        """Fill a buffer with the bytes from ``start`` on; returns how many there were before the end.

        Raises:
            SourceLostError: As for `read`.
        """
        wanted = max(min(len(view), self.size - start), 0)
        done = failures = 0
        while done < wanted:
            reason = ""
            try:
                got = self._some_of(view[done:wanted], start + done)
            except PASSING as error:
                got, reason = getattr(error, "got", 0), str(error)
                self._line.close()
            done += got
            failures = 0 if got else failures + 1
            if failures >= self._tries:
                raise UnreadableError(f"{self._remote.address.host} does not give {self.path}: {reason}.", hint=_AGAIN)
            if failures:
                self._pause(pause_after(failures - 1))
        return done

    def _some_of(self, view: memoryview, start: int) -> int:
        """Ask for a range once; returns how many of its bytes came before the answer ended.

        Raises:
            OSError: The connection broke, or the server asks for patience; what had come is noted as ``got``.
            SourceLostError: The server has another file by now, or gives none.
        """
        address = self._remote.address
        headers = {"Range": f"bytes={start}-{start + len(view) - 1}"}
        if self._remote.validator:
            headers["If-Range"] = self._remote.validator
        if address.authorization:
            headers["Authorization"] = address.authorization
        response, body = self._line.ask(address, headers)
        self._insist_on_range(response, start)
        done = 0
        try:
            while done < len(view) and (data := body.some(len(view) - done)):
                view[done : done + len(data)] = data
                done += len(data)
        except PASSING as error:
            error.got = done  # type: ignore[union-attr]  # what came is right, and is kept
            raise
        return done

    def _insist_on_range(self, response: http.client.HTTPResponse, start: int) -> None:
        status = response.status
        if is_busy(status):
            raise CutError(f"it answers {status}")
        found = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if status == http.client.PARTIAL_CONTENT and found is not None and int(found[3]) == self.size:
            if int(found[1]) != start:
                raise CutError("it gives another range than was asked for")
            return
        self._line.close()
        if status == http.client.OK and self._is_the_same(response):
            raise CutError("it gives the whole file in place of a part")
        if status in {http.client.OK, http.client.PARTIAL_CONTENT, http.client.REQUESTED_RANGE_NOT_SATISFIABLE}:
            raise SourceLostError(f"{self.path} has changed while it was read.", hint="Stage it again from the start.")
        raise SourceLostError(
            f"{self._remote.address.host} gives {self.path} no more: it answers {status}.",
            hint="The address may be good for a while only. Get a new one, and stage again.",
        )

    def _is_the_same(self, response: http.client.HTTPResponse) -> bool:
        told = {response.headers.get(name, "") for name in ("ETag", "Last-Modified")}
        return bool(self._remote.validator) and self._remote.validator in told

    def again(self, *, tries: int | None = None) -> HttpSource:
        """Return the same file with a connection of its own, for another thread."""
        return HttpSource(self._remote, pause=self._pause, tries=tries or self._tries)

    def close(self) -> None:
        """Let the connection go."""
        self._line.close()
