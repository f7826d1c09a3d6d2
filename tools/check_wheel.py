"""Build the wheel, and check that it is pure Python and carries what it needs."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
NEEDED = {"py.typed", "app/dashboard.ipynb", "widgets/panel.css", "__main__.py"}


def main() -> int:
    """Return an exit code."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", folder, str(HERE)]
        subprocess.run(command, check=True)
        (wheel,) = Path(folder).glob("*.whl")
        names = zipfile.ZipFile(wheel).namelist()
    missing = {name for name in NEEDED if f"colabpanel/{name}" not in names}
    foreign = [name for name in names if not name.startswith(("colabpanel/", "colabpanel-"))]
    if missing or foreign or not wheel.name.endswith("py3-none-any.whl"):
        sys.stderr.write(f"{wheel.name}: missing {missing}, foreign {foreign}\n")
        return 1
    sys.stdout.write(f"{wheel.name}: pure Python, {len(names)} files\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
