"""What the panel does with memory: the public calls, on the main thread once no cell runs."""

from __future__ import annotations

from collections.abc import Sequence

from colabpanel.hosts import Host
from colabpanel.progress import Progress
from colabpanel.services.memory.releasing import Released, release
from colabpanel.services.memory.shrinking import How, Shrunk, shrink
from colabpanel.services.waiting import between_cells

__all__ = ["release_from_panel", "shrink_from_panel"]


def release_from_panel(
    progress: Progress,
    /,
    host: Host,
    names: Sequence[str] = (),
    *,
    history: bool = False,
    tracebacks: bool = False,
    figures: bool = False,
    caches: bool = False,
    keras_session: bool = False,
    collect: bool = True,
) -> Released:
    """Release memory of the notebook; see `release`.

    Raises:
        ColabPanelError: As for `release`, or the host has no main thread to do it on; nothing was removed.
    """

    def work() -> Released:
        return release(
            names,
            history=history,
            tracebacks=tracebacks,
            figures=figures,
            caches=caches,
            keras_session=keras_session,
            collect=collect,
            host=host,
            progress=progress,
        )

    progress.start(None, "Waiting until no cell runs", unit="cells")
    return between_cells(host, work, progress)


def shrink_from_panel(progress: Progress, /, host: Host, name: str, how: How) -> Shrunk:
    """Give a variable of the notebook a form that takes less memory; see `shrink`.

    Raises:
        ColabPanelError: As for `shrink`, or the host has no main thread to do it on; nothing was changed.
    """
    progress.start(None, "Waiting until no cell runs", unit="cells")
    return between_cells(host, lambda: shrink(name, how=how, host=host, progress=progress), progress)
