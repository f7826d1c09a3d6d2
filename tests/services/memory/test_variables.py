"""What holds memory in a notebook, and who refers to it."""

from __future__ import annotations

import functools
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colabpanel.errors import InputError
from colabpanel.hosts._base import IPythonHost
from colabpanel.services.memory.referrers import referrers
from colabpanel.services.memory.variables import Variable, variables
from colabpanel.services.snapshots import sizes
from colabpanel.services.snapshots.library_sizes import pieces_of
from colabpanel.services.snapshots.sizes import size_of
from tests.fakes import FakeHost
from tests.services.memory.conftest import pyplot

MB = 1 << 20


class Net:
    """An object with attributes."""

    weight: Any


def closure_of(kept: Any) -> Any:
    def kept_inside() -> Any:
        return kept

    return kept_inside


def generator_of(kept: Any) -> Any:
    yield kept
    yield kept


def rows(host: Any) -> dict[str, Variable]:
    return {row.name: row for row in variables(host=host)}


def words(host: Any, name: str) -> list[str]:
    return [one.words for one in referrers(name, host=host)]


def test_the_largest_comes_first_and_memory_is_counted_once(host: FakeHost) -> None:
    array = np.zeros(MB)
    host.variables.update(
        part=array[5:], whole=array[:], array=array, same=array, holder=[array, array], text="x" * 100, np=np, pairs=[]
    )
    host.variables["alike"] = host.variables["pairs"]
    found = rows(host)
    assert next(iter(found)) == "array"
    assert found["array"] == Variable(
        "array", "numpy.ndarray", "1,048,576 float64", 8 * MB, False, shares=("part", "whole", "same", "holder")
    )
    assert [found[name].size for name in ("part", "whole", "same")] == [0, 0, 0]
    assert found["holder"].size < 200
    assert set(found["holder"].shares) == {"array", "same"}
    assert found["text"].shares == ()
    assert found["pairs"].shares == ("alike",)
    assert found["pairs"].size + found["alike"].size == sys.getsizeof([])
    assert "np" not in found


def test_what_a_larger_variable_refers_to_is_counted_for_itself(host: FakeHost) -> None:
    inner = [n + 0.5 for n in range(1000)]
    host.variables.update(outer=[inner, b"x" * MB], inner=inner, space=host.variables, kept=[host.variables])
    found = rows(host)
    assert found["inner"].size > 1000 * 24
    assert MB <= found["outer"].size < MB + 300
    assert found["kept"].size < 100
    assert found["kept"].shares == ()
    assert "space" not in found


def test_small_things_that_python_shares_are_not_called_shared(host: FakeHost) -> None:
    host.variables.update(a=1, b=1, c=(), d=(), e="x", f="x", g=None, h=None, i=int, j=int)
    assert all(row.shares == () for row in variables(host=host))


