"""What is dumped comes back as it was, whatever it is, without running anything."""

from __future__ import annotations

import collections
import datetime as dt
import decimal
import fractions
import pathlib
import tempfile
import types
import uuid
import zoneinfo
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from colabpanel.services.snapshots.service import dump, load

EXAMPLES = settings(max_examples=60, deadline=None)


@pytest.fixture(autouse=True)
def _unsigned(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Load as somebody else would: nothing that needs trust may be among what is tested here."""
    monkeypatch.setattr("colabpanel.services.snapshots.reader.is_signed_by_us", lambda *_: False)


def trip(value: Any) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.snapshot.zip"
        assert dump(path, {"value": value}).status == "ok"
        return load(path)["value"]


def same_array(one: Any, other: Any) -> None:
    assert type(one) is type(other)
    assert (one.dtype, one.shape) == (other.dtype, other.shape)
    if one.dtype.names:
        assert one.tobytes() == other.tobytes()
    else:
        np.testing.assert_array_equal(one, other)


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.complex_numbers(allow_nan=False)
    | st.text()
    | st.binary()
    | st.datetimes()
    | st.dates()
    | st.timedeltas()
    | st.decimals(allow_nan=False)
    | st.fractions()
    | st.uuids(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=4)
    ),
    max_leaves=12,
)
DTYPES = hnp.scalar_dtypes() | hnp.array_dtypes(max_size=3) | hnp.unicode_string_dtypes() | hnp.byte_string_dtypes()


@EXAMPLES
@given(PLAIN)
def test_plain_python(value: Any) -> None:
    assert trip(value) == value


@pytest.mark.parametrize(
    "value",
    [
        collections.OrderedDict(a=1),
        collections.Counter("abc"),
        collections.defaultdict(list, a=[1]),
        collections.deque([1, 2], maxlen=3),
        {1, 2},
        frozenset("ab"),
        bytearray(b"abc"),
        range(5),
        slice(1, 2),
        types.SimpleNamespace(a=1),
        pathlib.PurePosixPath("/a/b"),
        pathlib.PureWindowsPath("c:/a"),
        decimal.Decimal("NaN").copy_abs().is_nan(),
        fractions.Fraction(1, 3),
        uuid.UUID(int=5),
        zoneinfo.ZoneInfo("Europe/Berlin"),
        dt.timezone(dt.timedelta(hours=2)),
        dt.datetime(2020, 1, 1, tzinfo=dt.timezone.utc),
        "\udc80 surrogates",
        2**500,
        b"x" * 2_000_000,
    ],
)
def test_more_of_the_standard_library(value: Any) -> None:
    found = trip(value)
    assert found == value
    assert type(found) is type(value)


@EXAMPLES
@given(hnp.arrays(DTYPES, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)))
def test_arrays(array: Any) -> None:
    same_array(trip(array), array)


@pytest.mark.parametrize(
    "array",
    [
        np.asfortranarray(np.arange(12.0).reshape(3, 4)),
        np.arange(1_000_000)[::-3],
        np.arange(2_000_000).reshape(1000, 2000)[:, ::7],
        np.broadcast_to(np.arange(3), (4, 3)),
        np.array(["2020-01-01", "NaT"], "M8[us]"),
        np.array([1, 2], "m8[h]"),
        np.zeros(3, [("a", "i4"), ("b", "f8", (2, 2)), ("c", "U3")]),
        np.zeros(3, np.dtype({"names": ["a"], "formats": ["i4"], "offsets": [4], "itemsize": 12})),
        np.array(7),
        np.empty((0, 3)),
        np.array([1.5, 2], np.longdouble),
        np.array([1, None, "a", {"b": 2}], object),
        np.array([f"s{number}" for number in range(5000)], object),
        np.array([f"s{number % 7}" for number in range(5000)], object).reshape(50, 100),
        np.array([None if number % 3 else f"\0\x1b0{number}" for number in range(5000)], object),
        np.array(["a"] * 3, "T") if hasattr(np.dtypes, "StringDType") else np.array(["a"]),
        np.array([1, 2], ">i4"),
    ],
    ids=lambda array: f"{array.dtype}-{array.shape}",
)
def test_odd_arrays(array: Any) -> None:
    same_array(trip(array), array)


@pytest.mark.filterwarnings("ignore:the matrix subclass")
def test_relatives_of_arrays() -> None:
    masked = np.ma.masked_array([1.0, 2, 3], [False, True, False], fill_value=9)
    found = trip(masked)
    np.testing.assert_array_equal(found.mask, masked.mask)
    assert (type(found), found.fill_value, found[0]) == (np.ma.MaskedArray, 9, 1.0)
    assert trip(np.ma.masked_array([1, 2])).mask is np.ma.nomask
    assert type(trip(np.matrix([[1, 2]]))) is np.matrix
    record = np.rec.array([(1, 2.0)], dtype=[("a", int), ("b", float)])
    assert trip(record).b[0] == 2.0
    assert type(trip(record)) is np.recarray
    assert trip(np.float32(1.5)) == np.float32(1.5)
    assert trip(np.datetime64("2020-01-01")) == np.datetime64("2020-01-01")
    assert trip(np.dtype("f4")) == np.dtype("f4")


@pytest.mark.parametrize("name", ["MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64"])
def test_random_generators_go_on(name: str) -> None:
    generator = np.random.Generator(getattr(np.random, name)(3))
    generator.random(5)
    found = trip(generator)
    assert found.random() == generator.random()
    old = np.random.RandomState(5)
    old.standard_normal()
    assert trip(old).standard_normal() == old.standard_normal()
    if hasattr(generator, "spawn"):
        assert found.spawn(1)[0].random() == generator.spawn(1)[0].random()


def test_a_memory_map_becomes_an_array(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(5))
    same_array(trip(np.load(tmp_path / "a.npy", mmap_mode="r")), np.arange(5))


@pytest.mark.parametrize("dtype", ["u1", "f8", "M8[s]", "?"])
def test_lists_of_arrays_of_one_shape(dtype: str) -> None:
    images = [np.full((4, 5), number % 2).astype(dtype) for number in range(100)]
    for value in (images, {"in": images}, tuple(images), [*images, np.zeros(3)]):
        found = trip(value)
        for one, other in zip(
            found["in"] if isinstance(found, dict) else found,
            value["in"] if isinstance(value, dict) else value,
            strict=True,
        ):
            same_array(one, other)
    found = trip(images)
    found[0][:] = True
    assert not np.array_equal(found[0], found[2]) or dtype == "?"
    assert all(array.flags.writeable for array in found)


def test_large_arrays_in_pieces() -> None:
    array = np.random.default_rng(0).integers(0, 255, 9_000_001, np.uint8)
    same_array(trip(array), array)
    for wide in (array[:9_000_000].reshape(3000, 3000).T, array[:9_000_000].reshape(3, 3_000_000)[:, 1:]):
        same_array(trip(wide), wide)


@EXAMPLES
@given(st.lists(st.text() | st.none() | st.just(float("nan")), min_size=0, max_size=30), st.booleans())
def test_strings_of_any_kind(texts: list[Any], repeated: bool) -> None:
    texts = (texts * (2000 // max(len(texts), 1) + 1))[:2000] if repeated and texts else texts * 40
    array = np.empty(len(texts), object)
    array[:] = texts
    found = trip(array)
    assert [repr(one) for one in found.tolist()] == [repr(one) for one in texts]


def test_old_random_numbers_on_new_generators() -> None:
    random = np.random.RandomState(np.random.PCG64(1))
    found = trip(random)
    assert found.random_sample(5).tolist() == random.random_sample(5).tolist()
