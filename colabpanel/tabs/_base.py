"""What every tab builds on: guarded clicks, and jobs that end in a sentence."""

from __future__ import annotations

import logging
import os
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

import ipywidgets

from colabpanel.errors import ColabPanelError, JobBusyError, JobCancelledError
from colabpanel.hosts import Host
from colabpanel.jobs import Job, JobRunner
from colabpanel.progress import Progress
from colabpanel.services.folders import list_nearest
from colabpanel.services.isolated import ChildFailedError
from colabpanel.services.memory.watch import KernelWatch
from colabpanel.services.session.clock import Activity
from colabpanel.state import PanelState
from colabpanel.widgets.basics import close_tree, escape, styled
from colabpanel.widgets.job_view import JobView
from colabpanel.widgets.messages import Message, MessageView
from colabpanel.widgets.path_picker import Answer, PathPicker
from colabpanel.widgets.refresher import Refresher

__all__ = ["Tab", "TabContext", "card", "error_message"]

_LOG = logging.getLogger("colabpanel")

T = TypeVar("T")
P = ParamSpec("P")


@dataclass(frozen=True)
class TabContext:
    """What the panel hands to its tabs.

    Attributes:
        host: The notebook host.
        state: What tabs tell each other.
        runner: Runs jobs.
        refresher: Updates views; its lock guards them.
        watch: What is known of the kernel's memory from one panel to the next.
        activity: Knows when the user last did something.
        clicked: To be called when the user did something.
        present: Whether anybody may be looking; what ticks for nobody keeps an abandoned kernel alive.
        alert: To be called with what a user who looks elsewhere wants to know at once.
        ended: To be called with a sentence on what has ended, and the seconds it took.
    """

    host: Host
    state: PanelState
    runner: JobRunner
    refresher: Refresher
    watch: KernelWatch
    activity: Activity
    clicked: Callable[[], None] = field(default=lambda: None)
    present: Callable[[], bool] = field(default=lambda: True)
    alert: Callable[[str], None] = field(default=lambda _: None)
    ended: Callable[[str, float], None] = field(default=lambda _sentence, _seconds: None)


