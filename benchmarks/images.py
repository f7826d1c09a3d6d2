"""The first page of thumbnails of a folder of many JPEGs: cold, warm, and beside its peers.

Run it with ``make bench ONLY=images``. The photographs are made (noise in several scales, 500 x 375), a few hundred
of them, and linked until the folder is full; everything is removed afterwards.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import importlib
import importlib.util
import io
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from colabpanel.services.images.listing import choose_images, list_images
from colabpanel.services.images.service import PAGE, check_images, thumbnails

MADE, CLASSES = 300, 100
COLD, WARM = 3.0, 1.0
CHECKED = 2_000


def photograph(seed: int) -> bytes:
    """Return a JPEG with detail in every scale."""
    random = np.random.default_rng(seed)
    picture = np.zeros((375, 500, 3))
    for scale in (4, 16, 64, 200):
        small = random.random((max(375 // scale, 2), max(500 // scale, 2), 3)) * 255
        large = Image.fromarray(small.astype(np.uint8)).resize((500, 375), Image.Resampling.BICUBIC)
        picture += np.asarray(large) / 4
    stream = io.BytesIO()
    Image.fromarray(picture.astype(np.uint8)).save(stream, "JPEG", quality=90)
    return stream.getvalue()


def fill(folder: Path, count: int) -> int:
    """Fill a folder with so many JPEGs; returns the bytes of one on average."""
    originals = []
    for number in range(MADE):
        path = folder / f"original{number}"
        path.write_bytes(photograph(number))
        originals.append(path)
    size = sum(path.stat().st_size for path in originals) // MADE
    images = folder / "images"
    for number in range(CLASSES):
        (images / f"class{number:03}").mkdir(parents=True)
    for number in range(count):
        os.link(originals[number % MADE], images / f"class{number % CLASSES:03}" / f"{number:06}.jpg")
    return size


def ours(folder: Path) -> int:
    """List the folder and make its first page; returns the bytes that go to the browser, as all of these do."""
    found = list_images(folder)
    return sum(len(base64.b64encode(one.data)) for one in thumbnails(found, choose_images(found)[:PAGE]))


def plain_pillow(folder: Path) -> int:
    """Do what a cell does: walk the folder, sort, open each image of the page and encode a thumbnail."""
    names = sorted(os.path.join(top, name) for top, _, files in os.walk(folder) for name in files)
    page = []
    for name in names[:PAGE]:
        with Image.open(name) as image:
            image.thumbnail((180, 180))
            stream = io.BytesIO()
            image.convert("RGB").save(stream, "PNG")
        page.append(base64.b64encode(stream.getvalue()))
    return sum(map(len, page))


def with_ipyplot(folder: Path) -> int:
    """Make the first page with ipyplot; it puts the images themselves into its HTML, in full size."""
    ipyplot = importlib.import_module("ipyplot")
    names = sorted(os.path.join(top, name) for top, _, files in os.walk(folder) for name in files)
    shown: list[str] = []
    ipyplot._plotting._display_html = shown.append  # noqa: SLF001 - there is no notebook to display it in
    with contextlib.redirect_stdout(io.StringIO()):
        ipyplot.plot_images(names[:PAGE], max_images=PAGE, img_width=180, force_b64=True)
    return sum(map(len, shown))


def timed(work: Callable[[Path], int], folder: Path, times: int, before: Callable[[], None] = lambda: None) -> float:
    """Return the median seconds."""
    seconds = []
    for _ in range(times):
        before()
        started = time.perf_counter()
        work(folder)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def main() -> None:
    """Print one line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--in", dest="place", default="/dev/shm" if Path("/dev/shm").is_dir() else None)
    options = parser.parse_args()
    base = Path(tempfile.mkdtemp(prefix="colabpanel-images-", dir=options.place))
    state = base / "state"
    os.environ["COLABPANEL_STATE_DIR"] = str(state)
    try:
        size = fill(base, options.count)
        report(base / "images", state, options.count, size)
    finally:
        shutil.rmtree(base, ignore_errors=True)


def report(folder: Path, state: Path, count: int, size: int) -> None:
    """Measure and print."""
    print(f"{count:,} JPEGs of {size / 1024:.0f} KB on average; the page has {PAGE} thumbnails")
    listed = timed(lambda place: len(list_images(place).names), folder, 5)
    cold = timed(ours, folder, 5, before=lambda: shutil.rmtree(state, ignore_errors=True))
    ours(folder)
    warm = timed(ours, folder, 5)
    found = list_images(folder)
    turned = timed(lambda _: len(thumbnails(found, range(PAGE))), folder, 5)
    print(f"listing alone: {listed:.2f} s")
    print(f"first page, no thumbnail kept yet: {cold:.2f} s (target under {COLD:g})")
    print(f"first page, thumbnails kept: {warm:.2f} s (target under {WARM:g})")
    print(f"turning back to a page: {turned:.2f} s; a page sends {ours(folder) / 2**20:.2f} MB")
    plain = timed(plain_pillow, folder, 5)
    print(
        f"a plain loop with Pillow: {plain:.2f} s, {plain / warm:.1f} times ours warm, {plain / cold:.1f} times cold; "
        f"sends {plain_pillow(folder) / 2**20:.2f} MB"
    )
    if importlib.util.find_spec("ipyplot"):
        peer = timed(with_ipyplot, folder, 5)
        print(
            f"ipyplot: {peer:.2f} s, {peer / warm:.1f} times ours warm, {peer / cold:.1f} times cold; "
            f"sends {with_ipyplot(folder) / 2**20:.2f} MB"
        )
    else:
        print("ipyplot is not installed, so it is not measured")
    checked = check_images(found, range(CHECKED))
    print(f"decoding and comparing {CHECKED:,}: {checked.seconds:.1f} s, {CHECKED / checked.seconds:,.0f} a second")


if __name__ == "__main__":
    main()
