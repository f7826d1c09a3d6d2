"""How the Data staging tab says plans, outcomes and code."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from colabpanel import words
from colabpanel.services.skipped import Skipped
from colabpanel.services.sources.addresses import name_of
from colabpanel.services.staging.history import HistoryEntry
from colabpanel.services.staging.models import Plan
from colabpanel.widgets.basics import escape
from colabpanel.widgets.data_table import Cell

__all__ = ["code_for", "plan_facts", "recent_row", "skipped_list"]

_MOST_LISTED = 500
_STATES = {
    "ok": Cell("Done", "ok"),
    "partial": Cell("Partly done", "warning"),
    "running": Cell("Running"),
    "cancelled": Cell("Cancelled", "warning"),
    "interrupted": Cell("Interrupted", "warning"),
    "rejected": Cell("Refused", "error"),
    "failed": Cell("Failed", "error"),
}


def plan_facts(plan: Plan) -> str:
    """Return what a plan found, as HTML."""
    unknown = "known after unpacking"
    facts = {
        "Archive": _archive(plan),
        "Files": unknown if plan.files is None else words.count(plan.files),
        "Unpacked": unknown if plan.size is None else words.size(plan.size),
        "Free on the target's disk": words.size(plan.free),
    }
    if plan.format is None:
        facts["First"] = "brought to the disk whole, for its server gives no parts of it"
    elif plan.cache:
        facts["Kept by Drive while it reads"] = words.size(plan.cache)
    if plan.seconds is not None and not plan.reusable:
        facts["Time"] = f"about {words.duration(plan.seconds)}"
    if plan.reusable:
        facts["Staged before"] = "all of it is still there; nothing needs to be unpacked"
    elif plan.target_used:
        facts["There already"] = "not known" if plan.existing is None else words.plural(plan.existing, "file")
    if plan.resumable:
        facts["Earlier attempt"] = "goes on where it stopped"
    rows = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in facts.items())
    return f'<dl class="cp-facts">{rows}</dl>'


def _archive(plan: Plan) -> str:
    size = "size not known" if plan.archive_size is None else words.size(plan.archive_size)
    return f"{plan.format}, {size}" if plan.format else size


def skipped_list(skipped: Sequence[Skipped]) -> str:
    """Return skipped members, one on a line."""
    lines = [f"{member}: {reason}" for member, reason in skipped[:_MOST_LISTED]]
    if len(skipped) > _MOST_LISTED:
        lines.append(f"and {len(skipped) - _MOST_LISTED:,} more; colabpanel.stage(...).skipped lists all")
    return "\n".join(lines)


def recent_row(entry: HistoryEntry) -> list[str | Cell]:
    """Return one line of the list of recent stagings."""
    state, age = _STATES.get(entry.status, Cell(entry.status)), time.time() - entry.started
    return [
        Cell(name_of(entry.source), full=entry.source),
        Cell(entry.directory),
        "" if entry.files is None else Cell(words.count(entry.files), number=entry.files),
        "" if entry.size is None else Cell(words.size(entry.size), number=entry.size),
        Cell(words.age(age), number=age),
        Cell(state.text, state.tone, entry.message),
    ]


def code_for(source: str, directory: str, options: Mapping[str, object], *, has_password: bool) -> list[str]:
    """Return the Python that does what the form says; a password is asked for, never written."""
    arguments = [repr(source or "data.zip"), repr(directory or "data")]
    arguments += [f"{name}={value!r}" for name, value in options.items()]
    lines = ["import colabpanel", ""]
    if has_password:
        lines = ["import getpass", "", *lines]
        arguments.append("password=getpass.getpass()")
    return [*lines, f"colabpanel.stage({', '.join(arguments)})"]
