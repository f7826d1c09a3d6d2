"""A proxy on the loopback that remembers what it was asked, and leads everything to one server."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Proxy", "proxying"]


class Proxy:
    """Takes ``CONNECT`` and whole addresses; ``answer`` is what a ``CONNECT`` gets."""

    def __init__(self, goal: tuple[str, int]) -> None:
        self.goal, self.answer = goal, b"HTTP/1.1 200 Connection established\r\n\r\n"
        self.heads: list[str] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._serve, args=(self.listener.accept()[0],), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                head += client.recv(4096)
            self.heads.append(head.decode())
            with socket.create_connection(self.goal) as server:
                if head.startswith(b"CONNECT"):
                    client.sendall(self.answer)
                else:
                    server.sendall(head)
                self._relay(client, server)

    def _relay(self, client: socket.socket, server: socket.socket) -> None:
        ways = {client: server, server: client}
        while True:
            for end in select.select(list(ways), [], [])[0]:
                data = end.recv(65536)
                if not data:
                    return
                ways[end].sendall(data)


@contextmanager
def proxying(goal: tuple[str, int]) -> Iterator[Proxy]:
    """Run a proxy for as long as it is needed."""
    proxy = Proxy(goal)
    thread = threading.Thread(target=proxy.run, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.listener.shutdown(socket.SHUT_RDWR)
        proxy.listener.close()
        thread.join()
