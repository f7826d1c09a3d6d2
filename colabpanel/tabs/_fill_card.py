"""The card that fills memory on purpose: to try the guard; and what was once passed around as an upgrade."""

from __future__ import annotations

import contextlib

import ipywidgets

from colabpanel.errors import InputError
from colabpanel.hosts.colab import ColabHost
from colabpanel.services.memory.filling.restart import NO_MORE_MEMORY, PHRASE
from colabpanel.services.memory.filling.service import Filled, fill_memory, fill_summary
from colabpanel.tabs._base import Tab, card
from colabpanel.widgets.basics import button, escape, styled
from colabpanel.widgets.messages import CodeView, Message
from colabpanel.widgets.path_picker import PathPicker

__all__ = ["FillCard"]

_STATEMENT = (
    "The loop that fills memory until Colab restarts the runtime was passed around as a free upgrade. "
    f"{NO_MORE_MEMORY} All that is certain is that every variable is lost."
)


class FillCard:
    """Fills memory up to a share in a process of its own; on Colab, also this kernel until it is killed.

    Args:
        tab: The tab it belongs to, which runs jobs.
    """

    def __init__(self, tab: Tab) -> None:
        self._tab = tab
        self.until = styled(ipywidgets.Text(description="Up to percent", value="85"), "cp-field")
        self.fill_button = button(
            "Fill memory", tooltip="Take memory in a process of its own for ten seconds", icon="arrow-up"
        )
        self.jobs = tab.job_view(self.fill_button)
        self.code = CodeView()
        tab.on_click(self.fill_button, self.fill)
        self.until.observe(self._changed, names="value")
        self._changed(None)
        self.widget = card(
            "Try the guard",
            self.until,
            self.jobs,
            self.code,
            *(self._upgrade() if isinstance(tab.context.host, ColabHost) else []),
            lead="Another process fills memory up to this share, holds it for ten seconds and gives it back. "
            "It is the first to be killed should memory run out.",
        )

    def _upgrade(self) -> list[ipywidgets.Widget]:
        tab = self._tab
        self.snapshot = PathPicker("Snapshot", tab.browse, placeholder="A snapshot, not older than 15 minutes")
        tab.start_on_drive(self.snapshot)
        self.confirm = styled(ipywidgets.Text(description="Confirm", placeholder=f"Type: {PHRASE}"), "cp-field")
        self.restart_button = button(
            "Fill until restart", tooltip="Kill this kernel by filling its memory", icon="bomb", kind="danger"
        )
        self.restart_jobs = tab.job_view(self.restart_button)
        tab.on_click(self.restart_button, self.restart)
        statement = styled(ipywidgets.HTML(f"<p>{escape(_STATEMENT)}</p>"), "cp-note")
        return [statement, self.snapshot, self.confirm, self.restart_jobs]

    def _share(self) -> float:
        with contextlib.suppress(ValueError):
            return round(float(self.until.value.strip().rstrip("%")) / 100, 4)
        raise InputError("Up to takes a percentage of the memory.", hint="Write 85 for 85 percent.")

    def _changed(self, _: object) -> None:
        with contextlib.suppress(InputError):
            self.code.show(["import colabpanel", "", f"colabpanel.fill_memory({self._share()!r})"])

    def fill(self) -> None:
        """Fill memory up to the share."""
        share, host = self._share(), self._tab.context.host
        self._tab.start_job(self.jobs, _filled, lambda progress: fill_memory(share, host=host, progress=progress))

    def restart(self) -> None:
        """Fill this kernel until it is killed."""
        snapshot = self._tab.absolute(self.snapshot.path) if self.snapshot.path else None
        confirm, host = self.confirm.value.strip(), self._tab.context.host
        self.confirm.value = ""  # it is typed for each time
        self._tab.start_job(
            self.restart_jobs,
            _filled,
            lambda progress: fill_memory("restart", confirm=confirm, snapshot=snapshot, host=host, progress=progress),
        )


def _filled(filled: Filled) -> Message:
    return Message("ok", fill_summary(filled))
