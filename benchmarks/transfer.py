"""How fast files come and go.

    python benchmarks/transfer.py            every section
    python benchmarks/transfer.py fetch      one of them

Each section prints its figures beside those of its peers, measured in the same run.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

from fetching import fetch_section
from fetching_faults import faults_section
from page_transfers import download_section, upload_section

SECTIONS: dict[str, Callable[[], None]] = {
    "fetch": fetch_section,
    "faults": faults_section,
    "download": download_section,
    "upload": upload_section,
}


def main() -> None:
    """Run the chosen sections."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"any of {' '.join(SECTIONS)}; else all")
    chosen = parser.parse_args().sections or list(SECTIONS)
    for name in chosen:
        if name not in SECTIONS:
            parser.error(f"no such section: {name}")
        SECTIONS[name]()


if __name__ == "__main__":
    main()
