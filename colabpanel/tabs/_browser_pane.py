"""One of the two lists of the browser of files: a folder, page by page."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import cast

import ipywidgets

from colabpanel.services.browsing.models import Entry, FolderPage, Query, SortKey
from colabpanel.services.browsing.places import Place
from colabpanel.tabs._base import Tab, error_message
from colabpanel.tabs._browser_words import file_row, page_words
from colabpanel.widgets.basics import button, escape, label_only_for_readers, sendable, styled
from colabpanel.widgets.file_table import FileTable
from colabpanel.widgets.messages import Message, MessageView

__all__ = ["BrowserPane", "Spot"]

_SETTLED_AFTER = 2  # looks of the refresher, four a second
_NOWHERE = -1
_PAGE_SIZES = (50, 200, 1000)

Spot = tuple[str, Place, str]
"""Somewhere to go: its title, its place, and an address there."""


class BrowserPane:
    """A folder of a place, and which of its entries are chosen.

    Args:
        tab: The tab it belongs to, which runs jobs.
        title: What the list is called.
        chosen: Called when something else is chosen.

    Attributes:
        page: The page that is shown, or None.
        place: Where it is, or None before a spot is known.
        picked: The entries that are chosen, by their addresses; on other pages of the same folder, too.
    """

    def __init__(self, tab: Tab, title: str, *, chosen: Callable[[BrowserPane], None]) -> None:
        self._tab, self._chosen, self.title = tab, chosen, title
        self._asked = self._settling = 0
        self._spots: Sequence[Spot] = ()
        self._goal: tuple[Place, str] | None = None
        self.place: Place | None = None
        self.page: FolderPage | None = None
        self.query = self._shown = Query()
        self.picked: dict[str, Entry] = {}
        self._make_fields()
        self._make_list(title)
        rows = [styled(ipywidgets.HBox(row), "cp-row") for row in self._rows()]
        head = ipywidgets.HTML(f'<p class="cp-note"><b>{escape(title)}</b></p>')
        self.widget = styled(ipywidgets.VBox([head, *rows[:-1], self.message, self.table, rows[-1]]), "cp-pane")
        tab.context.refresher.every(0.25, self.update)

    def _make_fields(self) -> None:
        self.spot = label_only_for_readers(ipywidgets.Dropdown(), f"{self.title}: go to")
        self.path = label_only_for_readers(ipywidgets.Text(placeholder="Path of a folder"), f"{self.title}: path")
        self.filter = label_only_for_readers(
            ipywidgets.Text(placeholder="Part of the name, or *.jpg"), f"{self.title}: filter"
        )
        for field in (self.spot, self.path, self.filter):
            field.layout.flex, field.layout.width = "1 1 110px", "auto"
        self.open_button = button("Open", tooltip="Show the folder of this path", kind="quiet")
        self.up_button = button("Up", tooltip="The folder above", icon="arrow-up", kind="quiet")
        self.refresh_button = button("Refresh", tooltip="Read the folder again", icon="refresh", kind="quiet")
        self._tab.on_change(self.spot, self._spot_chosen)
        self.filter.observe(self._filter_typed, names="value")
        self._tab.on_click(self.open_button, self._open_path)
        self._tab.on_click(self.up_button, self._go_up)
        self._tab.on_click(self.refresh_button, self.refresh)

    def _make_list(self, title: str) -> None:
        self.message = MessageView()
        self.table = FileTable(
            f"Files, {title}",
            entered=lambda number: self._tab.act(lambda: self._enter(number)),
            went=lambda number: self._tab.act(lambda: self._go(number)),
            picked=lambda numbers, are_picked: self._tab.act(lambda: self._pick(numbers, are_picked)),
            sorted_by=lambda key: self._tab.act(lambda: self._sort(key)),
        )
        self.back_button = button("Previous", tooltip="The page before", kind="quiet")
        self.next_button = button("Next", tooltip="The page after", kind="quiet")
        self.page_size = label_only_for_readers(
            ipywidgets.Dropdown(options=[(f"{size:,} a page", size) for size in _PAGE_SIZES]), f"{title}: page size"
        )
        self.page_size.layout.width = "130px"
        self._tab.on_change(self.page_size, self._resized)
        self.where = ipywidgets.HTML()
        self._tab.on_click(self.back_button, lambda: self._turn(-1))
        self._tab.on_click(self.next_button, lambda: self._turn(1))

    def _rows(self) -> list[list[ipywidgets.Widget]]:
        return [
            [self.spot, self.up_button, self.refresh_button],
            [self.path, self.open_button],
            [self.filter],
            [self.back_button, self.next_button, self.page_size, self.where],
        ]

    def offer(self, spots: Sequence[Spot], *, go: bool) -> None:
        """Offer these spots to go to, and go to the first of them."""
        self._spots = spots
        titles = [(sendable(title), number) for number, (title, _, _) in enumerate(spots)]
        self.spot.options = [("Go to\N{HORIZONTAL ELLIPSIS}", _NOWHERE), *titles]
        self.spot.value = _NOWHERE
        if go and spots:
            self._go_to_spot(0)
        elif not spots:
            self._leave()
            self.table.say("Mount Drive, or choose a folder that serves as Drive, above.")

    def _leave(self) -> None:
        self._asked += 1
        self.place, self.page, self._goal = None, None, None
        self.picked.clear()
        self._chosen(self)

    def _spot_chosen(self) -> None:
        if self.spot.value in range(len(self._spots)):
            self._go_to_spot(self.spot.value)
            self.spot.value = _NOWHERE  # so that the same can be chosen again

    def _go_to_spot(self, number: int) -> None:
        _, place, address = self._spots[number]
        self.visit(place, address)

    def visit(self, place: Place, address: str) -> None:
        """Show the first page of a folder of a place."""
        self._put_filter("")
        self.query = replace(self.query, page=0, containing="")
        self._load(place, address, None)

    def open(self, address: str) -> None:
        """Show the first page of a folder of the same place."""
        if self.place is not None:
            self.visit(self.place, address)

    def _put_filter(self, text: str) -> None:
        self._settling = 0
        self.filter.unobserve(self._filter_typed, names="value")
        self.filter.value = text
        self.filter.observe(self._filter_typed, names="value")

    def refresh(self) -> None:
        """Read the folder again, or the one that was asked for last, where that is still on its way."""
        if self._goal is not None:
            self._load(*self._goal, None)

    def _show_otherwise(self, query: Query) -> None:
        """Ask for the same folder in another way."""
        self.query = query
        if self.page is not None and self._goal == (self.place, self.page.address):
            self._load(*self._goal, self.page)
        else:
            self.refresh()

    def _load(self, place: Place, address: str, earlier: FolderPage | None) -> None:
        """Ask for a page; an answer that was overtaken by a later question is dropped."""
        query, self._goal = self.query, (place, address)
        self._asked += 1
        question = self._asked
        self.where.value = "<p>Listing\N{HORIZONTAL ELLIPSIS}</p>"
        self._tab.context.clicked()

        def show(page: FolderPage) -> None:
            if question == self._asked:
                self._show(place, page)

        def fail(error: BaseException) -> None:
            if question == self._asked:
                self.where.value = ""
                self._stay(place)
                self.message.show(error_message(error))

        self._tab.run_then(
            "browse", lambda progress: place.page(address, query, earlier=earlier, progress=progress), show, fail
        )

    def _stay(self, asked: Place) -> None:
        """Go on from what is shown, for what was asked for does not answer."""
        if self.place is None or self.page is None:
            self.place = asked
        else:
            self._goal = (self.place, self.page.address)
            self.query = self._shown
            self._put_filter(self._shown.containing)

    def _show(self, place: Place, page: FolderPage) -> None:
        if self.page is None or (self.place, self.page.address) != (place, page.address):
            self.picked.clear()
        self.place, self._goal = place, (place, page.address)
        self.page, self.query = page, replace(self.query, page=page.page)
        self._shown = self.query
        for entry in page.entries:  # what is chosen may have changed
            if entry.address in self.picked:
                self.picked[entry.address] = entry
        self.message.clear()
        if page.trouble:
            self.message.show(Message("warning", page.trouble))
        self.path.placeholder = sendable(page.address)
        self.up_button.disabled = page.parent is None
        self.back_button.disabled, self.next_button.disabled = page.page == 0, page.page >= page.pages - 1
        self.where.value = f"<p>{escape(page_words(page, self.query.page_size))}</p>"
        self._draw()
        self._chosen(self)

    def _draw(self) -> None:
        page = self.page
        if page is None:
            return
        chosen = {number for number, entry in enumerate(page.entries) if entry.address in self.picked}
        self.table.show(
            [crumb.title for crumb in page.crumbs],
            [file_row(entry) for entry in page.entries],
            sort=self.query.sort,
            descending=self.query.descending,
            chosen=chosen,
        )

    @property
    def is_moving(self) -> bool:
        """Whether another folder was asked for than the one that is shown."""
        return self.page is not None and self._goal != (self.place, self.page.address)

    def forget_picked(self, addresses: Collection[str] | None = None) -> None:
        """Choose these no longer, or nothing at all."""
        left = {} if addresses is None else {key: one for key, one in self.picked.items() if key not in addresses}
        if left != self.picked:
            self.picked = left
            self._draw()

    def update(self) -> None:
        """Filter once the user has stopped typing; called by the refresher."""
        if self._settling:
            self._settling -= 1
            if not self._settling and self.page is not None:
                self._show_otherwise(replace(self.query, containing=self.filter.value, page=0))

    def _filter_typed(self, _: object) -> None:
        self._settling = _SETTLED_AFTER

    def _open_path(self) -> None:
        place = self.place or (self._spots[0][1] if self._spots else None)
        path = self.path.value.strip().strip("\"'")
        if place is not None and path:
            self.visit(place, path)

    def _go_up(self) -> None:
        if self.page is not None and self.page.parent is not None:
            self.open(self.page.parent)

    def _resized(self) -> None:
        self._show_otherwise(replace(self.query, page_size=self.page_size.value, page=0))

    def _turn(self, by: int) -> None:
        if self.page is not None:
            self._show_otherwise(replace(self.query, page=max(self.query.page + by, 0)))

    def _go(self, number: int) -> None:
        if self.page is not None:
            self.open(self.page.crumbs[number].address)

    def _enter(self, number: int) -> None:
        if self.page is not None:
            self.open(self.page.entries[number].address)

    def _sort(self, key: str) -> None:
        descending = not self.query.descending if key == self.query.sort else key != "name"
        self._show_otherwise(replace(self.query, sort=cast("SortKey", key), descending=descending, page=0))

    def _pick(self, numbers: Sequence[int], are_picked: bool) -> None:  # noqa: FBT001 - as the table calls it
        if self.page is None:
            return
        for entry in (self.page.entries[number] for number in numbers):
            if are_picked:
                self.picked[entry.address] = entry
            else:
                self.picked.pop(entry.address, None)
        self._chosen(self)