def test_frames_and_their_columns_share_memory(host: FakeHost) -> None:
    pandas = pytest.importorskip("pandas")
    count = 100_000
    frame = pandas.DataFrame(
        {
            "number": np.arange(count),
            "text": pandas.Series([f"row {n}" for n in range(count)], dtype=object),
            "kind": pandas.Categorical.from_codes(np.arange(count, dtype=np.int8) % 3, ["a", "b", "c"]),
            "maybe": pandas.array([1, None] * (count // 2), dtype="Int64"),
            "string": pandas.Series(["some text"] * count, dtype="string[pyarrow]"),
        },
        index=pandas.Index(np.arange(count) * 2),
    )
    host.variables.update({name: frame[name] for name in frame}, frame=frame)
    found = rows(host)
    deep = frame.memory_usage(deep=True).sum()
    assert found["frame"].size == pytest.approx(deep, rel=0.15)
    assert found["frame"].at_least
    assert sum(found[name].size for name in frame) == 0
    assert set(found["frame"].shares) == set(frame)


def test_sizes_of_indexes() -> None:
    pandas = pytest.importorskip("pandas")
    texts = pandas.Index([f"row {n}" for n in range(10_000)], dtype=object)
    assert size_of(texts).held == pytest.approx(texts.memory_usage(deep=True), rel=0.1)
    several = pandas.MultiIndex.from_product([range(1000), ["a", "b"]])
    assert size_of(several).held >= 2000
    assert size_of(pandas.DataFrame()).held < 1000


def test_models_and_optimizers_are_counted_to_the_last_parameter(host: FakeHost) -> None:
    torch = pytest.importorskip("torch")
    deep = torch.nn.Sequential(*[torch.nn.Sequential(torch.nn.Linear(100, 100)) for _ in range(300)])
    size = sum(each.nbytes for each in deep.parameters())
    host.variables.update(model=deep, optimizer=torch.optim.Adam(deep.parameters()))
    found = rows(host)
    assert found["model"].size == pytest.approx(size, rel=0.01)
    assert not found["model"].at_least
    assert found["optimizer"].size < size / 100
    assert found["optimizer"].shares == ("model",)
    deep(torch.ones(1, 100)).sum().backward()
    host.variables["optimizer"].step()
    found = rows(host)
    assert found["model"].size == pytest.approx(2 * size, rel=0.01), "gradients count"
    assert found["optimizer"].size == pytest.approx(2 * size, rel=0.01)


def test_models_of_keras_are_counted_to_the_last_weight(host: FakeHost) -> None:
    pytest.importorskip("torch")
    keras = pytest.importorskip("keras")
    if keras.backend.backend() != "torch":
        pytest.skip("Keras runs on another library here")
    model = keras.Sequential([keras.layers.Input((1000,)), keras.layers.Dense(1000)])
    model.compile("adam")
    model.optimizer.build(model.trainable_variables)
    host.variables.update(model=model, optimizer=model.optimizer, weight=model.variables[0])
    found = rows(host)
    held = found["model"].size + found["model"].device_size  # where there is a GPU, Keras puts them there
    assert held == pytest.approx(12 * (1000 * 1000 + 1000), rel=0.01)
    assert found["optimizer"].size + found["weight"].size < 10_000
    assert set(found["model"].shares) == {"optimizer", "weight"}


def test_where_memory_lies(host: FakeHost, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    mapped = np.memmap(tmp_path / "a.bin", np.uint8, "w+", shape=(3 * MB,))
    numbers = torch.zeros(MB)
    host.variables.update(
        mapped=mapped, meta=torch.zeros(MB, device="meta"), numbers=numbers, array=numbers.numpy(), back=None
    )
    host.variables["back"] = torch.from_numpy(np.zeros(MB))
    found = rows(host)
    assert (found["mapped"].size, found["mapped"].device, found["mapped"].device_size) == (0, "file", 3 * MB)
    assert (found["meta"].size, found["meta"].device) == (0, "cpu")
    assert found["numbers"].size + found["array"].size == 4 * MB
    assert found["array"].shares == ("numbers",)
    assert found["back"].size == 8 * MB


@pytest.mark.parametrize("layout", ["sparse_coo", "sparse_csr", "sparse_csc"])
def test_sparse_tensors(layout: str) -> None:
    torch = pytest.importorskip("torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch calls some of them beta
        tensor = getattr(torch.eye(1000), f"to_{layout}")()
        size = size_of(tensor)
    assert 10_000 < size.held < 30_000
    assert not size.at_least


class FakeDevice:
    def __init__(self, platform: str, number: int) -> None:
        self.platform, self.id = platform, number


class FakeShard:
    def __init__(self, device: FakeDevice) -> None:
        self.device, self.data = device, np.zeros(10)


def _jax_array(*devices: FakeDevice, deleted: bool = False) -> Any:
    """Return what looks as arrays of JAX do, which is too large to install for this."""

    def refuse(_array: Any) -> Any:
        raise NotImplementedError

    fields = {"__module__": "jaxlib._jax", "devices": None, "is_deleted": lambda _: deleted, "flat": property(refuse)}
    kind = type("ArrayImpl", (), fields)
    array: Any = kind()
    array.addressable_shards = [FakeShard(device) for device in devices]
    return array


def test_arrays_of_jax_and_tensorflow_lie_on_their_devices() -> None:
    array = _jax_array(FakeDevice("tpu", 0), FakeDevice("gpu", 1), FakeDevice("cpu", 0))
    assert [piece.place for piece in pieces_of(array, type(array)) or ()] == ["tpu:0", "cuda:1", "cpu"]
    assert size_of(array).elsewhere == 160
    assert size_of(_jax_array(FakeDevice("tpu", 0), deleted=True)).held == 0
    shape = type("Shape", (), {"num_elements": lambda _: 10})()
    fields = {"__module__": "tensorflow.python", "shape": shape, "dtype": type("DType", (), {"size": 4})()}
    for device, place in (
        ("/job:localhost/replica:0/task:0/device:GPU:1", "cuda:1"),
        ("/job:localhost/replica:0/task:0/device:CPU:0", "cpu"),
        ("", "cpu"),
    ):
        tensor = type("EagerTensor", (), fields | {"device": device})()
        assert [(piece.place, piece.size) for piece in pieces_of(tensor, type(tensor)) or ()] == [(place, 40)]


def test_samples_of_what_is_the_same_are_not_multiplied() -> None:
    array = np.zeros(MB)
    assert size_of([array[n:] for n in range(1000)]).held < 8 * MB + 50_000
    assert size_of([None] * 100_000).held == sys.getsizeof([None] * 100_000)
    assert size_of([1000.5] * 100_000).held > 800_000
    keys = dict.fromkeys(range(100000))
    assert size_of(keys).held == pytest.approx(sys.getsizeof(keys) + 100_000 * 28, rel=0.1)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.text(max_size=40) | st.integers(min_value=1 << 40), max_size=5), max_size=60))
def test_small_values_are_counted_exactly(value: list[list[Any]]) -> None:
    def real(thing: Any, seen: set[int]) -> int:
        if id(thing) in seen and not isinstance(thing, int):
            return 0
        seen.add(id(thing))
        inside = sum(real(each, seen) for each in thing) if isinstance(thing, list) else 0
        return sys.getsizeof(thing) + inside

    assert size_of(value).held == real(value, set())


def test_looking_never_fails(host: FakeHost) -> None:
    class Hostile:
        def __getattribute__(self, name: str) -> Any:
            raise RuntimeError(name)

        def __len__(self) -> int:
            raise RuntimeError

    host.variables.update(odd=Hostile(), several=[Hostile()] * 5)
    host.variables["same"] = host.variables["odd"]
    assert rows(host)["odd"].at_least
    assert rows(host)["odd"].shares == ("same",)


def test_a_bounded_number_of_objects_is_looked_at(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    host.variables.update({f"v{n}": [[row + 0.5, row + 0.25] for row in range(300)] for n in range(1000)})
    looks = 0
    size = sizes._Sizer.size

    def counting(sizer: Any, value: Any, depth: int) -> Any:
        nonlocal looks
        looks += 1
        return size(sizer, value, depth)

    monkeypatch.setattr(sizes._Sizer, "size", counting)
    found = variables(host=host)
    assert looks < 500_000, "there are 900,000"
    assert found[-1].size == pytest.approx(300 * (72 + 48) + 2500, rel=0.1)


def test_the_dashboard_and_plain_python_have_no_variables(host: FakeHost) -> None:
    assert variables(host=IPythonHost()) == []
    assert variables(host=host) == []


def test_what_ipython_keeps_is_listed_where_it_matters(notebook: IPythonHost) -> None:
    def run(code: str) -> None:
        assert notebook.shell.run_cell(code, store_history=True).success

    run("import numpy as np\nsmall = [1]\n_mine = np.zeros(1 << 18)")
    run("small")
    assert {row.name for row in variables(host=notebook)} == {"small", "_mine"}
    run("big = np.zeros(1 << 20); big")
    run("np.ones(1 << 19)")
    found = rows(notebook)
    assert (found["Out"].kind, found["Out"].size // MB, found["Out"].shares) == ("history", 4, ("small", "big"))
    assert (found["big"].size, found["big"].shares) == (8 * MB, ("Out",))
    run("Out.clear()")
    found = rows(notebook)
    assert (found["_"].kind, found["_"].size) == ("history", 4 * MB)
    run("for _ in [np.zeros(1 << 21)]: pass")
    assert (rows(notebook)["_"].kind, rows(notebook)["_"].size) == ("variable", 16 * MB)


def test_a_long_input_is_listed(notebook: IPythonHost) -> None:
    notebook.shell.run_cell("text = '" + "x" * 2 * MB + "'", store_history=True)
    assert rows(notebook)["In"].size > 2 * MB


def test_open_figures_are_listed(host: FakeHost) -> None:
    plt = pyplot()
    figure, axes = plt.subplots()
    axes.plot(np.arange(500_000.0))
    row = rows(host)["pyplot figures"]
    assert (row.kind, row.type, row.shape, row.at_least) == ("figures", "matplotlib.figure.Figure", "1", True)
    assert row.size > 4 * MB
    plt.close(figure)
    assert rows(host) == {}


def test_who_refers_to_a_variable_in_words(host: FakeHost) -> None:
    array = host.variables.setdefault("array", np.zeros(10))
    net, outer = Net(), Net()
    net.weight, outer.weight = array, [array]
    host.variables.update(
        same=array,
        batches=[1, 2, 3, array],
        cache={"a": array},
        deep={"rows": [(array, 1)]},
        pairs={7: (array, "label")},
        part=array[2:],
        net=net,
        outer={"x" * 60: outer},
        odd={(1, 2): array},
        function=closure_of(array),
        cached=functools.lru_cache(lambda _n, kept=array: kept),
        paused=generator_of(array),
    )
    next(host.variables["paused"])
    del array, net, outer
    name = f"{Net.__module__}.Net"
    # Up to Python 3.10 a generator refers to its variables through a frame.
    found = [word.replace("; a frame of generator_of()", "") for word in words(host, "array")]
    assert not [word for word in found if word.startswith("running code")]
    assert any(word.startswith("variable `cached` (functools._lru_cache_wrapper") for word in found)
    assert set(found) - {word for word in found if "lru_cache" in word} == {
        "variable `same`",
        "variable `batches` (list, item 3)",
        "variable `cache` (dict, item 'a')",
        "variable `deep` (dict, item 'rows'; list, item 0; tuple, item 0)",
        "variable `pairs` (dict, item 7; tuple, item 0)",
        "variable `part` (numpy.ndarray)",
        f"variable `net` ({name}, attribute weight)",
        f"variable `outer` (dict, item '{'x' * 39}…; {name}, attribute weight; list, item 0)",
        "variable `odd` (dict)",
        "variable `function` (function kept_inside())",
        "variable `paused` (generator generator_of())",
    }


def test_nobody_else_refers_to_it(host: FakeHost) -> None:
    host.variables["array"] = np.zeros(10)
    assert words(host, "array") == []
    cycle: list[Any] = [1]
    cycle.append({"me": cycle})
    host.variables["cycle"] = cycle
    del cycle
    assert words(host, "cycle") == []
    host.variables["number"] = 5
    assert words(host, "number") == []
    with pytest.raises(InputError, match="no variable nothing"):
        referrers("nothing", host=host)


def test_libraries_are_counted(host: FakeHost) -> None:
    torch = pytest.importorskip("torch")
    host.variables["array"] = np.zeros(10)
    host.variables["tensor"] = torch.from_numpy(host.variables["array"])
    assert words(host, "array") == ["running code or a library (1 reference that Python does not show)"]


def test_running_code_is_named_or_counted(host: FakeHost) -> None:
    """Which of the two depends on the version of Python."""
    host.variables["thing"] = Net()

    def running(kept: Any, _within: list[Any]) -> list[str]:
        return words(host, "thing")

    def told(word: str) -> bool:
        return "running code or a library (" in word or word.startswith("running(), which is running")

    found = running(host.variables["thing"], [host.variables["thing"]])
    assert found
    assert all(told(word) for word in found)
    assert any("list, item 0" in word for word in found)


def test_a_generator_that_runs_is_told(host: FakeHost) -> None:
    host.variables["thing"] = Net()

    def generate() -> Any:
        kept = host.variables["thing"]
        yield words(host, "thing")
        del kept

    assert any("generate()" in word for word in next(generate()))


def test_globals_of_modules_are_named(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    host.variables["thing"] = Net()
    monkeypatch.setattr(sys.modules["colabpanel.words"], "kept", {"a": host.variables["thing"]}, raising=False)
    assert words(host, "thing")[0] == "`kept` of module colabpanel.words (dict, item 'a')"


def test_outputs_and_the_last_error_are_named(notebook: IPythonHost) -> None:
    shell = notebook.shell
    shell.run_cell("thing = {'a': [1]}\nthing", store_history=True)
    assert set(words(notebook, "thing")) == {"output Out[1]", "the last outputs that IPython keeps (_, __, ___)"}
    shell.run_cell("def fail(x):\n    1 / 0\n\nother = {'a': [2]}\nfail(other)", store_history=True)
    assert words(notebook, "other") == ["the last error's frame of fail()"]
    shell.run_cell("kept = None\ntry:\n    fail(other)\nexcept ZeroDivisionError as error:\n    kept = error")
    assert [word for word in words(notebook, "other") if "kept" in word] == [
        "variable `kept` (ZeroDivisionError; a frame of fail())"
    ]


def test_tuples_in_tuples_without_end_are_no_trouble(host: FakeHost) -> None:
    nested: Any = ()
    for _ in range(100_000):
        nested = (nested,)
    host.variables["nested"] = nested
    assert [row.name for row in variables(host=host)] == ["nested"]
    while nested:  # taken apart here, for Python does so by recursion
        (nested,) = nested
        host.variables["nested"] = nested
