"""What the strip of gauges shows: figures of the services in a few words."""

from __future__ import annotations

from colabpanel import words
from colabpanel.services.limits.amounts import Amount
from colabpanel.services.memory.accelerators import Gpu
from colabpanel.services.memory.gauges import Usage
from colabpanel.services.memory.history import History
from colabpanel.services.session.clock import SessionClock
from colabpanel.tabs._usage_card import trail_of
from colabpanel.widgets.gauges import Gauge, Trail

__all__ = ["gauges_of"]

_MINUTE = 60
_OLD = 5.0  # seconds from which on a figure is not of now


def gauges_of(found: Usage, history: History, clock: SessionClock) -> list[Gauge]:
    """Return the cards: memory, each GPU, the disk, the session."""
    return [
        _amount("RAM", found.ram, note=_of_kernel(found), trail=trail_of(history, "RAM")),
        *_gpus(found, history),
        _amount("Disk", found.disk),
        Gauge("Session", _uptime(found.uptime), note=_saved(clock)),
    ]


def _amount(title: str, amount: Amount | None, *, note: str = "", trail: Trail | None = None) -> Gauge:
    if amount is None:
        return Gauge(title, "unknown", note=note)
    text = words.bytes_pair(amount.used, amount.total, joint=" / ")
    return Gauge(title, text, amount.fraction, note=note, trail=trail)


def _of_kernel(found: Usage) -> str:
    if found.kernel is None:
        return ""
    parts = [f"this kernel {words.size(found.kernel.own)}"]
    if found.kernel.children:
        parts.append(f"its children {words.size(found.kernel.children)}")
    if found.swap is not None and found.swap.used:
        parts.append(f"swap {words.size(found.swap.used)}")
    return ", ".join(parts)


def _gpus(found: Usage, history: History) -> list[Gauge]:
    age = found.gpu_age if found.gpu_age >= _OLD else None
    shown = [_gpu(gpu, history, age) for gpu in found.gpus or ()]
    if found.gpu_trouble:
        shown.append(Gauge("GPU", "unknown", note=found.gpu_trouble))
    return shown


def _gpu(gpu: Gpu, history: History, age: float | None) -> Gauge:
    title = f"GPU {gpu.index}"
    busy = [f"{gpu.utilisation:.0%} busy"] if gpu.utilisation is not None else []
    warm = [f"{gpu.temperature} °C"] if gpu.temperature is not None else []
    old = [f"{words.duration(age)} old"] if age is not None else []
    note = ", ".join(busy + warm + old)
    if gpu.used is None or not gpu.total:
        return Gauge(title, "unknown", note=note, as_of=age)
    text = words.bytes_pair(gpu.used, gpu.total, joint=" / ")
    return Gauge(title, text, gpu.used / gpu.total, note=note, trail=trail_of(history, title), as_of=age)


def _uptime(seconds: float) -> str:
    return words.duration(seconds - seconds % _MINUTE if seconds > _MINUTE else seconds)


def _saved(clock: SessionClock) -> str:
    return "" if clock.unsaved is None else f"saved {words.age(clock.unsaved)}"
