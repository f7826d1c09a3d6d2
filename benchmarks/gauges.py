"""Sections of `memory.py`: what one look at the gauges costs, and what a panel that is looked at costs while idle."""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from typing import Any

import psutil
from jupyter_client.manager import start_new_kernel
from panel import COUNT_MODELS, idle_share, run
from scenarios import target

__all__ = ["idle", "sample"]

PEER = "jupyter-resource-usage"
IDLE_SECONDS, POLL_EVERY = 30, 5.0  # the peer's page asks every five seconds
LOOKS = {
    "colabpanel usage()": "from colabpanel.services.memory import usage\nlook = lambda: usage('.')",
    f"{PEER} metrics": """
from types import SimpleNamespace as N
from jupyter_resource_usage.metrics import PSUtilMetricsLoader
loader = PSUtilMetricsLoader(N(web_app=N(settings={"jupyter_resource_usage_display_config": None})))
def look():
    loader.process_metric("memory_info", attribute="rss")
    loader.process_metric("memory_full_info", attribute="pss")
    loader.system_metric("virtual_memory", attribute="total")
    loader.system_metric("disk_usage", args=["."], attribute="used")
""",
}
SAMPLE = """
import json, subprocess, sys, time
import numpy
{look}
children = [
    subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    for _ in range({children})
]
held = numpy.ones({gigabytes} << 27)
time.sleep(1)
look()
took, began, used = [], time.time(), time.process_time()
for _ in range(20):
    start = time.perf_counter()
    look()
    took.append(time.perf_counter() - start)
    time.sleep(0.5)
print(json.dumps([sorted(took)[10] * 1e3, (time.process_time() - used) / (time.time() - began) * 50]))
for child in children:
    child.stdin.close()
"""


def sample(runs: int) -> None:
    """Print what one look takes, and what one a second costs, in a small process and in a large one with children."""
    print(f"\n{'one look at the gauges':26}{'median ms':>10}{'% of a core at 1 Hz':>21}")
    for children, gigabytes in ((0, 0), (20, 4)):
        print(f"  {gigabytes} GB, {children} children")
        for name, look in LOOKS.items():
            if PEER in name and importlib.util.find_spec("jupyter_resource_usage") is None:
                print(f"{name:26}  not installed (pip install {PEER})")
                continue
            code = SAMPLE.format(look=look, children=children, gigabytes=gigabytes)
            found = [_ask(code) for _ in range(runs)]
            took, share = (statistics.median(figures) for figures in zip(*found, strict=True))
            print(f"{name:26}{took:10.2f}{share:21.2f}")


def _ask(code: str) -> list[float]:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found: list[float] = json.loads(done.stdout)
    return found


def idle(runs: int) -> None:
    """Print the share of a core that an idle kernel takes with a panel, and without; and the peer's server."""
    shares: dict[str, list[float]] = {}
    for _ in range(runs):
        shares.setdefault("kernel alone", []).append(_kernel())
        shares.setdefault("kernel, panel looked at", []).append(_kernel(COUNT_MODELS))
        memory = f"{COUNT_MODELS}\npanel.select('memory')"
        shares.setdefault("kernel, Memory tab", []).append(_kernel(memory))
        if importlib.util.find_spec("jupyter_resource_usage") is not None:
            shares.setdefault(f"server with {PEER}", []).append(_server())
    print(f"\n{'idle':34}{'% of a core':>12}")
    for name, found in shares.items():
        print(f"{name:34}{statistics.median(found):12.2f}")
    print("nvitop needs an NVIDIA driver")
    target(
        "an idle kernel with the panel", statistics.median(shares["kernel, panel looked at"]), at_most=0.5, unit=" %"
    )


def _kernel(*cells: str) -> float:
    manager, client = start_new_kernel()
    try:
        for cell in cells:
            run(client, cell)
        return idle_share(manager)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def _server() -> float:
    """Return the share of a Jupyter server that a page of the peer asks for figures."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            "jupyter_server",
            f"--port={port}",
            "--IdentityProvider.token=t",
            "--no-browser",
        ]
        if os.geteuid() == 0:
            command.append("--allow-root")
        server = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            url = f"http://127.0.0.1:{port}/api/metrics/v1?token=t"
            _until(lambda: urllib.request.urlopen(url).read())
            process = psutil.Process(server.pid)
            before = process.cpu_times()
            for _ in range(int(IDLE_SECONDS / POLL_EVERY)):
                time.sleep(POLL_EVERY)
                urllib.request.urlopen(url).read()
            after = process.cpu_times()
        finally:
            server.terminate()
            server.wait()
    return ((after.user + after.system) - (before.user + before.system)) / IDLE_SECONDS * 100


def _until(ask: Callable[[], Any]) -> None:
    for _ in range(120):
        try:
            ask()
        except OSError:
            time.sleep(0.25)
        else:
            return
    raise RuntimeError("the server did not come up")
