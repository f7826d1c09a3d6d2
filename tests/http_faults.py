"""A web server on the loopback whose answers go wrong as a test says."""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

__all__ = ["FAULTS", "SILENT", "Asked", "FaultyServer", "Page", "serving"]

FAULTS = (
    "503",
    "429",
    "cut",
    "cut at once",
    "reset",
    "stall",
    "trickle",
    "short",
    "ignores ranges",
    "wrong range",
    "garbage",
    "hangs up",
    "403",
    "page",
    "silent",
    "changes",
)
SILENT = ("stall", "trickle", "silent")
"""Those that take as long as whoever asks is patient."""


@dataclass
class Page:
    """What stands at a path.

    ``ranges`` is whether parts are given; ``says_size`` whether the length is told. ``location`` makes it a redirect.
    """

    data: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    status: int = 200
    ranges: bool = True
    says_size: bool = True
    chunked: bool = False
    etag: str | None = '"one"'
    modified: str | None = "Mon, 01 Jun 2026 00:00:00 GMT"
    location: str = ""
    needs: str = ""
    changes: int = 0


@dataclass(frozen=True)
class Asked:
    """One question that came."""

    path: str
    headers: dict[str, str]
    connection: int

    @property
    def range(self) -> tuple[int, int] | None:
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        return (int(found[1]), int(found[2]) + 1) if found else None


class FaultyServer(ThreadingHTTPServer):
    """Serves ``pages``; the next questions for a file meet the ``faults`` in their order.

    More than ``at_once`` answers at a time are refused with the status ``refusal``.
    ``latency`` is in seconds for each answer, ``rate`` in bytes a second of each connection.
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.pages: dict[str, Page] = {}
        self.faults: deque[str] = deque()
        self.asked: list[Asked] = []
        self.sent = 0
        self.latency, self.rate = 0.0, 0.0
        self.at_once, self.refusal, self.busy = 1000, 503, 0
        self.released = threading.Event()
        self.before_sending: Callable[[int], object] = lambda _sent: None
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: whoever asked hung up."""

    def serve(self, data: bytes, path: str = "/data.bin", **options: Any) -> str:
        self.pages[path] = Page(data, **options)
        return self.url + path


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FaultyServer

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""

    def do_GET(self) -> None:
        server, path = self.server, urlsplit(self.path).path
        asked = Asked(self.path, dict(self.headers.items()), self.client_address[1])
        with server.lock:
            server.asked.append(asked)
            page = server.pages.get(path, Page(b"no such file", status=404))
            fault = server.faults.popleft() if server.faults and page.status == 200 and not page.location else ""
            has_room = server.busy < server.at_once
            server.busy += has_room
        try:
            self._give(page if has_room else Page(status=server.refusal), asked, fault)
        finally:
            with server.lock:
                server.busy -= has_room

    def _give(self, page: Page, asked: Asked, fault: str) -> None:
        time.sleep(self.server.latency)
        if page.status != 200 and not page.location:
            self._head(page.status, len(page.data), page.headers)
            self.wfile.write(page.data)
        elif page.location:
            self._head(page.status if page.status != 200 else 302, 0, {"Location": page.location, **page.headers})
        elif page.needs and self.headers.get("Authorization") != page.needs:
            self._head(401, 0, {})
        else:
            self._answer(page, asked, fault)

    def _answer(self, page: Page, asked: Asked, fault: str) -> None:
        if fault in {"503", "429", "403"}:
            self._head(int(fault), 0, {"Retry-After": "0"})
        elif fault == "hangs up":
            self.close_connection = True
        elif fault == "silent":
            self._wait_for_the_end()
        elif fault == "garbage":
            self.wfile.write(b"\x00\x01 this is no HTTP\r\n\r\n")
            self.close_connection = True
        elif fault == "page":
            body = b"<!DOCTYPE html><html><head><title>Please sign in</title></head></html>"
            self._head(200, len(body), {"Content-Type": "text/html"})
            self.wfile.write(body)
        else:
            if fault == "changes":
                page.data, page.changes = bytes(reversed(page.data)), page.changes + 1
                page.etag, page.modified = f'"{page.changes}"', f"Tue, 02 Jun 2026 00:00:{page.changes:02} GMT"
            self._file(page, asked, fault)

    def _file(self, page: Page, asked: Asked, fault: str) -> None:
        data, part = page.data, asked.range if page.ranges else None
        condition = asked.headers.get("If-Range")
        if condition and condition not in {page.etag, page.modified}:
            part = None
        headers = dict(page.headers)
        headers |= {"ETag": page.etag} if page.etag else {}
        headers |= {"Last-Modified": page.modified} if page.modified else {}
        if part is None or fault == "ignores ranges":
            self._head(200, len(data) if page.says_size else None, headers, chunked=page.chunked)
            self._send(data, fault, chunked=page.chunked)
            return
        start, end = part[0], min(part[1], len(data))
        if start >= len(data):
            self._head(416, 0, {"Content-Range": f"bytes */{len(data)}"})
            return
        if fault == "short":
            end = start + max((end - start) // 3, 1)
        if fault == "wrong range" and start:
            start, end = start - 1, end - 1
        self._head(206, end - start, {**headers, "Content-Range": f"bytes {start}-{end - 1}/{len(data)}"})
        self._send(data[start:end], fault)

    def _head(self, status: int, length: int | None, headers: dict[str, str], *, chunked: bool = False) -> None:
        self.send_response(status)
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
        elif length is not None:
            self.send_header("Content-Length", str(length))
        else:
            self.send_header("Connection", "close")
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _send(self, data: bytes, fault: str, *, chunked: bool = False) -> None:
        if fault in {"cut", "stall", "reset"}:
            data = data[: len(data) // 2]
        if fault == "cut at once":
            data = b""
        if fault == "trickle":
            self._write(data[:1])
            self.server.released.wait(2)
            data = data[1:2]
        self._write(data, chunked=chunked)
        if chunked and fault not in {"cut", "cut at once", "trickle", "stall", "reset"}:
            self.wfile.write(b"0\r\n\r\n")
        if fault in {"cut", "cut at once", "trickle"}:
            self.close_connection = True
        if fault == "stall":
            self._wait_for_the_end()
        if fault == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True

    def _wait_for_the_end(self) -> None:
        """Say no more until the other side has enough of it."""
        with contextlib.suppress(OSError):
            self.connection.settimeout(10)
            self.connection.recv(1)
        self.close_connection = True

    def _write(self, data: bytes, *, chunked: bool = False) -> None:
        server, step = self.server, 16 << 10
        for start in range(0, len(data), step):
            piece = data[start : start + step]
            server.before_sending(server.sent)
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece)
            with server.lock:
                server.sent += len(piece)
            if server.rate:
                time.sleep(len(piece) / server.rate)


@contextmanager
def serving() -> Iterator[FaultyServer]:
    """Run a server for as long as it is needed."""
    server = FaultyServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
