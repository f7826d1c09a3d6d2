from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colabpanel import words


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (1023, "1,023 bytes"),
        (1024, "1.0 KB"),
        (1024**2 - 1, "1.0 MB"),
        (818 * 1024**2, "818 MB"),
        (1.5 * 1024**3, "1.5 GB"),
        (1000 * 1024**3, "1,000 GB"),
        (3 * 1024**6, "3,072 PB"),
    ],
)
def test_sizes_read_as_people_say_them(amount: float, text: str) -> None:
    assert words.size(amount) == text


def test_a_pair_shares_the_unit_of_the_whole() -> None:
    assert words.bytes_pair(1.2 * 1024**3, 1.9 * 1024**3) == "1.2 of 1.9 GB"
    assert words.bytes_pair(0, 12.7 * 1024**3, joint=" / ") == "0.0 / 12.7 GB"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0.0 s"),
        (0.44, "0.4 s"),
        (8.2, "8 s"),
        (59.6, "1 min"),
        (125, "2 min 5 s"),
        (4320, "1 h 12 min"),
        (90000, "1 d 1 h"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert words.duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(5, "just now"), (330, "5 min ago"), (7300, "2 h ago"), (100_000, "1 day ago"), (200_000, "2 days ago")],
)
def test_ages(seconds: float, text: str) -> None:
    assert words.age(seconds) == text


def test_counts() -> None:
    assert words.count(100000) == "100,000"
    assert words.plural(1, "file") == "1 file"
    assert words.plural(2000, "file") == "2,000 files"
    assert words.plural(2, "entry", "entries") == "2 entries"


@given(st.integers(0, 2**62))
def test_a_size_always_has_at_most_four_digits_before_its_unit(amount: int) -> None:
    figure, unit = words.size(amount).split(" ")
    assert unit in {"byte", "bytes", "KB", "MB", "GB", "TB", "PB"}
    assert len(figure.replace(",", "").split(".")[0]) <= 4


def test_moments() -> None:
    assert len(words.moment(1_700_000_000)) == 16
    assert words.moment(2.0**60) == words.moment(float("nan")) == "in no year"
