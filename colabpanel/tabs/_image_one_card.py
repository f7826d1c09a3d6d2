"""The card that shows one image: a file, or one that was clicked on in a folder or archive."""

from __future__ import annotations

import ipywidgets

from colabpanel.errors import InputError
from colabpanel.services.images.models import ImageFolder, Picture
from colabpanel.services.images.service import look, pixel
from colabpanel.tabs._base import Tab, card, error_message
from colabpanel.tabs._image_words import look_code, pixel_words, shown, whole_in
from colabpanel.widgets.basics import button, styled
from colabpanel.widgets.image_view import ImageView
from colabpanel.widgets.messages import CodeView, Message
from colabpanel.widgets.path_picker import PathPicker

__all__ = ["OneImageCard"]


class OneImageCard:
    """Shows a file to zoom and pan.

    Args:
        tab: The tab it belongs to, which shows errors and runs jobs.
    """

    def __init__(self, tab: Tab) -> None:
        self._tab = tab
        self._folder: ImageFolder | None = None
        self._number: int | None = None
        self._at, self._pixels_asked = ("", 0), 0
        host = tab.context.host
        self.path = PathPicker("Image", tab.browse, root=host.root, placeholder="An image, a drawing or a PDF")
        self.path.start_folder = str(host.workspace)
        self.page = styled(
            ipywidgets.Text(description="Page", placeholder="Of a TIFF, GIF or PDF; empty: 1"), "cp-field"
        )
        self.show_button = button("Show", tooltip="Show this image", icon="image", kind="primary")
        self.jobs = tab.job_view(self.show_button)
        self.view = ImageView(
            empty="Nothing shown yet. Choose an image above, or click on one in a folder below.", pixel=self._asked
        )
        self.code = CodeView()
        self.code_box = ipywidgets.VBox(tab.for_coders(self.code))
        tab.on_click(self.show_button, self.show)
        self.path.observe(self._changed, names="path")
        self.page.observe(self._changed, names="value")
        self._changed(None)
        self.widget = card("One image", self.path, self.page, self.jobs, self.view, self.code_box)

    def _changed(self, _: object) -> None:
        page = self.page.value.strip()[:9]
        frame = max(int(page) - 1, 0) if page.isdecimal() else 0
        self.code.show(look_code(self.path.path or "image.png", frame))

    def _frame(self) -> int:
        return (whole_in(self.page.value, "Page", least=1) or 1) - 1

    def show(self) -> None:
        """Show the file of the path."""
        if not self.path.path:
            raise InputError("No image is chosen.", hint="Type its path, or browse to it.")
        self._start(self._tab.absolute(self.path.path), None, None, self._frame())

    def open(self, folder: ImageFolder, number: int) -> None:
        """Show an image of a listing."""
        if not folder.is_archive:
            self.path.path = str(folder.path / folder.names[number])
        self.page.value = ""
        self._start(str(folder.path), folder, number, 0)

    def _start(self, path: str, folder: ImageFolder | None, number: int | None, frame: int) -> None:
        root = self._tab.context.host.root

        def done(picture: Picture) -> Message:
            self._at, self._folder, self._number = (path, frame), folder, number
            self._pixels_asked += 1
            self.view.show(shown(picture))
            return Message("ok", f"{picture.title} is shown below.")

        self._tab.start_look(
            self.jobs,
            done,
            lambda progress: look(path, number=number, folder=folder, frame=frame, root=root, progress=progress),
        )

    def _asked(self, x: int, y: int) -> None:
        """Read the pixel that was clicked on from the file."""
        (path, frame), folder, number = self._at, self._folder, self._number
        root = self._tab.context.host.root
        self._tab.context.clicked()
        self._pixels_asked += 1
        turn = self._pixels_asked

        def tell(words: str) -> None:
            if turn == self._pixels_asked:
                self.view.tell(words)

        self._tab.run_then(
            "pixel",
            lambda progress: pixel(path, x, y, number=number, folder=folder, frame=frame, root=root, progress=progress),
            lambda values: tell(pixel_words(x, y, values)),
            lambda error: tell(error_message(error).sentence),
        )
