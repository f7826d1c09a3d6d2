"""A web server that is as far away as one on the internet; started by `fetching.py`.

    python benchmarks/slow_server.py FILE --latency 40 --rate 12

Every connection and every answer waits for the latency, and each connection has the bandwidth to itself.
It prints its port, and ends when its input does.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

STEP = 64 << 10


class SlowServer(ThreadingHTTPServer):
    """Serves one file under every path; ``latency`` in seconds, ``rate`` in bytes a second."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, file: Path, latency: float, rate: float) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.handle_of_file, self.latency, self.rate = os.open(file, os.O_RDONLY), latency, rate
        self.size = file.stat().st_size

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: whoever asked hung up."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: SlowServer

    def setup(self) -> None:
        super().setup()
        time.sleep(self.server.latency)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name in the base class
        """Say nothing."""

    def do_HEAD(self) -> None:
        self._head(0, self.server.size, partial=False)

    def do_GET(self) -> None:
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        start = int(found[1]) if found else 0
        end = min(int(found[2]) + 1 if found and found[2] else self.server.size, self.server.size)
        self._head(start, end, partial=found is not None)
        began, sent = time.perf_counter(), 0
        while start + sent < end:
            sent += os.sendfile(
                self.connection.fileno(), self.server.handle_of_file, start + sent, min(STEP, end - start - sent)
            )
            time.sleep(max(began + sent / self.server.rate - time.perf_counter(), 0))

    def _head(self, start: int, end: int, *, partial: bool) -> None:
        time.sleep(self.server.latency)
        self.send_response(206 if partial else 200)
        if partial:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{self.server.size}")
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(end - start))
        self.send_header("ETag", '"one"')
        self.send_header("Last-Modified", "Mon, 01 Jun 2026 00:00:00 GMT")
        self.end_headers()
        self.wfile.flush()


def main() -> None:
    """Serve until the input ends."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--latency", type=float, default=40, help="milliseconds")
    parser.add_argument("--rate", type=float, default=12, help="MiB a second of each connection")
    options = parser.parse_args()
    server = SlowServer(options.file, options.latency / 1e3, options.rate * 2**20)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
