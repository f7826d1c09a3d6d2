"""Which tabs there are; none is imported before it is opened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from colabpanel.errors import InputError

if TYPE_CHECKING:
    from colabpanel.tabs._base import Tab

__all__ = ["TABS", "TabEntry", "registered_tabs"]


@dataclass(frozen=True)
class TabEntry:
    """A tab by name.

    Attributes:
        name: How `colabpanel.show` takes it ("staging").
        title: What stands on the tab.
        target: ``"package.module:Class"``.
        runs_code: Whether it is left out of the dashboard, which runs no code of anybody.
    """

    name: str
    title: str
    target: str
    runs_code: bool = False

    def load(self) -> type[Tab]:
        """Import the tab's class."""
        module, _, name = self.target.partition(":")
        found: type[Tab] = getattr(import_module(module), name)
        return found


TABS = (
    TabEntry("drive", "Drive", "colabpanel.tabs.drive:DriveTab"),
    TabEntry("staging", "Data staging", "colabpanel.tabs.staging:StagingTab"),
    TabEntry("checkpoints", "Checkpoints", "colabpanel.tabs.checkpoints:CheckpointsTab"),
    TabEntry("dump", "Dump/Load", "colabpanel.tabs.dump:DumpTab"),
    TabEntry("memory", "Memory", "colabpanel.tabs.memory:MemoryTab"),
    TabEntry("downloads", "Downloads", "colabpanel.tabs.downloads:DownloadsTab"),
    TabEntry("images", "Image preview", "colabpanel.tabs.images:ImagesTab"),
    TabEntry("modules", "Modules", "colabpanel.tabs.modules:ModulesTab", runs_code=True),
    TabEntry("session", "Session", "colabpanel.tabs.session:SessionTab"),
)


def registered_tabs(names: Sequence[str] | None = None) -> list[TabEntry]:
    """Return the tabs of this package and of others, or those with the given names, in that order.

    Raises:
        InputError: There is no tab of that name.
    """
    foreign = [TabEntry(point.name, point.name, point.value) for point in entry_points(group="colabpanel.tabs")]
    known = {entry.name: entry for entry in (*foreign, *TABS)}
    if names is None:
        return [*TABS, *(entry for entry in foreign if entry.name not in {tab.name for tab in TABS})]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise InputError(f"There is no tab called {unknown[0]!r}.", hint=f"The tabs are: {', '.join(sorted(known))}.")
    return [known[name] for name in names]
