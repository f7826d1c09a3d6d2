"""Ports for servers that must be told one, as those that cannot choose for themselves."""

from __future__ import annotations

import random
import socket

# Below the ports that connections get: such a one may be taken by any program between the look and the start,
# and who asks whether a server is there yet could be connected to itself.
_PORTS = range(20_000, 32_000)
_RANDOM = random.SystemRandom()  # the order of the tests seeds the other one, so two runs side by side would agree


def free_port() -> int:
    """Return a port of the loopback that nobody uses."""
    while True:
        port = _RANDOM.choice(_PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
