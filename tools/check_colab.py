"""Prove that ``pip install colabpanel`` changes nothing of what Colab has installed.

Usage: check_colab.py PYTHON, the interpreter of the stand-in for Colab.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
LIST = HERE / "constraints" / "colab.txt"


def main(python: str) -> int:
    """Ask pip what it would install, from nothing and into the stand-in; return an exit code."""
    pinned = dict(re.findall(r"^([\w.-]+)==(\S+)", LIST.read_text(), re.MULTILINE))
    pinned = {_normal(name): version for name, version in pinned.items()}
    fresh = _would_install(python, "--ignore-installed", "-c", str(LIST))
    wrong = {name: version for name, version in fresh.items() if pinned.get(name, version) != version}
    changed = {name for name in _would_install(python) if name in pinned}
    new = sorted(name for name in fresh if name not in pinned and name != "colabpanel")
    sys.stdout.write(f"Colab's list: nothing changed of {len(pinned)} packages; new there: {', '.join(new)}\n")
    if wrong or changed:
        sys.stderr.write(f"colabpanel would change Colab's packages: {wrong or changed}\n")
        return 1
    return 0


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _would_install(python: str, *options: str) -> dict[str, str]:
    command = [python, "-m", "pip", "install", "--dry-run", "--quiet", "--report", "-", *options, str(HERE)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    if found.returncode:
        sys.stderr.write(found.stderr)
        sys.exit(1)
    report = json.loads(found.stdout[found.stdout.index("{") :])
    return {_normal(item["metadata"]["name"]): item["metadata"]["version"] for item in report["install"]}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
