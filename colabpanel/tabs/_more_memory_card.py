"""The card for when memory does not suffice: what there is, how to get more, and what would take less."""

from __future__ import annotations

import ipywidgets

from colabpanel import words
from colabpanel.errors import InputError
from colabpanel.hosts.colab import ColabHost
from colabpanel.services.memory.gauges import Usage
from colabpanel.services.memory.panel_calls import shrink_from_panel
from colabpanel.services.memory.shrinking import Saving, Shrunk, savings
from colabpanel.tabs._base import Tab, card
from colabpanel.tabs._fill_card import FillCard
from colabpanel.widgets.basics import button, escape, offer, sendable, styled
from colabpanel.widgets.data_table import Cell, Column, DataTable
from colabpanel.widgets.messages import CodeView, Message

__all__ = ["MoreMemoryCard"]

_COLAB = (
    "For a larger runtime choose Runtime, then Change runtime type: High-RAM and larger GPUs come with Colab Pro or "
    "pay-as-you-go units. It starts anew, so save variables first, in the Dump/Load tab."
)
_ELSEWHERE = "A larger machine, or a larger limit of the container, is set where this server was started."
_FLOAT64 = 8


class MoreMemoryCard:
    """Tells of the runtime at hand, and shrinks what can be shrunk without a change of any value.

    Args:
        tab: The tab it belongs to, which shows errors and runs jobs.
    """

    def __init__(self, tab: Tab) -> None:
        self._tab = tab
        self._found: dict[str, Saving] = {}
        self.facts = styled(ipywidgets.HTML(), "cp-note")
        self.look_button = button("Look for savings", tooltip="Find variables that would take less in another form")
        columns = [Column("Variable"), Column("Saves about", is_number=True), Column("How"), Column("Values")]
        self.table = DataTable(
            "What would take less", columns, empty="Press Look for savings to see what would take less memory."
        )
        self.chosen = styled(ipywidgets.Dropdown(description="Saving", options=[]), "cp-field")
        self.shrink_button = button(
            "Shrink", tooltip="Compare every value, then replace the variable", icon="compress", kind="primary"
        )
        self.jobs = tab.job_view(self.shrink_button)
        self.code = CodeView()
        self.fill = FillCard(tab)
        tab.on_click(self.look_button, self.look)
        tab.on_click(self.shrink_button, self.shrink)
        self.chosen.observe(self._changed, names="value")
        self._show_facts()
        more = card(
            "More memory",
            self.facts,
            styled(ipywidgets.HBox([self.look_button]), "cp-row"),
            self.table,
            self.chosen,
            self.jobs,
            self.code,
        )
        self.widget = ipywidgets.VBox([more, self.fill.widget])

    def _show_facts(self) -> None:
        sentences = [*_runtime(self._tab.context.watch.latest)]
        sentences.append(_COLAB if isinstance(self._tab.context.host, ColabHost) else _ELSEWHERE)
        self.facts.value = "".join(f"<p>{escape(sentence)}</p>" for sentence in sentences)

    def look(self) -> None:
        """Look for variables that would take less in another form."""
        host = self._tab.context.host
        self._show_facts()
        self._tab.in_background("savings", lambda _: savings(host=host), self._found_by_a_click)

    def _found_by_a_click(self, found: list[Saving]) -> None:
        self._show(found)
        if not found:
            self.jobs.message.show(Message("ok", "Nothing was found that would take much less in another form."))

    def _show(self, found: list[Saving]) -> None:
        self._found = {f"{one.name} {one.how}": one for one in found}
        self.table.show([_row(one) for one in found])
        offer(self.chosen, [(sendable(_title(one)), key) for key, one in self._found.items()])
        self._changed(None)

    def _changed(self, _: object) -> None:
        one = self._found.get(self.chosen.value or "")
        self.code.show([one.code] if one is not None else ["import colabpanel", "", "colabpanel.savings()"])
        self.shrink_button.disabled = one is not None and not one.safe

    def shrink(self) -> None:
        """Shrink the variable that is chosen, if no value changes by it."""
        one = self._found.get(self.chosen.value or "")
        if one is None:
            raise InputError("No saving is chosen.", hint="Press Look for savings, then choose one.")
        self._tab.start_job(self.jobs, self._shrunk, shrink_from_panel, self._tab.context.host, one.name, how=one.how)

    def _shrunk(self, done: Shrunk) -> Message:
        host = self._tab.context.host
        self._show_facts()
        self._tab.in_background("savings", lambda _: savings(host=host), self._show)
        sentence = f"{done.name} takes {words.size(done.after)} now, instead of {words.size(done.before)}."
        hint = f"Its values are in {done.file}, which must stay there." if done.file is not None else ""
        if done.still_held:
            held = "\n".join(who.words for who in done.still_held)
            still = "The old object is still in memory, for something refers to it."
            return Message("warning", sentence, f"{still} {hint}".rstrip(), held)
        return Message("ok", sentence, hint)


def _runtime(found: Usage | None) -> list[str]:
    """Return what there is and what would fit, in sentences."""
    if found is None or found.ram is None:
        return ["How much memory there is cannot be told."]
    left = found.ram.left
    room = (
        f"There are {words.size(found.ram.total)} of memory, and {words.size(left)} are left: room for an array of "
        f"{left // _FLOAT64 / 1e6:,.0f} million float64 numbers, or twice as many float32."
    )
    gpus = [
        f"GPU {gpu.index}, {gpu.name}: {words.size(gpu.total - gpu.used)} of {words.size(gpu.total)} left."
        for gpu in found.gpus or ()
        if gpu.used is not None and gpu.total
    ]
    return [room, *gpus]


def _row(one: Saving) -> list[str | Cell]:
    values = Cell("stay as they are", "ok") if one.lossless else Cell("change", "warning")
    return [one.name, words.size(one.saved), one.sentence, values]


def _title(one: Saving) -> str:
    return f"{one.name} \N{MIDDLE DOT} {one.how.replace('_', ' ')} \N{MIDDLE DOT} {words.size(one.saved)}"
