"""Share links of well-known places, turned into addresses of files."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import parse_qsl, quote, urlencode

from colabpanel.services.web.addresses import parse

__all__ = ["direct", "drive_file", "drive_folder"]

_OFFICE = {"document": "docx", "spreadsheets": "xlsx", "presentation": "pptx"}


def direct(url: str) -> str:
    """Return the address of the file that a link stands for; other addresses come back as they are.

    Raises:
        InputError: It is no address.
    """
    address = parse(url)
    path, _, query = address.target.partition("?")
    rule = _RULES.get(address.host.removeprefix("www."))
    return url if rule is None else rule(path, dict(parse_qsl(query, keep_blank_values=True))) or url


def drive_folder(url: str) -> str | None:
    """Return the id of the folder of Google Drive that a link leads to, or None.

    Raises:
        InputError: It is no address.
    """
    address = parse(url)
    if address.host != "drive.google.com":
        return None
    found = re.match(r"/drive/(?:u/\d+/|mobile/)?folders/([\w-]+)", address.target)
    return found[1] if found else None


def drive_file(file: str, key: str = "") -> str:
    """Return the address of a file of Google Drive, past the page that warns of large ones."""
    query = {"id": file, "export": "download", "confirm": "t"} | ({"resourcekey": key} if key else {})
    return f"https://drive.usercontent.google.com/download?{urlencode(query)}"


def _drive(path: str, query: dict[str, str]) -> str:
    found = re.match(r"/(?:a/[^/]+/)?file/(?:u/\d+/)?d/([\w-]+)", path)
    by_id = re.match(r"(?:/a/[^/]+)?(?:/u/\d+)?/(?:open|uc|download)$", path)
    file = found[1] if found else query.get("id", "") if by_id else ""
    return drive_file(file, query.get("resourcekey", "")) if file else ""


def _office(path: str, query: dict[str, str]) -> str:
    """Documents of Google are no files; they are exported in the format that Office opens."""
    found = re.match(
        r"/(document|spreadsheets|presentation)/(?:u/\d+/)?d/([\w-]+)(/export|/pub|/gviz/|/pubhtml)?", path
    )
    if not found:
        return _drive(path, query)
    kind, file, is_address_of_file = found.groups()
    if is_address_of_file or file == "e":  # d/e/... is published, and has no other address
        return ""
    as_path = f"/export/{_OFFICE[kind]}" if kind == "presentation" else f"/export?format={_OFFICE[kind]}"
    return f"https://docs.google.com/{kind}/d/{file}{as_path}"


def _dropbox(path: str, query: dict[str, str]) -> str:
    if not re.match(r"/(s|sh|scl|t)/", path):
        return ""
    return f"https://www.dropbox.com{path}?{urlencode({**query, 'dl': '1'})}"


def _hugging_face(path: str, _query: dict[str, str]) -> str:
    """Repositories are OWNER/NAME, old ones NAME alone; those of data and of apps come after a word."""
    changed = re.sub(r"^((?:/(?:datasets|spaces))?/[^/]+(?:/[^/]+)?)/(?:blob|raw)/", r"\1/resolve/", path, count=1)
    return f"https://huggingface.co{changed}" if "/resolve/" in changed else ""


def _github(path: str, _query: dict[str, str]) -> str:
    found = re.match(r"/([^/]+/[^/]+)/(?:blob|raw)/(.+)", path)
    if not found:
        return ""
    return f"https://raw.githubusercontent.com/{found[1]}/{found[2]}"


def _zenodo(path: str, _query: dict[str, str]) -> str:
    found = re.match(r"/records?/(\d+)(?:/(?:files|preview)/(.+))?/?$", path)
    if not found:
        return ""
    record, file = found.groups()
    if file is None:  # all of a record is one zip
        return f"https://zenodo.org/api/records/{record}/files-archive"
    return f"https://zenodo.org/records/{record}/files/{file}?download=1"


def _kaggle(path: str, query: dict[str, str]) -> str:
    words = [word for word in path.split("/") if word]
    home = "https://www.kaggle.com/api/v1"
    if words[:1] in (["c"], ["competitions"]) and len(words) > 1:
        return f"{home}/competitions/data/download-all/{words[1]}"
    if words[:1] == ["datasets"] and len(words) > 2:  # noqa: PLR2004 - datasets, OWNER, NAME
        file = f"/{quote(query['select'])}" if query.get("select") else ""
        version = words[4] if words[3:4] == ["versions"] and len(words) > 4 else ""  # noqa: PLR2004
        return f"{home}/datasets/download/{words[1]}/{words[2]}{file}" + (
            f"?datasetVersionNumber={version}" if version else ""
        )
    if words[:1] == ["models"] and len(words) > 5:  # noqa: PLR2004 - models, OWNER, NAME, framework, variation, version
        return f"{home}/models/{'/'.join(words[1:6])}/download"
    return ""


_RULES: dict[str, Callable[[str, dict[str, str]], str]] = {
    "drive.google.com": _drive,
    "drive.usercontent.google.com": _drive,
    "docs.google.com": _office,
    "dropbox.com": _dropbox,
    "huggingface.co": _hugging_face,
    "hf.co": _hugging_face,
    "github.com": _github,
    "zenodo.org": _zenodo,
    "kaggle.com": _kaggle,
}
"""For each host, what makes an address of a file of path and query, or an empty string."""
