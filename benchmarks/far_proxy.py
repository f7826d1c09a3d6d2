"""A way to a server that is as long as one over the internet; started by `remote.py`.

    python benchmarks/far_proxy.py PORT --latency 40 --rate 12

Whatever arrives waits half of the latency on each way, every new connection as long as a handshake takes, and each
connection has the bandwidth of its downward way to itself. It prints its port, and ends when its input does.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import time

STEP = 32 << 10


class Way:
    """One direction of one connection: bytes arrive after a delay, and no quicker than the rate."""

    def __init__(self, delay: float, rate: float | None) -> None:
        self.delay, self.rate = delay, rate
        self.queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(256)
        self.free = 0.0

    async def take(self, reader: asyncio.StreamReader) -> None:
        """Take what comes in until it ends."""
        with contextlib.suppress(OSError):
            while data := await reader.read(STEP):
                now = time.perf_counter()
                if self.rate is not None:
                    self.free = max(self.free, now) + len(data) / self.rate
                    if self.free - now > 2 * self.delay:  # what is on its way is as much as the way holds
                        await asyncio.sleep(self.free - now - 2 * self.delay)
                await self.queue.put((max(self.free, now) + self.delay, data))
        await self.queue.put((time.perf_counter() + self.delay, b""))

    async def give(self, writer: asyncio.StreamWriter) -> None:
        """Give it on when it is due."""
        with contextlib.suppress(OSError):
            while True:
                due, data = await self.queue.get()
                if (wait := due - time.perf_counter()) > 0:
                    await asyncio.sleep(wait)
                if not data:
                    break
                writer.write(data)
                await writer.drain()
        writer.close()


async def serve(port: int, latency: float, rate: float) -> None:
    """Serve until the input ends."""

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(latency)
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", port)
        up, down = Way(latency / 2, None), Way(latency / 2, rate)
        await asyncio.gather(
            up.take(reader), up.give(there_writer), down.take(there_reader), down.give(writer), return_exceptions=True
        )

    server = await asyncio.start_server(connect, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)


def main() -> None:
    """Be the way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("port", type=int)
    parser.add_argument("--latency", type=float, default=40, help="milliseconds, there and back")
    parser.add_argument("--rate", type=float, default=12, help="MiB a second of each connection")
    options = parser.parse_args()
    with contextlib.suppress(SystemExit):
        asyncio.run(serve(options.port, options.latency / 1e3, options.rate * 2**20))


if __name__ == "__main__":
    main()
