"""Which NVIDIA GPUs there are, as the driver's own program tells it."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass

__all__ = ["Gpu", "gpus"]

_FIELDS = ("name", "memory.used", "memory.total", "driver_version")
_DEADLINE = 10.0
_MB = 1 << 20


@dataclass(frozen=True)
class Gpu:
    """One GPU.

    Attributes:
        name: As the driver calls it.
        used: Bytes of its memory in use, or None where the driver does not tell.
        total: Bytes of its memory, or None.
        driver: Version of the driver.
    """

    name: str
    used: int | None
    total: int | None
    driver: str


def gpus() -> tuple[list[Gpu], str]:
    """Return the GPUs, and why they are not known, or nothing; where there is no driver there is no GPU."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return [], ""
    command = [program, f"--query-gpu={','.join(_FIELDS)}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_DEADLINE, check=False)
    except subprocess.TimeoutExpired:
        return [], f"nvidia-smi does not answer within {_DEADLINE:g} seconds"
    except OSError as error:
        return [], f"nvidia-smi cannot be run: {error.strerror}"
    if done.returncode:
        said = (done.stdout + done.stderr).strip().splitlines() or [f"exit {done.returncode}"]
        return [], f"nvidia-smi failed: {said[0][:200]}"
    return [_gpu(line) for line in done.stdout.splitlines() if line.count(",") == len(_FIELDS) - 1], ""


def _gpu(line: str) -> Gpu:
    name, used, total, driver = (part.strip() for part in line.split(","))
    return Gpu(name, _bytes(used), _bytes(total), driver)


def _bytes(megabytes: str) -> int | None:
    return int(megabytes) * _MB if megabytes.isdigit() else None
