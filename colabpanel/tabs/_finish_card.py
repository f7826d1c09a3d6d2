"""The card that releases the runtime once the work is done and safe; on Colab only."""

from __future__ import annotations

from collections.abc import Sequence

import ipywidgets

from colabpanel.progress import Progress
from colabpanel.services.session.finishing import Finished, finish
from colabpanel.services.session.safety import SafetyCheck
from colabpanel.tabs._base import Tab, card
from colabpanel.widgets.basics import button, styled
from colabpanel.widgets.data_table import Cell, Column, DataTable
from colabpanel.widgets.messages import CodeView, Message

__all__ = ["FinishCard"]

_COUNTDOWN = 60.0  # seconds
_STATES = {
    "safe": Cell("safe", "ok"),
    "risk": Cell("not known to be safe", "warning"),
    "unsafe": Cell("not safe", "error"),
}


class FinishCard:
    """A button that waits for all that runs, and then releases the runtime unless it is cancelled.

    Args:
        tab: The tab it belongs to.
    """

    def __init__(self, tab: Tab) -> None:
        self._tab = tab
        self.button = button(
            "Finish",
            tooltip="Wait until all is done and safe, then release the runtime",
            icon="power-off",
            kind="danger",
        )
        self.job = tab.job_view(self.button)
        self.anyway = styled(
            ipywidgets.Checkbox(description="Even if not known to be safe", indent=False, value=False),
            "cp-check",
        )
        self.checks = DataTable(
            "What was looked at before the runtime is released",
            [Column("What was found"), Column("State"), Column("What to do")],
            empty="Nothing was looked at yet.",
        )
        self.code = CodeView()
        self.anyway.observe(self._say_code, names="value")
        self._say_code()
        tab.on_click(self.button, self.start)
        self.widget = card(
            "Finish",
            self.anyway,
            self.job,
            self.checks,
            self.code,
            lead="Waits until no cell and no job of this panel runs, looks whether what was saved is on Drive, counts "
            "down for a minute, writes out and unmounts Drive, and gives the machine back. Whatever lies on its disk "
            "and was not copied is lost. Nothing is released when anything failed.",
        )

    def start(self) -> None:
        """Wait, look, count down and release, in the background."""
        self._tab.start_job(self.job, _released, self._finish, anyway=self.anyway.value)

    def _finish(self, progress: Progress, /, *, anyway: bool) -> Finished:
        with self._tab.context.runner.noting() as jobs:
            return finish(
                jobs=lambda: [job for job in list(jobs) if job is not progress and not job.is_look],
                countdown=_COUNTDOWN,
                anyway=anyway,
                changed_since=lambda: self._tab.context.activity.cell_began,
                looked=self._show,
                host=self._tab.context.host,
                progress=progress,
            )

    def _show(self, checks: Sequence[SafetyCheck]) -> None:
        with self._tab.context.refresher.lock:
            self.checks.show([[check.sentence, _STATES[check.state], check.hint] for check in checks])

    def _say_code(self, _: object = None) -> None:
        anyway = ", anyway=True" if self.anyway.value else ""
        self.code.show(["import colabpanel", f"colabpanel.finish(countdown={_COUNTDOWN:g}{anyway})"])


def _released(_: Finished) -> Message:
    return Message("ok", "The runtime is released.", "Colab disconnects this page in a moment.")
