"""What the panel costs: import, models at first paint, idle CPU, and memory while staging.

Run it with ``make bench ONLY=panel``. The kernel is a real one, started for this.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

import psutil
from jupyter_client.manager import start_new_kernel

IDLE_SECONDS = 30
MEMBERS, MEMBER_BYTES = 64, 16 << 20

COUNT_MODELS = """
from ipywidgets.widgets import widget
import ipywidgets
registry = getattr(widget, "_instances", None)
registry = ipywidgets.Widget.widgets if registry is None else registry
before = len(registry)
import colabpanel
panel = colabpanel.show()
print("MODELS", len(registry) - before)
"""
STAGE = """
import resource, colabpanel
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
staged = colabpanel.stage({source!r}, {target!r})
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print("STAGED", staged.status, (after - before) // 1024, children // 1024, round(staged.seconds, 2))
"""


def main() -> None:
    """Print one line for each figure."""
    print(f"import colabpanel: {import_time('colabpanel'):.0f} ms (target under 150)")
    print(f"import colabpanel.services.staging: {import_time('colabpanel.services.staging'):.0f} ms")
    manager, client = start_new_kernel()
    try:
        print(f"models at first paint: {run(client, COUNT_MODELS)} (target at most 90)")
        print(f"kernel, idle, gauges on: {idle_share(manager):.2f} % of a core (target under 1)")
        print(f"staging {MEMBERS * MEMBER_BYTES / 2**30:.1f} GB of zip: {run(client, stage_code())}")
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def import_time(module: str) -> float:
    """Return the median milliseconds that an import adds to a bare interpreter, of nine."""
    code = f"import time; t = time.perf_counter(); import {module}; print((time.perf_counter() - t) * 1000)"
    command = [sys.executable, "-c", code]
    return statistics.median(
        float(subprocess.run(command, capture_output=True, text=True, check=True).stdout) for _ in range(9)
    )


def run(client: Any, code: str) -> str:
    """Run a cell and return what it printed behind its first word."""
    printed: list[str] = []

    def note(message: dict[str, Any]) -> None:
        if message["msg_type"] == "stream":
            printed.append(message["content"]["text"])
        if message["msg_type"] == "error":
            raise RuntimeError("\n".join(message["content"]["traceback"]))

    client.execute_interactive(code, output_hook=note, timeout=300)
    return "".join(printed).strip().partition(" ")[2]


def idle_share(manager: Any) -> float:
    """Return the CPU share of the idle kernel in percent; nobody has clicked for less than ten minutes."""
    kernel = psutil.Process(manager.provisioner.pid)
    time.sleep(3)
    before = kernel.cpu_times()
    time.sleep(IDLE_SECONDS)
    after = kernel.cpu_times()
    return ((after.user + after.system) - (before.user + before.system)) / IDLE_SECONDS * 100


def stage_code() -> str:
    """Write a zip of a gigabyte and return the cell that stages it."""
    folder = Path(tempfile.mkdtemp(prefix="colabpanel-bench-"))
    block = bytes(range(256)) * (MEMBER_BYTES // 256)
    with zipfile.ZipFile(folder / "big.zip", "w") as archive:
        for number in range(MEMBERS):
            archive.writestr(f"{number}.bin", block)
    print("  (status, extra MB in the kernel, peak MB of the child, seconds; target under 100 MB in the kernel)")
    return STAGE.format(source=str(folder / "big.zip"), target=str(folder / "out"))


if __name__ == "__main__":
    main()
