"""The part of the remotes that explains, step by step, how one is added."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets

from colabpanel.errors import InputError
from colabpanel.services.remotes.configuring import GUIDES, Guide, add_remote, forget_remote
from colabpanel.services.remotes.models import NamedRemote
from colabpanel.tabs._base import Tab, card
from colabpanel.widgets.basics import button, copy_button, escape, styled
from colabpanel.widgets.messages import Message

__all__ = ["RemotesSetupCard"]


class RemotesSetupCard:
    """Steps for each kind of remote, and a field for the token, which is emptied at once.

    Args:
        tab: The tab it belongs to.
        added: Called with the name of a remote that was added or forgotten.
    """

    def __init__(self, tab: Tab, *, added: Callable[[str], object]) -> None:
        self._tab, self._added = tab, added
        self._token = ""
        kinds = [(guide.title, guide.kind) for guide in GUIDES]
        self.kind = styled(ipywidgets.Dropdown(description="Kind", options=kinds), "cp-field")
        self.name = styled(
            ipywidgets.Text(description="Name", placeholder="Letters and digits, such as box"), "cp-field"
        )
        self.steps = ipywidgets.HTML()
        self.token = styled(ipywidgets.Password(description="Token", continuous_update=False), "cp-field")
        self.add_button = button(
            "Add", tooltip="Keep the remote in rclone's configuration", icon="plus", kind="primary"
        )
        self.forget_button = button(
            "Forget", tooltip="Take the remote of this name out of the configuration", icon="trash", kind="danger"
        )
        self.jobs = tab.job_view(self.add_button, self.forget_button)
        self.kind.observe(lambda _: self._show_steps(), names="value")
        self.name.observe(lambda _: self._show_steps(), names="value")
        self.token.observe(self._token_given, names="value")
        tab.on_click(self.add_button, self.add)
        tab.on_click(self.forget_button, self.forget)
        self._show_steps()
        self._say_token()
        lead = "What you paste goes to rclone's configuration on this machine, and nowhere else."
        self.widget = card("Add a remote", self.kind, self.name, self.steps, self.token, self.jobs, lead=lead)

    @property
    def guide(self) -> Guide:
        """How the chosen kind is set up."""
        return next(guide for guide in GUIDES if guide.kind == self.kind.value)

    def _show_steps(self) -> None:
        guide, name = self.guide, self.name.value.strip() or "NAME"
        steps = "".join(f"<li>{escape(step.replace('NAME', name))}</li>" for step in guide.steps)
        lines = "\n".join(guide.code).replace("NAME", name)
        code = f'<pre tabindex="0">{escape(lines)}</pre>{copy_button("Copy", lines)}'
        self.steps.value = f"<ol>{steps}</ol>{code}"
        for widget in (self.token, self.add_button):
            widget.layout.display = None if guide.by_token else "none"

    def _token_given(self, change: dict[str, Any]) -> None:
        """Take the token out of the field: what stands in a field is saved with the notebook."""
        given = change["new"].strip()
        if given:
            self._token = given
            self.token.value = ""
            self._say_token()

    def _say_token(self) -> None:
        said = "Received; press Add" if self._token else "What rclone authorize printed, from { to }"
        self.token.placeholder = said

    def add(self) -> None:
        """Keep the remote in rclone's configuration."""
        token = self._token
        if not token:
            raise InputError("No token was given.", hint="Follow the steps, then paste what rclone authorize printed.")
        name, kind, host = self.name.value.strip(), self.guide.kind, self._tab.context.host

        def told(remote: NamedRemote) -> Message:
            self._token = ""
            self._say_token()
            self._added(remote.name)
            return Message("ok", f"{remote.name}: is added.", "Press Check remote to see whether it answers.")

        self._tab.start_job(self.jobs, told, lambda _: add_remote(name, kind, token, host=host))

    def forget(self) -> None:
        """Take the remote of this name out of rclone's configuration."""
        name, host = self.name.value.strip(), self._tab.context.host
        if not name:
            raise InputError("No name was given.", hint="Write the name of the remote to forget.")

        def told(_: None) -> Message:
            self._added(name)
            return Message("ok", f"{name}: is forgotten.", "Nothing that is on it was touched.")

        self._tab.start_job(self.jobs, told, lambda _: forget_remote(name, host=host))
