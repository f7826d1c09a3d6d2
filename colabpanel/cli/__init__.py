"""The command line: one command for each main call, such as ``colabpanel stage``, and ``colabpanel serve``.

Each command ends with one line: a sentence, or with ``--json`` one JSON object. Exit
codes: 0 done, 3 partly done, 1 rejected or failed, 2 wrong usage, 130 cancelled.
"""

from __future__ import annotations

from colabpanel.cli.command import main

__all__ = ["main"]
