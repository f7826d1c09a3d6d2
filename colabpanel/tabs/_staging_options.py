"""The options of a staging, folded away until they are wanted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets

from colabpanel.errors import InputError
from colabpanel.widgets.basics import button, styled

__all__ = ["StagingOptions"]

_OVERWRITE = [
    ("replace files that changed", "changed"),
    ("keep files that are there", "never"),
    ("replace all files", "always"),
]


class StagingOptions(ipywidgets.VBox):
    """Filters, what to do about existing files, and the password."""

    def __init__(self) -> None:
        self.toggle = button("Options", tooltip="Filters, existing files, password", icon="sliders", kind="quiet")
        self.include = _text("Only", "Patterns such as *.jpg, train/*")
        self.exclude = _text("Leave out", "Patterns such as *.txt")
        self.first = _text("Sample", "Only the first so many files of each folder")
        self.overwrite = ipywidgets.Dropdown(description="Existing", options=_OVERWRITE)
        self._password = ipywidgets.Password(
            description="Password", placeholder="Of an encrypted archive", continuous_update=False
        )
        self._fields = [self.include, self.exclude, self.first, self.overwrite, self._password]
        self._box = ipywidgets.VBox(self._fields)
        self._box.layout.display = "none"
        self.toggle.on_click(self._fold)
        super().__init__([styled(ipywidgets.HBox([self.toggle]), "cp-row"), self._box])

    @property
    def password(self) -> str | None:
        """The password, or None when the field is empty."""
        return self._password.value or None

    def chosen(self) -> dict[str, Any]:
        """Return the options that differ from the defaults, as keyword arguments of ``stage``.

        Raises:
            InputError: The sample is no number.
        """
        sample = self.first.value.strip()
        options: dict[str, Any] = {
            "include": _patterns(self.include.value),
            "exclude": _patterns(self.exclude.value),
            "first_per_folder": _whole_number(sample) if sample else None,
            "overwrite": self.overwrite.value if self.overwrite.value != "changed" else None,
        }
        return {name: value for name, value in options.items() if value}

    def on_change(self, function: Callable[[], None]) -> None:
        """Call a function whenever an option changes."""
        for control in self._fields:
            control.observe(lambda _: function(), names="value")

    def _fold(self, _: object) -> None:
        self._box.layout.display = None if self._box.layout.display == "none" else "none"


def _text(label: str, placeholder: str) -> ipywidgets.Text:
    return ipywidgets.Text(description=label, placeholder=placeholder, continuous_update=False)


def _whole_number(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise InputError("Sample takes a whole number of at least 1.", hint="Leave it empty to take every file.")
    return int(text)


def _patterns(text: str) -> list[str]:
    return [pattern.strip() for pattern in text.split(",") if pattern.strip()]
