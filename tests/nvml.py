"""A stand-in for NVIDIA's management library, loaded by NVIDIA's own binding in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

__all__ = ["NvmlStandIn", "compile_stand_in"]

TWO_GPUS = """\
gpus 2
driver 580.1
0.name Tesla T4
0.uuid GPU-a
0.used 1073741824
0.reserved 268435456
0.total 16106127360
0.busy 37
0.degrees 61
0.compute 0
0.graphics 0
1.name NVIDIA L4
1.uuid GPU-b
1.used 0
1.total 24152899584
1.busy 0
1.degrees 35
1.compute 0
1.graphics 0
"""

_CHILD = """
import os, sys
if os.environ.get("COVERAGE_PROCESS_START"):
    import coverage
    coverage.process_startup()
import dataclasses, json
from colabpanel.services.memory.accelerators import gpus
from colabpanel.services.memory.accelerators.nvml import Nvml
from colabpanel.services.memory.latest import Latest

now = [1000.0]
nvml = Nvml(clock=lambda: now[0])
latest = Latest(nvml.read, name="gpus", clock=lambda: now[0])

def read(later=0.0):
    now[0] += later
    return nvml.read()

def look(later=0.0, patience=30.0):
    now[0] += later
    return gpus(patience=patience, latest=latest)

for line in sys.stdin:
    print(json.dumps(eval(line), default=dataclasses.asdict), flush=True)
"""


def compile_stand_in(folder: Path) -> Path:
    """Compile the library into a folder; skips where there is no compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler here")
    source, library = Path(__file__).with_name("nvml_stand_in.c"), folder / "libnvidia-ml.so.1"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
    return library


class NvmlStandIn:
    """The library's answers, and a process that asks for them.

    Args:
        folder: Where the library lies.
        answers: The file that it answers from.
    """

    def __init__(self, folder: Path, answers: Path) -> None:
        self.environment = {**os.environ, "LD_LIBRARY_PATH": str(folder), "NVML_STAND_IN": str(answers)}
        self._answers = answers
        self._child: subprocess.Popen[str] | None = None
        self.tell()

    def tell(self, *more: str, text: str = TWO_GPUS) -> None:
        """Set the answers; of lines that say the same thing, the first holds."""
        fresh = self._answers.with_suffix(".new")
        fresh.write_text("".join(f"{line}\n" for line in more) + text)
        fresh.replace(self._answers)

    def calls(self, name: str) -> int:
        """Return how often a function was called."""
        noted = self._answers.with_name(f"{self._answers.name}.calls")
        return noted.read_text().split().count(name) if noted.exists() else 0

    def ask(self, expression: str) -> Any:
        """Return what ``read()`` or ``look()`` gives in the process that asks."""
        if self._child is None:
            self._child = subprocess.Popen(
                [sys.executable, "-c", _CHILD],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=self.environment,
            )
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._child.stdin.write(f"{expression}\n")
        self._child.stdin.flush()
        return json.loads(self._child.stdout.readline())

    def close(self) -> None:
        """Let go what hangs, and end the process."""
        self.tell()
        if self._child is not None:
            self._child.communicate(timeout=60)
