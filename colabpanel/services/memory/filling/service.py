"""The call that fills memory."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from colabpanel import words
from colabpanel.errors import HostError, InputError, StorageError
from colabpanel.hosts import Host, detect
from colabpanel.progress import Progress
from colabpanel.services.isolated import call_isolated
from colabpanel.services.limits.applying import applying_limit
from colabpanel.services.memory.filling.child import LARGEST_SHARE
from colabpanel.services.memory.filling.restart import fill_until_restart

__all__ = ["Filled", "fill_memory", "fill_summary"]

_CHILD = "colabpanel.services.memory.filling.child:fill_here"
_LONGEST_HOLD = 3600.0


@dataclass(frozen=True)
class Filled:
    """What was filled, and given back since.

    Attributes:
        size: Bytes.
        fraction: The largest share of memory that was in use meanwhile, from 0 to 1.
        held: Seconds for which it was held.
        seconds: How long it took in all.
    """

    size: int
    fraction: float
    held: float
    seconds: float


def fill_memory(
    until: float | Literal["restart"],
    *,
    confirm: str | None = None,
    snapshot: str | Path | None = None,
    hold_seconds: float = 10.0,
    host: Host | None = None,
    progress: Progress | None = None,
) -> Filled:
    """Fill memory on purpose: up to a share of the limit, to try the guard; or on Colab until the runtime restarts.

    For a share, a process of its own takes memory, holds it, and gives it back; it is the first to be killed should
    memory run out, and ends with this kernel.

    ``fill_memory("restart")`` is what was passed around as a free upgrade to more memory: it fills this kernel until
    Colab kills it. Since 2020 Colab has been reported not to answer with more memory; all you get for certain is a
    kernel that has lost its variables. It is there for those who want to see for themselves, on Colab only, with a
    recent snapshot and typed words.

    Args:
        until: A share of the limit that really applies, up to 0.95; or ``"restart"``.
        confirm: For ``"restart"``: the words ``fill until the runtime restarts``.
        snapshot: For ``"restart"``: a snapshot that is not older than 15 minutes.
        hold_seconds: How long it is held, at most an hour; it is given back before when others need it.
        host: The notebook host; found by itself.
        progress: Is told the bytes filled, and may cancel; then all is given back.

    Raises:
        InputError: The share cannot be used or is reached already; or a snapshot or the confirmation is missing.
        HostError: It cannot be done here.
        StorageError: The process was killed before the share was reached, or the runtime did not restart.
        JobCancelledError: ``progress`` cancelled it.
    """
    host, progress = host or detect(), progress or Progress()
    if host.is_served:
        raise HostError("The dashboard fills no memory: it is not the visitor's.")
    if until == "restart":
        fill_until_restart(host, confirm=confirm, snapshot=snapshot, progress=progress)
    share = _share(until)
    if not 0 <= hold_seconds <= _LONGEST_HOLD:
        raise InputError(f"Memory cannot be held for {hold_seconds:g} seconds.", hint="Choose up to 3600.")
    _insist_on_room(share)
    began = time.monotonic()
    try:
        found = call_isolated(_CHILD, {"until": share, "hold_seconds": hold_seconds}, progress=progress)
    except StorageError:
        raise StorageError(
            "The process that filled memory was killed while it did.",
            hint="What it took is free again. Choose a smaller share.",
        ) from None
    return Filled(**found, seconds=time.monotonic() - began)


def _share(until: object) -> float:
    if isinstance(until, bool) or not isinstance(until, (int, float)) or not 0 < until <= LARGEST_SHARE:
        raise InputError(
            f"Memory cannot be filled up to {until!r}.",
            hint=f'Choose a share from 0 to {LARGEST_SHARE:g}, or "restart".',
        )
    return float(until)


def _insist_on_room(share: float) -> None:
    limit = applying_limit()
    if limit.amount is None:
        raise HostError("How much memory there is cannot be read here, so none is filled.")
    if limit.kind == "process":
        raise HostError(
            "Memory is limited for this process alone, so another one cannot fill it.",
            hint="Make a large array in a cell instead, step by step.",
        )
    if limit.amount.fraction >= share:
        raise InputError(f"Memory is at {limit.amount.fraction:.0%} already.", hint="Choose a larger share.")


def fill_summary(filled: Filled) -> str:
    """Say what was filled in one sentence."""
    return (
        f"Filled {words.size(filled.size)}, up to {filled.fraction:.0%} of memory, held it for "
        f"{words.duration(filled.held)}, and gave it back."
    )
