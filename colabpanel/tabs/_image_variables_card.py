"""The card that shows variables of the notebook: arrays, tensors, batches, figures and models."""

from __future__ import annotations

from typing import Any, get_args

import ipywidgets

from colabpanel.errors import InputError
from colabpanel.services.images.layouts import Layout
from colabpanel.services.images.models import Picture
from colabpanel.services.images.normalising import Undo
from colabpanel.services.images.overlays import BoxFormat
from colabpanel.services.images.variables import (
    PictureVariable,
    graph_of_variable,
    look_at_variable,
    picture_variables,
)
from colabpanel.tabs._base import Tab, card
from colabpanel.tabs._image_words import shown, variable_code, whole_in
from colabpanel.widgets.basics import button, sendable, styled
from colabpanel.widgets.image_view import ImageView
from colabpanel.widgets.messages import CodeView, Message

__all__ = ["ImageVariablesCard"]

_WAYS = {
    "auto": "Guess",
    "bytes": "0 to 255",
    "unit": "0 to 1",
    "signed": "-1 to 1",
    "imagenet": "Normalised as for ImageNet",
    "minmax": "Lowest to highest",
}
_BOXES = {"xyxy": "Two corners", "xywh": "Corner and size", "cxcywh": "Centre and size"}


def _dropdown(label: str, options: list[tuple[str, str]]) -> ipywidgets.Dropdown:
    return styled(ipywidgets.Dropdown(description=label, options=options), "cp-field")


class ImageVariablesCard:
    """Shows a variable as a picture.

    Args:
        tab: The tab it belongs to, which shows errors and runs jobs.
    """

    def __init__(self, tab: Tab) -> None:
        self._tab = tab
        self._form()
        self.view = ImageView(empty="Nothing shown yet. Choose a variable above and press Show variable.")
        self.code = CodeView()
        self.refresh_button = button("Refresh", tooltip="Look at the notebook's variables again", kind="quiet")
        self.show_button = button("Show variable", tooltip="Show it as a picture", icon="image", kind="primary")
        self.graph_button = button("Show graph", tooltip="Draw the model, or the computation of the tensor")
        self.jobs = tab.job_view(self.show_button, self.graph_button, self.refresh_button)
        tab.on_click(self.refresh_button, self.refresh)
        tab.on_click(self.show_button, self.show)
        tab.on_click(self.graph_button, self.show_graph)
        for field in (*self._fields.values(), self.variable):
            field.observe(self._changed, names="value")
        fields = [self.variable, *self._fields.values()]
        self.widget = card("Variables of the notebook", *fields, self.jobs, self.view, self.code)
        self.refresh()

    def _form(self) -> None:
        ways = [(_WAYS[way], way) for way in get_args(Undo)]
        layouts = [("Guess", "auto"), *((axes, axes) for axes in get_args(Layout))]
        self.variable = _dropdown("Variable", [("None yet", "")])
        self.layout, self.undo = _dropdown("Axes", layouts), _dropdown("Values", ways)
        self.index = styled(
            ipywidgets.Text(description="Number", placeholder="Of a batch, from 0; empty: the first 64"), "cp-field"
        )
        self.mask, self.boxes = _dropdown("Mask", [("None", "")]), _dropdown("Boxes", [("None", "")])
        self.box_format = _dropdown("Boxes are", [(_BOXES[kind], kind) for kind in get_args(BoxFormat)])
        self._fields = {
            "layout": self.layout,
            "undo": self.undo,
            "index": self.index,
            "mask": self.mask,
            "boxes": self.boxes,
            "box_format": self.box_format,
        }

    def _options(self, index: int | None) -> dict[str, Any]:
        return {
            "layout": self.layout.value,
            "undo": self.undo.value,
            "index": index,
            "mask": self.mask.value or None,
            "boxes": self.boxes.value or None,
            "box_format": self.box_format.value,
        }

    def _changed(self, _: object) -> None:
        options = self._options(int(number) if (number := self.index.value.strip()[:9]).isdecimal() else None)
        if not options["boxes"]:
            options["box_format"] = None
        self.code.show(variable_code(self.variable.value or "images", options))

    def refresh(self) -> None:
        """Look at the variables again."""
        host = self._tab.context.host
        self._tab.in_background("variables", lambda _: picture_variables(host), self._show_variables)

    def _show_variables(self, found: list[PictureVariable]) -> None:
        all_of_them = [(sendable(f"{one.name}: {one.words}"), one.name) for one in found]
        arrays = [(sendable(f"{one.name}: {one.words}"), one.name) for one in found if one.kind in {"array", "list"}]
        for field, options in (
            (self.variable, all_of_them or [("None yet", "")]),
            (self.mask, [("None", ""), *arrays]),
            (self.boxes, [("None", ""), *arrays]),
        ):
            before = field.value
            field.options = options
            field.value = before if before in {value for _, value in options} else options[0][1]
        self._changed(None)

    def _name(self) -> str:
        if not self.variable.value:
            raise InputError(
                "There is no variable to show.",
                hint="Run a cell that makes an array, an image or a figure, then Refresh.",
            )
        return str(self.variable.value)

    def show(self) -> None:
        """Show the variable."""
        host, name = self._tab.context.host, self._name()
        options = self._options(whole_in(self.index.value, "Number"))
        self._tab.start_job(self.jobs, self._done, look_at_variable, host, name, **options)

    def show_graph(self) -> None:
        """Draw the model, or the computation of the tensor."""
        self._tab.start_job(self.jobs, self._done, graph_of_variable, self._tab.context.host, self._name())

    def _done(self, picture: Picture) -> Message:
        self.view.show(shown(picture))
        return Message("ok", f"{picture.title} is shown below.")
