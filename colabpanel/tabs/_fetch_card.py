"""The card that fetches the file behind an address or a share link."""

from __future__ import annotations

import ipywidgets

from colabpanel.errors import InputError
from colabpanel.progress import Progress
from colabpanel.services.fetching.models import Fetched
from colabpanel.services.fetching.service import fetch, fetch_summary
from colabpanel.tabs._base import Tab, card
from colabpanel.tabs._staging_words import skipped_list
from colabpanel.widgets.basics import button, sendable, styled
from colabpanel.widgets.messages import CodeView, Message
from colabpanel.widgets.path_picker import PathPicker

__all__ = ["FetchCard"]

_LEAD = "Paste a link: of a file, or as Google Drive, Dropbox, Hugging Face, Kaggle, Zenodo or GitHub share it."


class FetchCard:
    """An address, a folder, what to check, and the button that fetches.

    Args:
        tab: The tab it belongs to, which shows errors and runs jobs.

    Attributes:
        widget: The card.
    """

    def __init__(self, tab: Tab) -> None:
        self._tab = tab
        host = tab.context.host
        self.url = styled(
            ipywidgets.Text(description="Address", placeholder="https://example.org/data.zip"), "cp-field"
        )
        start = str(host.workspace)
        self.folder = PathPicker(
            "Into", tab.browse, folders_only=True, root=host.root, placeholder=f"A folder; empty: {sendable(start)}"
        )
        self.folder.start_folder = start
        self.checksum = styled(
            ipywidgets.Text(description="Checksum", placeholder="SHA-256 or MD5, if its page tells one"), "cp-field"
        )
        self.unpack = styled(ipywidgets.Checkbox(description="Unpack it there", indent=False), "cp-check")
        self.button = button("Fetch", tooltip="Bring the file here and verify it", icon="download", kind="primary")
        self.code = CodeView()
        self.jobs = tab.job_view(self.button)
        tab.on_click(self.button, self.fetch)
        fields = ((self.url, "value"), (self.folder, "path"), (self.checksum, "value"), (self.unpack, "value"))
        for field, trait in fields:
            field.observe(self._changed, names=trait)
        self._show_code()
        self.widget = card(
            "Fetch from the web",
            self.url,
            self.folder,
            self.checksum,
            self.unpack,
            self.jobs,
            *tab.for_coders(self.code),
            lead=_LEAD,
        )

    @property
    def directory(self) -> str:
        """The folder that is meant: what stands in the field, or the one that the empty field names."""
        return self._tab.absolute(self.folder.path) if self.folder.path else self.folder.start_folder

    def _changed(self, _: object) -> None:
        self.jobs.message.clear()
        self._show_code()

    def _checksums(self) -> dict[str, str]:
        text = "".join(self.checksum.value.split()).lower()
        if not text:
            return {}
        return {"md5" if len(text) == 32 else "sha256": text}  # noqa: PLR2004 - digits of an MD5

    def _show_code(self) -> None:
        url = self.url.value.strip() or "https://example.org/data.zip"
        options = [f"{name}={text!r}" for name, text in self._checksums().items()]
        options += ["unpack=True"] if self.unpack.value else []
        arguments = ", ".join([repr(url), repr(self.folder.path or self.directory), *options])
        self.code.show(["import colabpanel", "", f"colabpanel.fetch({arguments})"])

    def fetch(self) -> None:
        """Fetch what the form says."""
        url, directory, host = self.url.value.strip(), self.directory, self._tab.context.host
        if not url:
            raise InputError("No address is given.", hint="Paste the link of a file under Address.")
        checksums, unpack = self._checksums(), self.unpack.value

        def work(progress: Progress) -> Fetched:
            return fetch(url, directory, unpack=unpack, host=host, progress=progress, **checksums)  # type: ignore[arg-type]  # names of checksums

        self._tab.start_job(self.jobs, _fetched, work)


def _fetched(fetched: Fetched) -> Message:
    skipped = [*fetched.skipped, *(fetched.unpacked.skipped if fetched.unpacked else ())]
    if not skipped:
        return Message("ok", fetch_summary(fetched))
    return Message("warning", fetch_summary(fetched), "", skipped_list(skipped), "Which, and why")
