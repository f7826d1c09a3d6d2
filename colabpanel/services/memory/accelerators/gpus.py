"""The NVIDIA GPUs, as the driver tells of them; a driver that hangs holds nobody up."""

from __future__ import annotations

from dataclasses import dataclass

from colabpanel import words
from colabpanel.services.memory.accelerators.gpu import Gpu
from colabpanel.services.memory.accelerators.nvml import Nvml, Reading
from colabpanel.services.memory.latest import Latest

__all__ = ["Gpus", "gpus"]

_ONE_SAMPLE = 0.9
_NO_GPU_FOR = 30.0  # a driver is seldom installed while a kernel runs


@dataclass(frozen=True)
class Gpus:
    """What the driver told.

    Attributes:
        gpus: The GPUs; empty where there is none, None where it is not known.
        trouble: Why something is not known, as a sentence, or nothing.
        age: Seconds since it was read; 0 where nothing was.
    """

    gpus: tuple[Gpu, ...] | None
    trouble: str
    age: float


def _good_for(reading: Reading) -> float:
    return _NO_GPU_FOR if reading == ((), "") else _ONE_SAMPLE


_LATEST: Latest[Reading] = Latest(Nvml().read, name="colabpanel-gpus", keep=_good_for)


def gpus(*, patience: float = 5.0, latest: Latest[Reading] = _LATEST) -> Gpus:
    """Return the NVIDIA GPUs: memory, utilisation, temperature and who holds it.

    The driver is asked on a thread of its own, at most once in 0.9 seconds. One that does not answer within 3 seconds
    is told of as trouble, beside what it said last.

    Args:
        patience: Seconds to wait for the driver at most; what it says later is there at the next call.
        latest: The reading that is shared.
    """
    look = latest.look(patience)
    found, trouble = look.value or Reading(None, "")
    if look.silent:
        trouble = f"The NVIDIA driver does not answer, for {words.duration(look.silent)} now."
    return Gpus(found, trouble, look.age)
