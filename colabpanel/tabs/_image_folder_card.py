"""The card that shows the images of a folder or archive by pages, and decides which are kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast, get_args

import ipywidgets

from colabpanel import words
from colabpanel.errors import InputError
from colabpanel.progress import Progress
from colabpanel.services.images.choices import Choice, load_choices, save_choices
from colabpanel.services.images.listing import choose_images, list_images
from colabpanel.services.images.models import CheckedImages, ImageFolder, Thumbnail
from colabpanel.services.images.service import PAGE, check_images, thumbnails
from colabpanel.tabs._base import Tab, card
from colabpanel.tabs._image_words import bytes_in, checked_message, found_message, page_title, tile
from colabpanel.widgets.basics import button, escape, sendable, styled
from colabpanel.widgets.image_grid import ImageGrid
from colabpanel.widgets.messages import Message
from colabpanel.widgets.path_picker import PathPicker

__all__ = ["ImageFolderCard"]

_ALL = "All folders"
_MOST_CLASSES = 1_000


class ImageFolderCard:
    """Lists images, shows them by pages, finds broken ones, and saves what was decided.

    Args:
        tab: The tab it belongs to, which shows errors and runs jobs.
        opened: Called with a listing and the position of an image that was clicked on.
    """

    def __init__(self, tab: Tab, *, opened: Callable[[ImageFolder, int], None]) -> None:
        self._tab, self._opened = tab, opened
        self._folder: ImageFolder | None = None
        self._chosen: list[int] = []
        self._page = 0
        self._checked: CheckedImages | None = None
        self.choices: dict[str, Choice] = {}
        self._choices_in: dict[Path, dict[str, Choice]] = {}
        self._form()
        self._list_row()
        self.widget = card(
            "A folder or archive of images",
            self.path,
            self.jobs,
            self.filters,
            self.page_jobs,
            self.grid,
            self.tools,
            lead="Archives are looked at without unpacking them.",
        )
        self._show_tools(shown=False)

    def _form(self) -> None:
        host = self._tab.context.host
        self.path = PathPicker("Images in", self._tab.browse, root=host.root, placeholder="A folder, a zip or a tar")
        self.path.start_folder = str(host.workspace)
        self.list_button = button(
            "Show images", tooltip="List the images and show the first page", icon="th", kind="primary"
        )
        self.jobs = self._tab.job_view(self.list_button)
        self.in_class = styled(ipywidgets.Dropdown(description="Folder", options=[(_ALL, "")]), "cp-field")
        self.name = styled(ipywidgets.Text(description="Name", placeholder="A part of the name"), "cp-field")
        self.at_least = styled(ipywidgets.Text(description="At least", placeholder="20 KB"), "cp-field")
        self.at_most = styled(ipywidgets.Text(description="At most", placeholder="5 MB"), "cp-field")
        self.filter_button = button("Filter", tooltip="Show those that fulfil all of this", icon="filter")
        fields = [self.in_class, self.name, self.at_least, self.at_most]
        for field in fields:
            field.layout.flex, field.layout.width = "1 1 400px", "auto"
        self.filters = styled(ipywidgets.HBox(fields), "cp-row")
        self.back_button = button("Previous", tooltip="The page before", kind="quiet")
        self.next_button = button("Next", tooltip="The page after", kind="quiet")
        self.title = ipywidgets.HTML()
        self.page_jobs = self._tab.job_view(self.filter_button, self.back_button, self.next_button, self.title)
        self.grid = ImageGrid(empty="No images listed yet.", opened=self._open, chosen=self._choose)
        self._tab.on_click(self.list_button, self.show_images)
        self._tab.on_click(self.filter_button, self.filter)
        self._tab.on_click(self.back_button, lambda: self._turn(-1))
        self._tab.on_click(self.next_button, lambda: self._turn(1))

    def _list_row(self) -> None:
        host = self._tab.context.host
        self.check_button = button(
            "Find broken and duplicates", tooltip="Decode all that fulfil the conditions, and compare their bytes"
        )
        self.check_jobs = self._tab.job_view(self.check_button)
        self.reject_button = button("Reject what was found", tooltip="Broken ones, and all but one of each group")
        self.file = PathPicker("Save list to", self._tab.browse, root=host.root, placeholder="choices.csv")
        self.file.start_folder = str(host.workspace)
        self.decided = ipywidgets.HTML()
        self.save_button = button("Save list", tooltip="Save what is kept and rejected as CSV", icon="save")
        self.load_button = button("Load list", tooltip="Take the choices of a list that was saved", kind="quiet")
        self.save_jobs = self._tab.job_view(self.save_button, self.load_button)
        self._tab.on_click(self.load_button, self.load)
        self._tab.on_click(self.check_button, self.check)
        self._tab.on_click(self.reject_button, self.reject_found)
        self._tab.on_click(self.save_button, self.save)
        row = styled(ipywidgets.HBox([self.reject_button]), "cp-row")
        self.tools = ipywidgets.VBox([self.check_jobs, row, self.decided, self.file, self.save_jobs])
        self.reject_button.layout.display = "none"

    def _show_tools(self, *, shown: bool) -> None:
        for widget in (self.filters, self.page_jobs, self.tools):
            widget.layout.display = None if shown else "none"

    def show_images(self) -> None:
        """List the images and show the first page."""
        if not self.path.path:
            raise InputError("No folder is chosen.", hint="Type the path of a folder or an archive, or browse to it.")
        path, root = self._tab.absolute(self.path.path), self._tab.context.host.root
        self._tab.start_job(self.jobs, self._listed, lambda progress: list_images(path, root=root, progress=progress))

    def _listed(self, folder: ImageFolder) -> Message:
        self.choices = self._choices_in.setdefault(folder.path, {})
        self._folder, self._checked = folder, None
        self.grid.show([], {})
        names = [(sendable(f"{name} ({count:,})"), name) for name, count in folder.classes.items()][:_MOST_CLASSES]
        self.in_class.options = [(_ALL, ""), *names]
        self.in_class.value = ""
        for field in (self.name, self.at_least, self.at_most):
            field.value = ""
        self.reject_button.layout.display = "none"
        self._show_tools(shown=bool(folder.names))
        self._tell_choices()
        self.filter()
        return found_message(folder)

    def filter(self) -> None:
        """Show the first page of those that fulfil all conditions."""
        self._chosen = choose_images(
            self._listing(),
            in_class=self.in_class.value or None,
            containing=self.name.value.strip(),
            at_least=bytes_in(self.at_least.value, "At least"),
            at_most=bytes_in(self.at_most.value, "At most"),
        )
        self._page = 0
        self.show_page()

    def _listing(self) -> ImageFolder:
        if self._folder is None:
            raise InputError("No images are listed.", hint="Choose a folder or an archive, and press Show images.")
        return self._folder

    def _turn(self, by: int) -> None:
        self._page += by
        self.show_page()

    def show_page(self) -> None:
        """Show the page of thumbnails that was turned to."""
        folder, root = self._listing(), self._tab.context.host.root
        last = max(len(self._chosen) - 1, 0) // PAGE
        self._page = min(max(self._page, 0), last)
        self.title.value = f"<span>{escape(page_title(self._page, PAGE, len(self._chosen)))}</span>"
        self.back_button.disabled, self.next_button.disabled = self._page == 0, self._page == last
        numbers = self._chosen[self._page * PAGE : (self._page + 1) * PAGE]

        def work(progress: Progress) -> list[Thumbnail]:
            return thumbnails(folder, numbers, root=root, progress=progress)

        self._tab.start_look(self.page_jobs, lambda found: self._shown(folder, found), work)

    def _shown(self, folder: ImageFolder, found: list[Thumbnail]) -> Message:
        choices = {one.number: self.choices.get(one.name, "") for one in found}
        self.grid.show([tile(one, folder.sizes[one.number]) for one in found], choices)
        broken = sum(bool(one.trouble) for one in found)
        told = f", {words.count(broken)} of which cannot be shown" if broken else ""
        return Message("warning" if broken else "ok", f"{words.plural(len(found), 'image')} on this page{told}.")

    def _open(self, number: int) -> None:
        self._tab.act(lambda: self._opened(self._listing(), number))

    def _choose(self, number: int, choice: str) -> None:
        self._tab.act(lambda: self._decide(self._listing().names[number], choice))

    def _decide(self, name: str, choice: str) -> None:
        self.choices.pop(name, None)
        if choice in get_args(Choice):
            self.choices[name] = cast("Choice", choice)
        self._tell_choices()

    def _tell_choices(self) -> None:
        made = list(self.choices.values())
        kept, rejected = made.count("keep"), made.count("reject")
        self.decided.value = f'<p class="cp-note">{kept:,} to keep, {rejected:,} to reject.</p>'

    def check(self) -> None:
        """Decode all that fulfil the conditions, and compare their bytes."""
        folder, root, chosen = self._listing(), self._tab.context.host.root, self._chosen
        self._tab.start_job(
            self.check_jobs,
            lambda checked: self._found(folder, checked),
            lambda progress: check_images(folder, chosen, root=root, progress=progress),
        )

    def _found(self, folder: ImageFolder, checked: CheckedImages) -> Message:
        if folder is not self._folder:
            return Message("info", "Other images are listed by now.", "Check those, if you wish.")
        self._checked = checked
        self.reject_button.layout.display = None if checked.broken or checked.duplicates else "none"
        return checked_message(checked)

    def reject_found(self) -> None:
        """Reject the broken ones, and of those that are there more than once all but one; what was decided stays."""
        checked = self._checked
        if checked is None:
            raise InputError("Nothing was checked yet.", hint="Press Find broken and duplicates.")
        bad = {one.member for one in checked.broken}
        for group in checked.duplicates:
            kept = [name for name in group if self.choices.get(name) == "keep"]
            kept = kept or [name for name in group if self.choices.get(name) != "reject"][:1]
            bad.update(set(group) - set(kept))
        self.choices.update({name: "reject" for name in bad if name not in self.choices})
        self._tell_choices()
        self.show_page()

    def save(self) -> None:
        """Save what is kept and rejected as CSV."""
        decided, root = dict(self.choices), self._tab.context.host.root
        if not decided:
            raise InputError("Nothing is kept or rejected yet.", hint="Press Keep or Reject below some pictures.")
        path = self._list_path()
        self._tab.start_job(
            self.save_jobs,
            lambda place: Message("ok", f"Saved {words.plural(len(decided), 'choice')} to {place}."),
            lambda progress: save_choices(path, decided, root=root, progress=progress),
        )

    def _list_path(self) -> str:
        return self._tab.absolute(self.file.path or f"{self.file.start_folder}/choices.csv")

    def load(self) -> None:
        """Take what a list says that was saved before."""
        path, root = self._list_path(), self._tab.context.host.root
        choices, before = self.choices, dict(self.choices)

        def done(found: dict[str, Choice]) -> Message:
            decided_meanwhile = {name for name in {*choices, *before} if choices.get(name) != before.get(name)}
            choices.update({name: choice for name, choice in found.items() if name not in decided_meanwhile})
            self._tell_choices()
            self.show_page()
            return Message("ok", f"Took {words.plural(len(found), 'choice')} from {path}.")

        self._tab.start_job(self.save_jobs, done, lambda progress: load_choices(path, root=root, progress=progress))
