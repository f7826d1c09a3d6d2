"""What the frameworks' own allocators say of their devices: only of devices that they have opened already."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

__all__ = ["Allocator", "allocators"]


@dataclass(frozen=True)
class Allocator:
    """What one framework holds of one device's memory, in bytes; None stands for what it does not tell.

    Attributes:
        library: The framework's module: ``torch``, ``jax`` or ``tensorflow``.
        device: As the framework calls it, as ``cuda:0``, ``mps``, ``tpu:3`` or ``GPU:0``; empty where it is not known.
        allocated: In arrays that live.
        reserved: Taken from the device, ``allocated`` and what is kept for later together.
        peak: The most that ``allocated`` has been.
        limit: The most that it may be.
        trouble: Why nothing is known, as a sentence, or nothing.
    """

    library: str
    device: str
    allocated: int | None = None
    reserved: int | None = None
    peak: int | None = None
    limit: int | None = None
    trouble: str = ""


def allocators() -> tuple[Allocator, ...]:
    """Return what PyTorch, JAX and TensorFlow hold of GPUs, TPUs and Apple's MPS.

    None of them is imported for it, and no device is opened: one that the framework has not used yet is left out. What
    fails is a row that says why.
    """
    found: list[Allocator] = []
    for library, read in _READERS.items():
        module = sys.modules.get(library)
        if module is None or _is_being_imported(module):
            continue
        try:
            found.extend(read(module))
        except Exception as error:  # noqa: BLE001 - a figure less, whatever another version of a framework does
            found.append(Allocator(library, "", trouble=f"Its allocator cannot be asked: {error!r:.200}."))
    return tuple(found)


def _is_being_imported(module: Any) -> bool:
    return bool(getattr(getattr(module, "__spec__", None), "_initializing", False))


def _torch(torch: Any) -> Iterator[Allocator]:
    if torch.cuda.is_initialized():
        for number in range(torch.cuda.device_count()):
            told = torch.cuda.memory_stats_as_nested_dict(number)
            allocated, reserved = (told.get(f"{kind}_bytes", {}).get("all", {}) for kind in ("allocated", "reserved"))
            yield Allocator(
                "torch", f"cuda:{number}", allocated.get("current"), reserved.get("current"), allocated.get("peak")
            )
    if torch.backends.mps.is_available():  # it shares the machine's memory, and opening it costs nothing
        most = getattr(torch.mps, "recommended_max_memory", None)
        yield Allocator(
            "torch",
            "mps",
            torch.mps.current_allocated_memory(),
            torch.mps.driver_allocated_memory(),
            limit=None if most is None else most(),
        )


def _jax(_: Any) -> Iterator[Allocator]:
    bridge = sys.modules.get("jax._src.xla_bridge")
    opened: dict[str, Any] | None = getattr(bridge, "_backends", None)
    if opened is None:  # asking jax for its devices would open them
        yield Allocator("jax", "", trouble="This version of JAX does not tell which devices it has opened.")
        return
    for platform, client in list(opened.items()):
        if platform == "cpu":
            continue
        for device in client.local_devices():
            name = f"{device.platform}:{device.id}"
            told = device.memory_stats()
            if not told:
                yield Allocator("jax", name, trouble="JAX does not tell what is used of this device.")
                continue
            yield Allocator(
                "jax",
                name,
                told.get("bytes_in_use"),
                told.get("pool_bytes", told.get("bytes_reserved")),
                told.get("peak_bytes_in_use"),
                told.get("bytes_limit"),
            )


def _tensorflow(tensorflow: Any) -> Iterator[Allocator]:
    context = getattr(sys.modules.get("tensorflow.python.eager.context"), "_context", None)
    if not getattr(context, "_initialized", False):
        return
    for kind in ("GPU", "TPU"):
        for device in tensorflow.config.list_logical_devices(kind):
            name = str(device.name).rpartition("device:")[2]
            told = tensorflow.config.experimental.get_memory_info(name)
            yield Allocator("tensorflow", name, told.get("current"), peak=told.get("peak"))


_READERS: dict[str, Callable[[Any], Iterator[Allocator]]] = {"torch": _torch, "jax": _jax, "tensorflow": _tensorflow}
