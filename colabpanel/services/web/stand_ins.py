"""What comes instead of a file: web pages, and pointers to where the file is. They are named, never saved."""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser
from pathlib import PurePosixPath
from urllib.parse import parse_qsl, urlencode, urlsplit

from colabpanel.errors import InputError
from colabpanel.services.web.addresses import Address

__all__ = ["LOOK_AT", "insist_on_file", "is_stand_in"]

LOOK_AT = 64 << 10
"""Bytes of a body that are looked at."""

_PAGE = re.compile(
    rb"^(?:\xef\xbb\xbf)?\s*(?:<!--.*?-->\s*|<\?xml[^>]*>\s*)*<(?:!doctype\s+html|html|head)\b",
    re.IGNORECASE | re.DOTALL,
)
_POINTER = b"version https://git-lfs.github.com/spec/v1"
_PAGE_ENDINGS = {".html", ".htm", ".xhtml", ".shtml", ".mhtml"}
_DRIVE = "drive.usercontent.google.com"
_DRIVE_HOSTS = {_DRIVE, "drive.google.com", "docs.google.com"}
_LONGEST_TITLE = 80

_MANY = ("too many users have", "quota exceeded", "download quota")
_SIGN_IN = ("accounts.google.com", "login.microsoftonline.com", "signin", "sign_in", "login")


def is_stand_in(start: bytes, kind: str, name: str) -> bool:
    """Whether a body is a web page or a pointer rather than the file.

    Args:
        start: Its first bytes.
        kind: The Content-Type of the answer.
        name: What the file would be called; whoever asks for a page by name gets it.
    """
    if start.startswith(_POINTER):
        return True
    if PurePosixPath(name).suffix.lower() in _PAGE_ENDINGS:
        return False
    says_page = kind.partition(";")[0].strip().lower() in {"text/html", "application/xhtml+xml"}
    return bool(_PAGE.match(start)) or (says_page and b"<" in start[:512])


def insist_on_file(start: bytes, address: Address) -> str:
    """Return the address of the file that a stand-in leads to.

    Args:
        start: The first bytes of the stand-in.
        address: Where it came from.

    Raises:
        InputError: It leads to none; the message names the page.
    """
    if start.startswith(_POINTER):
        return _beside_pointer(address)
    page = _Page(start.decode("utf-8", "replace"))
    text = page.text.lower()
    if address.host in _DRIVE_HOSTS:
        if page.action and urlsplit(page.action).hostname in {None, *_DRIVE_HOSTS}:
            return page.submitted
        if any(words in text for words in _MANY):
            raise InputError(
                "Google Drive refuses this file for now: too many people downloaded it lately.",
                hint="Try again in 24 hours, or make a copy of it in your own Drive and mount that.",
            )
    if address.host == "accounts.google.com" or any(word in address.shown.lower() for word in _SIGN_IN):
        raise InputError(
            "The address leads to a page to sign in, not to a file.",
            hint="Share the file so that anyone with the link may read it, or give a link that needs no sign-in.",
        )
    title = f" ({page.title})" if page.title else ""
    raise InputError(
        f"The address leads to a web page{title}, not to a file.",
        hint="Open it in a browser, and copy the link of its download button.",
    )


def _beside_pointer(address: Address) -> str:
    """Return where GitHub keeps the file that a pointer of Git LFS stands for."""
    if address.host != "raw.githubusercontent.com":
        raise InputError(
            "The address leads to a pointer of Git LFS, not to the file.",
            hint="Use the link of the download button of the file's page.",
        )
    return f"https://media.githubusercontent.com/media{address.target}"


class _Page(HTMLParser):
    """What a page says: its title, its text, and its form for downloading.

    Attributes:
        action: Where the form leads to, or an empty string.
    """

    def __init__(self, source: str) -> None:
        super().__init__()
        self.action, self.fields = "", dict[str, str]()
        self._title, self._text, self._inside = list[str](), list[str](), ""
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag
        found = {name: value or "" for name, value in attrs}
        if tag == "form" and (found.get("id") == "download-form" or "export=download" in found.get("action", "")):
            self.action = found.get("action", "")
        if tag == "input" and self.action and found.get("type") == "hidden" and found.get("name"):
            self.fields[found["name"]] = found.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "title":
            self._title.append(data)
        elif self._inside not in {"script", "style"}:
            self._text.append(data)

    @property
    def title(self) -> str:
        """The title, in one line."""
        words = " ".join(html.unescape("".join(self._title)).split())
        return words if len(words) <= _LONGEST_TITLE else f"{words[:_LONGEST_TITLE]}..."

    @property
    def text(self) -> str:
        """What a reader sees, and the title."""
        return " ".join(" ".join([*self._title, *self._text]).split())

    @property
    def submitted(self) -> str:
        """The address that the form asks for."""
        parts = urlsplit(self.action)
        return parts._replace(query=urlencode({**dict(parse_qsl(parts.query)), **self.fields})).geturl()
