"""The panel: puts host, services, tabs and views together."""

from __future__ import annotations

import contextlib
import logging
import platform
import traceback
from collections.abc import Callable, Sequence

import ipywidgets

from colabpanel.alerting import Alerting
from colabpanel.hosts import Host, detect
from colabpanel.jobs import JobRunner
from colabpanel.live import start as start_live
from colabpanel.services.memory.black_box import crash_summary
from colabpanel.services.memory.guarding.models import GuardEvent
from colabpanel.services.memory.watch import watch_of
from colabpanel.services.session.clock import Activity, session_clock
from colabpanel.state import PanelState
from colabpanel.strip import gauges_of
from colabpanel.tabs import TabEntry, registered_tabs
from colabpanel.tabs._base import Tab, TabContext
from colabpanel.widgets.attention import Attention, heartbeat
from colabpanel.widgets.basics import close_tree, escape, styled, stylesheet, tree_ids
from colabpanel.widgets.gauges import GaugeStrip
from colabpanel.widgets.messages import Message, MessageView
from colabpanel.widgets.refresher import Refresher

__all__ = ["Panel"]

_LOG = logging.getLogger("colabpanel")
_GUARD_KINDS = {"warning": "warning", "interrupted": "warning", "snapshot": "ok", "calm": "ok", "failed": "error"}


