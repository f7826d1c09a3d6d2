"""What this session runs on, for a report of a problem, and what is wrong with it."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from colabpanel import words
from colabpanel.errors import ColabPanelError
from colabpanel.hosts import Host, detect
from colabpanel.services.drive import find_drive
from colabpanel.services.memory import Amount, Gpu, usage

__all__ = ["Environment", "Finding", "environment"]

_TIGHT = 0.92
_PATIENCE = 5.0  # seconds for a disk or a driver
_PACKAGES = (
    *("colabpanel", "ipywidgets", "ipykernel", "IPython", "anywidget", "traitlets", "voila"),
    *("jupyterlab", "notebook", "jupyterlab_widgets", "widgetsnbextension", "isal", "deflate", "xxhash"),
    *("numpy", "pandas", "torch", "keras", "tensorflow", "jax", "lightning", "transformers"),
)
_FAST = {"isal": "unpacking", "deflate": "packing"}


@dataclass(frozen=True)
class Finding:
    """Something that was looked at.

    Attributes:
        status: ``ok``, ``warning`` or ``error``.
        sentence: What was found.
        hint: What to do about it, or nothing.
    """

    status: Literal["ok", "warning", "error"]
    sentence: str
    hint: str = ""


@dataclass(frozen=True)
class Environment:
    """What a session runs on; None stands for what cannot be told.

    Attributes:
        host: What people call it ("Google Colab", "JupyterLab", "Dashboard").
        python: Version of Python.
        system: Name and release of the operating system, and the kind of processor.
        processors: How many this process may use.
        ram: Memory of the container or the machine.
        disk: The disk of the workspace.
        gpus: NVIDIA GPUs.
        versions: Of packages that are installed.
        findings: What was looked at.
    """

    host: str
    python: str
    system: str
    processors: int
    ram: Amount | None
    disk: Amount | None
    gpus: tuple[Gpu, ...]
    versions: Mapping[str, str]
    findings: tuple[Finding, ...]

    @property
    def problems(self) -> tuple[Finding, ...]:
        """What is not as it should be."""
        return tuple(one for one in self.findings if one.status != "ok")

    def report(self) -> str:
        """Return it as text for a report: no names of users, machines or folders, and no environment variables."""
        lines = [
            f"- host: {self.host}",
            f"- Python {self.python} on {self.system}, {words.plural(self.processors, 'processor')}",
            f"- memory: {_amount(self.ram)}; disk: {_amount(self.disk)}",
            *(f"- GPU: {gpu.name}, {_memory_of(gpu)}, driver {gpu.driver or 'not known'}" for gpu in self.gpus),
            f"- packages: {', '.join(f'{name} {number}' for name, number in self.versions.items())}",
            *(f"- {one.status}: {one.sentence}" for one in self.problems),
        ]
        return "\n".join(lines)


def environment(*, host: Host | None = None) -> Environment:
    """Look at what this session runs on: versions, memory, disk, GPUs, Drive, and what is wrong with them.

    It takes a few seconds where a driver or Drive is slow to answer.

    Args:
        host: The notebook host; None detects it.
    """
    host = host or detect()
    found = usage(host.workspace, patience=_PATIENCE)
    versions = {name: number for name in _PACKAGES if (number := _version(name)) is not None}
    findings = [
        _room("memory", found.ram, "Restart the kernel, or release variables."),
        _room("disk", found.disk, "Delete what you no longer need, or work on another disk."),
        _fast(versions),
        _state(host.state_dir),
        _drive(host),
    ]
    if found.gpu_trouble:
        findings.append(Finding("error", found.gpu_trouble, "Restart the runtime."))
    return Environment(
        host=host.name,
        python=platform.python_version(),
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        processors=_processors(),
        ram=found.ram,
        disk=found.disk,
        gpus=found.gpus or (),
        versions=versions,
        findings=tuple(findings),
    )


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _room(what: str, amount: Amount | None, hint: str) -> Finding:
    if amount is None:
        return Finding("warning", f"How much {what} there is cannot be told.")
    sentence = f"{words.bytes_pair(amount.used, amount.total)} of {what} are used"
    return Finding("warning", f"{sentence}.", hint) if amount.fraction >= _TIGHT else Finding("ok", f"{sentence}.")


def _fast(versions: Mapping[str, str]) -> Finding:
    missing = [name for name in _FAST if name not in versions]
    if not missing:
        return Finding("ok", "The fast libraries for archives are installed.")
    slower = " and ".join(f"{_FAST[name]} is slower" for name in missing)
    return Finding(
        "warning", f"{' and '.join(missing)} cannot be had here: {slower}.", f"pip install {' '.join(missing)}"
    )


def _state(folder: Path) -> Finding:
    """Tell whether what is kept between sessions can be written."""
    probe = folder / f".doctor-{os.getpid()}"
    try:
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        return Finding(
            "error",
            f"The folder for what is kept between sessions cannot be written ({error.strerror}).",
            "Set COLABPANEL_STATE_DIR to a folder of yours.",
        )
    return Finding("ok", "What is kept between sessions can be written.")


def _drive(host: Host) -> Finding:
    try:
        found = find_drive(host=host)
    except ColabPanelError as error:
        return Finding("error", f"Drive is there but does not answer: {error.message}", error.hint)
    return Finding("ok", "No Drive is mounted or chosen." if found is None else "Drive answers.")


def _amount(amount: Amount | None) -> str:
    return "not known" if amount is None else words.bytes_pair(amount.used, amount.total)


def _memory_of(gpu: Gpu) -> str:
    if gpu.used is None or gpu.total is None:
        return "memory not known"
    return words.bytes_pair(gpu.used, gpu.total)
