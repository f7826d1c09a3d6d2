"""What looking at memory costs, side by side with what people use.

    python benchmarks/memory.py variables --runs 3

`variables`: the table of 10,000 variables that hold 3,000,000 small objects, against pympler's asizeof of each of them
and sys.getsizeof, which sees nothing inside (``pip install pympler``). Every measurement is a process of its own,
which makes the variables first. Extra memory is how far the resident memory rose above what it was before the call.

`sample` and `idle`: one look at the gauges, and an idle kernel with a panel, against jupyter-resource-usage
(``pip install jupyter-resource-usage``).
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from gauges import idle, sample
from measure import Sample, run
from scenarios import target

MB = 1 << 20
OURS = "colabpanel"

# To each variable 43 rows of seven objects, beside the keys, which all of them share.
VARIABLES = """
import sys
space = {}
for number in range(10_000):
    space[f"rows{number}"] = [
        {"n": 1000 * number + row, "name": f"row {row}", "at": [row + 0.5, row + 0.25, f"tag {row}"]}
        for row in range(43)
    ]
"""
OURS_IMPORTS = """
from colabpanel.hosts._base import IPythonHost
from colabpanel.services.memory.variables import variables
class Shell:
    user_ns = space
"""
LOOKS = {
    OURS: (
        OURS_IMPORTS,
        "total = sum(row.size for row in variables(host=IPythonHost(Shell())))",
    ),
    "pympler asizeof": (
        "from pympler import asizeof",
        "total = sum(asizeof.asizeof(value) for value in space.values())",
    ),
    "sys.getsizeof": ("", "total = sum(sys.getsizeof(value) for value in space.values())"),
}
CODE = """
{made}
{imports}
sys.stdout.write("ready\\n"); sys.stdout.flush()
sys.stdin.readline()
{call}
print("done", flush=True)
open(sys.argv[1], "w").write(str(total))
sys.stdin.readline()
"""


def main() -> None:
    """Run the chosen sections."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"any of {' '.join(SECTIONS)}")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    for section in options.sections or SECTIONS:
        SECTIONS[section](options.runs)


def variables(runs: int) -> None:
    """Look at 10,000 variables with 3,000,000 objects, and print what each way took and found."""
    samples: dict[str, list[tuple[Sample, int]]] = {peer: [] for peer in LOOKS}
    for _round in range(runs):
        for peer, found in samples.items():
            found.append(_look(peer))
    print(
        f"\nvariables: 10,000 variables, 3,000,000 objects\n{'':18}{'s':>9}{'extra MB':>10}{'found MB':>10}{'ratio':>8}"
    )
    ours = _seconds(samples[OURS])
    for peer, found in samples.items():
        problem = next((sample.problem for sample, _total in found if sample.problem), "")
        if problem:
            print(f"{peer:18}{problem}")
            continue
        extra = statistics.median(sample.peak for sample, _total in found) / MB
        total = statistics.median(total for _sample, total in found) / MB
        print(f"{peer:18}{_seconds(found):9.3f}{extra:10.0f}{total:10.0f}{_seconds(found) / ours:7.1f}x")
    target("to list them", ours, at_most=1, unit=" s")


def _look(peer: str) -> tuple[Sample, int]:
    imports, call = LOOKS[peer]
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "total"
        code = CODE.format(made=VARIABLES, imports=imports, call=call)
        sample = run([sys.executable, "-c", code, str(answer)], interactive=True)
        return sample, int(answer.read_text()) if answer.exists() else 0


def _seconds(found: list[tuple[Sample, int]]) -> float:
    return statistics.median(sample.seconds for sample, _total in found)


SECTIONS: dict[str, Callable[[int], None]] = {"variables": variables, "sample": sample, "idle": idle}


if __name__ == "__main__":
    main()
