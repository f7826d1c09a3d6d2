"""Filling the memory of a Colab runtime until it restarts."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from colabpanel import words
from colabpanel.errors import HostError, InputError, StorageError
from colabpanel.hosts import Host
from colabpanel.hosts.colab import ColabHost
from colabpanel.progress import Progress
from colabpanel.services.limits.applying import applying_limit
from colabpanel.services.memory.filling.child import BLOCK, fresh_block, killed_first
from colabpanel.services.snapshots.catalog import contents

__all__ = ["NO_MORE_MEMORY", "PHRASE", "fill_this_process", "fill_until_restart"]

PHRASE = "fill until the runtime restarts"
"""What is typed to confirm it."""

NO_MORE_MEMORY = "Since 2020 Colab has been reported not to answer with more memory."

_RECENT = 15 * 60.0
_STEP = 64


def fill_until_restart(
    host: Host,
    *,
    confirm: str | None,
    snapshot: str | Path | None,
    progress: Progress,
    fill: Callable[[Progress], None] | None = None,
    clock: Callable[[], float] = time.time,
) -> NoReturn:
    """Fill this kernel's own memory until Colab restarts it; everything that is not saved is lost.

    Args:
        host: The notebook host.
        confirm: The words of `PHRASE`.
        snapshot: A snapshot of this notebook, not older than 15 minutes.
        progress: Is told the bytes filled, and may cancel.
        fill: Fills memory; by itself `fill_this_process`.
        clock: Tells the time in seconds since the epoch.

    Raises:
        HostError: This is not Colab.
        InputError: There is no recent snapshot that can be read, or it was not confirmed.
        StorageError: Memory was filled, and the runtime did not restart.
        JobCancelledError: ``progress`` cancelled it.
    """
    if not isinstance(host, ColabHost) or host.is_served:
        raise HostError(
            "Memory is filled until the runtime restarts only on Colab.",
            hint=f"Elsewhere it would only kill what runs here. {NO_MORE_MEMORY}",
        )
    _insist_on_snapshot(host, snapshot, progress, clock)
    if confirm != PHRASE:
        raise InputError(
            "This kills the kernel, and was not confirmed.", hint=f'{NO_MORE_MEMORY} To go on, pass confirm="{PHRASE}".'
        )
    (fill or fill_this_process)(progress)
    raise StorageError("Memory was filled, and the runtime did not restart.", hint=NO_MORE_MEMORY)


def _insist_on_snapshot(
    host: Host, snapshot: str | Path | None, progress: Progress, clock: Callable[[], float]
) -> None:
    hint = 'Save one with colabpanel.dump("before.snapshot.zip"), and pass snapshot="before.snapshot.zip".'
    if snapshot is None:
        raise InputError("Everything in this kernel will be lost, and no snapshot was given.", hint=hint)
    found = contents(snapshot, root=host.root, progress=progress)
    if found.kind != "snapshot" or not found.variables:
        raise InputError(f"{found.path.name} is no snapshot of a notebook's variables.", hint=hint)
    if found.created is None or clock() - found.created > _RECENT:
        since = "of unknown age" if found.created is None else f"{words.duration(clock() - found.created)} old"
        raise InputError(f"{found.path.name} is {since}; it must be newer than 15 minutes.", hint=hint)


def fill_this_process(progress: Progress) -> None:
    """Fill the memory of this very process until it is killed; returns only where the system gives no more.

    Raises:
        JobCancelledError: ``progress`` cancelled it; what was filled is given back.
    """
    amount = applying_limit().amount
    progress.start(amount.left if amount else None, "Filling memory until the runtime restarts")
    blocks: list[bytes] = []
    with killed_first(), contextlib.suppress(MemoryError):
        while True:
            blocks.append(fresh_block(_STEP))
            progress.advance(_STEP * BLOCK)
    blocks.clear()
