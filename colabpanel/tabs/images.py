"""The Images tab: image files, folders and archives of them, and the notebook's arrays, seen."""

from __future__ import annotations

from pathlib import Path

import ipywidgets

from colabpanel.services.images.decoders import SUFFIXES
from colabpanel.tabs._base import Tab
from colabpanel.tabs._image_folder_card import ImageFolderCard
from colabpanel.tabs._image_one_card import OneImageCard
from colabpanel.tabs._image_variables_card import ImageVariablesCard

__all__ = ["ImagesTab"]


class ImagesTab(Tab):
    """Shows images; in the dashboard those of files alone."""

    def build(self) -> list[ipywidgets.Widget]:
        """Make the cards: one image, a folder of them, and the variables."""
        self.one = OneImageCard(self)
        self.folder = ImageFolderCard(self, opened=self.one.open)
        self.context.state.take("for_images", lambda path: self.act(lambda: self._take(path)))
        if self.context.host.is_served:
            return [self.one.widget, self.folder.widget]
        self.variables = ImageVariablesCard(self)
        return [self.one.widget, self.folder.widget, self.variables.widget]

    def _take(self, path: str) -> None:
        """Show the image that a path names, or else the images in that folder or archive."""
        if Path(path).suffix.lower() in SUFFIXES:
            self.one.path.path = path
            self.one.show()
        else:
            self.folder.path.path = path
            self.folder.show_images()