class Panel:
    """A panel in a notebook's output, or on the dashboard's page.

    Args:
        tabs: Names of the tabs to show; None shows all.
        host: The notebook host; None detects it.
        runner: Runs jobs; None runs each on a thread of its own.
        refresher: Updates views; None makes one with a thread.
        live: Whether clicks are answered while a cell runs; None does where it can be done.

    Attributes:
        widget: What is displayed.
        tabs: The tabs that were opened so far, by name.
    """

    def __init__(
        self,
        tabs: Sequence[str] | None = None,
        *,
        host: Host | None = None,
        runner: JobRunner | None = None,
        refresher: Refresher | None = None,
        live: bool | None = None,
    ) -> None:
        self.host = host or detect()
        self.state = PanelState(workspace=str(self.host.workspace))
        self.runner, self.refresher = runner or JobRunner(), refresher or Refresher()
        self.attention = Attention()
        self.tabs: dict[str, Tab] = {}
        self._closed = False
        self._entries = [one for one in registered_tabs(tabs) if not (one.runs_code and self.host.is_served)]
        self._opened: set[int] = set()
        self.watch, self.activity = watch_of(self.host), Activity(self.host)
        self.alerting = Alerting(self.host, self.state, self.runner, self._under_lock)
        self._context = TabContext(
            host=self.host,
            state=self.state,
            runner=self.runner,
            refresher=self.refresher,
            watch=self.watch,
            activity=self.activity,
            clicked=self._clicked,
            present=lambda: self.attention.present,
            alert=self.alerting.alert,
            ended=self.alerting.ended,
        )
        self.gauges, self.banner = GaugeStrip(), MessageView()
        plain = ipywidgets.Layout()
        self.tab_bar = styled(ipywidgets.Tab([ipywidgets.VBox(layout=plain) for _ in self._entries]), "cp-tabs")
        for index, entry in enumerate(self._entries):
            self.tab_bar.set_title(index, entry.title)
        shown = [self._header(), self.gauges, self.banner, self.tab_bar]
        hidden = [self.alerting.notifier, *self._heartbeat()]
        self.widget = styled(ipywidgets.VBox([*shown, *hidden]), "colabpanel")
        self._members: dict[str, bool] = {}
        self._stop_live = None if live is False else start_live(self.host.shell, self.owns)
        self._start()

    @property
    def live(self) -> bool:
        """Whether the panel answers clicks by itself while a cell runs."""
        return self._stop_live is not None

    def owns(self, comm_id: str) -> bool:
        """Tell whether a comm belongs to a widget of the panel; callable on any thread."""
        if comm_id not in self._members:
            self._members.update(dict.fromkeys(tree_ids(self.widget), True))
            self._members.setdefault(comm_id, False)
        return self._members[comm_id]

    def _start(self) -> None:
        watchers = (self.attention, self.alerting)
        self._stops = [self.host.on_cell(watcher.cell_started, watcher.cell_ended) for watcher in watchers]
        self._stops += [self.activity.close, self.watch.listen(self._guard_tells), self.watch.stop]
        self.watch.start()
        self._tell_of_last_kernel()
        self.tab_bar.observe(self._tab_selected, names="selected_index")
        self.state.shown_tabs = tuple(entry.name for entry in self._entries)
        self.state.take("wanted", self.select)
        self._open_tab(self.tab_bar.selected_index or 0)
        self.refresher.every(1.0, self._update_gauges)
        self.refresher.tick()
        self.refresher.start()

    def _under_lock(self, function: Callable[[], None]) -> None:
        with self.refresher.lock:
            function()

    def _header(self) -> ipywidgets.HTML:
        version = ".".join(platform.python_version_tuple()[:2])
        pills = "".join(
            f'<span class="cp-pill">{escape(text)}</span>' for text in (self.host.name, f"Python {version}")
        )
        name = '<span class="cp-name">colabpanel</span>'
        return ipywidgets.HTML(f'{stylesheet()}<div class="cp-header">{name}{pills}</div>')

    def _heartbeat(self) -> list[ipywidgets.Widget]:
        if not self.host.custom_widgets:
            return []
        try:
            return [heartbeat(self.attention.beat)]
        except Exception:  # noqa: BLE001 - a panel without a heartbeat is still a panel
            _LOG.exception("The page's heartbeat is not available; gauges pause ten minutes after the last click")
            return []

    def _update_gauges(self) -> None:
        if not self.attention.present:
            return
        clock = session_clock(host=self.host, last_activity=self.activity.last)
        self.gauges.show(gauges_of(self.watch.look(), self.watch.history, clock))

    def _clicked(self) -> None:
        self.attention.clicked()
        self.activity.clicked()

    def _tell_of_last_kernel(self) -> None:
        """Say once that the kernel before this one ended unexpectedly, if it did."""
        crash = None if self.host.is_served else self.watch.black_box.last_crash()
        if crash is not None:
            hint = "The guard in the Memory tab acts before memory is full." if crash.out_of_memory else ""
            self.banner.show(Message("warning", crash_summary(crash), hint))
            self.watch.black_box.acknowledge()

    def _guard_tells(self, event: GuardEvent) -> None:
        """Show what the guard saw or did, above the tabs, and alert."""
        kind = _GUARD_KINDS[event.kind]
        self._under_lock(lambda: self.banner.show(Message(kind, event.sentence, event.hint)))
        if kind != "ok":
            self.alerting.alert(event.sentence, urgent=True)

    def _tab_selected(self, change: dict[str, int | None]) -> None:
        self._clicked()
        if change["new"] is not None:
            with self.refresher.lock:
                self._open_tab(change["new"])

    def _open_tab(self, index: int) -> None:
        """Build a tab when it is first looked at; one that fails becomes a page that says so."""
        if index in self._opened or index >= len(self._entries):
            return
        self._opened.add(index)
        entry = self._entries[index]
        try:
            tab = entry.load()(self._context)
        except Exception as error:  # noqa: BLE001 - other people's tabs may fail in any way
            _LOG.exception("The tab %s cannot be shown", entry.name)
            self.tab_bar.children[index].children = [_error_page(entry, error)]
            return
        self.tabs[entry.name] = tab
        self.tab_bar.children[index].children = [tab.widget]

    def select(self, name: str) -> None:
        """Bring a tab to the front."""
        self.tab_bar.selected_index = [entry.name for entry in self._entries].index(name)

    def close(self) -> None:
        """Cancel jobs, stop threads, and take every widget of the panel off the page."""
        if self._closed:
            return
        self._closed = True
        with contextlib.ExitStack() as steps:  # the last one first, and each of them though one be interrupted
            steps.callback(self._leave_the_page)
            steps.callback(self.runner.close)
            steps.callback(self.refresher.close)
            if self._stop_live is not None:
                steps.callback(self._stop_live)
            for stop in self._stops:
                steps.callback(stop)

    def _leave_the_page(self) -> None:
        with self.refresher.lock:
            close_tree(self.widget)

    def _ipython_display_(self) -> None:
        """Show nothing more: ``colabpanel.show()`` displayed the panel already."""

    def __repr__(self) -> str:
        state = "closed" if self._closed else self.host.name
        return f"<colabpanel.Panel: {state}>"


def _error_page(entry: TabEntry, error: Exception) -> MessageView:
    view = MessageView()
    trace = "".join(traceback.format_exception(error))
    hint = getattr(error, "hint", "") or "The other tabs work. Copy the report if you want to file an issue."
    view.show(Message("error", f"The tab {entry.title} cannot be shown: {error}", hint, trace))
    return view