class Tab(ABC):
    """One tab. A subclass makes its widgets in `build`.

    Args:
        context: What the panel offers.

    Attributes:
        notice: Shows what goes wrong outside of a job.
        widget: The tab's content.
    """

    def __init__(self, context: TabContext) -> None:
        self.context = context
        self.notice = MessageView()
        self._job_views: list[JobView] = []
        self.widget = ipywidgets.VBox([self.notice, *self.build()])
        context.refresher.every(0.25, self.update)

    @abstractmethod
    def build(self) -> list[ipywidgets.Widget]:
        """Make the widgets of the tab, from top to bottom."""

    def job_view(self, primary: ipywidgets.Button, *extras: ipywidgets.Widget) -> JobView:
        """Make the view of the jobs that a button starts."""
        view = JobView(primary, *extras)
        self._job_views.append(view)
        return view

    def for_coders(self, *widgets: ipywidgets.Widget) -> list[ipywidgets.Widget]:
        """Return widgets that make sense in a notebook only; in the dashboard they are closed, and none is left."""
        if not self.context.host.is_served:
            return list(widgets)
        for widget in widgets:
            close_tree(widget)
        return []

    def absolute(self, path: str) -> str:
        """Return a path that means the same in every list and process, whatever root is served then."""
        return os.path.normpath(Path(self.context.host.root or "").absolute() / os.path.expanduser(path))  # noqa: PTH111 - Path.expanduser raises for ~x

    def update(self) -> None:
        """Bring the views of running jobs up to date."""
        for view in self._job_views:
            view.update()

    def on_click(self, button: ipywidgets.Button, handler: Callable[[], None]) -> None:
        """Call a handler on each click, under the lock of the views, with its errors shown."""
        button.on_click(lambda _: self.act(handler))

    def act(self, handler: Callable[[], None]) -> None:
        """Do at once what the user wants, under the lock of the views, with its errors shown."""
        self.context.clicked()
        with self.context.refresher.lock:
            self.notice.clear()
            self._guard(handler)

    def on_change(self, field: ipywidgets.Widget, handler: Callable[[], None], *, trait: str = "value") -> None:
        """Call a handler whenever a field has another value, under the lock of the views, with its errors shown."""

        def guarded(_: object) -> None:
            with self.context.refresher.lock:
                self._guard(handler)

        field.observe(guarded, names=trait)

    def start_on_drive(self, *pickers: PathPicker, moved: Callable[[], None] = lambda: None) -> None:
        """Let these fields browse from Drive while it is there, else from the workspace.

        Args:
            pickers: The fields.
            moved: Called whenever Drive has come or gone.
        """

        def follow(_: object) -> None:
            start = self.context.state.drive_root or str(self.context.host.workspace)
            for picker in pickers:
                picker.start_folder = start
            moved()

        self.context.state.observe(follow, names="drive_root")
        follow(None)

    def _guard(self, handler: Callable[[], None]) -> None:
        try:
            handler()
        except Exception as error:  # noqa: BLE001 - shown to the user, never a bare traceback
            self.notice.show(error_message(error))

    def start_job(
        self,
        view: JobView,
        say: Callable[[T], Message],
        work: Callable[Concatenate[Progress, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Job[T]:
        """Run long work in the background and show it; ``say`` turns its result into a message.

        Raises:
            JobBusyError: The last job of this view still runs.
        """
        if view.busy:
            raise JobBusyError("This is still running.", hint="Wait until it ends, or cancel it.")
        job = self.context.runner.submit(type(self).__name__, work, *args, **kwargs)
        view.follow(job, lambda ended: self._told(ended, say))
        return job

    def start_look(self, view: JobView, say: Callable[[T], Message], work: Callable[[Progress], T]) -> None:
        """Run a short look at something in place of the one that the view shows; nobody has to wait for its end.

        Raises:
            JobBusyError: The machine starts no more threads.
        """
        job = self.context.runner.look(type(self).__name__, work)
        view.abandon()
        view.follow(job, lambda ended: self._told(ended, say))

    def _told(self, job: Job[T], say: Callable[[T], Message]) -> Message:
        message = _ending(job, say)
        if not job.cancelled():
            self.context.ended(message.sentence, job.snapshot().elapsed)
        return message

    def in_background(self, name: str, work: Callable[[Progress], T], then: Callable[[T], None]) -> None:
        """Run short work off this thread, then ``then(result)`` under the lock of the views.

        An error is shown in the notice.
        """
        self.run_then(name, work, then, lambda error: self.notice.show(error_message(error)))

    def browse(self, folder: str, containing: str, answer: Answer) -> None:
        """List a folder in the background for a path picker."""
        host = self.context.host
        self.context.clicked()
        self.run_then(
            "browse",
            lambda progress: list_nearest(
                folder or host.workspace,
                otherwise=host.root or host.workspace,
                root=host.root,
                containing=containing,
                progress=progress,
            ),
            lambda found: answer(*found),
            lambda error: answer(None, error_message(error).sentence),
        )

    def run_then(
        self,
        name: str,
        work: Callable[[Progress], T],
        then: Callable[[T], None],
        otherwise: Callable[[BaseException], None],
    ) -> None:
        """Run short work off this thread, then one of two functions, under the lock of the views."""

        def ended(job: Job[T]) -> None:
            error = job.exception()
            with self.context.refresher.lock:
                if error is None:
                    try:
                        then(job.result())
                    except Exception as problem:  # noqa: BLE001 - the view must not wait for ever
                        otherwise(problem)
                elif not job.cancelled():
                    otherwise(error)

        try:
            self.context.runner.look(name, work).add_done_callback(ended)
        except JobBusyError as error:
            otherwise(error)


def _ending(job: Job[T], say: Callable[[T], Message]) -> Message:
    error = job.exception()
    if error is not None:
        return error_message(error, job.traceback)
    try:
        return say(job.result())
    except Exception as problem:  # noqa: BLE001 - a result that cannot be told must not stop the refresher
        return error_message(problem)


def error_message(error: BaseException, trace: str = "") -> Message:
    """Turn any error into words; only one that is not ours keeps its traceback, behind details."""
    if isinstance(error, JobCancelledError):
        return Message("info", "Cancelled.", error.hint)
    if isinstance(error, ColabPanelError):
        return Message("error", error.message, error.hint)
    _LOG.error("Unexpected error", exc_info=error)
    details = str(error) if isinstance(error, ChildFailedError) else trace or "".join(traceback.format_exception(error))
    return Message(
        "error",
        "Unexpected error.",
        "Nothing of yours was changed by it, as far as is known. Copy the report if you want to file an issue.",
        details,
    )


def card(title: str, *children: ipywidgets.Widget, lead: str = "") -> ipywidgets.VBox:
    """Frame widgets under a title, and a line that says what they are for."""
    words = f'<p class="cp-lead">{escape(lead)}</p>' if lead else ""
    head = ipywidgets.HTML(f'<h3 class="cp-title">{escape(title)}</h3>{words}')
    return styled(ipywidgets.VBox([head, *children]), "cp-card")
