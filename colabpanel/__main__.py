"""``python -m colabpanel``."""

from __future__ import annotations

import sys

from colabpanel.cli import main

sys.exit(main())
