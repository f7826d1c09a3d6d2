"""A running job: its bar, its figures, Cancel, and the sentence it leaves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets

from colabpanel import words
from colabpanel.jobs import Job, JobSnapshot
from colabpanel.widgets.basics import button, escape, styled
from colabpanel.widgets.messages import Message, MessageView

__all__ = ["JobView", "describe"]


class JobView(ipywidgets.VBox):
    """Shows one job at a time below the button that starts it.

    Args:
        primary: The button that starts the job; disabled while one runs.
        extras: Widgets that stand beside it.

    Attributes:
        cancel_button: Asks the job to stop.
        message: What is left to say when the job is over.
    """

    def __init__(self, primary: ipywidgets.Button, *extras: ipywidgets.Widget) -> None:
        self.primary = primary
        self.cancel_button = button("Cancel", tooltip="Stop this and keep what is done", icon="times", kind="danger")
        while_running = ipywidgets.Layout()
        self.bar = styled(ipywidgets.HTML(layout=while_running), "cp-bar")
        self.figures = styled(ipywidgets.HTML(layout=while_running), "cp-figures")
        self.message = MessageView()
        self.job: Job[Any] | None = None
        self._finish: Callable[[Job[Any]], Message] | None = None
        self.cancel_button.on_click(self._cancel)
        row = styled(ipywidgets.HBox([primary, self.cancel_button, *extras, self.bar]), "cp-actions")
        super().__init__([row, self.figures, self.message], layout=row.layout)
        styled(self, "cp-job")
        self._set_running(running=False)

    @property
    def busy(self) -> bool:
        """Whether a job is shown whose end has not been shown yet."""
        return self.job is not None

    def follow(self, job: Job[Any], finish: Callable[[Job[Any]], Message]) -> None:
        """Show a job until it is over, then what ``finish(job)`` says of it."""
        self.job, self._finish = job, finish
        self.message.clear()
        self._set_running(running=True)
        self._draw(job.snapshot())

    def abandon(self) -> None:
        """Cancel the job that is shown, and do not wait for it."""
        if self.job is not None:
            self.job.cancel()
            self.job = None

    def update(self) -> None:
        """Copy the job's state into the view; called by the refresher."""
        job = self.job
        if job is None:
            return
        if not job.done():
            self._draw(job.snapshot())
            return
        self.job = None
        self._set_running(running=False)
        assert self._finish is not None
        self.message.show(self._finish(job))

    def _draw(self, snapshot: JobSnapshot) -> None:
        self.bar.value, self.figures.value = _bar(snapshot), f"<span>{escape(describe(snapshot))}</span>"
        self.cancel_button.disabled = snapshot.cancelling or not snapshot.cancellable

    def _set_running(self, *, running: bool) -> None:
        self.primary.disabled = running
        self.cancel_button.disabled = False
        for widget in (self.cancel_button, self.figures):
            widget.layout.display = None if running else "none"

    def _cancel(self, _: object) -> None:
        if self.job is not None:
            self.job.cancel()


def _bar(snapshot: JobSnapshot) -> str:
    fraction = snapshot.fraction
    value = "" if fraction is None else f' value="{fraction:.4f}"'
    return f'<progress class="cp-progress" max="1"{value} aria-label="{escape(snapshot.description)}"></progress>'


def describe(snapshot: JobSnapshot) -> str:
    """Say how far a job is: ``Unpacking, 62%, 1.2 of 1.9 GB, 84 MB/s, 8 s left``."""
    if snapshot.cancelling:
        return "Cancelling, keeping what is done"
    parts = [snapshot.description]
    if snapshot.fraction is not None:
        parts.append(f"{snapshot.fraction:.0%}")
    amount = _amount(snapshot)
    if amount:
        parts.append(amount)
    if snapshot.rate and snapshot.unit == "bytes":
        parts.append(f"{words.size(snapshot.rate)}/s")
    if snapshot.seconds_left is not None and snapshot.done:
        parts.append(f"{words.duration(max(snapshot.seconds_left, 1))} left")
    elif snapshot.total is None:
        parts.append(words.duration(snapshot.elapsed))
    return " · ".join(parts)


def _amount(snapshot: JobSnapshot) -> str:
    if snapshot.unit == "bytes":
        if snapshot.total is None:
            return words.size(snapshot.done) if snapshot.done else ""
        return words.bytes_pair(snapshot.done, snapshot.total)
    if not snapshot.done:
        return ""
    if snapshot.total is None:
        return f"{words.count(snapshot.done)} {snapshot.unit}"
    return f"{words.count(snapshot.done)} of {words.count(snapshot.total)} {snapshot.unit}"
