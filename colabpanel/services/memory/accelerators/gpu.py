"""What is told of one GPU."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Gpu", "GpuProcess"]


@dataclass(frozen=True)
class GpuProcess:
    """A process that holds memory of a GPU.

    Attributes:
        pid: Its number, as the driver counts: within a container it may be that of the machine.
        name: Of its program, or nothing where that is not known.
        used: Bytes of the GPU's memory that it holds, or None where the driver does not tell.
    """

    pid: int
    name: str
    used: int | None


@dataclass(frozen=True)
class Gpu:
    """One GPU, or one slice of a GPU that is shared out (MIG); None stands for what the driver does not tell.

    Attributes:
        index: Its number, as ``nvidia-smi`` counts; slices have that of their GPU.
        name: As the driver calls it.
        uuid: Its identity.
        used: Bytes of its memory in use, as ``nvidia-smi`` counts: what the driver keeps for itself left out.
        total: Bytes of its memory.
        utilisation: The share of time it computed, from 0 to 1.
        temperature: Degrees Celsius.
        driver: Version of the driver.
        processes: Who holds its memory.
    """

    index: int
    name: str
    uuid: str | None = None
    used: int | None = None
    total: int | None = None
    utilisation: float | None = None
    temperature: int | None = None
    driver: str | None = None
    processes: tuple[GpuProcess, ...] | None = None
